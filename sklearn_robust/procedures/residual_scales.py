"""Searches of coefficients and residual scale to a joint fixed point."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..problem import Objective
from ..scale_rules import MadScale, MScale, ScaleRule, TruncatedScale
from ..solvers.anderson import minimise_near
from ..solvers.packed import irls_packed
from ..solvers.result import SolverResult, Start, Status, quiet, unusable
from ..solvers.selecting import irls_selecting

_SHARPER = 0.03
"""Tolerance of the coefficients relative to the remaining change of log c."""
_LEAST_SLOPE = -0.05
"""Bound on the slope of the change of log c in log c: a step is at most 20 times the change."""
_LONGEST = 1.0
"""Longest step in log c; a longer one might jump over a fixed point."""
_LEAST_FALL = 0.05
"""Lower bound on the estimated ratio of a change of log c to the whole remaining fall."""
_SHORT_OF = 0.9
"""Share of the estimated remaining fall that is taken in one step."""
_NOT_FAR = 0.03
"""Longest extrapolated step in log c; a longer one might jump over the end of the fall."""
_STEEPEST = -5.0
"""A steeper slope means a jump: the two scales have led to different minima."""

_MOST_TOGETHER = 50
"""Iterations in which coefficients and scale, both new in each, have to come to rest."""


class _FixedPoint:
    """Steps of log c towards the value at which its change is zero.

    Secant steps are taken until that value lies between two scales, then Illinois steps between
    them (Dowell & Jarratt 1971). The change has kinks, at which secant steps alone may cycle.
    """

    def __init__(self):
        self._last: tuple[float, float] | None = None
        self._ends: dict[bool, tuple[float, float]] = {}

    def step(self, log_scale: float, change: float) -> float:
        """Return the step from a scale; ``change`` is log c of its residuals less its own."""
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
    rule: ScaleRule,
    *,
    tol,
    max_iter,
    report,
) -> SolverResult:
    """Minimise the objective at the scale that follows from its residuals.

    Parameters
    ----------
    minimise : callable
        A solver for a fixed scale.
    objective : Objective
        At any scale.
    start : Start
    rule : ScaleRule
    tol, max_iter, report
        As for the solver; ``tol`` also bounds the remaining step of log c.

    Returns
    -------
    SolverResult
    """
    objective = objective.at(rule.c_at(start.params))
    fixed_point = _FixedPoint()
    history: tuple[float, ...] = ()
    wanted = max(tol, _SHARPER)
    while True:
        result = minimise(
            objective, start, tol=wanted, max_iter=max_iter - len(history), report=report
        )
        history += result.history
        change = math.log(rule.c_at(result.params) / objective.scale)
        step = fixed_point.step(math.log(objective.scale), change)
        allowed = max(tol, objective.rounding(result.params, start.root))
        converged = result.converged and wanted <= allowed and abs(step) <= allowed
        if converged or len(history) >= max_iter:
            status = Status.of(converged)
            return replace(result, n_iter=len(history), status=status, history=history)
        start = replace(start, params=result.params)
        objective = objective.at(objective.scale * math.exp(step))
        wanted = max(tol, _SHARPER * min(abs(change), 1.0))


def near_with_mad(objective: Objective, start: Start, mad: MadScale, **options) -> SolverResult:
    """Find coefficients and MAD together near a start from a subsample.

    Parameters and result are those of :func:`minimise_with_scale`.
    """
    if start.scale is None:
        return unusable(SolverResult, start, Status.NOT_APPLICABLE)
    objective = objective.at(start.scale)
    return minimise_near(objective, start, mad, **options)


def packed_with_mad(
    objective: Objective, start: Start, mad: MadScale, *, report, **options
) -> SolverResult:
    """Find coefficients and MAD together in compiled code; it stalls if the MAD vanishes.

    Parameters and result are those of :func:`minimise_with_scale`.
    """
    learned = mad.median_constant, 0.0, 0.0
    result = irls_packed(objective, start, report=quiet, learned=learned, **options)
    if result.converged and mad.is_floor(result.scale):
        return unusable(SolverResult, start, Status.STALLED)
    for value in result.history:
        report(value)
    return result


def packed_with_m_scale(
    objective: Objective, start: Start, rule: MScale, *, report, **options
) -> SolverResult:
    """Find coefficients and M-scale together in compiled code; it stalls if levels may move.

    Parameters and result are those of :func:`minimise_with_scale`.
    """
    if objective.design.levels() is not None:
        return unusable(SolverResult, start, Status.NOT_APPLICABLE)
    objective = objective.at(rule.c_at(start.params))
    return irls_packed(objective, start, report=report, learned=rule.definition, **options)


def selecting_with_mad(
    objective: Objective, start: Start, mad: MadScale, *, tol, max_iter, report
) -> SolverResult:
    """Find coefficients, some of them zero, and MAD together; it stalls if that takes too long.

    Parameters and result are those of :func:`minimise_with_scale`.
    """
    limit = min(max_iter, _MOST_TOGETHER)
    result = irls_selecting(objective, start, tol=tol, max_iter=limit, report=report, rule=mad)
    if mad.is_floor(result.scale) or not result.converged:
        return unusable(SolverResult, start, Status.STALLED)
    return result


def minimise_with_falling_scale(
    minimise: Callable,
    objective: Objective,
    start: Start,
    rule: TruncatedScale,
    *,
    tol,
    max_iter,
    report,
) -> SolverResult:
    """Minimise the objective again and again while its residuals give a smaller scale.

    Every minimum is found to ``tol``, because the scale can only fall and must not do so because of
    an inaccurate fit. The remaining fall is extrapolated from the last two changes, and most of it
    is taken in one step. If the scale would rise from there, a shorter step is taken. The first
    scale is that of ``objective``, so the last scale does not depend on the start. Parameters and
    result are those of :func:`minimise_with_scale`.
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
        scale = rule.at_most(called_for).c_at(result.params)
        change = math.log(objective.scale / scale)
        at_rest = abs(change) <= allowed
        if at_rest or len(history) >= max_iter:
            converged = at_rest and result.converged
            status = Status.of(converged)
            return replace(result, n_iter=len(history), status=status, history=history)
        share = (owed - change) / step if step > 0.0 else 1.0
        if change > 0.0:
            start = replace(start, params=result.params)
            origin, called_for, owed = objective.scale, scale, change
        further = _SHORT_OF * (owed / min(max(share, _LEAST_FALL), 1.0) - owed)
        step = max(owed, min(owed + further, _NOT_FAR))
        objective = objective.at(origin * math.exp(-step))
