"""Tables at the edge of what has an answer: it is finite, and one warning says so."""

import warnings

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import contaminated
from sklearn.base import clone

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.scales import WIDER, mad, normal_scaled_quantile


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_data_the_answer_is_finite(data):
    n, p = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    entries = data.draw(st.sampled_from(["normal", "ties", "dummies", "cauchy"]))
    draw = {
        "normal": lambda shape: rng.normal(size=shape),
        "ties": lambda shape: rng.integers(-1, 2, size=shape).astype(float),
        "dummies": lambda shape: (rng.random(shape) < 0.2).astype(float),
        "cauchy": lambda shape: rng.standard_cauchy(shape) ** 3,
    }[entries]
    X, y = draw((n, p)), draw(n)
    if data.draw(st.booleans()):
        X[:, 0] = X[:, -1] if data.draw(st.booleans()) else 3.0
    exponents = st.sampled_from([-150, -8, 0, 8, 150])
    X *= 10.0 ** np.array(data.draw(st.lists(exponents, min_size=p, max_size=p)))
    y *= 10.0 ** data.draw(exponents)
    model = data.draw(st.sampled_from([
        RobustRegressor(random_state=0), RobustRegressor(0.0, random_state=0, solver="lbfgs"),
        RobustRegressor(1.0), RobustRegressor(scale="s", init="gnc", random_state=0),
        RobustRegressor(loss="tukey", random_state=0, l2_regularization=0.1),
        AdaptiveRobustRegressor(random_state=0), AdaptiveRobustRegressor(init="gnc"),
    ]))  # fmt: skip
    _fit_is_finite_or_refused(model, X, y)


def _fit_is_finite_or_refused(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "More than half|No convergence|No row")
        try:
            predicted = model.fit(X, y).predict(X)
        except ValueError as error:
            refused = str(error)
        else:
            fitted = (model.coef_, model.intercept_, model.scale_, model.weights_, predicted)
            assert all(np.all(np.isfinite(quantity)) for quantity in fitted)
            assert model.scale_ > 0.0
            return
    assert refused.startswith(("X must hold", "y must hold"))


@pytest.mark.parametrize("share", [0.52, 0.6, 0.9])
@pytest.mark.parametrize(
    "model",
    [
        RobustRegressor(random_state=0),
        RobustRegressor(0.0, scale="s", random_state=0),
        RobustRegressor(loss="tukey", random_state=0),
        AdaptiveRobustRegressor(random_state=0),
    ],
)
def test_more_than_half_on_a_plane_is_that_plane(share, model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X @ [1.0, 2.0, 3.0] + 4.0
    off = np.arange(100) >= 100 * share
    y[off] += 10.0 + 5.0 * rng.normal(size=off.sum())
    X[off, 0] += 20.0
    with pytest.warns(UserWarning, match="fitted exactly") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    assert_close(model.coef_, [1.0, 2.0, 3.0])
    assert np.all(model.weights_[~off] > 0.99)
    assert np.all(model.weights_[off] < 1e-6)
    assert model.scale_ < 1e-9


@pytest.mark.parametrize("alpha", [0.0, -np.inf])
def test_zero_mad_falls_back_to_a_wider_quantile(alpha):
    """The MAD is zero on the way, at the plane of most rows; the wider quantile leads elsewhere."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.where(rng.random(200) < 0.6, 0.0, rng.exponential(size=200))
    with pytest.warns(UserWarning, match="lie on a plane that is not the one fitted") as caught:
        model = RobustRegressor(alpha, init="ols", scale="mad", tol=1e-9).fit(X, y)
    assert len(caught) == 1
    residuals = y - model.predict(X)
    assert mad(residuals) < 0.9 * model.sigma_
    assert model.sigma_ == pytest.approx(normal_scaled_quantile(residuals, WIDER[0]), rel=1e-7)


def test_targets_further_apart_than_any_double_are_refused():
    rng = np.random.default_rng(0)
    y = 1e-160 * rng.normal(size=50)
    y[0] = 1e150
    with pytest.raises(ValueError, match="y must hold numbers within a factor of"):
        RobustRegressor(random_state=0).fit(rng.normal(size=(50, 2)), y)


@pytest.mark.parametrize(
    "model", [RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)]
)
def test_zero_columns_without_an_intercept(model):
    y = np.random.default_rng(0).normal(size=50)
    model.set_params(fit_intercept=False).fit(np.zeros((50, 2)), y)
    np.testing.assert_array_equal(model.coef_, [0.0, 0.0])


def test_absent_rows_may_overflow():
    X, y = contaminated(2)
    huge = np.vstack([X, 1e308 * np.array([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, 1.0, 1.0]])])
    weights = np.append(np.ones(len(y)), [0.0, 0.0])
    for model in (RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)):
        alone = clone(model).fit(X, y).coef_
        model.fit(huge, np.append(y, [0.0, 0.0]), sample_weight=weights)
        assert_close(model.coef_, alone, tol=1e-6)


def test_columns_mostly_tiny_are_not_few_far_values():
    t = np.linspace(0.0, 1.0, 200)
    X = np.exp(-0.5 * ((t[:, None] - np.linspace(0.0, 1.0, 8)) / 0.015) ** 2)
    X = np.maximum(X, 1e-300)
    y = X @ np.ones(8) + 0.01 * np.random.default_rng(0).normal(size=200)
    assert_close(RobustRegressor(random_state=0).fit(X, y).coef_, 1.0, tol=0.02)  # of the noise


def test_left_out_rows_depend_on_cases_not_on_lines():
    rng = np.random.RandomState(3)
    X = rng.randn(60, 1)
    y = X[:, 0] + 0.1 * rng.randn(60)
    X[0], y[0] = 4.2, -5.0
    weighted = AdaptiveRobustRegressor(random_state=0).fit(X, y, np.full(60, 15.0))
    repeated = AdaptiveRobustRegressor(random_state=0).fit(np.repeat(X, 15, 0), np.repeat(y, 15))
    assert_close(weighted.coef_, repeated.coef_, tol=1e-5)
