"""Penalties that make coefficients exactly zero."""

import warnings

import numpy as np
import pytest
from closeness import assert_close
from problems import EACH_LOSS, contaminated
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import ElasticNet, Lasso, LassoCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.design import make_design
from sklearn_robust.inspection import coef_table
from sklearn_robust.losses import psi
from sklearn_robust.metrics import get_scorer
from sklearn_robust.penalties import ElasticNet as Penalty
from sklearn_robust.problem import Problem
from sklearn_robust.procedures.selecting_starts import selecting_s_estimate, without_far_rows
from sklearn_robust.procedures.starts import from_params

SHARP = {"tol": 1e-10, "max_iter": 5000}


def wide(n=60, p=200, k=6, seed=0):
    """Return columns in different units, of which the first few count."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.exp(0.5 * rng.normal(size=p)) + rng.normal(size=p)
    return X, 3.0 * X[:, :k].sum(axis=1) + rng.normal(size=n)


def gradients(model, X, y, weights=None):
    """Return the gradients of the mean loss, and their thresholds, in the user's units."""
    weights = np.ones(len(y)) if weights is None else weights
    residuals = y - model.predict(X)
    shape = {"alpha": model.alpha} if model.loss == "general" else {"loss": model.loss}
    influence = weights * model.scale_**2 * psi(residuals, scale=model.scale_, **shape)
    gradient = -(X - X.mean(axis=0)).T @ influence / weights.sum()
    gradient += model.l2_regularization * model.coef_
    return gradient, model.l1_regularization


@pytest.mark.parametrize("convert", [np.asarray, np.asfortranarray, sparse.csr_array])
@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.1, 0.05), (2.0, 0.0)])
@pytest.mark.parametrize("n", [300, 60])
def test_squared_error_is_the_elastic_net(convert, l1, l2, n):
    X, y = wide(n)
    ours = RobustRegressor(2.0, l1_regularization=l1, l2_regularization=l2, **SHARP)
    ours.fit(convert(X), y)
    theirs = ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-14, max_iter=100_000).fit(X, y)
    assert_close(ours.coef_, theirs.coef_, terms=np.abs(theirs.coef_).max(), tol=1e-7)
    assert_close(ours.intercept_, theirs.intercept_, terms=np.abs(X).max(), tol=1e-6)
    assert np.array_equal(ours.coef_ == 0.0, theirs.coef_ == 0.0)


def test_squared_error_with_case_weights_and_without_intercept():
    X, y = wide(80, 40)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, size=80)
    ours = RobustRegressor(2.0, l1_regularization=0.2, fit_intercept=False, **SHARP)
    ours.fit(X, y, weights)
    theirs = Lasso(0.2, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, y, weights)
    assert_close(ours.coef_, theirs.coef_, terms=np.abs(theirs.coef_).max(), tol=1e-7)


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize(("n", "p"), [(100, 30), (60, 200)])
def test_gradients_are_those_of_an_optimum(keywords, n, p):
    X, y = wide(n, p)
    y[:5] += 30.0
    model = RobustRegressor(
        **keywords, scale=8.0, init="ols", l1_regularization=0.3, l2_regularization=0.02, **SHARP
    )
    model.fit(X, y)
    gradient, threshold = gradients(model, X, y)
    used = model.coef_ != 0.0
    assert 0 < used.sum() < p
    unit = X.std(axis=0) * model.scale_
    assert np.all(np.abs(gradient + threshold * np.sign(model.coef_))[used] <= 1e-6 * unit[used])
    assert np.all(np.abs(gradient[~used]) <= threshold + 1e-6 * unit[~used])


@pytest.mark.parametrize("keywords", [{"alpha": 1.0}, {"loss": "huber"}, {"alpha": -np.inf}])
def test_sparse_is_dense_and_weight_two_is_the_row_twice(keywords):
    X, y = wide(120, 150)
    X *= np.random.default_rng(1).uniform(size=X.shape) < 0.2
    y[:10] += 50.0
    weights = np.random.default_rng(2).integers(0, 3, size=120)
    twice = np.repeat(np.arange(120), weights)
    model = RobustRegressor(**keywords, scale=8.0, init="ols", l1_regularization=0.2, **SHARP)
    fit = clone(model).fit(X, y, weights)
    for other in (
        clone(model).fit(sparse.csr_array(X), y, weights), clone(model).fit(X[twice], y[twice])
    ):  # fmt: skip
        assert_close(other.coef_, fit.coef_, terms=np.abs(fit.coef_).max(), tol=1e-6)


