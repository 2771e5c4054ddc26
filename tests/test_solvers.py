"""Solvers: the same optimum, reached downhill, to the accuracy that was asked for."""

from dataclasses import replace

import numpy as np
import pytest
from closeness import assert_close, prediction_terms
from problems import CONVEX, EACH_LOSS, SOLVERS, contaminated, name, problem_of, rms

from sklearn_robust import RobustRegressor
from sklearn_robust.limits import changed_limits
from sklearn_robust.losses import resolve
from sklearn_robust.procedures import least_squares
from sklearn_robust.procedures.residual_scales import minimise_with_falling_scale
from sklearn_robust.procedures.s_estimate import s_estimate
from sklearn_robust.scale_rules import TruncatedScale
from sklearn_robust.solvers import SOLVERS as SOLVER_TABLE
from sklearn_robust.solvers.irls import irls
from sklearn_robust.solvers.result import Start, quiet

SCALES = ["mad", 2.0]


def _fit(X, y, keywords, **more):
    return RobustRegressor(**keywords, **more).fit(X, y)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_solvers_agree(keywords, scale, seed):
    X, y = contaminated(seed)
    one, two = (_fit(X, y, keywords, scale=scale, solver=s, tol=1e-10) for s in SOLVERS)
    unit = one.scale_ / rms(X)
    assert np.max(np.abs(one.coef_ - two.coef_) / unit) < 1e-7
    assert one.scale_ == pytest.approx(two.scale_, rel=1e-7)
    assert_close(one.weights_, two.weights_, tol=1e-7)


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_default_tolerance_is_kept(keywords, scale, solver):
    """The step still owed, not the last one taken, is within tol."""
    X, y = contaminated(5, n=400)
    loose = _fit(X, y, keywords, scale=scale, solver=solver, tol=1e-4)
    tight = _fit(X, y, keywords, scale=scale, solver=solver, tol=1e-11, max_iter=1000)
    allowed = 1e-4 * (tight.scale_ + np.abs(tight.coef_) * rms(X))
    assert np.all(np.abs(loose.coef_ - tight.coef_) * rms(X) <= allowed)
    assert abs(np.log(loose.scale_ / tight.scale_)) <= 1e-4


