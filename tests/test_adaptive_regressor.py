"""AdaptiveRobustRegressor: the likelihood's optimum, from every start, at every bound."""

import numpy as np
import pytest
import statsmodels.api as sm
from closeness import assert_close, assert_same_fit
from problems import contaminated, problem_of
from scipy import sparse
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from statsmodels.miscmodels.tmodel import TLinearModel

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, solvers
from sklearn_robust.datasets import (
    load_hbk,
    load_phones,
    load_salinity,
    load_stackloss,
    load_starscyg,
)
from sklearn_robust.distribution import general_robust
from sklearn_robust.problem import Likelihood
from sklearn_robust.procedures import least_squares
from sklearn_robust.procedures.likelihood import MaximumLikelihood
from sklearn_robust.procedures.likelihood_starts import at_params
from sklearn_robust.procedures.plan import likelihood_solvers_for, minimise_nll_by
from sklearn_robust.solvers import LIKELIHOOD_SOLVERS

NLL = 2.0
"""The size of what a mean nll adds up: the mean loss, log Z and, of data near 1, log c."""
SQUARED = 1e-11
"""A little more than the square of the default tol: so far a nll may be above its minimum."""
NOT_MINIMISED = 1e-8
"""Of the nll without the adjustment, which is only known to the tol of scale and shape."""
SHAPES = [0.0, 0.5, 1.0, 1.5, 2.0]
SOLVERS = ["auto", *LIKELIHOOD_SOLVERS]


