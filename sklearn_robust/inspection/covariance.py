"""Covariance of coefficients, by the asymptotic formulas of the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..solvers import Likelihood, Objective, minimum_norm

_STEP = 1e-4
"""Change of log c or alpha over which slopes are differenced."""
_ROUNDING = 1e-24
"""Of the largest variance of standardised parameters, what is left where there is none."""
_AT_END = 1e-6
"""So near to an end of its range alpha counts as held there: the likelihood has a kink at 2."""


@dataclass(frozen=True)
class Covariance:
    """Covariance of the parameters of the standardised columns.

    Attributes
    ----------
    matrix : ndarray of shape (n_parameters, n_parameters)
    owed : ndarray of shape (n_parameters,)
        The Newton step from the parameters to the minimum: nearly zero where they are a fit.
    dependent : bool
        Whether columns are dependent, so that only coefficients of least norm are determined.
    """

    matrix: np.ndarray
    owed: np.ndarray
    dependent: bool


def sandwich(objective: Objective, params) -> Covariance:
    r"""Return the covariance of an M-estimate whose errors do not depend on X.

    With the influence :math:`\psi_i` and its slope :math:`\psi_i'`, p parameters and n cases,

    .. math:: k^2\,\frac{\frac{1}{n-p}\sum\psi_i^2}{\left(\frac1n\sum\psi_i'\right)^2}
              \,(X^\top X)^{-1}, \qquad
              k = 1 + \frac{p}{n}\frac{\mathrm{var}\,\psi'}{(\mathrm{mean}\,\psi')^2}.

    Where the loss redescends, rows count in :math:`X^\top X` by their robust weight over the
    mean weight: a rejected row, however far off in X, told the fit nothing. A penalty joins the
    mean of :math:`\psi'`, and takes from p.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6, eq. 6.5.
    Koller, M. & Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for
    small samples. Computational Statistics & Data Analysis 55, for the weights in X.
    """
    rows, loss, c = objective.rows, objective.loss, objective.scale
    shares, residuals = rows.shares(), rows.residuals(params)[rows.present()]
    _, influence, weights = loss.rho_psi_weight(residuals, c)
    influence, slopes = c * influence, c * c * loss.psi_prime(residuals, c)
    slope = float(shares @ slopes)
    # The inverse of M·Mᵀ is the Gram matrix with the penalty: in these coordinates both are
    # of the order of 1, and what dependent columns leave open is not in them.
    shape = objective if loss.redescending else objective.least_squares()
    root = shape.curvature(params)[-1]
    penalty = root.root.T @ (objective.ridge()[:, None] * root.root)
    gram = np.eye(len(penalty)) - penalty
    n, p = rows.n_cases, float(np.trace(gram))
    if n <= p:
        raise ValueError(
            f"X must have more rows than the {p:g} parameters for standard errors, got {n:g}."
        )
    if loss.redescending:
        gram /= float(shares @ weights)
    curvature = slope * gram + penalty
    spread = n / (n - p) * float(shares @ influence**2)
    correction = 1.0 + p / n * float(shares @ (slopes - slope) ** 2) / slope**2
    inverse = _inverse(curvature)
    variance = correction**2 * spread / n * (inverse @ gram @ inverse)
    return _in_parameters(objective, params, root, inverse, variance)


def observed_information(likelihood: Likelihood, params, scale, alpha) -> Covariance:
    """Return the inverse of the second derivatives of the summed negative log-likelihood.

    They are taken in coefficients, log c and alpha together; scale or shape at an end of their
    bounds count as given. The slopes in log c and alpha are differenced, all else is exact.

    References
    ----------
    Efron, B. & Hinkley, D. V. (1978). Assessing the accuracy of the maximum likelihood
    estimator: observed versus expected Fisher information. Biometrika 65.
    """
    objective = likelihood.objective(scale, alpha)
    rows, loss = objective.rows, objective.loss
    root = objective.least_squares().curvature(params)[-1]
    slopes = scale * scale * loss.psi_prime(rows.residuals(params)[rows.present()], scale)
    curvature = root.root.T @ (rows.gram(slopes) + np.diag(objective.ridge())) @ root.root
    mixed, others = _nuisance(likelihood, params, scale, alpha)
    mixed = root.root.T @ mixed
    if mixed.shape[1]:
        curvature = curvature - mixed @ _inverse(others) @ mixed.T
    inverse = _inverse(curvature)
    return _in_parameters(objective, params, root, inverse, inverse / rows.n_cases)


def _nuisance(likelihood, params, scale, alpha):
    """Return the second derivatives that have to do with log c and alpha, where free.

    Returns
    -------
    mixed : ndarray of shape (n_parameters, n_free)
        In parameters over c.
    others : ndarray of shape (n_free, n_free)
    """

    def slopes(log_change, change):
        at = scale * np.exp(log_change), alpha + change
        _, gradient, others = likelihood.value_gradients(params, *at)
        return np.append(gradient * (scale / at[0]), others)

    least, most = likelihood.scale_bounds
    low, high = likelihood.alpha_bounds
    room = 0.5 * min(alpha - low, high - alpha)
    free = [least < scale < most, room > 0.5 * _AT_END]
    steps = np.diag([_STEP, min(_STEP, room)])[free]
    second = np.array([(slopes(*h) - slopes(*-h)) / (2.0 * h.sum()) for h in steps]).T
    second = second.reshape(len(params) + 2, len(steps))
    others = second[len(params) :][free]
    return second[: len(params)], 0.5 * (others + others.T)


def _inverse(matrix):
    """Return the inverse of a matrix that has to be positive definite."""
    values, vectors = np.linalg.eigh(matrix)
    if not np.all(values > 0.0):
        raise ValueError(
            "X, y and sample_weight must be those of the fit, and that at a minimum of a curved "
            'objective, got none: there is no formula for it; method="bootstrap" needs none.'
        )
    return (vectors / values) @ vectors.T


def _in_parameters(objective, params, root, inverse, variance):
    """Return the covariance of the parameters from that of root coordinates over c."""
    gradient = objective.value_gradient(params)[1]
    owed = objective.scale * (root.root @ (inverse @ (root.root.T @ gradient)))
    matrix = objective.scale**2 * (root.root @ variance @ root.root.T)
    if root.null.shape[1]:
        unit = objective.rows.columns.unit
        least = np.column_stack([
            minimum_norm(direction, unit, root.null) for direction in np.eye(len(params))
        ])  # fmt: skip
        matrix = least @ matrix @ least.T
        untold = np.diag(matrix) <= _ROUNDING * np.max(np.diag(matrix))
        matrix[untold] = matrix[:, untold] = 0.0
    return Covariance(matrix, owed, root.null.shape[1] > 0)
