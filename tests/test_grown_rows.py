"""The scale of few rows per parameter, from a set of rows that grows."""

import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from problems import contaminated
from sklearn.linear_model import LinearRegression

from sklearn_robust import RobustRegressor
from sklearn_robust.scales import truncated_deviation


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


@pytest.mark.parametrize(("n", "grown"), [(149, True), (150, False)])
def test_with_30_rows_a_parameter_the_scale_is_the_truncated_deviation(n, grown):
    X, y = _small(1, share=0.2, n=n, p=4)
    model = RobustRegressor(random_state=0, tol=1e-9).fit(X, y)
    residuals = y - model.predict(X)
    truncated = truncated_deviation(residuals, 1.001 * model.sigma_, n_parameters=5.0)
    assert (abs(model.sigma_ / truncated - 1.0) > 1e-4) == grown
