"""Covariances of every kind: their oracles, what they do not depend on, what they refuse."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from closeness import assert_close
from problems import MODELS, contaminated
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.inspection import coef_table, covariance
from sklearn_robust.losses import psi, psi_prime
from sklearn_robust.losses import weight as robust_weight

FORMULAS = ["sandwich", "classical", "hc0", "hc1", "hc2", "hc3", "cluster"]
LABELS = np.random.default_rng(2).integers(0, 15, size=(200, 2))
"""Groups of the rows of ``contaminated()``, in two ways."""
SHARP = {"tol": 1e-10, "max_iter": 500, "random_state": 0}


def options(kind, n):
    return {"kind": kind, "groups": np.arange(n) % 12} if kind == "cluster" else {"kind": kind}


def mm_estimate(X, y, **keywords):
    return RobustRegressor(scale="s", init="s", **SHARP, **keywords).fit(X, y)


def close(actual, expected, tol):
    """Compare covariances, an entry in units of the standard errors it belongs to."""
    errors = np.sqrt(np.abs(np.einsum("...ii->...i", expected)))
    assert_close(actual, expected, terms=errors[..., :, None] * errors[..., None, :], tol=tol)


# ---- oracles -------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["", "weighted"])
def least_squares(request):
    """Return X, y, case weights, the fit here and statsmodels' of the rows written out.

    The errors grow with X, and rows of the same ``LABELS`` share slopes. With the seed of these the
    two-way matrix has no negative eigenvalue.
    """
    X, y = contaminated()
    y = y * np.exp(0.3 * X[:, 0])
    slopes = 10.0 * np.random.default_rng(5).normal(size=(2, 15, 5))
    for way, labels in enumerate(LABELS.T):
        y = y + np.sum(slopes[way, labels] * np.column_stack([X, np.ones(len(y))]), axis=1)
    weights = np.random.default_rng(1).integers(0, 3, size=len(y)) if request.param else None
    written = np.repeat(np.arange(len(y)), 1 if weights is None else weights)
    theirs = sm.OLS(y[written], np.column_stack([X, np.ones(len(y))])[written])
    return X, y, weights, RobustRegressor(2.0).fit(X, y, weights), theirs, written


@pytest.mark.parametrize("kind", ["hc0", "hc1", "hc2", "hc3"])
def test_heteroscedastic_is_that_of_statsmodels(least_squares, kind):
    X, y, weights, model, theirs, _ = least_squares
    found = covariance(model, X, y, kind=kind, sample_weight=weights)
    close(found, theirs.fit(cov_type=kind.upper()).cov_params(), tol=1e-8)


@pytest.mark.parametrize("two_way", [False, True], ids=["one-way", "two-way"])
def test_cluster_is_that_of_statsmodels(least_squares, two_way):
    X, y, weights, model, theirs, written = least_squares
    groups = LABELS if two_way else LABELS[:, 0]
    given = {"groups": groups[written]}
    expected = theirs.fit(cov_type="cluster", cov_kwds=given).cov_params()
    found = covariance(model, X, y, kind="cluster", groups=groups, sample_weight=weights)
    close(found, expected, tol=1e-8)
    text = np.array([f"group {label}" for label in groups.ravel()]).reshape(groups.shape)
    again = covariance(model, X, y, kind="cluster", groups=text, sample_weight=weights)
    np.testing.assert_allclose(again, found, rtol=1e-10)


def test_two_way_groups_without_effects_have_no_negative_variance():
    """The difference of matrices has negative eigenvalues then, and statsmodels returns it."""
    X, y = contaminated()
    theirs = sm.OLS(y, np.column_stack([X, np.ones(len(y))]))
    fit = theirs.fit(cov_type="cluster", cov_kwds={"groups": LABELS})
    assert np.linalg.eigvalsh(fit.cov_params())[0] < 0.0
    found = covariance(RobustRegressor(2.0).fit(X, y), X, y, kind="cluster", groups=LABELS)
    values = np.linalg.eigvalsh(found)
    assert values[0] > -1e-12 * values[-1]


def test_cluster_has_limits_of_the_number_of_groups():
    X, y = contaminated()
    model = RobustRegressor(2.0).fit(X, y)
    groups = np.arange(len(y)) % 12
    table = coef_table(model, X, y, covariance="cluster", groups=groups)
    columns = np.column_stack([X, np.ones(len(y))])
    fit = sm.OLS(y, columns).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert table.df == 11.0
    assert_close(table.ci_low, fit.conf_int()[:, 0], tol=1e-8)
    assert_close(table.p_value, fit.pvalues, terms=fit.pvalues * (1.0 + fit.tvalues**2), tol=1e-8)


@pytest.mark.parametrize("alpha", [1.0, 0.0, -np.inf])
def test_scores_of_robust_fits_from_their_definitions(alpha):
    X, y = contaminated()
    model = RobustRegressor(alpha, **SHARP).fit(X, y)
    columns, n, p = np.column_stack([X, np.ones(len(y))]), len(y), X.shape[1] + 1
    r, c = y - model.predict(X), model.scale_
    weights = robust_weight(r, alpha, c)
    bread = np.linalg.inv(columns.T @ (psi_prime(r, alpha, c)[:, None] * columns))
    gram = columns.T @ (weights[:, None] * columns)
    h = weights * np.einsum("ij,jk,ik->i", columns, np.linalg.inv(gram), columns)
    squares = psi(r, alpha, c) ** 2
    for kind, factors in (
        ("hc0", 1.0), ("hc1", n / (n - p)), ("hc2", 1.0 / (1.0 - h)), ("hc3", 1.0 / (1.0 - h) ** 2)
    ):  # fmt: skip
        meat = columns.T @ ((factors * squares)[:, None] * columns)
        close(covariance(model, X, y, kind=kind), bread @ meat @ bread, tol=1e-8)
    groups = np.arange(n) % 12
    scores = np.array([
        (psi(r, alpha, c)[:, None] * columns)[groups == g].sum(axis=0) for g in range(12)
    ])  # fmt: skip
    meat = 12 / 11 * (n - 1) / (n - p) * scores.T @ scores
    found = covariance(model, X, y, kind="cluster", groups=groups)
    close(found, bread @ meat @ bread, tol=1e-8)


def test_hc0_is_the_jackknife_to_first_order():
    """Leaving out each of many rows moves a fit of given scale by its score."""
    X, y = contaminated(n=400, p=2)
    model = RobustRegressor(1.0, scale=2.0, **SHARP).fit(X, y)
    moves = []
    for row in range(len(y)):
        weights = np.ones(len(y))
        weights[row] = 0.0
        other = clone(model).fit(X, y, weights)
        moves.append(np.append(other.coef_ - model.coef_, other.intercept_ - model.intercept_))
    close(covariance(model, X, y, kind="hc3"), np.cov(np.transpose(moves)) * len(y), tol=0.01)


# ---- what it does not depend on ------------------------------------------------------


@pytest.mark.parametrize("kind", FORMULAS)
def test_weight_two_is_the_row_twice(kind):
    X, y = contaminated()
    weights = np.random.default_rng(2).integers(0, 3, size=len(y))
    written = np.repeat(np.arange(len(y)), weights)
    groups = {"groups": np.arange(len(y)) % 12} if kind == "cluster" else {}
    model = RobustRegressor(0.0, init="ols", **SHARP)
    first = covariance(model.fit(X, y, weights), X, y, kind=kind, sample_weight=weights, **groups)
    if groups:
        groups = {"groups": groups["groups"][written]}
    second = covariance(
        model.fit(X[written], y[written]), X[written], y[written], kind=kind, **groups
    )
    close(first, second, tol=1e-6)


@pytest.mark.parametrize("kind", [*FORMULAS, "avar1"])
def test_equivariant(kind):
    """X·A + 1·b has the same fit, and the covariance of the coefficients transformed."""
    X, y = contaminated()
    rng = np.random.default_rng(4)
    change, shift = rng.normal(size=(4, 4)) + 2.0 * np.eye(4), rng.normal(size=4)
    moved = X @ change + shift
    given = options(kind, len(y))
    first = covariance(mm_estimate(X, y), X, y, **given)
    second = covariance(mm_estimate(moved, 10.0 * y), moved, 10.0 * y, **given)
    full = np.eye(5)
    full[:4, :4], full[4, :4] = change, shift  # [moved, 1] = [X, 1] @ full
    close(first, full @ second @ full.T / 100.0, tol=1e-5)


@pytest.mark.parametrize("kind", [*FORMULAS, "avar1", "fast_bootstrap"])
def test_sparse_frames_and_orders_of_rows(kind):
    X, y = contaminated()
    seed = {"random_state": 0} if kind == "fast_bootstrap" else {}
    model = mm_estimate(X, y)
    first = covariance(model, X, y, **options(kind, len(y)), **seed)
    assert first.shape == (5, 5)
    assert np.all(np.linalg.eigvalsh(first) > 0.0)
    for other in (sparse.csr_array(X), pd.DataFrame(X)):
        again = covariance(mm_estimate(other, y), other, y, **options(kind, len(y)), **seed)
        close(again, first, tol=1e-6)


@pytest.mark.parametrize("kind", ["sandwich", "hc3", "cluster"])
def test_every_estimator_pipeline_and_search(kind):
    X, y = contaminated()
    given = options(kind, len(y))
    plain = RobustRegressor(1.0, tol=1e-9)
    alone = covariance(plain.fit(X, y), X, y, **given)
    chosen = RobustRegressorCV([1.0], init="ols", scales=("mad",), cv=3, tol=1e-9).fit(X, y)
    close(covariance(chosen, X, y, **given), alone, tol=1e-5)
    pipe = make_pipeline(StandardScaler(), plain)
    search = GridSearchCV(pipe, {"robustregressor__alpha": [1.0]}, cv=3).fit(X, y)
    units = np.append(X.std(axis=0), 1.0)[:-1]
    slopes = covariance(search, X, y, **given)[:-1, :-1]
    close(slopes, alone[:-1, :-1] * units * units[:, None], tol=1e-5)
    learned = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert np.all(np.linalg.eigvalsh(covariance(learned, X, y, **given)) > 0.0)


@pytest.mark.parametrize("kind", [*FORMULAS, "fast_bootstrap", "bootstrap"])
def test_targets_have_each_their_own(kind):
    X, y = contaminated()
    both = np.column_stack([y, contaminated(seed=5)[1]])
    model = RobustRegressor(1.0, **SHARP)
    more = {"n_resamples": 20, "random_state": 0}
    found = covariance(model.fit(X, both), X, both, **options(kind, len(y)), **more)
    assert found.shape == (2, 5, 5)
    alone = covariance(model.fit(X, y), X, y, **options(kind, len(y)), **more)
    close(found[0], alone, tol=1e-6)


def test_a_ridge_has_the_scores_of_the_penalised_objective():
    X, y = contaminated()
    model = RobustRegressor(2.0, l2_regularization=0.3).fit(X, y)
    columns = np.column_stack([X - X.mean(axis=0), np.ones(len(y))])
    penalty = len(y) * np.diag([0.3] * X.shape[1] + [0.0])
    inverse = np.linalg.inv(columns.T @ columns + penalty)
    meat = columns.T @ ((y - model.predict(X))[:, None] ** 2 * columns)
    slopes = (inverse @ meat @ inverse)[:-1, :-1]
    close(covariance(model, X, y, kind="hc0")[:-1, :-1], slopes, tol=1e-8)


def test_the_table_has_the_covariance():
    X, y = contaminated()
    model = RobustRegressor(random_state=0).fit(X, y)
    for kind in ("sandwich", "hc3", "fast_bootstrap"):
        table = coef_table(model, X, y, covariance=kind, random_state=0)
        found = covariance(model, X, y, kind=kind, random_state=0)
        np.testing.assert_array_equal(table.covariance, found)
        np.testing.assert_allclose(np.sqrt(np.diag(found)), table.std_error, rtol=1e-12)


@pytest.mark.parametrize("kind", ["sandwich", "hc3", "avar1", "fast_bootstrap"])
def test_extreme_units(kind):
    """Variances that no double holds are infinite or 0; the standard errors are not."""
    X, y = contaminated()
    plain = coef_table(mm_estimate(X, y), X, y, covariance=kind, random_state=0)
    for x_unit, y_unit in ((1e-100, 1e100), (1e100, 1e-100)):
        x, z = x_unit * X, y_unit * y
        table = coef_table(mm_estimate(x, z), x, z, covariance=kind, random_state=0)
        units = np.append(np.full(4, y_unit / x_unit), y_unit)
        np.testing.assert_allclose(table.std_error / units, plain.std_error, rtol=1e-6)
        assert not np.any(np.isnan(table.covariance))


# ---- resampling ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_one_step_is_nearly_a_refit(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X @ [1.0, 2.0] + rng.standard_t(5, size=200)
    model = clone(MODELS[kind]).fit(X, y)
    few = {"n_resamples": 300, "random_state": 0}
    errors = [
        np.sqrt(np.diag(covariance(model, X, y, kind=name, **few)))
        for name in ("bootstrap", "fast_bootstrap")
    ]
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.15)


def test_a_step_costs_a_thirtieth_of_a_refit_at_most():
    """It is a hundredth or less; so the test does not depend on what else the machine does."""
    X, y = contaminated(n=100)
    model = RobustRegressor(1.0).fit(X, y)
    seconds = {}
    for kind in ("fast_bootstrap", "bootstrap"):
        covariance(model, X, y, kind=kind, n_resamples=10, random_state=0)
        start = time.perf_counter()
        covariance(model, X, y, kind=kind, n_resamples=300, random_state=0)
        seconds[kind] = time.perf_counter() - start
    assert seconds["fast_bootstrap"] < seconds["bootstrap"] / 30.0


def test_resamples_without_a_rare_level_are_finite():
    X, y = contaminated(n=60)
    X[:, 0] = 0.0
    X[:3, 0] = 1.0
    model = RobustRegressor(1.0).fit(X, y)
    table = coef_table(model, X, y, covariance="fast_bootstrap", random_state=0)
    assert np.all(np.isfinite(table.covariance))
    assert np.all(np.isfinite([table.ci_low, table.ci_high]))


def test_the_scale_is_drawn_with_an_mm_estimate():
    """Under skewed errors the intercept follows the scale, which avar1 has and hc0 has not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X @ [1.0, 2.0] + np.expm1(0.7 * rng.normal(size=400))
    model = mm_estimate(X, y)
    errors = {
        kind: np.sqrt(np.diag(covariance(model, X, y, kind=kind, random_state=0)))
        for kind in ("hc0", "avar1", "fast_bootstrap")
    }
    assert abs(np.log(errors["avar1"][-1] / errors["hc0"][-1])) > 0.1
    np.testing.assert_allclose(errors["fast_bootstrap"], errors["avar1"], rtol=0.08)


