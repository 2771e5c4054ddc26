"""A convex loss has one answer from any start; no search ends worse than it began."""

import numpy as np
import pytest
from problems import CONVEX, EACH_LOSS, SOLVERS, contaminated, name, problem_of, rms
from scipy import sparse
from scipy.optimize import linprog
from sklearn.datasets import make_regression

from sklearn_robust import RobustRegressor, RobustRegressorCV
from sklearn_robust.design import make_design, passes
from sklearn_robust.design.algebra import triangular
from sklearn_robust.design.residuals import residuals as residuals_of
from sklearn_robust.losses import resolve
from sklearn_robust.procedures import least_squares
from sklearn_robust.solvers import SOLVERS as SOLVER_TABLE
from sklearn_robust.solvers import Start


def two_rows_of_a_level():
    """Return a table in which only two rows have a level, and one of these is far off."""
    rng = np.random.default_rng(1)
    level = np.r_[np.zeros(50), 1.0, 1.0]
    X = np.c_[level, rng.normal(size=52)]
    y = 2.0 * X[:, 1] + 3.0 * level + rng.normal(size=52)
    y[-1] = -999.0
    return X, y


def bad_leverage():
    """Return a table with a fifth of the rows far off in X and y."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(100, 5))
    X[:20] = 10.0 + 0.1 * rng.normal(size=(20, 5))
    y = X[:, 0] + rng.normal(size=100)
    y[:20] = -100.0 + rng.normal(size=20)
    return X, y


def as_in_test_huber():
    """Return the data of scikit-learn's tests of HuberRegressor (linear_model/tests)."""
    rng = np.random.RandomState(0)
    X, y = make_regression(n_samples=50, n_features=20, random_state=0, noise=0.05)
    which = rng.randint(0, 50, 5)
    X[which, :] = 2.0 * rng.normal(0, 1, (5, 20))
    return X, y


def heavy_tails():
    """Return a table whose X and errors have no mean."""
    rng = np.random.default_rng(2)
    X = rng.standard_t(1, size=(150, 3))
    return X, X.sum(axis=1) + rng.standard_t(1, size=150)


TABLES = [two_rows_of_a_level, bad_leverage, as_in_test_huber, heavy_tails, contaminated]


def starts(X, c):
    """Return the named starts, and arrays up to a million c away."""
    rng = np.random.default_rng(3)
    return ["ols", "gnc", "s", *(far * c * rng.normal(size=X.shape[1] + 1) for far in (1e2, 1e6))]


def standardised(X, y, keywords, c, l2=0.0):
    """Return an objective, and its least squares."""
    problem = problem_of(X, y, l2=l2)
    return problem.objective(resolve(**keywords), c), least_squares(problem, max_iter=100)


# ---- one answer ----------------------------------------------------------------------


@pytest.mark.parametrize("keywords", CONVEX, ids=name)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_start_and_solver_find_the_same_optimum(table, keywords):
    X, y = table()
    c = 0.5
    fits = [
        RobustRegressor(**keywords, scale=c, init=init, solver=solver, random_state=0).fit(X, y)
        for init in starts(X, c)
        for solver in SOLVERS
    ]
    assert max(fit.n_iter_ for fit in fits) <= 100
    objective, _ = standardised(X, y, keywords, c)
    found = np.array([objective.design.from_original(fit.coef_, fit.intercept_) for fit in fits])
    values = [objective.value(params) for params in found]
    assert max(values) <= min(values) * (1.0 + 1e-9)
    unique = table is not two_rows_of_a_level or keywords.get("loss") is None
    if unique:  # huber and balanced_l1 are level between two rows that hold each other
        assert np.all(np.abs(found - found[0]) <= 4e-6 * (c + np.abs(found[0])))


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("init", ["ols", "gnc", "s"])
@pytest.mark.parametrize("scale", [2.0, "mad"])
def test_two_rows_that_hold_each_other_are_met_in_the_middle(scale, init, solver):
    """Only there are their influences opposite, however flat the objective is between them."""
    X, y = two_rows_of_a_level()
    fit = RobustRegressor(1.0, scale=scale, init=init, solver=solver, random_state=0).fit(X, y)
    first, second = (y - fit.predict(X))[-2:]
    assert first == pytest.approx(-second, rel=1e-3)
    assert fit.coef_[0] == pytest.approx(-497.1, abs=0.1)