@pytest.mark.parametrize("keywords", CONVEX, ids=name)
@pytest.mark.parametrize("solver", SOLVERS)
def test_convex_fits_forget_their_start(keywords, solver):
    X, y = contaminated(2)
    far = [*(100.0 * np.ones(X.shape[1])), -1000.0]
    fits = [
        _fit(X, y, keywords, scale=1.0, solver=solver, tol=1e-9, max_iter=2000, init=init)
        for init in ("ols", far)
    ]
    assert_close(fits[0].coef_, fits[1].coef_, tol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_gradient_is_zero_and_the_objective_falls(solver, keywords, l2):
    X, y = contaminated(1)
    problem = problem_of(X, y, l2=l2)
    objective = problem.objective(resolve(**keywords), 1.3)
    start = least_squares(problem, max_iter=100)
    result = SOLVER_TABLE[solver](
        objective, start, tol=1e-10, max_iter=500, report=lambda value: None
    )
    assert result.converged
    value, gradient = objective.value_gradient(result.params)
    assert np.max(np.abs(gradient)) < 1e-8
    assert_close(value * 1.3**2, result.objective)
    history = np.array(result.history)
    assert np.all(np.diff(history) <= 1e-12 * history[0])
    assert result.n_iter == len(history)


@pytest.mark.parametrize("solver", SOLVERS)
def test_dependent_columns_get_the_least_norm(solver):
    X, y = contaminated(3)
    double = np.column_stack([X, X[:, 0], 2.0 * X[:, 1], np.ones(len(X))])
    one, two = (RobustRegressor(1.0, solver=solver, tol=1e-10).fit(Z, y) for Z in (X, double))
    assert_close(one.predict(X), two.predict(double), terms=prediction_terms(one, X), tol=1e-9)
    a, b = one.coef_[:2]
    assert_close(two.coef_[[0, 4, 1, 5, 6]], [a / 2, a / 2, b / 5, 2 * b / 5, 0], tol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_least_norm_of_indicator_columns_dense_or_sparse(solver):
    from scipy import sparse

    rng = np.random.default_rng(0)
    group = rng.integers(0, 4, size=200)
    X = np.eye(4)[group]
    y = np.array([1.0, 2.0, 4.0, 8.0])[group] + rng.standard_t(2, size=200)
    dense, csr = (
        RobustRegressor(0.0, solver=solver, tol=1e-10).fit(Z, y) for Z in (X, sparse.csr_array(X))
    )
    assert_close(dense.coef_, csr.coef_, tol=1e-9)
    assert_close(dense.coef_.sum(), 0.0, terms=np.abs(dense.coef_).sum(), tol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_nearly_dependent_columns_keep_their_digits(solver):
    rng = np.random.default_rng(0)
    x, other = rng.normal(size=(2, 100))
    X = np.column_stack([x, x + 1e-9 * other])
    y = X @ [1.0, 1.0] + 1e-12 * rng.normal(size=100)
    model = RobustRegressor(1.0, scale=1e-10, solver=solver, tol=1e-10).fit(X, y)
    # The two columns are 1e-9 apart, the noise is 1e-12, the scale 1e-10.
    assert_close(model.coef_, [1.0, 1.0], tol=1e-3)
    assert_close(model.predict(X), y, terms=1e-10, tol=0.1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_wider_than_a_gram_matrix(solver):
    X, y = contaminated(4)
    with changed_limits(widest=2):
        wide = RobustRegressor(1.0, scale=1.0, solver=solver, tol=1e-9).fit(X, y)
    usual = RobustRegressor(1.0, scale=1.0, solver=solver, tol=1e-9).fit(X, y)
    assert_close(wide.coef_, usual.coef_, tol=1e-8)


@pytest.mark.parametrize(("n", "p", "seed"), [(40, 4, 22), (40, 4, 23), (60, 8, 86), (30, 4, 149)])
def test_a_falling_scale_comes_to_rest_where_small_steps_lead(n, p, seed):
    """Log-normal noise: from some starts the scale falls by 0.8 of its last fall each time."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ np.arange(1.0, p + 1) + rng.normal(size=n) * np.exp(1.2 * rng.normal(size=n))
    options = {"tol": 1e-9, "max_iter": 5000}
    problem = problem_of(X, y)
    objective, least = problem.objective(resolve(), 1.0), least_squares(problem, max_iter=100)
    estimate = s_estimate(problem, least, irls, np.random.RandomState(0), **options)
    options["report"] = quiet
    scale = TruncatedScale(problem.design, 2.0, estimate.n_parameters, estimate.sigma)
    start, last = Start(estimate.params, estimate.root), scale.c_at(estimate.params)
    found = minimise_with_falling_scale(irls, objective.at(last), start, scale, **options)
    plain = irls(objective.at(last), start, **options)
    while (fallen := scale.at_most(last).c_at(plain.params)) < last * (1.0 - 1e-11):
        last = fallen
        plain = irls(objective.at(last), replace(start, params=plain.params), **options)
    assert found.converged
    assert found.scale == pytest.approx(last, rel=1e-7)
    assert_close(found.params, plain.params, tol=1e-6)


def test_a_falling_scale_is_found_in_the_iterations_allowed():
    """Plain falls need 154."""
    rng = np.random.default_rng(86)
    X = rng.normal(size=(60, 8))
    y = X @ np.arange(1.0, 9.0) + rng.normal(size=60) * np.exp(1.2 * rng.normal(size=60))
    assert RobustRegressor(random_state=0).fit(X, y).n_iter_ < 80
