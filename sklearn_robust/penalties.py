"""The penalty on the coefficients, in the user's units and in standardised parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .design import Standardisation
from .linear_algebra import InverseRoot

_HARDEST = 1e200
"""Bound on the penalty of a standardised coefficient: it is zero to rounding long before."""


@dataclass(frozen=True)
class ElasticNet:
    r"""The penalty :math:`\sum_j v_j(\lambda_1 |\beta_j| + \lambda_2 \beta_j^2 / 2)`.

    The intercept is not penalised.

    Attributes
    ----------
    l1_regularization, l2_regularization : float
        :math:`\lambda_1` and :math:`\lambda_2`, of the coefficients in the user's units.
    weights : ndarray of shape (n_features,) or None
        :math:`v_j`; None if they are all 1.
    """

    l1_regularization: float = 0.0
    l2_regularization: float = 0.0
    weights: np.ndarray | None = None

    @classmethod
    def of(cls, estimator, columns: Standardisation | None = None) -> ElasticNet:
        """Return the penalty that the parameters of an estimator ask for.

        With the columns of a design, a column that is the intercept has no penalty.
        """
        weights = estimator.penalty_weights
        weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        if columns is not None and columns.n_slopes < len(columns.unit):
            weights = np.ones(columns.n_slopes) if weights is None else weights
            weights = np.append(weights, 0.0)
        strengths = float(estimator.l1_regularization), float(estimator.l2_regularization)
        return cls(*strengths, weights)

    def times(self, factor: float) -> ElasticNet:
        """Return a multiple of the penalty."""
        return replace(
            self,
            l1_regularization=factor * self.l1_regularization,
            l2_regularization=factor * self.l2_regularization,
        )

    def restricted(self, which) -> ElasticNet:
        """Return the penalty of some of the coefficients."""
        return self if self.weights is None else replace(self, weights=self.weights[which])

    def value(self, coef) -> float:
        """Return the penalty of coefficients in the user's units."""
        weights = 1.0 if self.weights is None else self.weights
        each = self.l1_regularization * np.abs(coef) + 0.5 * self.l2_regularization * coef**2
        return float(np.sum(weights * each))

    def standardised(self, columns: Standardisation) -> StandardisedPenalty:
        """Return the same penalty as a function of the standardised parameters."""
        return StandardisedPenalty(
            self._each(self.l2_regularization, columns, columns.unit**2),
            self._each(self.l1_regularization, columns, columns.unit),
        )

    def _each(self, strength, columns, unit):
        """Return the strength for every standardised parameter."""
        each = np.zeros(columns.n_parameters)
        if strength > 0.0:
            weights = 1.0 if self.weights is None else self.weights
            with np.errstate(over="ignore", divide="ignore"):
                each[: len(unit)] = np.minimum(strength * weights / unit, _HARDEST)
        return each


@dataclass(frozen=True)
class StandardisedPenalty:
    """Half ``curvature`` times squared, plus ``thresholds`` times absolute parameters, summed.

    Attributes
    ----------
    curvature : ndarray of shape (n_parameters,)
    thresholds : ndarray of shape (n_parameters,)
        In the unit of y. Both are zero for the intercept.
    """

    curvature: np.ndarray
    thresholds: np.ndarray

    @cached_property
    def is_zero(self) -> bool:
        """Whether there is no penalty."""
        return not (np.any(self.curvature) or self.selects)

    @cached_property
    def selects(self) -> bool:
        """Whether the penalty makes coefficients exactly zero."""
        return bool(np.any(self.thresholds))

    def n_in_use(self, params) -> float:
        """Return how many parameters are not zero or have no penalty."""
        free = self.curvature + self.thresholds == 0.0
        return float(np.count_nonzero(free | (params != 0.0)))

    def value_gradient(self, params, scale=1.0):
        """Return the penalty over c², and c times the gradient of its smooth part.

        Parameters
        ----------
        params : ndarray of shape (n_parameters,)
        scale : float
            The scale c.
        """
        params = params / scale
        gradient = self.curvature * params
        value = 0.5 * float(np.dot(gradient, params))
        if self.selects:
            value += float(np.dot(self.thresholds / scale, np.abs(params)))
        return value, gradient

    def moves(self, directions) -> bool:
        """Return whether the penalty changes along any of some directions, one a column."""
        return bool(np.any((self.curvature + self.thresholds)[:, None] * directions))

    def under(self, upper):
        """Return the rows of a triangular factor of a curvature, and those of the penalty."""
        return upper if self.is_zero else np.vstack([upper, np.diag(np.sqrt(self.curvature))])

    def parameters_taken(self, root: InverseRoot) -> float:
        """Return how many parameters the penalty takes from the fit with that inverse root."""
        return float(self.curvature @ np.asarray((root.root * root.root).sum(axis=1)).ravel())