@pytest.mark.parametrize("model", [
    RobustRegressor(1.0, l1_regularization=0.1),
    RobustRegressor(l1_regularization=0.1, random_state=0),
    AdaptiveRobustRegressor(l1_regularization=0.1, random_state=0),
])  # fmt: skip
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_equivariance(model, unit):
    X, y = wide(100, 20)
    y[:10] += 40.0
    fit = clone(model).fit(X, y)
    strength = {"l1_regularization": unit * model.l1_regularization}
    other = clone(model).set_params(**strength).fit(X, unit * y + 5.0 * unit)
    assert_close(other.coef_ / unit, fit.coef_, terms=np.abs(fit.coef_).max(), tol=1e-4)
    assert other.scale_ / unit == pytest.approx(fit.scale_, rel=1e-4)
    scaled = clone(model).set_params(penalty_weights=np.full(20, 0.5)).fit(0.5 * X, y)
    assert_close(0.5 * scaled.coef_, fit.coef_, terms=np.abs(fit.coef_).max(), tol=1e-4)


def test_penalty_weights_are_the_adaptive_lasso():
    X, y = wide(80, 30)
    weights = np.random.default_rng(0).uniform(0.5, 3.0, size=30)
    ours = RobustRegressor(2.0, l1_regularization=0.2, penalty_weights=weights, **SHARP).fit(X, y)
    theirs = Lasso(0.2, tol=1e-14, max_iter=100_000).fit(X / weights, y)
    assert_close(ours.coef_, theirs.coef_ / weights, terms=np.abs(ours.coef_).max(), tol=1e-7)


def test_a_column_of_weight_zero_is_not_penalised():
    X, y = wide(80, 30)
    weights = np.r_[0.0, np.ones(29)]
    model = RobustRegressor(1.0, l1_regularization=1e6, penalty_weights=weights, **SHARP)
    alone = RobustRegressor(1.0, **SHARP).fit(X[:, :1], y)
    model.fit(X, y)
    assert np.all(model.coef_[1:] == 0.0)
    assert model.coef_[0] == pytest.approx(alone.coef_[0], rel=1e-6)


@pytest.mark.parametrize("model", [
    RobustRegressor(1.0), RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)
])  # fmt: skip
def test_a_large_penalty_leaves_the_location_of_y(model):
    X, y = wide(80, 30)
    fit = clone(model).set_params(l1_regularization=1e6).fit(X, y)
    none = clone(model).set_params(init="ols").fit(np.zeros((80, 1)), y)
    assert np.all(fit.coef_ == 0.0)
    assert fit.intercept_ == pytest.approx(none.intercept_, abs=0.05 * none.scale_)


@pytest.mark.parametrize("l1", [0.05, 0.5])
def test_dependent_and_constant_columns(l1):
    X, y = wide(80, 20)
    X = np.column_stack([X, X[:, 0], np.ones(80), np.zeros(80)])
    model = RobustRegressor(1.0, scale=2.0, l1_regularization=l1, **SHARP).fit(X, y)
    plain = RobustRegressor(1.0, scale=2.0, l1_regularization=l1, **SHARP).fit(X[:, :20], y)
    assert np.all(model.coef_[-2:] == 0.0)
    sums = model.coef_[:20] + np.r_[model.coef_[20], np.zeros(19)]
    assert_close(sums, plain.coef_, terms=np.abs(plain.coef_).max(), tol=1e-6)


def test_a_penalty_that_is_large_beside_the_scale_is_named():
    X = np.random.default_rng(0).normal(size=(50, 5))
    model = RobustRegressor(l1_regularization=0.1, random_state=0)
    with pytest.warns(UserWarning, match="Most rows are rejected: l1_regularization is so large"):
        model.fit(X, X @ np.arange(5.0))


def test_one_row():
    model = RobustRegressor(l1_regularization=0.1, random_state=0)
    with pytest.warns(UserWarning, match="fitted exactly"):
        model.fit([[1.0]], [2.0])
    assert model.coef_ == 0.0
    assert model.intercept_ == pytest.approx(2.0)


def test_two_rows():
    model = RobustRegressor(2.0, l1_regularization=0.1, **SHARP).fit([[0.0], [1.0]], [0.0, 1.0])
    theirs = Lasso(0.1, tol=1e-14).fit([[0.0], [1.0]], [0.0, 1.0])
    assert_close(model.coef_, theirs.coef_, tol=1e-8)