def test_cross_validation_of_an_ordinary_table_does_not_warn():
    X, y = two_rows_of_a_level()
    RobustRegressorCV(cv=3, random_state=0).fit(X[::-1], y[::-1])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_one_answer_where_rows_are_not_packed(kind, weighted):
    """Case weights and dependent columns take other ways through the solver."""
    X, y = two_rows_of_a_level()
    weights = np.r_[np.full(51, 2.0), 2.0] if weighted else None
    X = np.c_[X, X[:, 1]]
    one, two = (
        RobustRegressor(1.0, scale=2.0, init=init, solver="irls").fit(kind(X), y, weights)
        for init in ("ols", np.array([0.0, 1.0, 1.0, 0.0]))
    )
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-4)
    assert two.n_iter_ <= 100


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("c", [0.01, 0.1, 1.35])
def test_huber_of_few_rows_in_few_steps(c, solver):
    X, y = as_in_test_huber()
    fit = RobustRegressor(loss="huber", scale=c, solver=solver).fit(X, y)
    assert fit.n_iter_ <= (40 if solver == "irls" else 100)


@pytest.mark.parametrize("loss", ["huber", "charbonnier", "balanced_l1"])
def test_a_joint_fixed_point_with_the_mad_is_reached(loss):
    X, y = as_in_test_huber()
    fit = RobustRegressor(loss=loss, scale="mad", tol=1e-6).fit(X, y)
    assert fit.n_iter_ <= 100
    mad = np.median(np.abs(y - fit.predict(X))) / 0.674489750196
    assert fit.sigma_ == pytest.approx(mad, rel=1e-4)
    held = RobustRegressor(loss=loss, scale=fit.scale_).fit(X, y)
    difference = np.abs(held.coef_ - fit.coef_) * rms(X)
    assert np.all(difference <= 1e-4 * (fit.scale_ + np.abs(fit.coef_) * rms(X)))


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_curvature_lies_between_that_of_the_loss_and_of_the_weights(keywords, layout):
    X, y = contaminated(0, n=60)
    loss, share, c = resolve(**keywords), 0.25, 1.3
    cases = np.random.default_rng(0).integers(0, 3, 60).astype(float)
    rows = make_design(layout(X), y, cases)
    params = np.append(np.ones(X.shape[1]), 0.5)
    Z = np.c_[(X - rows.columns.centre) / rows.columns.unit, np.ones(60)]
    residuals = residuals_of(rows, params)
    slopes, weights = loss.slopes(residuals, c), loss.rho_psi_weight(residuals, c)[2]
    slopes = np.maximum(slopes, 0.0)
    expected = (Z.T * (cases * (slopes + share * (weights - slopes)))) @ Z / cases.sum()
    gram = passes.curvature(rows, params, loss, c, share)[-1]
    np.testing.assert_allclose(gram, expected, rtol=1e-9, atol=1e-12)
    upper = triangular(rows, params, loss, c, share)
    np.testing.assert_allclose(upper.T @ upper, expected, rtol=1e-9, atol=1e-12)


# ---- never worse ---------------------------------------------------------------------


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_solver_ends_worse_than_it_began(solver, keywords):
    """At scales far below and above all residuals too, whether it converges or not."""
    nine = np.array([-4.0, -3, -2, -1, 0, 1, 2, 3, 12])[:, None]
    on_a_line = np.array([0.0, 0, 0, 0, 0, 0, -5, 5, 1])
    for X, y in ((nine, on_a_line), contaminated(0, n=30, p=4)):
        for c in (1e-150, 1e-30, 1e-12, 1e150):
            objective, squares = standardised(X, y, keywords, c)
            far = np.random.default_rng(0).normal(size=len(squares.params))
            for params in (squares.params, 0.0 * far, squares.params + 10.0 * far):
                for max_iter in (2, 30):
                    start = Start(params, squares.root)
                    result = SOLVER_TABLE[solver](
                        objective, start, tol=1e-6, max_iter=max_iter, report=lambda value: None
                    )
                    assert np.all(np.isfinite(result.params))
                    before = objective.value(params)
                    assert objective.value(result.params) <= before * (1.0 + 1e-10)
                    assert result.n_iter == len(result.history) <= max_iter


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("keywords", CONVEX, ids=name)
@pytest.mark.parametrize("table", TABLES[:3], ids=lambda table: table.__name__)
def test_the_objective_does_not_increase(table, keywords, solver):
    X, y = table()
    objective, squares = standardised(X, y, keywords, 0.1)
    start = Start(0.0 * squares.params, squares.root)
    told = []
    result = SOLVER_TABLE[solver](objective, start, tol=1e-6, max_iter=300, report=told.append)
    assert result.converged
    history = np.array(result.history)
    assert np.all(np.diff(history) <= 1e-8 * history[:-1])
    assert told == list(result.history)


