"""Penalties on the coefficients, in the user's units and in standardised parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .design import Standardisation
from .linear_algebra import InverseRoot

_HARDEST = 1e200
"""Bound on the penalty of a standardised coefficient, far above one that makes it zero."""


@dataclass(frozen=True)
class Ridge:
    r"""The penalty :math:`\frac{\lambda}{2} \lVert\beta\rVert^2`; the intercept has none.

    Attributes
    ----------
    l2_regularization : float
        :math:`\lambda`, of the coefficients in the user's units.
    """

    l2_regularization: float = 0.0

    @classmethod
    def of(cls, estimator) -> Ridge:
        """Return the penalty that the parameters of an estimator ask for."""
        return cls(float(estimator.l2_regularization))

    def times(self, factor: float) -> Ridge:
        """Return a multiple of the penalty."""
        return Ridge(factor * self.l2_regularization)

    def value(self, coef) -> float:
        """Return the penalty of coefficients in the user's units."""
        return 0.5 * self.l2_regularization * float(np.sum(np.square(coef)))

    def standardised(self, columns: Standardisation) -> StandardisedRidge:
        """Return the same penalty as a function of the standardised parameters."""
        curvature = np.zeros(columns.n_parameters)
        if self.l2_regularization > 0.0:
            unit = columns.unit
            with np.errstate(over="ignore"):
                curvature[: len(unit)] = np.minimum(self.l2_regularization / unit / unit, _HARDEST)
        return StandardisedRidge(curvature, is_zero=self.l2_regularization == 0.0)


@dataclass(frozen=True)
class StandardisedRidge:
    """Half the sum of ``curvature`` times the squared standardised parameters.

    Attributes
    ----------
    curvature : ndarray of shape (n_parameters,)
        Zero for the intercept.
    is_zero : bool
        Whether there is no penalty.
    """

    curvature: np.ndarray
    is_zero: bool

    def value_gradient(self, params):
        """Return value and gradient."""
        gradient = self.curvature * params
        return 0.5 * float(np.dot(gradient, params)), gradient

    def moves(self, directions) -> bool:
        """Return whether the penalty changes along any direction, one in each column."""
        return bool(np.any(self.curvature[:, None] * directions))

    def under(self, upper):
        """Return the rows of a triangular factor of a curvature, with rows for the penalty."""
        return upper if self.is_zero else np.vstack([upper, np.diag(np.sqrt(self.curvature))])

    def parameters_taken(self, root: InverseRoot) -> float:
        """Return by how much the penalty reduces the effective number of parameters."""
        return float(self.curvature @ np.asarray((root.root * root.root).sum(axis=1)).ravel())
