"""The objective of a fit at a fixed shape and scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..losses import Loss, resolve
from ..rows import Rows
from .linear import inverse_root


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
        return replace(self, scale=scale)

    def least_squares(self) -> Objective:
        """Return the least-squares objective of the same rows and penalty."""
        return replace(self, loss=resolve("l2"), scale=1.0)

    def value_gradient(self, params):
        """Return F/c² and c times its gradient, from one reading of the rows."""
        value, gradient = self.rows.loss_gradient(params, self.loss, self.scale)
        return self._with_penalty(params, value, gradient)

    def curvature(self, params):
        """Return what :meth:`value_gradient` does and the inverse root of a curvature.

        The curvature is that of the quadratic that touches F at ``params`` and lies above it
        (the weighted Gram matrix and the penalty), so its minimum never increases F.
        """
        value, gradient, gram = self.rows.curvature(params, self.loss, self.scale)
        ridge = self._ridge()

        def triangular():
            upper = self.rows.triangular(params, self.loss, self.scale)
            return np.vstack([upper, np.diag(np.sqrt(ridge))]) if np.any(ridge) else upper

        root = inverse_root(gram + np.diag(ridge), triangular)
        return *self._with_penalty(params, value, gradient), root

    def relative_size(self, step, params) -> float:
        """Return a step's largest entry, relative to c plus the size of the coefficient.

        Standardised columns have unit root mean square, so that this is the largest
        ``|step_j|·rms(x_j) / (c + |beta_j|·rms(x_j))``. The intercept depends on where zero
        is: its step counts relative to c alone. A step that is lost in the rounding of the
        parameters counts as none.
        """
        sizes = np.abs(params)
        rounding = 16.0 * np.finfo(np.float64).eps * sizes.max(initial=0.0)
        sizes[len(self.rows.columns.unit) :] = 0.0
        step = np.where(np.abs(step) > rounding, np.abs(step), 0.0)
        return float(np.max(step / (self.scale + sizes), initial=0.0))

    def share_of_scale(self, params) -> float:
        """Return c relative to c plus the size of the largest coefficient."""
        largest = np.max(np.abs(params[: len(self.rows.columns.unit)]), initial=0.0)
        return float(self.scale / (self.scale + largest))

    def _ridge(self):
        ridge = np.zeros(self.rows.columns.n_parameters)
        unit = self.rows.columns.unit
        ridge[: len(unit)] = self.l2_regularization / unit**2
        return ridge

    def _with_penalty(self, params, value, gradient):
        if self.l2_regularization == 0.0:
            return value, gradient
        push = self._ridge() * (params / self.scale)
        return value + 0.5 * float(np.dot(push, params / self.scale)), gradient + push