@pytest.mark.filterwarnings("ignore:.*fitted exactly")
def test_at_the_floor_of_the_scale_both_solvers_end_at_the_best_they_saw():
    """There the loss is that of least absolute residuals, here by linear programming."""
    X = np.array([-4.0, -3, -2, -1, 0, 1, 2, 3, 12])[:, None]
    y = np.array([0.0, 0, 0, 0, 0, 0, -5.3, 5.1, 1])
    plane_and_residuals = np.c_[X, np.ones(9), np.eye(9), -np.eye(9)]
    least = linprog(
        np.repeat([0.0, 1.0], [2, 18]), A_eq=plane_and_residuals, b_eq=y,
        bounds=[(None, None)] * 2 + [(0.0, None)] * 18,
    ).fun  # fmt: skip
    assert least < 0.99 * np.sum(np.abs(y))  # at the S-estimate, where the search begins
    for solver in SOLVERS:
        with pytest.warns(UserWarning, match="not the one fitted"):
            fit = RobustRegressor(1.0, init="s", solver=solver, random_state=0).fit(X, y)
        assert np.sum(np.abs(y - fit.predict(X))) <= least * (1.0 + 1e-8)


# ---- warm starts ---------------------------------------------------------------------


WARM = [
    {}, {"solver": "lbfgs"}, {"alpha": 0.0}, {"alpha": 1.0}, {"loss": "tukey"}, {"scale": "s"},
    {"scale": "mad"},
]  # fmt: skip


@pytest.mark.parametrize("keywords", WARM, ids=str)
@pytest.mark.parametrize("shape", [(30, 3), (200, 4), (9000, 3)], ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_a_refit_to_the_same_rows_takes_few_steps(keywords, shape, seed):
    X, y = contaminated(seed, *shape)
    model = RobustRegressor(**keywords, warm_start=True, random_state=0).fit(X, y)
    coef, scale, sigma = model.coef_, model.scale_, model.sigma_
    model.fit(X, y)
    assert model.n_iter_ <= 5
    assert np.all(np.abs(model.coef_ - coef) * rms(X) <= 1e-5 * (scale + np.abs(coef) * rms(X)))
    assert model.scale_ == pytest.approx(scale, rel=1e-5)
    assert model.sigma_ == pytest.approx(sigma, rel=1e-5)


@pytest.mark.parametrize("keywords", WARM, ids=str)
@pytest.mark.parametrize("noise", [0.1, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_refit_to_other_rows_is_what_a_first_fit_is(keywords, noise, seed):
    X, y = contaminated(seed)
    model = RobustRegressor(**keywords, warm_start=True, random_state=0, tol=1e-8).fit(X, y)
    rng = np.random.default_rng(seed)
    y = y + noise * rng.normal(size=len(y))
    y[:5] += 30.0
    model.fit(X, y)
    cold = RobustRegressor(**keywords, random_state=0, tol=1e-8).fit(X, y)
    assert model.scale_ == pytest.approx(cold.scale_, rel=1e-5)
    np.testing.assert_allclose(model.coef_ * rms(X), cold.coef_ * rms(X), atol=1e-5)


def test_a_scale_that_holds_too_few_of_the_new_rows_is_not_kept():
    """Rows that the fit before had given up are now most of the table."""
    X, y = contaminated(0)
    model = RobustRegressor(warm_start=True, random_state=0).fit(X, y)
    X, y = np.vstack([X, X, X]), np.r_[y, y + 1e4, y + 2e4]
    model.fit(X, y)
    assert model.sigma_ > 100.0
