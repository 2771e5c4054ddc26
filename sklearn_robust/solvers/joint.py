"""Coefficients and residual scale together: the joint fixed point of both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..losses import regression_constant
from .objective import Objective
from .result import SolverResult, Start

_SHARPER = 0.03
"""The coefficients are found this much more sharply than the scale is known."""
_LEAST_SLOPE = -0.2
"""Bound on the slope of the change of log c in log c: no step is over 5 times the change."""
_STEEPEST = -5.0
"""A steeper slope is no slope but a jump: two scales have led to different minima."""


class MadScale:
    """The scale c = k·sigma of residuals, sigma their MAD and k that of an efficiency.

    Parameters
    ----------
    rows : Rows
    loss : Loss
    efficiency : float in (0, 1)
    """

    def __init__(self, rows, loss, efficiency):
        self._rows = rows
        self._constant = regression_constant(loss, efficiency)
        self._floor = rows.scale_floor()

    def __call__(self, params) -> float:
        """Return the scale c of the residuals at ``params``."""
        return self._constant * max(self._rows.mad(params), self._floor)

    def sigma(self, scale: float) -> float:
        """Return the residual scale from which ``scale`` was made."""
        return scale / self._constant

    def at_floor(self, scale: float) -> bool:
        """Return whether the residual scale is too small to be told from zero."""
        return self.sigma(scale) <= self._floor * (1.0 + 1e-9)


SCALES = {"mad": MadScale}
"""Every residual scale that has a name."""


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
        return -change / min(slope, _LEAST_SLOPE)


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
    """Minimise the objective at the scale which its own residuals give.

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
        As for the solver; ``tol`` also bounds what log c still owes.

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
