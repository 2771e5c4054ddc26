"""Anderson acceleration: few passes over many rows, from the fit of a subsample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from ..problem import Objective
from ..scale_rules import GivenScale, ScaleRule
from .result import SolverResult, Start, Status, unusable

_MEMORY = 8
_PATIENCE = 4
"""Steps without progress after which the search gives up."""
_LEAST_RATE, _MOST_RATE = 0.1, 0.9
"""Bounds on the estimated rate of convergence: the remaining distance after a step over that
before it."""
_FAR = 0.5
"""Distance from the solution, in units of the scale, above which the search gives up."""
_UNIT_STEPS = 1e-10
"""Relative ridge of the least-squares problem that combines the steps."""
_NOT_ABOVE = 1.0 + 1e-12
"""Ratio of two values of the objective that may be rounding."""
_TINY = float(np.finfo(np.float64).tiny)


class System(ABC):
    """A system of equations with an approximate Newton step at every point.

    Attributes
    ----------
    x : ndarray
        Where the search begins.
    """

    x: np.ndarray

    @abstractmethod
    def read(self, x):
        """Return the objective, the step and its relative size, to be compared with ``tol``."""

    def within(self, x):
        """Return the nearest point within the bounds."""
        return x


def accelerated(system: System, *, tol, max_iter, report):
    """Find the root of a system near the start, with Anderson's (1965) acceleration.

    The steps use the curvature of a subsample. Their combination corrects it towards the curvature
    of all rows. There is no line search. If the steps do not soon become shorter, the search ends,
    and another method, which needs no close start, has to take over.

    Parameters
    ----------
    system : System
    tol : float
        Bound on the estimated distance from the solution after the last step.
    max_iter : int
    report : callable
        Called with the objective at the beginning of each iteration.

    Returns
    -------
    x : ndarray
    history : list of float
        The objective at the beginning of every iteration.
    converged : bool
        Whether ``x`` is the root, to ``tol``.
    """
    x = system.x
    last = last_step = x
    moves: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    sizes: list[float] = []
    history: list[float] = []
    while len(history) < max_iter:
        value, step, size = system.read(x)
        history.append(value)
        report(value)
        sizes.append(size)
        if not size <= _FAR or min(sizes[-_PATIENCE:]) > min(sizes[:-_PATIENCE], default=_FAR):
            break
        if len(sizes) > 1:
            moves = [*moves, x - last][-_MEMORY:]
            changes = [*changes, step - last_step][-_MEMORY:]
        last, last_step = x, step
        x = system.within(x + _combined(step, moves, changes))
        if _left(sizes) <= tol:
            return x, history, True
    return x, history, False


def _left(sizes):
    """Estimate the distance from the solution; sizes may fall only at every other step."""
    if len(sizes) < 3:
        return sizes[-1]
    rate = min(max(math.sqrt(sizes[-1] / max(sizes[-3], _TINY)), _LEAST_RATE), _MOST_RATE)
    return max(sizes[-1], rate * sizes[-2]) * rate / (1.0 - rate)


def _combined(step, moves, changes):
    """Return the Anderson step from the moves so far and the changes of the steps along them."""
    if not moves:
        return step
    move, change = np.array(moves), np.array(changes)
    normal = change @ change.T
    normal.flat[:: len(moves) + 1] += _UNIT_STEPS * max(normal.trace(), _TINY)
    return step - np.linalg.solve(normal, change @ step) @ (move + change)


class _Regression(System):
    """Coefficients, in coordinates of unit curvature, and log c."""

    def __init__(self, objective, start, rule):
        self._objective, self._start, self._rule = objective, start, rule
        self.x = np.append(np.zeros(start.root.root.shape[1]), math.log(objective.scale))

    def at(self, x):
        """Return parameters and scale."""
        params = self._start.params + self._objective.scale * (self._start.root.root @ x[:-1])
        return params, math.exp(x[-1])

    def read(self, x):
        params, scale = self.at(x)
        current, root = self._objective.at(scale), self._start.root
        value, gradient, log_step = self._rule.read(current, params)
        step = -(root.root.T @ gradient)
        owed, decrease = scale * (root.root @ step), float(np.dot(step, step))
        size = current.relative_size(owed, params, decrease, root)
        step = np.append(step * (scale / self._objective.scale), log_step)
        # If log_step is NaN, the size must be too; max() might hide it.
        return current.reported(value), step, max(abs(log_step), size) + 0.0 * log_step


def minimise_near(objective: Objective, start: Start, rule: ScaleRule, **options) -> SolverResult:
    """Find the joint fixed point of coefficients and scale near a start from a subsample.

    Parameters
    ----------
    objective : Objective
        At the scale where the search begins.
    start : Start
        Its root is that of the curvature at this start.
    rule : ScaleRule
    **options
        ``tol``, ``max_iter`` and ``report`` of :func:`accelerated`.

    Returns
    -------
    SolverResult
        Stalled if the fixed point is not near.
    """
    system = _Regression(objective, start, rule)
    x, history, converged = accelerated(system, **options)
    if not converged:
        return unusable(SolverResult, start, Status.STALLED)
    params, scale = system.at(x)
    return SolverResult(params, scale, history[-1], len(history), Status.CONVERGED, tuple(history))


def near_at_given_scale(objective: Objective, start: Start, **options) -> SolverResult:
    """Minimise the objective near a start from a subsample, at a fixed c.

    Without a line search the steps may lead uphill under a loss with several minima; the search has
    then stalled. Parameters and result are those of :func:`minimise_near`.
    """
    rule = GivenScale(objective.design, objective.scale)
    result = minimise_near(objective, start, rule, **options)
    if result.converged and result.objective > _NOT_ABOVE * result.history[0]:
        return unusable(SolverResult, start, Status.STALLED)
    return result
