"""Covariance of coefficients by formulas that hold for errors independent of X."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from ..design import LocalDesign
from ..design.algebra import gram as gram_of
from ..design.residuals import residuals as residuals_of
from ..linear_algebra import InverseRoot, minimum_norm
from ..problem import Likelihood, Objective
from .belief import disbelieved, root_of_believed

_STEP = 1e-4
"""Step of the finite differences in log c and alpha."""
_ROUNDING = 1e-12
"""Errors smaller than this, relative to the largest one, are rounding and set to 0."""
_FLAT = (
    "estimator must be at a minimum with positive definite curvature for standard errors by a "
    'formula, got one that is not, as if exact or unconverged; covariance="bootstrap" needs none.'
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
    n, p : float
        The number of cases, and that of free parameters.
    """

    factor: np.ndarray
    owed: np.ndarray
    null: np.ndarray
    n: float
    p: float

    def errors(self) -> np.ndarray:
        """Return the standard errors of the parameters."""
        return lengths(self.factor)


def lengths(factor) -> np.ndarray:
    """Return the standard errors that belong to a factor of a covariance.

    They do not overflow where the variances do.
    """
    largest = np.max(np.abs(factor), axis=1, keepdims=True, initial=np.finfo(np.float64).tiny)
    return largest[:, 0] * np.linalg.norm(factor / largest, axis=1)


@dataclass(frozen=True)
class Terms:
    """What the rows say at a fit, in coordinates in which the curvature is the identity.

    The curvature is the weighted Gram matrix of least squares reweighted, with the penalty.

    Attributes
    ----------
    objective : Objective
    params : ndarray of shape (n_parameters,)
    root : InverseRoot
        From the parameters to these coordinates; directions that the believed rows do not
        determine are absent.
    shares, scaled, weights, influence, slopes : ndarray of shape (n_present,)
        Share of the cases, residual over c, robust weight, c·psi and c²·psi' of every row present.
    """

    objective: Objective
    params: np.ndarray
    root: InverseRoot
    shares: np.ndarray
    scaled: np.ndarray
    weights: np.ndarray
    influence: np.ndarray
    slopes: np.ndarray

    @classmethod
    def of(cls, objective: Objective, params, *, weighted=True) -> Terms:
        """Return the terms; without ``weighted`` rows count fully in the curvature."""
        rows, loss, c = cast(LocalDesign, objective.design), objective.loss, objective.scale
        residuals = residuals_of(rows, params)[rows.present()]
        weights = loss.rho_psi_weight(residuals, c)[2]
        shape = objective if weighted else objective.problem.least_squares()
        root = root_of_believed(shape, params, disbelieved(objective, params))
        scaled, slopes = residuals / c, loss.slopes(residuals, c)
        return cls(
            objective, params, root, rows.shares(), scaled, weights, scaled * weights, slopes
        )

    @property
    def rows(self) -> LocalDesign:
        """The rows."""
        return cast(LocalDesign, self.objective.design)

    @property
    def n(self) -> float:
        """The number of cases."""
        return self.rows.n_cases

    @cached_property
    def penalty(self) -> np.ndarray:
        """The curvature of the penalty."""
        return _penalty(self.objective, self.root)

    @property
    def p(self) -> float:
        """The number of free parameters: the rank less what a penalty takes."""
        return len(self.penalty) - float(np.trace(self.penalty))

    @cached_property
    def newton(self) -> np.ndarray:
        """The second derivatives of the objective in these coordinates."""
        return gram_of(self.rows, self.root.root, self.slopes) + self.penalty

    def check(self):
        """Raise unless there are more cases than parameters."""
        _check_cases(self.n, self.p)

    def parameters_of(self, steps) -> np.ndarray:
        """Return steps of the parameters from steps in these coordinates, divided by c.

        The shape is (n_parameters, n_steps). If columns are dependent, they are of least norm.
        """
        steps = self.objective.scale * (self.root.root @ steps)
        if self.root.null.shape[1]:
            steps = minimum_norm(steps, self.objective.design.columns.unit, self.root.null)
        return steps

    def covariance(self, bread, factor) -> Covariance:
        """Return the covariance from a factor in these coordinates, divided by c.

        ``bread`` is a root of the inverse of the curvature.
        """
        factor = self.parameters_of(factor)
        if self.root.null.shape[1]:
            sizes = np.linalg.norm(factor, axis=1)
            factor[sizes <= _ROUNDING * sizes.max()] = 0.0
        return Covariance(factor, self.owed(bread), self.root.null, self.n, self.p)

    def owed(self, bread) -> np.ndarray:
        """Return the Newton step from the parameters to the minimum."""
        root = self.root.root
        gradient = root.T @ self.objective.value_gradient(self.params)[1]
        return self.objective.scale * (root @ (bread @ (bread.T @ gradient)))


