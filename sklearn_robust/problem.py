"""The problem of a fit, its objective and its likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .design import Design, passes
from .design.algebra import changes_nothing, triangular
from .design.residuals import most_are_exact
from .limits import LIMITS
from .linear_algebra import InverseRoot, inverse_root
from .losses import Loss, resolve
from .partition import log_normaliser
from .penalties import ElasticNet, StandardisedPenalty

ENOUGH_ROWS = 30.0
"""Cases per parameter from which scale and likelihood are those of large samples."""
ROUNDING = 64.0 * float(np.finfo(np.float64).eps)
"""Relative rounding error of a sum over the rows."""
BELOW_TWO = 2.0 - 1e-12
"""Shape at which slopes in alpha are computed instead of at 2, where they are infinite."""
_ROUNDED = 1e-7
"""Difference of two minima, relative to F or of the mean likelihood, that may be rounding."""
_NEAR_FLOOR = 2.0
"""A search that ends within this many floors of the scale was stopped by the floor."""


@dataclass(frozen=True)
class Problem:
    """The rows and the penalty of a fit, without a loss.

    Attributes
    ----------
    design : Design
    penalty : ElasticNet
    """

    design: Design
    penalty: ElasticNet

    @cached_property
    def standardised_penalty(self) -> StandardisedPenalty:
        """The penalty as a function of the standardised parameters."""
        return self.penalty.standardised(self.design.columns)

    def on(self, design: Design) -> Problem:
        """Return the problem of other rows."""
        return replace(self, design=design)

    def restricted(self, which) -> Problem:
        """Return the problem in which only some columns of X exist, by their numbers."""
        return Problem(self.design.restricted(which), self.penalty.restricted(which))

    def unpenalised(self) -> Problem:
        """Return the problem without its penalty."""
        return replace(self, penalty=self.penalty.times(0.0))

    def objective(self, loss: Loss, scale: float) -> Objective:
        """Return the objective under a loss at a scale."""
        return Objective(self, loss, scale)

    def least_squares(self) -> Objective:
        """Return the least-squares objective."""
        return Objective(self, resolve("l2"), 1.0)

    @cached_property
    def n_adjusted(self) -> float:
        """The number of parameters for which the likelihood is adjusted.

        It is that of :meth:`free_parameters`, or 0 where there are so many rows that the adjustment
        vanishes even if half of them are left out. All columns count if they are too many for a
        Gram matrix.
        """
        nothing = np.zeros(self.design.columns.n_parameters)
        if self.design.n_cases >= 2.0 * ENOUGH_ROWS * len(nothing):
            return 0.0
        if len(nothing) > LIMITS.widest or self.standardised_penalty.selects:
            return self.free_parameters(InverseRoot.identity(len(nothing)))
        return self.free_parameters(self.least_squares().curvature(nothing)[-1])

    def free_parameters(self, root: InverseRoot) -> float:
        """Return the trace of the hat matrix: the rank less what the penalty takes.

        ``root`` is the inverse root of the curvature of least squares. If the penalty selects
        coefficients, only those without a penalty count.
        """
        penalty = self.standardised_penalty
        if penalty.selects:
            return penalty.n_in_use(np.zeros(self.design.columns.n_parameters))
        return root.root.shape[1] - penalty.parameters_taken(root)


@dataclass(frozen=True)
class Objective:
    r"""Mean robust loss and penalty as functions of the standardised parameters.

    .. math:: F(\beta, b) = c^2 \frac{\sum_i s_i\,\rho(r_i/c)}{\sum_i s_i}
              + \sum_j v_j\Bigl(\lambda_1 |\beta_j| + \frac{\lambda_2}{2} \beta_j^2\Bigr)

    All methods use F/c² as a function of the parameters divided by c. These have no unit, so values
    and steps are of the order of 1 for any unit of y.

    Attributes
    ----------
    problem : Problem
    loss : Loss
    scale : float
        The scale c, in the unit of y.
    """

    problem: Problem
    loss: Loss
    scale: float

    @property
    def design(self) -> Design:
        """The rows."""
        return self.problem.design

    def at(self, scale: float) -> Objective:
        """Return the same objective at another scale."""
        return Objective(self.problem, self.loss, scale)

    def objective_at(self, result) -> Objective:
        """Return this objective, which a result of it minimises."""
        return self

    def is_above(self, value: float, other: float) -> bool:
        """Return whether a value of F is above another one by more than rounding."""
        return value > (1.0 + _ROUNDED) * other

    def value(self, params) -> float:
        """Return F/c²."""
        return self.value_gradient(params)[0]

    def value_gradient(self, params):
        """Return F/c² and c times the gradient of its smooth part, from one pass over the rows."""
        value, gradient = passes.loss_gradient(self.design, params, self.loss, self.scale)
        return self.with_penalty(params, value, gradient)

    def curvature(self, params, majorant: float = 1.0):
        """Return the results of :meth:`value_gradient` and the inverse root of a curvature.

        With ``majorant=1`` the curvature is that of the quadratic that touches F at ``params`` and
        lies above it (the weighted Gram matrix and the penalty), so the minimum of the quadratic
        never increases F. A smaller ``majorant`` keeps only this share of the difference to the
        positive part of the curvature of F.
        """
        design, penalty, at = (
            self.design,
            self.problem.standardised_penalty,
            (params, self.loss, self.scale),
        )
        value, gradient, gram = passes.curvature(design, *at, majorant)

        def factor():
            return penalty.under(triangular(design, *at, majorant))

        def vanish(directions):
            return not penalty.moves(directions) and changes_nothing(design, directions, *at)

        root = inverse_root(gram + np.diag(penalty.curvature), factor, vanish, design.n_rows)
        return *self.with_penalty(params, value, gradient), root

    def quadratic(self, params, majorant: float = 1.0):
        """Return the results of :meth:`value_gradient` and the curvature of :meth:`curvature`."""
        value, gradient, gram = passes.curvature(
            self.design, params, self.loss, self.scale, majorant
        )
        gram = gram + np.diag(self.problem.standardised_penalty.curvature)
        return *self.with_penalty(params, value, gradient), gram

    @property
    def thresholds(self):
        """Gradients below which parameters stay at zero, in units of c; shape (n_parameters,)."""
        return self.problem.standardised_penalty.thresholds / self.scale

    def restricted(self, which) -> Objective:
        """Return the objective in which only some columns of X exist, by their numbers."""
        return replace(self, problem=self.problem.restricted(which))

    def with_penalty(self, params, value, gradient):
        """Add the penalty to the mean loss, and its smooth part to the gradient, in units of c."""
        if self.problem.standardised_penalty.is_zero:
            return value, gradient
        penalty, slope = self.problem.standardised_penalty.value_gradient(params, self.scale)
        return value + penalty, gradient + slope

    def relative_size(self, step, params, decrease, root: InverseRoot, intercept=None) -> float:
        """Return the size of a step, in coefficients and in fitted values.

        The first is the largest ``|step_j|·rms(x_j) / (c + |beta_j|·rms(x_j))``; standardised
        columns have unit root mean square. The step of the intercept, which depends on where zero
        is, counts relative to c. The second is the root mean square change of the fitted values
        relative to c: the root of the absolute value of ``decrease``, the product of step and
        gradient. The larger one is returned, or 0 if fitted values change by less than their
        rounding through ``root``. ``intercept`` is the slice of the intercept among the parameters,
        their end unless it is given.
        """
        sizes = np.abs(params)
        sizes[slice(len(self.design.columns.unit), None) if intercept is None else intercept] = 0.0
        change = float(np.sqrt(abs(decrease)))
        if change <= self._rounding(sizes, root):
            return 0.0
        return max(change, float(np.max(np.abs(step) / (self.scale + sizes), initial=0.0)))

    def rounding(self, params, root: InverseRoot) -> float:
        """Return the rounding of fitted values, relative to c.

        Fitted values are sums of terms of the size of the coefficients. Steps are products with
        ``root``, which magnifies the rounding of a gradient.
        """
        return self._rounding(np.abs(params[: len(self.design.columns.unit)]), root)

    def _rounding(self, sizes, root):
        return ROUNDING * (float(np.max(sizes, initial=0.0)) / self.scale + root.norm)

    def reported(self, value) -> float:
        """Return F from F/c²; infinite if it overflows."""
        return float(value) * self.scale * self.scale


@dataclass(frozen=True)
class Likelihood:
    r"""Mean negative log-likelihood, adjusted for the parameters fitted, and penalty.

    .. math:: \frac{\sum_i s_i\,[\rho(r_i/c; \alpha) + \log c + \log Z(\alpha)]}{\sum_i s_i}
              - \frac{p}{n} \log\frac{c}{\sqrt{I(\alpha)}}
              + \frac{\lambda}{2 c^2} \lVert\beta\rVert^2

    The first part is that of Barron (2019), eq. 18. The second is what remains if the likelihood is
    integrated over the p coefficients by Laplace's method, as Cox & Reid (1987) adjust profiles:
    the determinant of their information is a constant times :math:`(I/c^2)^p`, with the information
    :math:`I = E\,\psi^2` of a location at c = 1. At shape 2 this is restricted maximum likelihood
    (Patterson & Thompson 1971), whose c² is the sum of squares divided by n - p.

    Attributes
    ----------
    problem : Problem
    alpha_bounds : tuple of float
        Within [0, 2]; both ends may be reached.
    scale_bounds : tuple of float
        Positive, in the unit of y.
    floor : float or None
        The least scale that rounding in y allows; None if it is outside the bounds.
    n_parameters : float
        The number p of coefficients fitted; 0 for the likelihood without the adjustment.
    """

    problem: Problem
    alpha_bounds: tuple[float, float]
    scale_bounds: tuple[float, float]
    floor: float | None = None
    n_parameters: float = 0.0

    @property
    def fitted(self) -> float:
        """The number of coefficients per case that the adjustment counts.

        This is p/n with at most 15 cases for each coefficient, fades to 0 as they become 30, and is
        0 if there is no degree of freedom.
        """
        n, p = self.design.n_cases, self.n_parameters
        if not 0.0 < p < n:
            return 0.0
        few = min(max(2.0 - 2.0 * n / (ENOUGH_ROWS * p), 0.0), 1.0)
        return few * few * (3.0 - 2.0 * few) * p / n

    @property
    def design(self) -> Design:
        """The rows."""
        return self.problem.design

    def on(self, design: Design) -> Likelihood:
        """Return the likelihood of other rows."""
        return replace(self, problem=self.problem.on(design))

    def objective(self, scale: float, alpha: float) -> Objective:
        """Return the objective of the coefficients at a fixed scale and shape."""
        return Objective(self.problem, resolve(alpha=alpha), scale)

    def objective_at(self, result) -> Objective:
        """Return the objective of the coefficients at the scale and shape of a result."""
        return self.objective(result.scale, result.alpha)

    def is_above(self, value: float, other: float) -> bool:
        """Return whether a value is above another one by more than rounding."""
        return value > other + _ROUNDED

    def value(self, params, scale: float, alpha: float) -> float:
        """Return the value."""
        fixed = self.objective(scale, alpha).value(params)
        return fixed + (1.0 - self.fitted) * math.log(scale) + log_normaliser(alpha, self.fitted)[0]

    def value_at(self, start) -> float:
        """Return the value at a start."""
        return self.value(start.params, start.scale, start.alpha)

    def is_near_floor(self, scale: float) -> bool:
        """Return whether a search that ended at this scale was stopped by the floor."""
        return self.floor is not None and scale <= _NEAR_FLOOR * self.floor

    def unbounded_at(self, start) -> bool:
        """Return whether the likelihood grows without bound from a start as c falls.

        With a share s of the rows fitted exactly and fixed coefficients, the value at shape 0 is
        (1 + p/n - 2s) log(1/c) + const, which has no lower bound if s is more than (1 + p/n)/2. At
        any larger shape, and with a penalty, it is bounded.
        """
        free = self.floor is not None and self.alpha_bounds[0] == 0.0
        return (
            start.exact
            and free
            and not self.problem.standardised_penalty.moves(start.params[:, None])
            and most_are_exact(self.design, start.params, 0.5 * (1.0 + self.fitted))
        )

    def unpenalised(self, result) -> float:
        """Return the mean negative log-likelihood of a result, without penalty and adjustment."""
        alone = replace(self, problem=self.problem.unpenalised(), n_parameters=0.0)
        return alone.value(result.params, result.scale, result.alpha)

    def value_gradients(self, params, scale: float, alpha: float):
        """Return the value and its slopes, from one pass over the rows.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
            c times the derivative in the parameters.
        slopes : ndarray of shape (2,)
            The derivatives in log c and in alpha.
        """
        objective = self.objective(scale, alpha)
        rho, gradient, scale_slope, shape_slope = passes.shape_gradient(
            self.design, params, objective.loss, scale
        )
        value, gradient = objective.with_penalty(params, rho, gradient)
        fitted = self.fitted
        normaliser = log_normaliser(alpha, fitted)[0]
        normaliser_slope = log_normaliser(min(alpha, BELOW_TWO), fitted)[1]
        slopes = np.array([
            scale_slope + 1.0 - fitted - 2.0 * (value - rho), shape_slope + normaliser_slope
        ])  # fmt: skip
        return value + (1.0 - fitted) * math.log(scale) + normaliser, gradient, slopes