def _drawn(alpha, n=10_000, seed=7, p=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    noise = general_robust.rvs(alpha, scale=0.7, size=n, random_state=rng)
    return X, X @ np.arange(1.0, p + 1.0) + 3.0 + noise


def _likelihood(X, y, **more):
    options = {"alpha_bounds": (0.0, 2.0), "scale_bounds": (1e-12, np.inf), **more}
    problem = problem_of(X, y, l2=options.pop("l2", 0.0))
    return Likelihood(problem, **options), least_squares(problem, max_iter=100)


def _unadjusted(X, y, init, *, alpha_bounds, given=None):
    """Return the fit of the likelihood without the adjustment for p, as other software has it."""
    likelihood, _ = _likelihood(X, y, alpha_bounds=alpha_bounds)
    if given is not None:
        given = likelihood.design.from_original(*given), None, None
    result = MaximumLikelihood(
        likelihood, init, "auto", np.random.RandomState(0), 500, 1e-9, given
    ).fit(lambda value: None)
    return result, *likelihood.design.to_original(result.params)


# ---- the optimum ---------------------------------------------------------------------


@pytest.mark.parametrize("alpha", SHAPES)
@pytest.mark.parametrize("first", [0.1, 1.0, 1.9])
def test_learns_what_was_drawn_from_every_start(alpha, first):
    """Over samples of 10 000 the optimum's shape varies: by 0.046 (one sd) at alpha = 1."""
    likelihood, start = _likelihood(*_drawn(alpha))
    begin = at_params(likelihood, start, alpha=first)
    result = LIKELIHOOD_SOLVERS["lbfgs"](
        likelihood, begin, tol=1e-6, max_iter=200, report=lambda value: None
    )
    assert result.converged
    assert result.alpha == pytest.approx(alpha, abs=0.05)
    assert result.scale == pytest.approx(0.7, rel=0.03)
    assert result.objective <= likelihood.value_at(begin)


def test_every_target_learns_its_own():
    X, _ = _drawn(1.0)
    rng = np.random.default_rng(3)
    noise = [general_robust.rvs(a, scale=s, size=len(X), random_state=rng)
             for a, s in ((0.0, 1.0), (0.5, 10.0))]  # fmt: skip
    Y = np.column_stack([X[:, 0], -X[:, 1]]) + np.column_stack(noise)
    both = AdaptiveRobustRegressor(random_state=0).fit(X, Y)
    np.testing.assert_allclose(both.alpha_, [0.0, 0.5], atol=0.05)
    np.testing.assert_allclose(both.scale_, [1.0, 10.0], rtol=0.03)
    assert both.coef_.shape == (2, 3)
    assert both.nll_.shape == both.n_iter_.shape == (2,)
    assert both.nll(X, Y).shape == Y.shape
    assert both.predict_interval(X).shape == (len(X), 2, 2)
    assert_close(both.nll(X, Y).mean(axis=0), both.nll_, terms=NLL, tol=SQUARED)


@pytest.mark.parametrize("l2", [0.0, 0.2])
@pytest.mark.parametrize("n_parameters", [0.0, 30.0])
@pytest.mark.parametrize("params", range(4))
def test_gradient_matches_differences(l2, n_parameters, params):
    likelihood, start = _likelihood(*contaminated(n=80), l2=l2, n_parameters=n_parameters)
    rng = np.random.default_rng(params)
    point = start.params + rng.normal(size=len(start.params))
    log_scale, alpha = rng.normal(), rng.uniform(0.1, 1.9)
    _, gradient, slopes = likelihood.value_gradients(point, np.exp(log_scale), alpha)
    full = np.concatenate([gradient / np.exp(log_scale), slopes])
    for j, step in enumerate(1e-6 * np.eye(len(full))):
        values = [
            likelihood.value(
                point + sign * step[:-2], np.exp(log_scale + sign * step[-2]),
                alpha + sign * step[-1],
            )
            for sign in (1.0, -1.0)
        ]  # fmt: skip
        # Of the difference quotient: the rounding of the values, over the step, is 1e-10 of them.
        terms = abs(values[0]) + np.max(np.abs(full))
        assert_close(full[j], (values[0] - values[1]) / 2e-6, terms=terms, tol=1e-8)


@pytest.mark.parametrize("alpha", SHAPES)
@pytest.mark.parametrize("bounds", [(0.0, 2.0), (0.3, 1.2)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_gradient_is_zero_or_pushes_against_a_bound(alpha, bounds, solver):
    likelihood, start = _likelihood(*_drawn(alpha, n=500), alpha_bounds=bounds)
    result = minimise_nll_by(
        likelihood_solvers_for(solver, likelihood.problem), likelihood,
        at_params(likelihood, start), tol=1e-8, max_iter=500, report=lambda value: None,
    )  # fmt: skip
    _, gradient, slopes = likelihood.value_gradients(result.params, result.scale, result.alpha)
    assert np.max(np.abs(gradient)) < 1e-6
    assert abs(slopes[0]) < 1e-6
    if result.alpha == bounds[0]:
        assert slopes[1] > 0.0
    elif result.alpha == bounds[1]:
        assert slopes[1] < 1e-6
    else:
        assert abs(slopes[1]) < 1e-6


@pytest.mark.parametrize("alpha", SHAPES)
@pytest.mark.parametrize("seed", range(2))
def test_solvers_agree(alpha, seed):
    X, y = _drawn(alpha, n=400, seed=seed)
    one, *others = (
        AdaptiveRobustRegressor(solver=solver, init="ols", tol=1e-8, max_iter=1000).fit(X, y)
        for solver in SOLVERS
    )
    for other in others:
        assert_same_fit(one, other, X, tol=1e-6)
        assert_close(one.nll_, other.nll_, terms=NLL, tol=NOT_MINIMISED)
        assert_close(one.alpha_, other.alpha_, terms=1.0, tol=1e-6)


# ---- outside oracles and known answers -----------------------------------------------


def _line_with_flipped_points():
    """Return the paper's line: slope 0.7, intercept 0.15, one point in ten flipped."""
    rng = np.random.RandomState(1)
    x = rng.uniform(size=50)
    y = 0.7 * x + 0.15 + 0.025 * rng.normal(size=50)
    flipped = rng.uniform(size=50) > 0.9
    return x[:, None], np.where(flipped, np.where(y > 0.5, 0.05, 0.85), y)


@pytest.mark.parametrize("init", ["ols", "s"])
def test_line_of_the_paper(init):
    X, y = _line_with_flipped_points()
    result, coef, intercept = _unadjusted(X, y, init, alpha_bounds=(0.001, 1.999))
    assert result.objective <= -1.5171  # 2000 steps of Adam reach -1.5147
    assert coef[0] == pytest.approx(0.7152, abs=5e-5)
    assert intercept == pytest.approx(0.1486, abs=5e-5)
    adjusted = AdaptiveRobustRegressor(alpha_bounds=(0.001, 1.999), random_state=0).fit(X, y)
    assert adjusted.coef_[0] == pytest.approx(coef[0], abs=5e-3)


def test_the_likelihood_of_all_stars_has_two_minima():
    X, y = load_starscyg(return_X_y=True)
    least, *_ = _unadjusted(X, y, "ols", alpha_bounds=(0.0, 0.0))
    assert least.objective == pytest.approx(1.078, abs=5e-4)
    found, *_ = _unadjusted(X, y, None, alpha_bounds=(0.0, 0.0), given=([3.37], -9.9))
    assert found.objective == pytest.approx(1.0535, abs=5e-5)


@pytest.mark.parametrize("seed", range(5))
def test_giant_stars_are_left_out(seed):
    X, y = load_starscyg(return_X_y=True)
    model = AdaptiveRobustRegressor(random_state=seed).fit(X, y)
    assert {11, 20, 30, 34} <= set(1 + np.flatnonzero(model.weights_ == 0.0))
    assert 2.0 < model.coef_[0] < 4.0


@pytest.mark.parametrize("load", [load_phones, load_stackloss, load_hbk, load_salinity])
@pytest.mark.parametrize("alpha_bounds", [(0.0, 2.0), (0.0, 0.0)])
def test_several_starts_are_never_worse_than_one(load, alpha_bounds):
    X, y = load(return_X_y=True)
    one, several = (
        AdaptiveRobustRegressor(alpha_bounds=alpha_bounds, init=init, random_state=0).fit(X, y)
        for init in ("ols", "auto")
    )
    assert several.nll_ <= one.nll_ + 1e-9


class _CauchyModel(TLinearModel):
    fix_df = 1.0


@pytest.mark.parametrize("seed", range(2))
def test_alpha_0_is_the_cauchy_model_of_statsmodels(seed):
    X, y = _drawn(0.0, n=300, seed=seed)
    result, coef, intercept = _unadjusted(X, y, "s", alpha_bounds=(0.0, 0.0))
    begin = np.r_[intercept, coef, result.scale * np.sqrt(2.0)]
    oracle = _CauchyModel(y, sm.add_constant(X))
    assert_close(result.objective, oracle.nloglikeobs(begin).mean(), terms=NLL)
    model = AdaptiveRobustRegressor(alpha_bounds=(0.0, 0.0), random_state=0).fit(X, y)
    assert_close(model.nll_, model.nll(X, y).mean(), terms=NLL)
    fitted = oracle.fit(start_params=1.01 * begin, method="bfgs", gtol=1e-7, disp=0)
    assert_close(fitted.params, begin, tol=1e-6)  # BFGS ends at gradients of 1e-7


@pytest.mark.parametrize(("n", "free"), [(60, 55), (200, 200)])
def test_alpha_2_is_least_squares(n, free):
    X, y = contaminated(n=n)
    model = AdaptiveRobustRegressor(alpha_bounds=(2.0, 2.0), tol=1e-9).fit(X, y)
    oracle = sm.OLS(y, sm.add_constant(X)).fit()
    assert_close(model.coef_, oracle.params[1:])
    scale = np.sqrt(oracle.ssr / free)
    assert model.scale_ == pytest.approx(scale, rel=1e-9)
    density = -norm.logpdf(oracle.resid, scale=scale)
    assert_close(model.nll_, density.mean(), terms=NLL)


# ---- data and options ----------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_are_repetitions_and_sparse_is_dense(solver):
    X, y = contaminated(3, sparse=True)
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    options = {"solver": solver, "init": "ols", "tol": 1e-9, "max_iter": 1000,
               "l2_regularization": 0.01}  # fmt: skip
    weighted = AdaptiveRobustRegressor(**options).fit(X, y, sample_weight=counts)
    repeated = AdaptiveRobustRegressor(**options).fit(np.repeat(X, counts, 0), np.repeat(y, counts))
    csr = AdaptiveRobustRegressor(**options).fit(sparse.csr_array(X), y, sample_weight=counts)
    for other in (repeated, csr):
        assert_same_fit(other, weighted, X, tol=1e-7)
        assert_close(other.alpha_, weighted.alpha_, terms=1.0, tol=1e-7)
        # The minimum is that of the nll with the penalty: without, it is only known to tol.
        assert_close(other.nll_, weighted.nll_, terms=NLL, tol=1e-9)


@pytest.mark.parametrize("unit", [1e-100, 1e-6, 1e6, 1e100])
def test_equivariance(unit):
    X, y = contaminated(4)
    slope = np.linspace(-1.0, 1.0, X.shape[1])
    model = AdaptiveRobustRegressor(init="ols", tol=1e-9).fit(X, y)
    moved = AdaptiveRobustRegressor(init="ols", tol=1e-9).fit(X, unit * (y + X @ slope + 2.0))
    assert_close(moved.coef_ / unit, model.coef_ + slope, tol=1e-7)
    assert_close(moved.scale_ / unit, model.scale_, tol=1e-7)
    assert_close(moved.alpha_, model.alpha_, terms=1.0, tol=1e-7)
    assert_close(moved.nll_ - np.log(unit), model.nll_, terms=NLL + abs(np.log(unit)))


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (0.5, 10.0), (0.01, 0.2), (1.3, 1.3), (2.0, 9.0)])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_solvers_agree_where_a_bound_holds_the_scale(bounds, share):
    X, y = contaminated(share=share)
    fits = [
        AdaptiveRobustRegressor(scale_bounds=bounds, solver=solver, init="ols", tol=1e-8).fit(X, y)
        for solver in SOLVERS
    ]
    for fit in fits:
        assert_close(fit.nll_, fits[1].nll_, terms=NLL, tol=NOT_MINIMISED)
        assert_close(fit.alpha_, fits[1].alpha_, terms=1.0, tol=1e-6)
        assert_close(fit.scale_, fits[1].scale_, tol=1e-6)


def test_bounds_fix_scale_or_shape():
    X, y = contaminated(5)
    fixed = AdaptiveRobustRegressor(scale_bounds=(1.5, 1.5), random_state=0).fit(X, y)
    assert fixed.scale_ == pytest.approx(1.5, rel=1e-14)
    shape = AdaptiveRobustRegressor(alpha_bounds=(0.7, 0.7), random_state=0).fit(X, y)
    assert shape.alpha_ == pytest.approx(0.7, rel=1e-14)
    free = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert free.nll_ <= min(fixed.nll_, shape.nll_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_begins_at_the_last_answer(solver):
    X, y = contaminated(6)
    model = AdaptiveRobustRegressor(warm_start=True, solver=solver, init="ols").fit(X, y)
    cold, nll = model.n_iter_, model.nll_
    assert model.fit(X, y).n_iter_ < cold
    assert_close(model.nll_, nll, terms=NLL, tol=1e-9)


def test_warm_start_leaves_out_the_same_rows():
    X, y = load_starscyg(return_X_y=True)
    model = AdaptiveRobustRegressor(warm_start=True, random_state=0).fit(X, y)
    before, left_out = model.coef_, model.weights_ == 0.0
    assert left_out.any()
    assert_close(model.fit(X, y).coef_, before, tol=1e-5)
    np.testing.assert_array_equal(model.weights_ == 0.0, left_out)


def test_nll_of_rows():
    X, y = contaminated(7)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    expected = -general_robust.logpdf(y - model.predict(X), model.alpha_, scale=model.scale_)
    assert_close(model.nll(X, y), expected)
    assert_close(model.nll(X, y).mean(), model.nll_, terms=NLL, tol=SQUARED)


@pytest.mark.parametrize("noise", ["normal", "student", "cauchy", "outliers"])
def test_intervals_cover_fresh_rows(noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 3))
    error = {
        "normal": lambda: rng.normal(size=10_000),
        "student": lambda: rng.standard_t(3, size=10_000),
        "cauchy": lambda: rng.standard_cauchy(size=10_000),
        "outliers": lambda: np.where(
            rng.random(10_000) < 0.1, 10.0 * rng.normal(size=10_000), rng.normal(size=10_000)
        ),
    }[noise]()
    y = X @ [1.0, 2.0, 3.0] + error
    model = AdaptiveRobustRegressor(random_state=0).fit(X[:5000], y[:5000])
    low, high = model.predict_interval(X[5000:], coverage=0.9).T
    assert 0.88 <= np.mean((y[5000:] >= low) & (y[5000:] <= high)) <= 0.92


@pytest.mark.parametrize("l2", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("init", ["s", "gnc", "ols"])
def test_free_parameters_are_the_trace_of_the_hat_matrix(init, l2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) * np.arange(1.0, 6.0)
    model = AdaptiveRobustRegressor(init=init, l2_regularization=l2, random_state=0)
    model.fit(X, X @ np.ones(5) + rng.normal(size=60))
    assert model.n_cases_ == 60
    values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
    assert model.n_parameters_ == pytest.approx(1.0 + np.sum(values / (values + 60.0 * l2)))


def test_more_than_half_on_a_plane():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X @ [1.0, 2.0, 3.0] + 4.0
    y[:40] += 10.0 + 5.0 * rng.normal(size=40)
    with pytest.warns(UserWarning, match="fitted exactly") as caught:
        model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert len(caught) == 1
    assert_close(model.coef_, [1.0, 2.0, 3.0])
    assert np.all(model.weights_[40:] > 0.99)
    assert np.all(model.weights_[:40] < 1e-6)


@pytest.mark.parametrize("y", [np.full(9, 5.0), np.zeros(9), np.arange(9.0)], ids=str)
def test_exact_fits(y):
    X = np.column_stack([np.arange(9.0), np.arange(9.0) ** 2])
    with pytest.warns(UserWarning, match="fitted exactly"):
        model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert_close(model.predict(X), y, terms=9.0)
    assert np.isfinite(model.nll_)
    assert model.scale_ > 0.0


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("alpha_bounds", (0.0, 2.1), r"two numbers in \[0, 2\]"),
        ("alpha_bounds", (-0.1, 1.0), r"two numbers in \[0, 2\]"),
        ("alpha_bounds", (1.5, 1.0), "the first not above the second"),
        ("alpha_bounds", 1.0, "two numbers"),
        ("alpha_bounds", (1.0, 1.0, 1.0), "two numbers"),
        ("alpha_bounds", ("a", "b"), "two numbers"),
        ("scale_bounds", (0.0, 1.0), r"two numbers in \[1e-150, 1e\+150\]"),
        ("scale_bounds", (1.0, np.inf), "two numbers"),
        ("scale_bounds", "free", "two numbers"),
        ("init", "random", "one of .*'ols'"),
        ("solver", "adam", "one of .*'lbfgs'"),
        ("tol", -1.0, r"a number in \[0, inf\)"),
        ("max_iter", 0, "an integer of at least 1"),
    ],
)
def test_wrong_parameters_are_refused(parameter, value, accepted):
    X, y = contaminated()
    with pytest.raises(ValueError, match=accepted) as raised:
        AdaptiveRobustRegressor(**{parameter: value}).fit(X, y)
    assert str(raised.value).startswith(parameter)
    assert f"got {value!r}" in str(raised.value)