def huber(terms: Terms, *, weighted) -> Covariance:
    r"""Return the covariance of an M-estimate whose errors do not depend on X.

    With the influence :math:`\psi_i` and its slope :math:`\psi_i'`, p parameters and n cases, it is

    .. math:: k^2\,\frac{\frac{1}{n-p}\sum\psi_i^2}{\left(\frac1n\sum\psi_i'\right)^2}
              \,(X^\top X)^{-1}, \qquad
              k = 1 + \frac{p}{n}\frac{\mathrm{var}\,\psi'}{(\mathrm{mean}\,\psi')^2}.

    If it is ``weighted``, rows count in :math:`X^\top X` by their robust weight divided by the
    mean weight, because a rejected row adds no information, however far off in X it is. A penalty
    is added to the mean of :math:`\psi'`, and reduces p.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6, eq. 6.5.
    Koller, M. & Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for
    small samples. Computational Statistics & Data Analysis 55, for the weights in X.
    """
    terms.check()
    shares, slopes, penalty = terms.shares, terms.slopes, terms.penalty
    gram, slope = np.eye(len(penalty)) - penalty, float(shares @ slopes)
    n, p = terms.n, terms.p
    if weighted:
        gram /= max(float(shares @ terms.weights), np.finfo(np.float64).tiny)
    if slope <= 0.0:
        raise ValueError(_FLAT)
    spread = n / (n - p) * float(shares @ terms.influence**2)
    correction = 1.0 + p / n * float(shares @ (slopes - slope) ** 2) / slope**2
    bread = inverse_root(slope * gram + penalty)
    meat = correction * math.sqrt(spread / n) * root_of(gram)
    return terms.covariance(bread, bread @ (bread.T @ meat))


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
    terms = Terms.of(objective, params, weighted=False)
    curvature = terms.newton
    mixed, others = _nuisance(likelihood, params, scale, alpha)
    _check_cases(terms.n, terms.p + len(others))
    if len(others):
        mixed = terms.root.root.T @ mixed @ inverse_root(others)
        curvature = curvature - mixed @ mixed.T
    inverse = inverse_root(curvature)
    return terms.covariance(inverse, inverse / math.sqrt(terms.n))


def free_nuisance(likelihood: Likelihood, scale, alpha) -> list[bool]:
    """Return whether scale and shape were learned: they are not given, and not at a bound."""
    least, most = likelihood.scale_bounds
    low, high = likelihood.alpha_bounds
    given = scale <= least * (1.0 + _AT_END) or scale >= most / (1.0 + _AT_END)
    return [not given, min(alpha - low, high - alpha) > _AT_END]


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

    low, high = likelihood.alpha_bounds
    free = free_nuisance(likelihood, scale, alpha)
    steps = np.diag([_STEP, min(_STEP, 0.5 * min(alpha - low, high - alpha))])[free]
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


def root_of(matrix):
    """Return R with R·Rᵀ the matrix, which is positive semidefinite up to rounding."""
    values, vectors = _eigen(matrix)
    return vectors * np.sqrt(values)


def inverse_root(matrix):
    """Return R with R·Rᵀ the inverse of a matrix that has to be positive definite."""
    values, vectors = _eigen(matrix)
    if not np.all(values > 0.0):
        raise ValueError(_FLAT)
    return vectors / np.sqrt(values)