# ---- refusals ------------------------------------------------------------------------


def test_what_is_refused():
    X, y = contaminated(n=60)
    model = RobustRegressor(1.0, tol=1e-9).fit(X, y)
    groups = np.arange(60) % 6
    for wrong, pattern in (
        ({"kind": "hc4"}, "kind must be one of"),
        ({"kind": "information"}, "fit of given shape"),
        ({"kind": "avar1"}, 'scale="s" and no penalty'),
        ({"kind": "cluster"}, "groups must be given"),
        ({"kind": "hc0", "groups": groups}, "groups must be given"),
        ({"kind": "cluster", "groups": groups[:-1]}, "groups must be of shape"),
        ({"kind": "cluster", "groups": np.zeros(60)}, "at least 2 groups"),
        ({"kind": "cluster", "groups": np.where(groups == 0, np.nan, 1.0)}, "missing labels"),
        ({"kind": "bootstrap", "n_resamples": 1}, "n_resamples must be"),
    ):
        with pytest.raises(ValueError, match=pattern):
            covariance(model, X, y, **wrong)
    lasso = RobustRegressor(1.0, l1_regularization=0.1).fit(X, y)
    for kind in ("sandwich", "hc3", "fast_bootstrap"):
        with pytest.raises(ValueError, match="must be 'bootstrap' for a fit with l1_reg"):
            covariance(lasso, X, y, kind=kind)
    ridge = RobustRegressor(scale="s", l2_regularization=0.1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="and no penalty"):
        covariance(ridge, X, y, kind="avar1")


