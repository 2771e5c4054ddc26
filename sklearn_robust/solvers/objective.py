"""The objective of a fit at a fixed shape and scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..losses import Loss, resolve
from ..rows import Rows
from .linear import InverseRoot, inverse_root

ROUNDING = 64.0 * float(np.finfo(np.float64).eps)
"""Relative size of what is rounding in a sum over the rows."""
_HARDEST = 1e200
"""Bound on the penalty of a standardised coefficient: it is zero to rounding long before."""


@dataclass(frozen=True)
class Objective:
    r"""Mean robust loss and penalty as functions of the standardised parameters.

    .. math:: F(\beta, b) = c^2 \frac{\sum_i s_i\,\rho(r_i/c)}{\sum_i s_i}
              + \frac{\lambda}{2} \lVert\beta\rVert^2

    All methods work on F/c² as a function of the parameters divided by c, which has no unit:
    whatever the unit of y, values are of the order of 1 and so are steps.

    Attributes
    ----------
    rows : Rows
    loss : Loss
    scale : float
        The scale c, in the unit of y.
    l2_regularization : float
        The penalty on the coefficients in the user's units; the intercept has none.
    """

    rows: Rows
    loss: Loss
    scale: float
    l2_regularization: float

    def at(self, scale: float) -> Objective:
        """Return the same objective at another scale."""
        return Objective(self.rows, self.loss, scale, self.l2_regularization)

    def least_squares(self) -> Objective:
        """Return the least-squares objective of the same rows and penalty."""
        return replace(self, loss=resolve("l2"), scale=1.0)

    def value(self, params) -> float:
        """Return F/c²."""
        return self.value_gradient(params)[0]

    def value_gradient(self, params):
        """Return F/c² and c times its gradient, from one reading of the rows."""
        value, gradient = self.rows.loss_gradient(params, self.loss, self.scale)
        return self.with_penalty(params, value, gradient)

    def curvature(self, params, majorant: float = 1.0):
        """Return what :meth:`value_gradient` does and the inverse root of a curvature.

        The curvature is that of the quadratic that touches F at ``params`` and lies above it
        (the weighted Gram matrix and the penalty), so its minimum never increases F. Of what it
        exceeds F's own curvature by, where that is positive, only the share ``majorant`` is in it.
        """
        value, gradient, gram = self.rows.curvature(params, self.loss, self.scale, majorant)
        ridge = self.ridge()

        def triangular():
            upper = self.rows.triangular(params, self.loss, self.scale, majorant)
            return np.vstack([upper, np.diag(np.sqrt(ridge))]) if np.any(ridge) else upper

        def vanish(directions):
            unheld = not np.any(ridge[:, None] * directions)
            return unheld and self.rows.vanish(directions, params, self.loss, self.scale)

        root = inverse_root(gram + np.diag(ridge), triangular, vanish, self.rows.n_rows)
        return *self.with_penalty(params, value, gradient), root

    def relative_size(self, step, params, decrease, root: InverseRoot) -> float:
        """Return the size of a step, in coefficients and in fitted values.

        The first is the largest ``|step_j|·rms(x_j) / (c + |beta_j|·rms(x_j))``, for standardised
        columns have unit root mean square; the step of the intercept, which depends on where
        zero is, counts relative to c alone. The second is the root mean square change of the
        fitted values relative to c: the root of ``decrease``, the product of step and
        gradient, without its sign. The larger is returned, or 0 for a step whose fitted values
        change by less than their rounding through ``root``.
        """
        sizes = np.abs(params)
        sizes[len(self.rows.columns.unit) :] = 0.0
        change = float(np.sqrt(abs(decrease)))
        if change <= self.rounding(params, root):
            return 0.0
        return max(change, float(np.max(np.abs(step) / (self.scale + sizes), initial=0.0)))

    def rounding(self, params, root: InverseRoot) -> float:
        """Return how far rounding moves fitted values, relative to c.

        They are sums of terms of the size of the coefficients, and steps towards them are
        products with ``root``, which magnifies the rounding of a gradient.
        """
        largest = float(np.max(np.abs(params[: len(self.rows.columns.unit)]), initial=0.0))
        return ROUNDING * (largest / self.scale + root.norm)

    def free_parameters(self, root: InverseRoot) -> float:
        """Return the rank, less what the penalty takes: the trace of the hat matrix.

        ``root`` is that of the curvature of least squares.
        """
        taken = self.ridge() @ np.asarray((root.root * root.root).sum(axis=1)).ravel()
        return root.root.shape[1] - float(taken)

    def reported(self, value) -> float:
        """Return F of F/c²; infinite where it does not fit a double."""
        return float(value) * self.scale * self.scale

    def ridge(self) -> np.ndarray:
        """Return what multiplies half the squared standardised parameters in F."""
        ridge = np.zeros(self.rows.columns.n_parameters)
        if self.l2_regularization == 0.0:
            return ridge
        unit = self.rows.columns.unit
        with np.errstate(over="ignore"):
            ridge[: len(unit)] = np.minimum(self.l2_regularization / unit / unit, _HARDEST)
        return ridge

    def with_penalty(self, params, value, gradient):
        """Add the penalty to value and gradient of the mean loss, all in units of c."""
        if self.l2_regularization == 0.0:
            return value, gradient
        push = self.ridge() * (params / self.scale)
        return value + 0.5 * float(np.dot(push, params / self.scale)), gradient + push
