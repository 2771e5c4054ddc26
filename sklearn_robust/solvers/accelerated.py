"""Coefficients and scale of many rows, from the fit of a sample, in few readings."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from .objective import Objective
from .result import SolverResult, Start

_MEMORY = 8
_PATIENCE = 4
"""Steps that may fail to owe less before the search gives up."""
_LEAST_RATE = 0.1
"""What a step leaves of what was owed is taken to be at least this share of it."""
_FAR = 0.5
"""A start that owes more, in units of the scale, is not one that a sample has found."""
_UNIT_STEPS = 1e-10
"""Relative weight of what keeps the combination of steps small."""
_TINY = float(np.finfo(np.float64).tiny)


class ScaleRule(ABC):
    """How the scale of an objective follows from its residuals, read with the gradient."""

    @abstractmethod
    def read(self, objective: Objective, params):
        """Return F/c², c times its gradient, and the step that log c owes."""


class Held(ScaleRule):
    """The scale that is given."""

    def read(self, objective, params):
        return *objective.value_gradient(params), 0.0


def accelerated(
    objective: Objective, start: Start, rule: ScaleRule, *, tol, max_iter, report
) -> SolverResult | None:
    """Find the joint fixed point of coefficients and scale near a start that is close.

    Every reading of the rows gives the Newton step of a sample's curvature and the change of
    log c, which is taken as it is. Anderson's (1965) acceleration combines the Newton steps so
    far: that learns how the curvature of all rows differs from the sample's. There is no line
    search; a search that does not close in returns None, and a method
    that needs no good start has to take over.

    Parameters
    ----------
    objective : Objective
        At the scale where the search begins.
    start : Start
        Its root is that of a curvature there.
    rule : ScaleRule
    tol : float
        Bound on what is still owed after the last step, in coefficients and log c.
    max_iter : int
    report : callable
        Called with the objective at the beginning of each iteration.

    Returns
    -------
    SolverResult or None
    """
    x, unit = np.zeros(start.root.root.shape[1]), objective.scale
    log_scale = math.log(unit)
    steps: list[np.ndarray] = []
    points: list[np.ndarray] = []
    history: list[float] = []
    sizes: list[float] = []
    while len(history) < max_iter:
        current = objective.at(math.exp(log_scale))
        params = start.params + unit * (start.root.root @ x)
        value, gradient, log_step = rule.read(current, params)
        history.append(current.reported(value))
        report(history[-1])
        step = -(start.root.root.T @ gradient)
        owed = current.scale * (start.root.root @ step)
        size = current.relative_size(owed, params, float(np.dot(step, step)), start.root)
        sizes.append(max(size, abs(log_step)))
        if not sizes[-1] <= _FAR or min(sizes[-_PATIENCE:]) > min(sizes[:-_PATIENCE], default=1.0):
            return None
        rate = max(sizes[-1] / sizes[-2], _LEAST_RATE) if len(sizes) > 1 else 1.0 - _LEAST_RATE
        points.append(x)
        steps.append(step * (current.scale / unit))
        log_scale += log_step
        x = x + _combined(points[-_MEMORY:], steps[-_MEMORY:])
        if sizes[-1] * rate <= tol * (1.0 - rate):
            params = start.params + unit * (start.root.root @ x)
            return SolverResult(
                params, math.exp(log_scale), history[-1], len(history), True, tuple(history)
            )
    return None


def _combined(points, steps):
    """Return the step from the last point that the points and their steps together advise."""
    if len(points) == 1:
        return steps[-1]
    moves, changes = np.diff(points, axis=0), np.diff(steps, axis=0)
    normal = changes @ changes.T
    normal += _UNIT_STEPS * max(normal.trace(), _TINY) * np.eye(len(normal))
    share = np.linalg.solve(normal, changes @ steps[-1])
    return steps[-1] - share @ (moves + changes)
