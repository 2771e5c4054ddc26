"""The likelihood's adjustment for the number of coefficients, in the scale and in the shape."""

import math

import numpy as np
import pytest
from problems import contaminated, problem_of
from scipy import integrate

from sklearn_robust import AdaptiveRobustRegressor
from sklearn_robust.problem import Likelihood
from sklearn_robust.procedures import least_squares
from sklearn_robust.procedures.likelihood_starts import at_params
from sklearn_robust.solvers.likelihood import joint


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


def test_with_many_rows_nothing_changes():
    """The difference in coefficients is of the order p/n, far below their errors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = X @ np.ones(3) + rng.standard_t(3, size=3000)
    problem = problem_of(X, y)
    plain = Likelihood(problem, (0.0, 2.0), (1e-12, np.inf))
    adjusted = Likelihood(problem, (0.0, 2.0), (1e-12, np.inf), n_parameters=4.0)
    start = at_params(plain, least_squares(problem, max_iter=100))
    options = {"tol": 1e-9, "max_iter": 500, "report": lambda value: None}
    one, other = (joint(of, start, **options) for of in (plain, adjusted))
    assert np.max(np.abs(one.params - other.params)) < 1e-2 / math.sqrt(3000)
    assert adjusted.fitted == 4.0 / 3000