def test_another_s_estimate_is_noticed():
    X, y = contaminated()
    model = mm_estimate(X, y)
    model.sigma_ *= 1.1
    with pytest.raises(ValueError, match="S-estimate that another search finds again"):
        covariance(model, X, y, kind="avar1")


def test_a_row_that_decides_a_coefficient_alone_is_named():
    X, y = contaminated(n=60)
    X[:, 0] = 0.0
    X[7, 0] = 1.0
    model = RobustRegressor(2.0).fit(X, y)
    with pytest.warns(UserWarning, match="leverage 1"):
        found = covariance(model, X, y, kind="hc3")
    assert np.all(np.isfinite(found))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        covariance(model, X, y, kind="hc1")


def test_data_of_another_fit_are_noticed():
    X, y = contaminated()
    model = RobustRegressor(1.0).fit(X, y)
    for kind in ("hc3", "fast_bootstrap"):
        with pytest.warns(UserWarning, match="should be those of the fit"):
            covariance(model, X, y + 0.3 * X[:, 0], kind=kind, random_state=0)


# ---- coverage ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("errors", "right", "wrong"), [("growing", "hc3", "sandwich"), ("groups", "cluster", "hc3")]
)
def test_limits_cover_where_their_assumption_holds(errors, right, wrong):
    """200 samples of the error of x0 alone, whose size depends on x0 or which its group shares."""
    truth, held = np.array([1.0, -2.0, 3.0]), {right: [], wrong: []}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        X, noise = rng.normal(size=(300, 2)), rng.normal(size=300)
        groups = np.arange(300) // 10
        if errors == "growing":
            noise *= 0.2 + np.abs(X[:, 0])
        else:
            X[:, 0] += rng.normal(size=30)[groups]
            noise += rng.normal(size=30)[groups]
        y = X @ truth[:-1] + truth[-1] + noise
        model = RobustRegressor(1.0).fit(X, y)
        for kind in (right, wrong):
            given = {"groups": groups} if kind == "cluster" else {}
            line = coef_table(model, X, y, covariance=kind, **given)["x0"]
            held[kind].append(line.ci_low <= truth[0] <= line.ci_high)
    assert 0.90 <= np.mean(held[right]) <= 0.985  # 95 % and 3 standard errors, and a little less
    assert np.mean(held[wrong]) < 0.88