@pytest.mark.parametrize(("n", "p"), [(200, 50), (100, 200)])
@pytest.mark.parametrize("seed", [0, 1])
def test_outliers_on_one_side_do_not_decide_what_is_selected(n, p, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    truth = np.r_[np.full(6, 2.0), np.zeros(p - 6)]
    y = X @ truth + rng.normal(size=n)
    y[: n // 10] += 20.0
    good = LassoCV(cv=5).fit(X[n // 10 :], y[n // 10 :])
    model = RobustRegressor(l1_regularization=good.alpha_, random_state=0).fit(X, y)
    error = np.linalg.norm(model.coef_ - truth) / np.linalg.norm(good.coef_ - truth)
    assert error < 1.4
    assert np.all(model.coef_[:6] != 0.0)
    assert np.all(model.weights_[: n // 10] < 0.01)


def correlated(n, p, k, seed):
    """Return columns with correlation 0.5^|i-j|, of which k count, and their root covariance."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(p), np.arange(p))))
    truth = np.zeros(p)
    truth[rng.choice(p, k, replace=False)] = rng.choice([-1.0, 1.0], k) * rng.uniform(1, 2, k)
    X = rng.normal(size=(n, p)) @ root.T
    return X, X @ truth + rng.normal(size=n), truth, root


@pytest.mark.parametrize(("n", "p", "k"), [
    (100, 200, 10), pytest.param(300, 2000, 15, marks=pytest.mark.slow)
])  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_wrong_in_x_and_y_do_not_decide_what_is_selected(n, p, k, seed):
    X, y, truth, root = correlated(n, p, k, seed)
    bad = np.arange(n) < n // 5
    good = LassoCV(cv=5).fit(X[~bad], y[~bad])
    X[bad, :5] += 8.0
    y[bad] -= 20.0
    model = RobustRegressor(l1_regularization=0.6 * good.alpha_, random_state=0).fit(X, y)
    error, least = (np.linalg.norm(root.T @ (of.coef_ - truth)) for of in (model, good))
    assert error < 1.3 * least
    assert np.all(model.weights_[bad] < 0.05)


def test_good_leverage_is_taken_back_in():
    X, y, truth, _ = correlated(100, 200, 5, 0)
    X[:10] *= 4.0
    y[:10] = X[:10] @ truth
    assert np.array_equal(without_far_rows(problem_of(X, y, 0.1)).design.present()[:1], [10])
    model = RobustRegressor(l1_regularization=0.1, random_state=0).fit(X, y)
    assert np.all(model.weights_[:10] > 0.3)


@pytest.mark.parametrize("l1", [0.02, 0.2])
def test_the_order_of_the_rows_does_not_matter(l1):
    X, y, _, _ = correlated(150, 30, 5, 0)
    y[:20] += 15.0
    model = RobustRegressor(l1_regularization=l1, random_state=0)
    fit = clone(model).fit(X, y)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(150)
        other = clone(model).fit(X[order], y[order])
        assert other.scale_ == pytest.approx(fit.scale_, rel=1e-6)
        assert_close(other.coef_, fit.coef_, terms=np.abs(fit.coef_).max(), tol=1e-5)


def problem_of(X, y, l1, weights=None):
    return Problem(make_design(X, y, weights), Penalty(l1))


def test_the_start_is_found_from_the_one_of_a_neighbouring_penalty():
    X, y, _, _ = correlated(150, 100, 5, 0)
    y[:15] += 20.0
    options = {"tol": 1e-8, "max_iter": 200}
    before, problem = problem_of(X, y, 0.12), problem_of(X, y, 0.1)
    begin = from_params(problem, np.zeros(101))
    near = selecting_s_estimate(before, begin, np.random.RandomState(0), **options).params
    fresh = selecting_s_estimate(problem, begin, np.random.RandomState(0), **options)
    found = selecting_s_estimate(
        problem, begin, np.random.RandomState(0), near=[near], fresh=False, **options
    )
    assert found.sigma == pytest.approx(fresh.sigma, rel=1e-3)
    assert_close(found.params, fresh.params, terms=np.abs(fresh.params).max(), tol=1e-3)


def test_rows_far_off_are_the_same_in_sparse_columns():
    X, y, _, _ = correlated(80, 20, 3, 0)
    X[:5, :2] += 9.0
    X[:, 10:] *= np.random.default_rng(0).uniform(size=(80, 10)) < 0.2
    weights = np.random.default_rng(1).integers(1, 4, size=80).astype(float)
    left = without_far_rows(problem_of(X, y, 0.1, weights)).design.present()
    sparse_left = without_far_rows(problem_of(sparse.csr_array(X), y, 0.1, weights))
    assert np.array_equal(left, sparse_left.design.present())
    assert not np.any(left < 5)
    assert len(left) > 70
    twice = np.repeat(np.arange(80), weights.astype(int))
    repeated = without_far_rows(problem_of(X[twice], y[twice], 0.1)).design.present()
    assert np.array_equal(np.unique(twice[repeated]), left)


def test_the_likelihood_is_at_rest():
    X, y = wide(100, 30)
    y += np.random.default_rng(0).standard_t(3, size=100)
    model = AdaptiveRobustRegressor(l1_regularization=0.2, random_state=0, **SHARP).fit(X, y)
    fixed = RobustRegressor(model.alpha_, scale=model.scale_, l1_regularization=0.2, **SHARP)
    fixed.set_params(init=np.append(model.coef_, model.intercept_)).fit(X, y)
    assert_close(fixed.coef_, model.coef_, terms=np.abs(model.coef_).max(), tol=1e-6)
    assert model.n_parameters_ == np.count_nonzero(model.coef_) + 1


def test_cross_validation_is_a_grid_search():
    X, y = wide(80, 20)
    y[:8] += 30.0
    strengths = (0.05, 0.3, 2.0)
    ours = RobustRegressorCV((1.0,), l1_regularizations=strengths, init="ols", cv=4).fit(X, y)
    theirs = GridSearchCV(
        RobustRegressor(1.0, init="ols"), {"l1_regularization": strengths}, cv=4,
        scoring=get_scorer("s_scale"),
    ).fit(X, y)  # fmt: skip
    assert ours.l1_regularization_ == theirs.best_params_["l1_regularization"]
    assert_close(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"][::1], tol=1e-4
    )


def test_columns_are_selected_in_pipelines():
    X, y = wide(100, 30)
    y[:10] += 50.0
    inner = RobustRegressor(l1_regularization=0.5, random_state=0)
    chosen = SelectFromModel(inner, threshold=1e-10)
    pipeline = make_pipeline(StandardScaler(), chosen, RobustRegressor())
    pipeline.set_params(robustregressor__random_state=0).fit(X, y)
    chosen = pipeline[1].get_support()
    assert np.all(chosen[:6])
    assert chosen.sum() < 20


@pytest.mark.parametrize(("parameters", "text"), [
    ({"l1_regularization": -1.0}, r"l1_regularization must be .*got -1\.0"),
    ({"l1_regularization": "much"}, r"l1_regularization must be .*got 'much'"),
    ({"l1_regularization": 1.0, "solver": "lbfgs"},
     r"solver must be one of \['auto', 'irls'\] where l1_regularization is positive, got 'lbfgs'"),
    ({"penalty_weights": [1.0]}, r"penalty_weights must be .*\(20,\).*got shape \(1,\)"),
    ({"penalty_weights": -np.ones(20)}, r"penalty_weights must be .*got -1\.0"),
])  # fmt: skip
@pytest.mark.parametrize("estimator", [RobustRegressor, AdaptiveRobustRegressor])
def test_wrong_penalties_are_refused(estimator, parameters, text):
    with pytest.raises(ValueError, match=text):
        estimator(**parameters).fit(*wide(40, 20))


@pytest.mark.parametrize(("parameters", "text"), [
    ({"penalty_weights": [1.0]}, r"penalty_weights must be .*\(20,\).*got shape \(1,\)"),
    ({"l1_regularizations": (0.0, 0.1), "solver": "lbfgs"},
     r"solver must be one of \['auto', 'irls'\] where l1_regularization is positive, got 'lbfgs'"),
    ({"l1_regularizations": (-1.0,)}, r"every one of l1_regularizations must be .*got -1\.0"),
])  # fmt: skip
def test_wrong_penalties_are_refused_before_they_are_compared(parameters, text):
    with pytest.raises(ValueError, match=text):
        RobustRegressorCV(**parameters).fit(*wide(40, 20))


def test_collections_refuse_to_select():
    da = pytest.importorskip("dask.array")
    from sklearn_robust.dask import DaskRobustRegressor

    X, y = wide(40, 20)
    with pytest.raises(ValueError, match=r"l1_regularization must be 0 .*got 0\.1"):
        DaskRobustRegressor(l1_regularization=0.1).fit(da.from_array(X), da.from_array(y))


def test_formulas_for_standard_errors_are_refused():
    X, y = contaminated(60)
    model = RobustRegressor(1.0, l1_regularization=0.1).fit(X, y)
    with pytest.raises(ValueError, match="covariance must be 'bootstrap' for a fit with l1_reg"):
        coef_table(model, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = coef_table(model, X, y, covariance="bootstrap", n_resamples=20, random_state=0)
    assert np.all(np.isfinite(table.std_error))
