"""The likelihood's adjustment for the number of coefficients, in the scale and in the shape."""

import math

import numpy as np
import pytest
from problems import contaminated, problem_of
from scipy import integrate

from sklearn_robust import AdaptiveRobustRegressor
from sklearn_robust.problem import Likelihood
from sklearn_robust.procedures import least_squares
from sklearn_robust.procedures.growing import scale_design
from sklearn_robust.solvers.growing import GrowingLikelihood


@pytest.mark.parametrize("weights", [None, np.tile([1.0, 2.0, 3.0], 10)])
def test_at_shape_two_the_scale_is_the_unbiased_one(weights):
    """Restricted maximum likelihood divides the sum of squares by n - p."""
    X, y = contaminated(n=30, share=0.0)
    fit = AdaptiveRobustRegressor(alpha_bounds=(2.0, 2.0), tol=1e-9).fit(X, y, weights)
    cases = np.ones(30) if weights is None else weights
    root = np.sqrt(cases)[:, None]
    squares = np.linalg.lstsq(root * np.column_stack([X, np.ones(30)]), root[:, 0] * y)[1][0]
    assert fit.scale_ == pytest.approx(math.sqrt(squares / (cases.sum() - 5.0)), rel=1e-7)


def test_the_adjustment_is_the_integral_over_the_coefficients():
    """Laplace's method is exact for a quadratic rho, up to a constant."""
    X, y = contaminated(n=12, p=1, share=0.0)
    problem = problem_of(X, y)
    likelihood = Likelihood(problem, (0.0, 2.0), (1e-12, np.inf), n_parameters=2.0)
    start = least_squares(problem, max_iter=100)
    A = np.column_stack([X, np.ones(12)])
    squares = np.linalg.lstsq(A, y)[1]
    errors = np.sqrt(np.diag(np.linalg.inv(A.T @ A)))

    def minus_log_integral(scale):
        def density(one, other):
            away = A @ (errors * np.array([one, other]))
            return math.exp(-0.5 * float(away @ away) / scale**2)

        inner = integrate.dblquad(density, -60.0, 60.0, -60.0, 60.0, epsabs=1e-10)[0]
        return 0.5 * squares[0] / scale**2 + 12.0 * math.log(scale) - math.log(inner)

    values = [12.0 * likelihood.value(start.params, scale, 2.0) for scale in (1.0, 1.5)]
    integrals = [minus_log_integral(scale) for scale in (1.0, 1.5)]
    assert values[1] - values[0] == pytest.approx(integrals[1] - integrals[0], rel=1e-5)


def test_few_clean_rows_keep_a_shape_of_light_tails():
    """Without the adjustment a fit to few rows a parameter ends at shape 0 in most samples."""
    rng = np.random.default_rng(0)
    alphas = []
    for _ in range(10):
        X, y = rng.normal(size=(60, 20)), rng.normal(size=60)
        alphas.append(AdaptiveRobustRegressor(random_state=0).fit(X, y).alpha_)
    assert np.median(alphas) > 1.0


def test_the_adjustment_fades_as_rows_become_30_a_parameter():
    def fitted(n, p=4):
        problem = problem_of(*contaminated(n=n, p=p - 1))
        return Likelihood(problem, (0.0, 2.0), (1e-12, np.inf), n_parameters=float(p)).fitted

    assert fitted(20) == 0.2
    assert fitted(60) == 4.0 / 60.0
    assert fitted(90) == 0.5 * 4.0 / 90.0
    assert fitted(120) == fitted(1000) == 0.0
    counted = np.array([n * fitted(n) for n in range(60, 121)])
    assert np.all(np.diff(counted) <= 0.0)
    assert np.max(-np.diff(counted)) < 4.0 * 1.5 / 45.0  # no jump is larger than smooth steps are


@pytest.mark.parametrize("n_targets", [1, 2])
def test_with_30_rows_a_parameter_the_fit_is_that_of_the_plain_likelihood(n_targets):
    """The gradient of the mean nll vanishes in the scale and in the shape."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 4))
    y = (X @ np.ones(4))[:, None] + rng.standard_t(3, size=(160, n_targets))
    model = AdaptiveRobustRegressor(random_state=0, tol=1e-9).fit(X, y)
    for target, alpha, scale, coef, intercept in zip(
        y.T, model.alpha_, model.scale_, model.coef_, model.intercept_, strict=True
    ):
        plain = Likelihood(problem_of(X, target), (0.0, 2.0), (1e-12, np.inf))
        params = plain.design.from_original(coef, intercept)
        _, gradient, slopes = plain.value_gradients(params, scale, alpha)
        assert 0.0 < alpha < 2.0
        assert np.max(np.abs(np.append(gradient, slopes))) < 1e-6


def test_the_growth_of_the_scale_is_searched_with_the_adjustment():
    """With no growth the value is that of one scale, and slopes are those of differences."""
    X, y = contaminated(n=40)
    plain = Likelihood(problem_of(X, y), (0.0, 2.0), (1e-12, np.inf), n_parameters=5.0)
    growing = GrowingLikelihood(plain, scale_design(X[:, :1]), 0.01)
    params = least_squares(plain.problem, max_iter=100).params
    value, _, growth, others = growing.value_gradients(params, np.zeros(1), 0.3, 0.7)
    assert value == pytest.approx(plain.value(params, math.exp(0.3), 0.7), rel=1e-12)
    at, step = np.array([0.1, 0.3, 0.7]), 1e-5

    def value_at(x):
        return growing.value_gradients(params, x[:1], *x[1:])[0]

    growth, others = growing.value_gradients(params, at[:1], *at[1:])[2:]
    slopes = [(value_at(at + h) - value_at(at - h)) / (2.0 * step) for h in step * np.eye(3)]
    assert np.concatenate([growth, others]) == pytest.approx(slopes, abs=1e-7)
