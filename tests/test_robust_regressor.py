"""RobustRegressor against outside oracles, and what its fits keep when the data change."""

import numpy as np
import pytest
import statsmodels.api as sm
from closeness import ROUNDING, assert_close, assert_same_fit, prediction_terms
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import EACH_LOSS, LOSSES, SOLVERS, contaminated, name
from scipy import sparse
from scipy.optimize import least_squares
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_robust import RobustRegressor
from sklearn_robust.losses import psi, tuning_constant

FEW = [{"alpha": 1.0}, {"alpha": 0.0}, {"alpha": -np.inf}, {"loss": "huber"}, {"loss": "tukey"}]


# ---- outside oracles -----------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.7])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_alpha_2_is_ridge_and_least_squares(solver, fit_intercept, weighted, l2, layout):
    X, y = contaminated()
    weights = np.random.default_rng(0).integers(0, 4, len(y)) if weighted else np.ones(len(y))
    model = RobustRegressor(
        2.0, l2_regularization=l2, fit_intercept=fit_intercept, solver=solver
    ).fit(layout(X), y, sample_weight=weights)
    peer = LinearRegression(fit_intercept=fit_intercept)
    if l2:
        peer = Ridge(alpha=l2 * weights.sum(), fit_intercept=fit_intercept)
    peer.fit(X, y, sample_weight=weights)
    assert_close(model.coef_, peer.coef_)
    assert_close(model.intercept_, peer.intercept_, terms=np.max(np.abs(y)))


def test_alpha_2_on_dependent_columns_is_least_squares_too():
    X, y = contaminated()
    X = np.column_stack([X, X[:, :2] * [3.0, 0.1], X.sum(axis=1)])
    model, peer = RobustRegressor(2.0).fit(X, y), LinearRegression().fit(X, y)
    assert_close(model.coef_, peer.coef_)
    wide = RobustRegressor(2.0, scale=1.0).fit(X[:4], y[:4])
    assert_close(wide.coef_, LinearRegression().fit(X[:4], y[:4]).coef_)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", range(3))
