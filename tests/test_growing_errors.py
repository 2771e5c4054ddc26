"""Errors whose scale is learned as a function of columns of X."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import approx_fprime, minimize
from sklearn.base import clone
from sklearn.compose import make_column_selector

from sklearn_robust import AdaptiveRobustRegressor
from sklearn_robust.design import make_design
from sklearn_robust.distribution import general_robust
from sklearn_robust.penalties import ElasticNet
from sklearn_robust.problem import Likelihood, Problem
from sklearn_robust.procedures.growing import scale_design
from sklearn_robust.solvers.growing import GrowingLikelihood

SHARP = {"tol": 1e-9, "max_iter": 1000, "random_state": 0}


def _table(seed=0, n=300, kind="normal"):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 5.0, 100.0] + [0.0, 3.0, 2000.0]
    errors = rng.normal(size=n) if kind == "normal" else rng.standard_t(2, size=n)
    sizes = np.exp(0.7 * X[:, 0] - 0.06 * X[:, 1])
    return X, X @ [1.0, 2.0, 0.03] + 5.0 + sizes * errors


def _mean_nll(X, y, at, alpha, which):
    """Return the mean nll at coefficients, intercept, growth and its intercept."""
    p = X.shape[1]
    coef, intercept, growth, base = at[:p], at[p], at[p + 1 : -1], at[-1]
    scale = np.exp(base + X[:, which] @ growth)
    return -np.mean(general_robust.logpdf(y - X @ coef - intercept, alpha, scale=scale))


@pytest.mark.parametrize(("alpha", "kind"), [(2.0, "normal"), (0.0, "heavy"), (1.0, "heavy")])
@pytest.mark.parametrize("seed", range(3))
def test_is_the_optimum_of_a_general_optimiser(alpha, kind, seed):
    """At shape 2 it is the normal location-scale model, at 0 that of Cauchy errors."""
    X, y = _table(seed, kind=kind)
    model = AdaptiveRobustRegressor(
        alpha_bounds=(alpha, alpha), scale_features=[0, 1], init="ols", **SHARP
    ).fit(X, y)
    # The optimiser works in columns of unit deviation.
    centre, unit = X.mean(axis=0), X.std(axis=0)
    Z, which = (X - centre) / unit, [0, 1]
    start = np.concatenate([np.linalg.lstsq(np.c_[Z, np.ones(len(y))], y)[0], np.zeros(3)])
    found = minimize(
        lambda at: _mean_nll(Z, y, at, alpha, which), start, method="BFGS", options={"gtol": 1e-8}
    )
    coef = found.x[:3] / unit
    np.testing.assert_allclose(model.coef_, coef, 1e-5, 1e-5)
    np.testing.assert_allclose(model.intercept_, found.x[3] - centre @ coef, 1e-5)
    growth = found.x[4:-1] / unit[which]
    np.testing.assert_allclose(model.scale_coef_, growth, 1e-5, 1e-5)
    base = found.x[-1] - centre[which] @ growth
    np.testing.assert_allclose(model.scale_intercept_, base, 1e-5, 1e-5)
    np.testing.assert_allclose(model.nll_, found.fun, 1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 1.7])
def test_slopes_of_the_likelihood_are_its_differences(alpha):
    X, y = _table(kind="heavy")
    cases = np.random.default_rng(1).integers(0, 3, size=len(y)).astype(float)
    design = make_design(X, y, cases)
    penalty = ElasticNet(l2_regularization=0.3)
    plain = Likelihood(Problem(design, penalty), (0.0, 2.0), (0.01, 100.0), design.floor)
    growing = GrowingLikelihood(plain, scale_design(X[:, :2], cases), 0.7)
    params, slopes, log_c = np.array([1.0, 8.0, 2.0, 0.5]), np.array([0.4, -0.2]), 0.3

    def value(at):
        return growing.value_gradients(at[:4], at[4:6], at[6], at[7])[0]

    _, gradient, growth, others = growing.value_gradients(params, slopes, log_c, alpha)
    at = np.concatenate([params, slopes, [log_c, alpha + 1e-4]])
    _, gradient, growth, others = growing.value_gradients(at[:4], at[4:6], at[6], at[7])
    expected = approx_fprime(at, value, 1e-7)
    found = np.concatenate([gradient / np.exp(log_c), growth, others])
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kind", ["normal", "heavy"])
@pytest.mark.parametrize("scale_l2", [0.0, 0.5])
def test_gradient_is_zero(kind, scale_l2):
    X, y = _table(3, kind=kind)
    model = AdaptiveRobustRegressor(
        scale_features="all",
        scale_l2_regularization=scale_l2,
        l2_regularization=0.1,
        random_state=0,
    ).fit(X, y)
    kept = model.weights_ > 0.0
    X, y = X[kept], y[kept]
    design = make_design(X, y)
    plain = Likelihood(
        Problem(design, ElasticNet(l2_regularization=0.1)), (0.0, 2.0), (design.floor, np.inf),
        design.floor,
    )  # fmt: skip
    unit = X.std(axis=0)
    growing = GrowingLikelihood(plain, scale_design(X), scale_l2)
    params = design.from_original(model.coef_, model.intercept_)
    slopes, log_c = model.scale_coef_ * unit, np.log(model.scale_)
    _, gradient, growth, (of_scale, of_shape) = growing.value_gradients(
        params, slopes, log_c, model.alpha_
    )
    assert np.max(np.abs(gradient)) < 1e-6
    assert np.max(np.abs(growth)) < 1e-6
    assert abs(of_scale) < 1e-6
    bound = of_shape if model.alpha_ == 0.0 else -of_shape if model.alpha_ == 2.0 else 0.0
    assert abs(of_shape) < 1e-6 or bound > 0.0


@pytest.mark.parametrize("init", ["s", "ols", "gnc"])
def test_every_start_leads_to_the_same_optimum(init):
    X, y = _table(4, kind="heavy")
    model = AdaptiveRobustRegressor(scale_features=[0, 1], **SHARP)
    best = clone(model).fit(X, y)
    other = clone(model).set_params(init=init).fit(X, y)
    np.testing.assert_allclose(other.coef_, best.coef_, 1e-6)
    np.testing.assert_allclose(other.scale_coef_, best.scale_coef_, 1e-6)
    np.testing.assert_allclose(other.nll_, best.nll_, 1e-9)


@pytest.mark.parametrize("bad", [False, True])
def test_without_growth_is_the_fit_with_one_scale(bad):
    X, y = _table(5, kind="heavy")
    if bad:
        X[:30] += [10.0, 50.0, 1000.0]
        y[:30] = -50.0
    plain = AdaptiveRobustRegressor(**SHARP | {"tol": 1e-12}).fit(X, y)
    for given in (
        {"scale_l2_regularization": 1e14, "scale_features": "all"},
        {"scale_features": []},
    ):
        model = clone(plain).set_params(**given).fit(X, y)
        for name in ("coef_", "intercept_", "scale_", "alpha_", "nll_", "weights_", "n_cases_"):
            np.testing.assert_allclose(getattr(model, name), getattr(plain, name), 1e-9, 1e-9)
        assert np.all(np.abs(model.scale_coef_) < 1e-9)
        np.testing.assert_allclose(model.predict_interval(X[:4]), plain.predict_interval(X[:4]))


def test_known_growth_is_a_known_size():
    """The coefficients are those of the fit that is given the sizes that were learned."""
    X, y = _table(6, kind="heavy")
    model = AdaptiveRobustRegressor(scale_features=[0], init="ols", **SHARP).fit(X, y)
    sizes = np.exp(X[:, 0] * model.scale_coef_[0])
    known = AdaptiveRobustRegressor(init="ols", **SHARP).fit(X, y, error_scale=sizes)
    np.testing.assert_allclose(model.coef_, known.coef_, 1e-6)
    np.testing.assert_allclose(model.alpha_, known.alpha_, 1e-5)
    np.testing.assert_allclose(model.nll_, known.nll_, 1e-9)
    np.testing.assert_allclose(model.predict_scale(X), known.scale_ * sizes, 1e-6)


def test_units_do_not_matter():
    X, y = _table(7, kind="heavy")
    model = AdaptiveRobustRegressor(scale_features="all", **SHARP)
    one, other = clone(model).fit(X, y), clone(model).fit(X * 1e60 + 1e59, 1e-50 * y)
    np.testing.assert_allclose(other.coef_, one.coef_ * 1e-110, 1e-6)
    np.testing.assert_allclose(other.scale_coef_, one.scale_coef_ * 1e-60, 1e-6, 1e-68)
    np.testing.assert_allclose(other.predict_scale(X * 1e60 + 1e59), 1e-50 * one.predict_scale(X))


def test_weight_two_is_the_row_twice_and_sparse_is_dense():
    X, y = _table(8, kind="heavy")
    weights = np.random.default_rng(0).integers(0, 3, size=len(y))
    twice = np.repeat(np.arange(len(y)), weights)
    model = AdaptiveRobustRegressor(scale_features=[0, 1], **SHARP)
    one = clone(model).fit(X, y, sample_weight=weights)
    for other in (
        clone(model).fit(X[twice], y[twice]),
        clone(model).fit(sparse.csr_matrix(X), y, sample_weight=weights),
    ):
        np.testing.assert_allclose(other.coef_, one.coef_, 1e-6)
        np.testing.assert_allclose(other.scale_coef_, one.scale_coef_, 1e-6)
        np.testing.assert_allclose(other.nll_, one.nll_, 1e-9)


def test_targets_grow_apart():
    X, y = _table(9)
    z = X[:, 0] + np.exp(0.05 * X[:, 1]) * np.random.default_rng(1).normal(size=len(y))
    model = AdaptiveRobustRegressor(scale_features=[0, 1], **SHARP)
    both = clone(model).fit(X, np.column_stack([y, z]))
    assert both.scale_coef_.shape == (2, 2)
    assert both.predict_scale(X).shape == both.predict_interval(X)[..., 0].shape == (300, 2)
    for k, target in enumerate((y, z)):
        one = clone(model).fit(X, target)
        np.testing.assert_allclose(both.scale_coef_[k], one.scale_coef_, 1e-7)
        np.testing.assert_allclose(both.predict_interval(X)[:, k], one.predict_interval(X), 1e-7)
        np.testing.assert_allclose(both.nll(X, np.column_stack([y, z]))[:, k], one.nll(X, target))


def test_nll_is_the_mean_of_the_rows_that_count():
    X, y = _table(10, kind="heavy")
    y[:20], X[:20, 0] = 500.0, 8.0
    model = AdaptiveRobustRegressor(scale_features=[0], random_state=0).fit(X, y)
    counted = model.weights_ > 0.0
    assert np.all(~counted[:20])
    np.testing.assert_allclose(model.nll(X, y)[counted].mean(), model.nll_, 1e-12)
    scale = np.exp(model.scale_intercept_ + X[:, 0] * model.scale_coef_[0])
    np.testing.assert_allclose(model.predict_scale(X), scale)
    logs = np.log(scale[counted])
    np.testing.assert_allclose(np.log(model.scale_), logs.mean(), 1e-6)


def test_columns_by_name_number_and_function():
    pd = pytest.importorskip("pandas")
    X, y = _table(11)
    frame = pd.DataFrame(X, columns=["price", "age", "area"])
    expected = AdaptiveRobustRegressor(scale_features=[1], random_state=0).fit(X, y).scale_coef_
    selector = make_column_selector(pattern="^age$")
    for given in (["age"], [1], selector, np.array([1]), lambda X: ["age"]):
        model = AdaptiveRobustRegressor(scale_features=given, random_state=0).fit(frame, y)
        assert model.scale_features_.tolist() == [1]
        np.testing.assert_allclose(model.scale_coef_, expected)
    with pytest.raises(ValueError, match="scale_features must be None"):
        AdaptiveRobustRegressor(scale_features=["ages"]).fit(frame, y)


@pytest.mark.parametrize("given", [3, [3], [-1], [0, 0], "x", ["a"], [True, False, True], [0.5]])
def test_refuses_what_is_no_column(given):
    with pytest.raises(ValueError, match="scale_features must be None"):
        AdaptiveRobustRegressor(scale_features=given).fit(*_table())


def test_refuses_what_does_not_go_together():
    X, y = _table()
    with pytest.raises(ValueError, match="l1_regularization must be 0 with scale_features"):
        AdaptiveRobustRegressor(scale_features="all", l1_regularization=0.1).fit(X, y)
    with pytest.raises(ValueError, match="scale_l2_regularization must be a number"):
        AdaptiveRobustRegressor(scale_l2_regularization=-1.0).fit(X, y)


def test_refit_without_growth_forgets_it():
    X, y = _table()
    model = AdaptiveRobustRegressor(scale_features=[0], random_state=0).fit(X, y)
    model.set_params(scale_features=None).fit(X, y)
    assert not hasattr(model, "scale_coef_")
    np.testing.assert_allclose(model.predict_scale(X), model.scale_)


def _fit_with_at_most_one_warning(X, y, **given):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = AdaptiveRobustRegressor(random_state=0, **given).fit(X, y)
    assert len(caught) <= 1, [str(w.message) for w in caught]
    for name in (
        "coef_",
        "intercept_",
        "scale_",
        "scale_coef_",
        "scale_intercept_",
        "alpha_",
        "nll_",
    ):
        assert np.all(np.isfinite(getattr(model, name))), name
    assert np.all(np.isfinite(model.predict_scale(X)))
    return model, caught


def test_constant_and_dependent_columns():
    X, y = _table(12, kind="heavy")
    plain, _ = _fit_with_at_most_one_warning(X, y, scale_features=[0])
    constant, _ = _fit_with_at_most_one_warning(
        np.column_stack([X, np.full(len(X), 7.0)]), y, scale_features=[0, 3]
    )
    assert constant.scale_coef_[1] == 0.0
    np.testing.assert_allclose(constant.scale_coef_[0], plain.scale_coef_[0], 1e-5)
    twice, _ = _fit_with_at_most_one_warning(
        np.column_stack([X, 2.0 * X[:, 0]]), y, scale_features=[0, 3]
    )
    np.testing.assert_allclose(twice.scale_coef_ @ [1.0, 2.0], plain.scale_coef_[0], 1e-5)
    # the least coefficients with these scales, as for the coefficients of y
    np.testing.assert_allclose(twice.scale_coef_[1], 2.0 * twice.scale_coef_[0], 1e-5)


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_rows_that_are_fitted_exactly_in_part_of_the_range(share):
    rng = np.random.default_rng(13)
    flag = (np.arange(200) < share * 200).astype(float)
    X = np.column_stack([rng.normal(size=200), flag])
    y = X @ [1.0, 2.0] + (1.0 - flag) * rng.normal(size=200)
    model, caught = _fit_with_at_most_one_warning(X, y, scale_features=[1])
    assert len(caught) == 1
    np.testing.assert_allclose(model.coef_[0], 1.0, atol=1e-6)
    scale = model.predict_scale([[0.0, 0.0]])[0]
    assert 0.3 < scale < 1.5


def test_most_rows_fitted_exactly_and_extreme_values():
    rng = np.random.default_rng(14)
    X = rng.normal(size=(100, 2))
    y = X @ [1.0, 2.0]
    y[:20] += rng.normal(size=20)
    model, caught = _fit_with_at_most_one_warning(X, y, scale_features="all")
    assert len(caught) == 1
    np.testing.assert_allclose(model.coef_, [1.0, 2.0], atol=1e-9)
    y = X @ [1.0, 2.0] + rng.normal(size=100)
    X[0, 0] = 1e12
    _fit_with_at_most_one_warning(X, y, scale_features="all")
    _fit_with_at_most_one_warning(X[:6], y[:6], scale_features="all")
