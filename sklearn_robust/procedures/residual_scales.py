"""Coefficients and residual scale together: the joint fixed point of both."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from ..design import Design, passes
from ..design.residuals import (
    loss_gradient_and_abs_residuals,
    m_scale,
    normal_scaled_quantile,
    truncated_deviation,
)
from ..problem import Objective
from ..scales import WIDER, normal_quantile
from ..solvers.irls import search_packed
from ..solvers.result import SolverResult, Start

_SHARPER = 0.03
"""Tolerance of the coefficients relative to the remaining change of log c."""
_LEAST_SLOPE = -0.05
"""Bound on the slope of the change of log c in log c: a step is at most 20 times the change."""
_LONGEST = 1.0
"""Longest step in log c: a longer one might pass over a fixed point."""
_LEAST_FALL = 0.05
"""Lower bound on the estimated share that one change is of the whole remaining fall of log c."""
_SHORT_OF = 0.9
"""Share of the estimated remaining fall that is taken at once."""
_NOT_FAR = 0.03
"""Longest such step in log c: it must not pass over a scale at which the fall ends."""
_LOWER, _UPPER = 0.97, 1.03
"""Window around the last median, relative to it, in which the same pass looks for the next."""
_STEEPEST = -5.0
"""A steeper slope is a jump: the two scales have led to different minima."""


class GivenScale:
    """A given scale: its step is always 0."""

    def read(self, objective, params):
        """Return F/c², c times its gradient, and the step of log c towards the scale."""
        return *objective.value_gradient(params), 0.0


class _ResidualScale(ABC):
    """The scale c = k·sigma of residuals: a function of the parameters."""

    def __init__(self, design: Design, constant):
        self._design = design
        self._constant = constant
        self._floor = design.floor

    def __call__(self, params) -> float:
        """Return the scale c of the residuals at ``params``."""
        return self._constant * self._sigma(params)

    def scale(self, sigma: float) -> float:
        """Return the scale c that is made from a residual scale."""
        return self._constant * sigma

    def is_floor(self, scale: float) -> bool:
        """Return whether the residual scale of a scale c cannot be told from zero."""
        return self.sigma(scale) <= self._floor

    def sigma(self, scale: float) -> float:
        """Return the residual scale from which ``scale`` was made."""
        return scale / self._constant

    @abstractmethod
    def _sigma(self, params) -> float:
        """Return the residual scale."""


class MadScale(_ResidualScale):
    """The MAD; where it is zero, a wider quantile of absolute residuals; the floor if all are zero.

    A quantile that has been zero is not used again: the larger scale of a wider one would free
    the rows that made it zero, and the two would alternate.

    Attributes
    ----------
    vanished : bool
        Whether the MAD was zero to rounding at any parameters so far.
    """

    def __init__(self, design, constant):
        super().__init__(design, constant)
        self._shares = [0.5, *WIDER]
        self.vanished = False

    def _sigma(self, params):
        while self._shares:
            sigma = normal_scaled_quantile(self._design, params, self._shares[0])
            if sigma > self._floor:
                return sigma
            self._shares.pop(0)
            self.vanished = True
        return self._floor

    def read(self, objective, params):
        if not self._shares:  # the floor stays, whatever the residuals
            value, gradient = objective.value_gradient(params)
            return value, gradient, math.log(self.scale(self._floor) / objective.scale)
        unit = normal_quantile(self._shares[0])
        middle = self.sigma(objective.scale) * unit
        value, gradient, near = loss_gradient_and_abs_residuals(
            self._design, params, objective.loss, objective.scale,
            (_LOWER * middle, _UPPER * middle),
        )  # fmt: skip
        found = near.quantile(self._shares[0])
        sigma = found / unit if found is not None else 0.0
        scale = self.scale(sigma) if sigma > self._floor else self(params)
        return *objective.with_penalty(params, value, gradient), math.log(scale / objective.scale)

    @property
    def median_constant(self) -> float:
        """The scale c over the median absolute residual."""
        return self._constant / normal_quantile(0.5)


class MScale(_ResidualScale):
    """The M-scale with a breakdown point of 1/2, corrected for the number of free parameters."""

    def __init__(self, design, constant, n_parameters):
        super().__init__(design, constant)
        self._n_parameters = n_parameters

    def _sigma(self, params):
        return m_scale(self._design, params, self._n_parameters, self._floor)

    def read(self, objective, params):
        design = self._design
        value, gradient, slope = passes.scale_gradient(
            design, params, objective.loss, objective.scale
        )
        excess = value - design.half_of_cases(self._n_parameters) / design.total_weight
        return *objective.with_penalty(params, value, gradient), -excess / slope


class TruncatedScale(_ResidualScale):
    """The deviation of the residuals within 2.5 times itself, at most ``largest``.

    Rows that enter or leave the window make it jump, so that it need not have a joint fixed
    point with the coefficients; falling, it comes to rest.
    """

    def __init__(self, design, constant, n_parameters, largest):
        super().__init__(design, constant)
        self._n_parameters = n_parameters
        self._largest = largest

    def at_most(self, scale: float) -> TruncatedScale:
        """Return the same under another bound on the scale c."""
        largest = self.sigma(scale)
        return TruncatedScale(self._design, self._constant, self._n_parameters, largest)

    def _sigma(self, params):
        sigma = truncated_deviation(self._design, params, self._largest, self._n_parameters)
        return max(sigma, self._floor)


class _FixedPoint:
    """Steps of log c towards the value at which its change is zero.

    Secant steps until that value lies between two scales, then Illinois steps between them
    (Dowell & Jarratt 1971): the change has kinks, at which secants alone run in circles.
    """

    def __init__(self):
        self._last: tuple[float, float] | None = None
        self._ends: dict[bool, tuple[float, float]] = {}

    def step(self, log_scale: float, change: float) -> float:
        """Return the step from a scale whose residuals call for ``change`` of its logarithm."""
        rising = change > 0.0
        last, last_change = self._last or (log_scale, change)
        far, far_change = self._ends.get(not rising, (log_scale, 0.0))
        slope = -1.0
        if (far - log_scale) * change > 0.0:
            if rising == (last_change > 0.0):
                far_change *= 0.5
                self._ends[not rising] = far, far_change
            slope = (change - far_change) / (log_scale - far)
        elif log_scale != last:
            slope = (change - last_change) / (log_scale - last)
        if slope < _STEEPEST:
            self._ends.clear()
            slope = -1.0
        self._last = self._ends[rising] = log_scale, change
        return min(max(-change / min(slope, _LEAST_SLOPE), -_LONGEST), _LONGEST)


def minimise_with_scale(
    minimise: Callable,
    objective: Objective,
    start: Start,
    residual_scale: Callable,
    *,
    tol,
    max_iter,
    report,
) -> SolverResult:
    """Minimise the objective at the scale of its own residuals.

    Parameters
    ----------
    minimise : callable
        A solver for a fixed scale.
    objective : Objective
        At any scale.
    start : Start
    residual_scale : callable
        Takes parameters, returns the scale c of their residuals.
    tol, max_iter, report
        As for the solver; ``tol`` also bounds the remaining step of log c.

    Returns
    -------
    SolverResult
    """
    objective = objective.at(residual_scale(start.params))
    fixed_point = _FixedPoint()
    history: tuple[float, ...] = ()
    wanted = max(tol, _SHARPER)
    while True:
        result = minimise(
            objective, start, tol=wanted, max_iter=max_iter - len(history), report=report
        )
        history += result.history
        change = math.log(residual_scale(result.params) / objective.scale)
        step = fixed_point.step(math.log(objective.scale), change)
        allowed = max(tol, objective.rounding(result.params, start.root))
        converged = result.converged and wanted <= allowed and abs(step) <= allowed
        if converged or len(history) >= max_iter:
            return replace(result, n_iter=len(history), converged=converged, history=history)
        start = replace(start, params=result.params)
        objective = objective.at(objective.scale * math.exp(step))
        wanted = max(tol, _SHARPER * min(abs(change), 1.0))


def packed_with_mad(
    objective: Objective, start: Start, mad: MadScale, *, tol, max_iter, report
) -> SolverResult | None:
    """Find coefficients and MAD together in compiled code, or return None where that cannot be.

    Parameters and result are those of :func:`minimise_with_scale`.
    """
    result = search_packed(
        objective, start, tol=tol, max_iter=max_iter, constant=mad.median_constant
    )
    if result is None or not result.converged or mad.is_floor(result.scale):
        return None
    for value in result.history:
        report(value)
    return result


def minimise_with_falling_scale(
    minimise: Callable,
    objective: Objective,
    start: Start,
    residual_scale: TruncatedScale,
    *,
    tol,
    max_iter,
    report,
) -> SolverResult:
    """Minimise the objective, and again as long as its residuals give a smaller scale.

    Every minimum is found to ``tol``: a scale that may not rise must not fall because a fit is
    inaccurate. The whole remaining fall is extrapolated from the last two changes and most of it
    taken at once; where the scale would rise from there, a shorter step is taken. The first scale
    is that of ``objective``, so that the last does not depend on the start. Parameters and result
    are those of :func:`minimise_with_scale`.
    """
    history: tuple[float, ...] = ()
    origin = called_for = objective.scale
    owed, step = 0.0, 0.0
    while True:
        result = minimise(
            objective, start, tol=tol, max_iter=max_iter - len(history), report=report
        )
        history += result.history
        allowed = max(tol, objective.rounding(result.params, start.root))
        scale = residual_scale.at_most(called_for)(result.params)
        change = math.log(objective.scale / scale)
        at_rest = abs(change) <= allowed
        if at_rest or len(history) >= max_iter:
            converged = at_rest and result.converged
            return replace(result, n_iter=len(history), converged=converged, history=history)
        share = (owed - change) / step if step > 0.0 else 1.0
        if change > 0.0:
            start = replace(start, params=result.params)
            origin, called_for, owed = objective.scale, scale, change
        further = _SHORT_OF * (owed / min(max(share, _LEAST_FALL), 1.0) - owed)
        step = max(owed, min(owed + further, _NOT_FAR))
        objective = objective.at(origin * math.exp(-step))