def test_huber_is_that_of_statsmodels(solver, seed):
    X, y = contaminated(seed)
    k = tuning_constant(loss="huber", efficiency=0.95)
    oracle = sm.RLM(y, sm.add_constant(X), M=sm.robust.norms.HuberT(t=k))
    oracle = oracle.fit(tol=1e-12, maxiter=500)
    model = RobustRegressor(loss="huber", scale="mad", solver=solver, tol=1e-9).fit(X, y)
    assert_close(np.append(model.intercept_, model.coef_), oracle.params, tol=1e-7)
    assert_close(model.sigma_, oracle.scale, tol=1e-7)
    assert_close(model.weights_, oracle.weights, tol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_huber_at_fixed_scale_is_that_of_statsmodels(solver):
    X, y = contaminated(4)
    oracle = sm.RLM(y, sm.add_constant(X), M=sm.robust.norms.HuberT(t=1.5))
    oracle = oracle.fit(update_scale=False, tol=1e-12, maxiter=500)
    model = RobustRegressor(loss="huber", scale=1.5 * oracle.scale, solver=solver, tol=1e-9)
    model.fit(X, y)
    assert_close(np.append(model.intercept_, model.coef_), oracle.params, tol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("scipy_loss", "alpha", "c"), [("soft_l1", 1.0, 1.3), ("cauchy", 0.0, 1.3 / np.sqrt(2.0))]
)
def test_fixed_scale_is_that_of_scipy(solver, scipy_loss, alpha, c):
    X, y = contaminated(6)
    full = np.column_stack([X, np.ones(len(y))])
    oracle = least_squares(
        lambda b: full @ b - y, np.linalg.lstsq(full, y)[0], lambda b: full.copy(),
        loss=scipy_loss, f_scale=1.3, xtol=1e-12, ftol=1e-15, gtol=1e-12,
    )  # fmt: skip
    model = RobustRegressor(alpha, scale=c, solver=solver).fit(X, y)
    assert_close(np.append(model.coef_, model.intercept_), oracle.x, tol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_estimating_equations_hold(solver, keywords):
    X, y = contaminated(7)
    model = RobustRegressor(**keywords, scale=1.2, solver=solver, tol=1e-10, max_iter=500)
    influence = psi(y - model.fit(X, y).predict(X), scale=1.2, **keywords)
    full = np.column_stack([X, np.ones(len(y))])
    assert_close(full.T @ influence, 0.0, terms=np.abs(full).T @ np.abs(influence), tol=1e-9)


# ---- equivariance and weights --------------------------------------------------------


@settings(max_examples=20)
@given(
    keywords=st.sampled_from(LOSSES),
    solver=st.sampled_from(SOLVERS),
    unit=st.sampled_from([1e-150, 1e-8, 3.0, 1e8, 1e150]),
    shift=st.floats(-10.0, 10.0),
)
def test_equivariance(keywords, solver, unit, shift):
    X, y = contaminated(8, n=60)
    model = RobustRegressor(**keywords, solver=solver, tol=1e-9, max_iter=1000).fit(X, y)
    slope = np.linspace(-1.0, 1.0, X.shape[1])
    moved = RobustRegressor(**keywords, solver=solver, tol=1e-9, max_iter=1000)
    moved.fit(X, unit * (y + X @ slope + shift))
    assert_close(moved.coef_ / unit, model.coef_ + slope, tol=1e-7)
    assert_close(moved.intercept_ / unit, model.intercept_ + shift, terms=10.0, tol=1e-7)
    assert_close(moved.scale_ / unit, model.scale_, tol=1e-7)
    units = np.array([1e-150, 1e-3, 1.0, 1e150])
    scaled = RobustRegressor(**keywords, solver=solver, tol=1e-9, max_iter=1000)
    scaled.fit(X * units, y)
    assert_close(scaled.coef_ * units, model.coef_, tol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_order_of_rows_and_columns_does_not_matter(solver, keywords):
    X, y = contaminated(9)
    rows, columns = np.random.default_rng(0).permutation(len(y)), [2, 0, 3, 1]
    model = RobustRegressor(**keywords, solver=solver, tol=1e-9).fit(X, y)
    other = RobustRegressor(**keywords, solver=solver, tol=1e-9).fit(X[rows][:, columns], y[rows])
    assert_close(other.coef_, model.coef_[columns], tol=1e-7)
    assert_close(other.weights_, model.weights_[rows], tol=1e-7)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_weights_are_repetitions(solver, keywords, layout):
    X, y = contaminated(10)
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    y[np.flatnonzero(counts == 0)[0]] = 1e9  # an absent row may hold anything
    options = {"solver": solver, "tol": 1e-9, "l2_regularization": 0.01, **keywords}
    weighted = RobustRegressor(**options).fit(layout(X), y, sample_weight=counts)
    repeated = RobustRegressor(**options).fit(layout(np.repeat(X, counts, 0)), np.repeat(y, counts))
    assert_same_fit(weighted, repeated, X, tol=1e-7)
    assert_close(np.repeat(weighted.weights_, counts), repeated.weights_, tol=1e-7)
    # The M-scale counts its parameters in rows; the MAD knows only shares of the weight.
    mad = RobustRegressor(**options, init="ols", scale="mad")
    shares = clone(mad).fit(layout(X), y, sample_weight=0.1 * counts)
    assert_same_fit(shares, mad.fit(layout(X), y, sample_weight=counts), X, tol=1e-7)


# ---- kinds of data -------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize(
    "kind",
    [
        sparse.csr_array,
        *(pytest.param(of, marks=pytest.mark.slow) for of in (sparse.csc_array, sparse.coo_matrix)),
    ],
)
def test_sparse_equals_dense(solver, keywords, kind):
    X, y = contaminated(11, sparse=True)
    options = {"solver": solver, "tol": 1e-9, **keywords}
    dense, other = (RobustRegressor(**options).fit(Z, y) for Z in (X, kind(X)))
    assert_same_fit(dense, other, X, tol=1e-7)
    terms = prediction_terms(dense, X) + dense.scale_
    assert_close(other.predict(kind(X)), dense.predict(X), terms=terms, tol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_input(solver):
    X, y = contaminated(12)
    X = X.astype(np.float32)
    single = RobustRegressor(0.0, solver=solver, tol=1e-9).fit(X, y)
    double = RobustRegressor(0.0, solver=solver, tol=1e-9).fit(X.astype(np.float64), y)
    assert_same_fit(single, double, X, tol=1e-8)
    assert single.coef_.dtype == np.float64


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", FEW, ids=name)
def test_every_target_is_fitted_by_itself(solver, keywords):
    X, first = contaminated(13)
    second = 100.0 * X[:, 0] + 50.0 * np.random.default_rng(0).standard_t(2, size=len(X))
    both = RobustRegressor(**keywords, solver=solver, random_state=0)
    both.fit(X, np.column_stack([first, second]))
    assert both.coef_.shape == (2, X.shape[1])
    assert both.weights_.shape == (len(X), 2)
    assert both.alpha_.shape == both.sigma_.shape == both.n_iter_.shape == (2,)
    for k, y in enumerate((first, second)):
        alone = RobustRegressor(**keywords, solver=solver, random_state=0).fit(X, y)
        np.testing.assert_array_equal(both.coef_[k], alone.coef_)
        assert_close(both.predict(X)[:, k], alone.predict(X), terms=prediction_terms(alone, X))
        assert both.scale_[k] == alone.scale_
    column = RobustRegressor(**keywords, solver=solver).fit(X, first[:, None])
    assert column.predict(X).shape == (len(X), 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_data_far_from_zero(solver, keywords):
    """Millisecond timestamps: the slope is per millisecond, the intercept at 1970."""
    rng = np.random.default_rng(0)
    time = 1.6e12 + 1000.0 * np.arange(300.0)
    line = 2.5e-3 * (time - 1.6e12) + 7.0
    noise = rng.normal(size=300)
    noisy = RobustRegressor(**keywords, solver=solver).fit(time[:, None], line + noise)
    centred = RobustRegressor(**keywords, solver=solver).fit(time[:, None] - 1.6e12, line + noise)
    assert noisy.coef_[0] == pytest.approx(centred.coef_[0], rel=1e-6)
    at = noisy.intercept_ + noisy.coef_[0] * 1.6e12
    assert_close(at, centred.intercept_, terms=2.5e-3 * 1.6e12, tol=10.0 * ROUNDING)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_exact_line_far_from_zero(solver, keywords, layout):
    time = 1.6e12 + 1000.0 * np.arange(300.0)
    with pytest.warns(UserWarning, match="fitted exactly"):
        model = RobustRegressor(**keywords, solver=solver).fit(
            layout(time[:, None]), 3.0 * time - 4.8e12
        )
    assert model.coef_[0] == pytest.approx(3.0, rel=1e-12)
    assert model.intercept_ == pytest.approx(-4.8e12, rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_constant_target(solver, keywords):
    with pytest.warns(UserWarning, match="fitted exactly") as caught:
        model = RobustRegressor(**keywords, solver=solver).fit([[1.0], [2.0], [4.0]], [5.0] * 3)
    assert len(caught) == 1
    assert_close([model.coef_[0], model.intercept_], [0.0, 5.0], tol=10.0 * ROUNDING)
    assert_close(model.weights_, 1.0)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, sparse.csr_array])
def test_absent_rows_may_hold_anything(solver, layout):
    X, y = contaminated(19)
    X[5], y[5] = 1e160, -1e100
    weights = np.ones(len(y))
    weights[5] = 0.0
    model = RobustRegressor(0.0, solver=solver, tol=1e-9).fit(layout(X), y, weights)
    without = RobustRegressor(0.0, solver=solver, tol=1e-9).fit(
        layout(np.delete(X, 5, 0)), np.delete(y, 5)
    )
    assert_close(model.coef_, without.coef_, tol=1e-8)


def test_absent_rows_do_not_hinder_centring_sparse_columns():
    rng = np.random.default_rng(0)
    time = np.append(0.0, 1.6e12 + 1e3 * np.arange(79.0))[:, None]
    y = 2e-3 * (time.ravel() - 1.6e12) + rng.normal(size=80)
    weights = np.append(0.0, np.ones(79))
    dense, csr = (RobustRegressor(1.0).fit(Z, y, weights) for Z in (time, sparse.csr_array(time)))
    assert csr.coef_[0] == pytest.approx(dense.coef_[0], rel=1e-9)
    assert_close(csr.weights_, dense.weights_, tol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [2.0, 1.0, -np.inf])
@pytest.mark.parametrize("degree", [3, 4, 5])
def test_powers_of_the_year_converge(solver, alpha, degree):
    years = np.arange(1950.0, 1974.0)
    X = np.column_stack([years**k for k in range(1, degree + 1)])
    y = np.sin(years / 5.0)
    model = RobustRegressor(alpha, solver=solver).fit(X, y)
    if alpha == 2.0 and degree < 5:
        centred = np.polynomial.Polynomial.fit(years, y, degree)(years)
        terms = prediction_terms(model, X)  # up to 1e10
        assert_close(model.predict(X), centred, terms=terms, tol=10.0 * ROUNDING)


@pytest.mark.parametrize("solver", SOLVERS)
def test_target_far_from_zero(solver):
    X, y = contaminated(20)
    y = np.round(1024.0 * y) / 1024.0  # so that the shift is exact
    near, far = (
        RobustRegressor(1.0, scale=1.3, tol=1e-10, solver=solver).fit(X, y + shift)
        for shift in (0.0, 2.0**40)
    )
    assert_close(far.coef_, near.coef_, tol=1e-9)


@pytest.mark.parametrize(
    ("unit_of_X", "unit_of_y", "pattern"),
    [
        (1e160, 1.0, "X must hold columns .* size in"),
        (1e-200, 1.0, "X must hold columns .* size in"),
        (1.0, 1e160, "y must hold numbers below"),
    ],
)
def test_units_whose_squares_do_not_fit(unit_of_X, unit_of_y, pattern):
    X, y = contaminated()
    with pytest.raises(ValueError, match=pattern):
        RobustRegressor().fit(unit_of_X * X, unit_of_y * y)


def test_a_scale_at_which_no_row_counts_is_told():
    X, y = contaminated()
    with pytest.warns(UserWarning, match="No row has any weight") as caught:
        model = RobustRegressor(scale=1e-10).fit(X, y)
    assert len(caught) == 1
    assert np.all(np.isfinite(model.coef_))


@pytest.mark.parametrize("solver", SOLVERS)
def test_threads_of_linear_algebra_change_no_bit(solver):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 150))
    y = X[:, 0] + rng.standard_t(2, size=800)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            used = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert set(used) == {threads}
            fits.append(RobustRegressor(1.0, scale=1.0, solver=solver).fit(X, y).coef_)
    np.testing.assert_array_equal(*fits)
