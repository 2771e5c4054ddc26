"""Covariance of coefficients by asymptotic formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..design import LocalDesign
from ..design.algebra import gram as gram_of
from ..design.residuals import residuals as residuals_of
from ..linear_algebra import minimum_norm
from ..problem import Likelihood, Objective
from .belief import disbelieved, root_of_believed

_STEP = 1e-4
"""Step of the finite differences in log c and alpha."""
_ROUNDING = 1e-12
"""Errors smaller than this, relative to the largest one, are rounding and set to 0."""
_FLAT = (
    "estimator must be at a minimum with positive definite curvature for standard errors by a "
    'formula, got one that is not, as if exact or unconverged; method="bootstrap" needs none.'
)
_AT_END = 1e-6
"""Scale or alpha this near to a bound is treated as fixed there."""


@dataclass(frozen=True)
class Covariance:
    """Covariance of the parameters of the standardised columns.

    Attributes
    ----------
    factor : ndarray of shape (n_parameters, rank)
        L with L·Lᵀ the covariance. Results computed from L keep their digits if columns are
        nearly dependent; those from the product would not.
    owed : ndarray of shape (n_parameters,)
        The Newton step from the parameters to the minimum, nearly zero for a converged fit.
    null : ndarray of shape (n_parameters, n_null)
        Directions of the parameters that the believed rows do not determine, because columns are
        dependent or rows rejected. The errors are those of the coefficients of least norm.
    """

    factor: np.ndarray
    owed: np.ndarray
    null: np.ndarray

    def errors(self, change=None):
        """Return the standard errors of the parameters, or of linear combinations of them."""
        factor = self.factor if change is None else change @ self.factor
        largest = np.max(np.abs(factor), axis=1, keepdims=True, initial=np.finfo(np.float64).tiny)
        return largest[:, 0] * np.linalg.norm(factor / largest, axis=1)


def sandwich(objective: Objective, params) -> Covariance:
    r"""Return the covariance of an M-estimate whose errors do not depend on X.

    With the influence :math:`\psi_i` and its slope :math:`\psi_i'`, p parameters and n cases, it is

    .. math:: k^2\,\frac{\frac{1}{n-p}\sum\psi_i^2}{\left(\frac1n\sum\psi_i'\right)^2}
              \,(X^\top X)^{-1}, \qquad
              k = 1 + \frac{p}{n}\frac{\mathrm{var}\,\psi'}{(\mathrm{mean}\,\psi')^2}.

    If the loss redescends, rows count in :math:`X^\top X` by their robust weight divided by the
    mean weight, because a rejected row adds no information, however far off in X it is. A penalty
    is added to the mean of :math:`\psi'`, and reduces p.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6, eq. 6.5.
    Koller, M. & Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for
    small samples. Computational Statistics & Data Analysis 55, for the weights in X.
    """
    rows, loss, c = cast(LocalDesign, objective.design), objective.loss, objective.scale
    shares, residuals = rows.shares(), residuals_of(rows, params)[rows.present()]
    weights = loss.rho_psi_weight(residuals, c)[2]
    influence, slopes = residuals / c * weights, loss.slopes(residuals, c)
    slope = float(shares @ slopes)
    # The root is that of the Gram matrix with the penalty. In its coordinates both are of the order
    # of 1, and directions that dependent columns leave undetermined are absent.
    shape = objective if loss.redescending else objective.problem.least_squares()
    root = root_of_believed(shape, params, disbelieved(objective, params))
    penalty = _penalty(objective, root)
    gram = np.eye(len(penalty)) - penalty
    n, p = rows.n_cases, float(np.trace(gram))
    _check_cases(n, p)
    if loss.redescending:
        gram /= max(float(shares @ weights), np.finfo(np.float64).tiny)
    if slope <= 0.0:
        raise ValueError(_FLAT)
    spread = n / (n - p) * float(shares @ influence**2)
    correction = 1.0 + p / n * float(shares @ (slopes - slope) ** 2) / slope**2
    bread = _inverse_root(slope * gram + penalty)
    meat = correction * math.sqrt(spread / n) * _root(gram)
    return _in_parameters(objective, params, root, bread, bread @ (bread.T @ meat))


def observed_information(likelihood: Likelihood, params, scale, alpha) -> Covariance:
    """Return the inverse of the second derivatives of the summed negative log-likelihood.

    The derivatives are in coefficients, log c and alpha together; a scale or shape at a bound
    counts as given. Derivatives in log c and alpha use finite differences, the others are exact.

    References
    ----------
    Efron, B. & Hinkley, D. V. (1978). Assessing the accuracy of the maximum likelihood
    estimator: observed versus expected Fisher information. Biometrika 65.
    """
    objective = likelihood.objective(scale, alpha)
    rows, loss = cast(LocalDesign, objective.design), objective.loss
    without = disbelieved(objective, params)
    root = root_of_believed(objective.problem.least_squares(), params, without)
    slopes = loss.slopes(residuals_of(rows, params)[rows.present()], scale)
    penalty = _penalty(objective, root)
    curvature = gram_of(rows, root.root, slopes) + penalty
    mixed, others = _nuisance(likelihood, params, scale, alpha)
    _check_cases(rows.n_cases, len(curvature) - float(np.trace(penalty)) + len(others))
    if len(others):
        mixed = root.root.T @ mixed @ _inverse_root(others)
        curvature = curvature - mixed @ mixed.T
    inverse = _inverse_root(curvature)
    return _in_parameters(objective, params, root, inverse, inverse / math.sqrt(rows.n_cases))


def _nuisance(likelihood, params, scale, alpha):
    """Return the second derivatives in log c and alpha, if these are free.

    Returns
    -------
    mixed : ndarray of shape (n_parameters, n_free)
        In parameters divided by c, and log c or alpha.
    others : ndarray of shape (n_free, n_free)
    """

    def slopes(log_change, change):
        at = scale * np.exp(log_change), alpha + change
        _, gradient, others = likelihood.value_gradients(params, *at)
        return np.append(gradient * (scale / at[0]), others)

    least, most = likelihood.scale_bounds
    low, high = likelihood.alpha_bounds
    room = 0.5 * min(alpha - low, high - alpha)
    given = scale <= least * (1.0 + _AT_END) or scale >= most / (1.0 + _AT_END)
    free = [not given, room > 0.5 * _AT_END]
    steps = np.diag([_STEP, min(_STEP, room)])[free]
    second = np.array([(slopes(*h) - slopes(*-h)) / (2.0 * h.sum()) for h in steps]).T
    second = second.reshape(len(params) + 2, len(steps))
    others = second[len(params) :][free]
    return second[: len(params)], 0.5 * (others + others.T)


def _penalty(objective, root):
    """Return the curvature of the penalty in root coordinates."""
    return root.root.T @ (objective.problem.standardised_penalty.curvature[:, None] * root.root)


def _check_cases(n, p):
    if n <= p:
        raise ValueError(
            f"X must have more rows than the {p:g} free parameters for standard errors, got {n:g}."
        )


def _eigen(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values, 0.0), vectors


def _root(matrix):
    """Return R with R·Rᵀ the matrix, which is positive semidefinite up to rounding."""
    values, vectors = _eigen(matrix)
    return vectors * np.sqrt(values)


def _inverse_root(matrix):
    """Return R with R·Rᵀ the inverse of a matrix that has to be positive definite."""
    values, vectors = _eigen(matrix)
    if not np.all(values > 0.0):
        raise ValueError(_FLAT)
    return vectors / np.sqrt(values)


def _in_parameters(objective, params, root, bread, factor):
    """Return the covariance of the parameters from that of root coordinates, divided by c.

    ``bread`` is a root of the inverse of the curvature.
    """
    gradient = objective.value_gradient(params)[1]
    owed = objective.scale * (root.root @ (bread @ (bread.T @ (root.root.T @ gradient))))
    factor = objective.scale * (root.root @ factor)
    if root.null.shape[1]:
        factor = minimum_norm(factor, objective.design.columns.unit, root.null)
        sizes = np.linalg.norm(factor, axis=1)
        factor[sizes <= _ROUNDING * sizes.max()] = 0.0
    return Covariance(factor, owed, root.null)