def test_a_solver_of_given_shapes_alone_is_refused(monkeypatch):
    X, y = contaminated()
    monkeypatch.setitem(solvers.SOLVERS, "mine", solvers.SOLVERS["lbfgs"])
    mine, lbfgs = (RobustRegressor(1.0, solver=solver).fit(X, y) for solver in ("mine", "lbfgs"))
    np.testing.assert_array_equal(mine.coef_, lbfgs.coef_)
    with pytest.raises(ValueError, match="solver must be one of"):
        AdaptiveRobustRegressor(solver="mine").fit(X, y)


@pytest.mark.parametrize("init", ["ols", "gnc", "s"])
def test_a_solver_of_the_likelihood_alone_is_taken(init, monkeypatch):
    X, y = contaminated()
    usual = AdaptiveRobustRegressor(init=init, tol=1e-8, random_state=0).fit(X, y)
    monkeypatch.setitem(LIKELIHOOD_SOLVERS, "mine", LIKELIHOOD_SOLVERS["lbfgs"])
    mine = AdaptiveRobustRegressor(init=init, solver="mine", tol=1e-8, random_state=0).fit(X, y)
    assert_close(mine.coef_, usual.coef_, tol=1e-5)
    with pytest.raises(ValueError, match="solver must be one of"):
        RobustRegressor(1.0, solver="mine").fit(X, y)


@pytest.mark.parametrize("coverage", [0.0, 1.0, "much"])
def test_wrong_coverage(coverage):
    X, y = contaminated()
    model = AdaptiveRobustRegressor(init="ols").fit(X, y)
    with pytest.raises(ValueError, match=r"coverage must be a number in \(0, 1\)"):
        model.predict_interval(X, coverage=coverage)


@pytest.mark.parametrize("solver", SOLVERS)
def test_too_few_iterations_warn_once(solver):
    X, y = contaminated()
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        AdaptiveRobustRegressor(solver=solver, init="ols", max_iter=2).fit(X, y)
    assert len(caught) == 1
