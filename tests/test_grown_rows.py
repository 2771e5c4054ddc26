"""The scale of few rows per parameter, from a set of rows that grows."""

import dask.array as da
import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from problems import contaminated
from scipy import sparse
from sklearn.linear_model import LinearRegression

from sklearn_robust import RobustRegressor, RobustRegressorCV
from sklearn_robust.dask import DaskRobustRegressor
from sklearn_robust.design import make_design
from sklearn_robust.procedures import shared_starts
from sklearn_robust.procedures.grown_rows import rounding_step


def _small(seed, share=0.0, n=50, p=10):
    rng = np.random.default_rng(seed)
    X, noise = rng.normal(size=(n, p)), rng.normal(size=n)
    noise[: round(share * n)] += 8.0
    return X, X @ np.ones(p) + noise


def test_where_all_rows_join_the_scale_is_that_of_least_squares():
    X, y = _small(0)
    model = RobustRegressor(random_state=0).fit(X, y)
    residuals = y - LinearRegression().fit(X, y).predict(X)
    assert model.sigma_ == pytest.approx(np.sqrt(residuals @ residuals / (50 - 11)), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_bad_rows_do_not_join(seed):
    X, y = _small(seed, share=0.2)
    model = RobustRegressor(random_state=0).fit(X, y)
    assert np.all(model.weights_[:10] < 0.1)
    assert 0.6 < model.sigma_ < 1.5


def test_bad_leverage_does_not_join():
    """Its own leverage would make room for any residual."""
    X, y = _small(0)
    X[:5], y[:5] = 100.0, 300.0  # the plane has 1000 there
    assert np.all(RobustRegressor(random_state=0).fit(X, y).weights_[:5] < 1e-6)


def test_a_weight_of_two_is_the_row_twice():
    X, y = _small(1, share=0.1)
    counts = np.tile([1, 2], 25)
    weighted = RobustRegressor(random_state=0, tol=1e-9).fit(X, y, counts)
    repeated = RobustRegressor(random_state=0, tol=1e-9).fit(
        np.repeat(X, counts, axis=0), np.repeat(y, counts)
    )
    assert_same_fit(weighted, repeated, X, tol=1e-6)
    assert weighted.sigma_ == pytest.approx(repeated.sigma_, rel=1e-6)


def test_the_unit_of_y_and_a_plane_that_is_added_do_not_matter():
    X, y = _small(2, share=0.1)
    model = RobustRegressor(random_state=0, tol=1e-9).fit(X, y)
    moved = RobustRegressor(random_state=0, tol=1e-9).fit(X, 1e3 * (y + X[:, 0]))
    assert_close(moved.coef_, 1e3 * (model.coef_ + np.eye(10)[0]), tol=1e-6)
    assert moved.sigma_ == pytest.approx(1e3 * model.sigma_, rel=1e-6)


def test_a_small_penalty_changes_little():
    X, y = contaminated(n=60)
    plain = RobustRegressor(random_state=0).fit(X, y)
    ridge = RobustRegressor(l2_regularization=1e-9, random_state=0).fit(X, y)
    assert_close(ridge.coef_, plain.coef_, tol=1e-5)


@pytest.mark.parametrize(("n", "same"), [(149, False), (150, True)])
def test_with_30_rows_a_parameter_the_scale_is_the_truncated_deviation(n, same, monkeypatch):
    X, y = _small(1, share=0.2, n=n, p=4)
    model = RobustRegressor(random_state=0).fit(X, y)
    monkeypatch.setattr(shared_starts, "has_few_rows", lambda *of: False)
    truncated = RobustRegressor(random_state=0).fit(X, y)
    assert (model.sigma_ == truncated.sigma_) == same
    assert np.array_equal(model.coef_, truncated.coef_) == same


@pytest.mark.parametrize("make", [sparse.csr_array, lambda X: da.from_array(X, chunks=(20, 10))])
def test_where_the_rows_are_does_not_matter(make):
    X, y = _small(3, share=0.2)
    dense = RobustRegressor(random_state=0, tol=1e-9).fit(X, y)
    estimator, given = RobustRegressor, y
    if isinstance(made := make(X), da.Array):
        estimator, given = DaskRobustRegressor, da.from_array(y, chunks=20)
    other = estimator(random_state=0, tol=1e-9).fit(made, given)
    assert_same_fit(other, dense, X, tol=1e-6)
    assert other.sigma_ == pytest.approx(dense.sigma_, rel=1e-6)


def test_sizes_of_errors_divide_the_rows():
    X, y = _small(4, share=0.1)
    sizes = np.exp(np.random.default_rng(0).normal(size=50))
    options = {"random_state": 0, "tol": 1e-9, "max_iter": 500}
    known = RobustRegressor(**options).fit(X, y, error_scale=sizes)
    columns = np.column_stack([np.ones(50), X]) / sizes[:, None]
    divided = RobustRegressor(fit_intercept=False, **options).fit(columns, y / sizes)
    assert_close(known.coef_, divided.coef_[1:], tol=1e-6)
    assert known.sigma_ == pytest.approx(divided.sigma_, rel=1e-6)


def test_a_penalty_that_selects_columns_keeps_the_truncated_deviation(monkeypatch):
    X, y = _small(5)
    model = RobustRegressor(l1_regularization=0.1, random_state=0).fit(X, y)
    monkeypatch.setattr(shared_starts, "grown_rows", None)
    assert RobustRegressor(l1_regularization=0.1, random_state=0).fit(X, y).sigma_ == model.sigma_


def test_cross_validation_grows_the_rows_of_each_fold():
    X, y = _small(6, share=0.2)
    chosen = RobustRegressorCV([-np.inf], cv=3, random_state=0).fit(X, y)
    model = RobustRegressor(random_state=0).fit(X, y)
    assert chosen.sigma_ == pytest.approx(model.sigma_, rel=1e-6)
    assert np.all(chosen.weights_[:10] < 0.1)


@pytest.mark.parametrize("share", [0.0, 0.15])
def test_few_rows_of_rounded_targets(share):
    """Most rows lie on several planes, because y is rounded; the fit is nearly least squares."""
    errors = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = np.repeat([0.0, 1.0], 10)[:, None]
        y = np.round(1.3 * X.ravel() + 0.4 * rng.normal(size=20))
        bad = rng.permutation(20)[: int(share * 20)]
        good = np.setdiff1d(np.arange(20), bad)
        y[bad] += 8.0
        found = RobustRegressor(random_state=0).fit(X, y).coef_
        least = LinearRegression().fit(X[good], y[good]).coef_
        errors.append([found[0] - 1.3, least[0] - 1.3])
    robust, known = np.sqrt(np.mean(np.square(errors), axis=0))
    assert robust <= 1.1 * known


def test_the_step_of_rounding():
    def step(y, p=2.0):
        return rounding_step(make_design(np.arange(len(y), dtype=float)[:, None], y), p)

    assert step(np.array([3.0, 3.0, 5.0, 9.0, 9.0, 9.0])) == 2.0
    assert step(np.array([3.0, 3.0, 5.0, 9.5, 9.5, 9.5])) == 0.0  # no multiples of a step
    assert step(np.array([3.0, 3.0, 5.0, 9.0, 7.0, 9.0])) == 0.0  # values are hardly shared
    assert step(np.zeros(6)) == 0.0
    assert step(np.tile([0.0, 0.3], 10)) == pytest.approx(0.3)
    assert step(np.tile([0.0, 0.3], 50)) == 0.0  # rows are many
