"""Limited-memory BFGS, preconditioned by the curvature of least squares."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize

from ..problem import Objective
from .result import SolverResult, Start, Status

_MEMORY = 10
_NEAR = 100.0
"""Skip the convergence test while the gradient is above this multiple of ``tol``."""
_PATIENCE = 5
"""Quasi-Newton steps without progress after which the search gives up."""
_FLAT = 1e-8
"""Relative difference of two values of the objective that counts as no difference."""
_NOISE = 1e-4
"""Upper bound on that difference where rounding is larger, as with dependent columns."""
_UPHILL = 1e-12
"""Relative increase of the objective that may be rounding."""
_ROUNDED = 4.0 * np.finfo(np.float64).eps
"""Relative distance from a bound within which a coordinate is at it."""
_UNSEEN = 1e-4
"""Factor of ``tol`` before the first step, when the curvature is only assumed to be 1. Between
outliers that balance each other it is smaller."""
_STRETCH = 16
"""Number of iterations after which the curvature is computed again."""
MAJORANT = 0.1
"""Share of the difference between the curvature of IRLS and that of the loss which the new
curvature keeps."""
_NEWTON = 1e-10
"""The same share for Newton's curvature; 0 might be singular."""
_CHEAP = 30_000_000
"""Multiplications in a Gram matrix and its factor up to which the curvature is computed again."""
_FARTHEST = 1.0
"""Length of a step, in coordinates of unit curvature, above which a search has not converged."""


def lbfgs(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise the objective by ``scipy.optimize``'s L-BFGS-B, one pass over the rows a call.

    In the coordinates of the start's inverse root, least squares has unit curvature, and a robust
    objective nearly so. Few iterations are therefore needed for any correlations of the columns.
    The search ends when the next quasi-Newton step is within ``tol``. If the objective is too flat
    for a line search to compare its values, unit quasi-Newton steps follow, which only use the
    gradient. If rows are rejected during the search, the curvature can be far from that of least
    squares. In tables that are not large and have no dependent columns, it is computed again after
    some iterations, and at the end of a convex fit.

    Parameters
    ----------
    objective, start, tol, max_iter, report
        As in :func:`sklearn_robust.solvers.irls.irls`.

    Returns
    -------
    SolverResult
        The best point that was seen, if the search did not converge.
    """
    history: list[float] = []
    cheap = is_cheap(objective.design) and start.root.well_conditioned
    stretch = _STRETCH if cheap else max_iter
    while True:
        problem = _FixedScale(objective, start)
        most = min(stretch, max_iter - len(history))
        search = Search(problem, tol=tol, max_iter=most, report=report)
        history += search.history
        start = replace(start, params=problem.params(search.end))
        if not cheap or len(history) >= max_iter:
            break
        before = start
        start = (_checked if search.converged else _reconditioned)(objective, start, tol)
        if search.converged and start is before:
            break
    status = Status.of(search.converged)
    return SolverResult(
        start.params, objective.scale, history[-1], len(history), status, tuple(history)
    )


def is_cheap(design) -> bool:
    """Return whether computing the curvature costs little compared with a search."""
    n_parameters = design.columns.n_parameters
    return (design.n_rows + n_parameters) * n_parameters**2 <= _CHEAP


def _reconditioned(objective, start, tol):
    """Return the same start with the curvature there, unless that is singular."""
    root = objective.curvature(start.params, MAJORANT)[-1]
    return start if root.null.shape[1] > start.root.null.shape[1] else replace(start, root=root)


def _checked(objective, start, tol):
    """Return a start one Newton step further if that step exceeds ``tol``, else the same start.

    A quasi-Newton method may miss a direction in which a convex objective is nearly flat. Newton's
    step does not. It is taken unless it leads uphill.
    """
    if objective.loss.redescending:
        return start
    params = start.params
    value, gradient, root = objective.curvature(params, _NEWTON)
    if root.null.shape[1] > start.root.null.shape[1]:
        return start
    step = -objective.scale * root.solve(gradient)
    decrease = float(np.dot(gradient, step)) / objective.scale
    if objective.relative_size(step, params, decrease, root) <= tol:
        return start
    if objective.value(params + step) <= value * (1.0 + _UPHILL):
        params = params + step
    return replace(start, params=params, root=root)


class SearchProblem(Protocol):
    """The problem of a search, as a function of coordinates x of about unit curvature."""

    x: np.ndarray
    """Where the search begins."""
    bounds: np.ndarray
    """Least and largest value of every coordinate, shape (n, 2); infinite if it is free."""
    rounding: float
    """How far rounding moves fitted values, relative to c."""

    def value_gradient(self, x):
        """Return value and gradient at x."""

    def size(self, x, step, decrease) -> float:
        """Return the relative size of a step, which is compared with ``tol``."""

    def reported(self, value) -> float:
        """Return a value in the user's units."""


class _FixedScale:
    """The objective at a fixed scale, as a function of x: parameters are origin + c·root·x."""

    def __init__(self, objective, start):
        self._objective = objective
        self._origin = start.params
        self._root = start.root
        self.x = np.zeros(start.root.root.shape[1])
        self.bounds = np.tile([-np.inf, np.inf], (len(self.x), 1))
        self.rounding = objective.rounding(start.params, start.root)

    def params(self, x):
        return self._origin + self._objective.scale * (self._root.root @ x)

    def value_gradient(self, x):
        value, gradient = self._objective.value_gradient(self.params(x))
        return value, self._root.root.T @ gradient

    def size(self, x, step, decrease):
        change = self._objective.scale * (self._root.root @ step)
        return self._objective.relative_size(change, self.params(x), decrease, self._root)

    def reported(self, value):
        return self._objective.reported(value)


class _Point(NamedTuple):
    x: np.ndarray
    value: float
    gradient: np.ndarray


class Search:
    """A search, which runs on construction and keeps its last steps.

    SciPy's line search begins with a step of length 1. It gets x in units of the length of the
    first gradient, or 1 if that is longer, so that the first step is that of unit curvature, but
    not longer than 1.

    Attributes
    ----------
    at : x, value and gradient at the last point
    owed : ndarray, the next quasi-Newton step there
    converged : bool, whether this step is within ``tol``
    end : ndarray, the point after this step or, if the step is unreliable, the best point seen
    history : list of float, the values of all iterations in the user's units
    """

    def __init__(self, problem: SearchProblem, *, tol, max_iter, report):
        self._problem = problem
        self._tol = tol
        self._report = report
        self.owed: np.ndarray
        self._size: float
        self._steps: list[np.ndarray] = []
        self._changes: list[np.ndarray] = []
        self.history: list[float] = []
        self.converged = False
        self._low, self._high = problem.bounds.T
        self._near = _NEAR * max(tol, problem.rounding)
        self.at = self._best = self._evaluate(problem.x)
        self._arrive(self.at)
        if not self.converged and max_iter > 1:
            self._line_searches(max_iter)
        self._polish(max_iter)
        self.end = self._last()

    def _last(self):
        """Return where the search ends."""
        if not self.converged:
            return self._best.x
        if self._steps and self._size > 0.0:
            return self.at.x + self.owed
        # A step under an assumed curvature may lead uphill, and so may one that is rounding.
        as_good = self.at.value <= self._best.value + _UPHILL * abs(self._best.value)
        return self.at.x if as_good else self._best.x

    def _line_searches(self, max_iter):
        length = min(float(np.linalg.norm(self._projected(self.at))), 1.0) or 1.0
        last: tuple = None, None, self.at  # SciPy may ask for the same value twice

        def value_gradient(scaled):
            nonlocal last
            if last[0] is None or not np.array_equal(scaled, last[0]):
                point = self._evaluate(scaled * length)
                last = scaled.copy(), (point.value / length**2, point.gradient / length), point
            return last[1]

        def advance(intermediate_result):
            value_gradient(intermediate_result.x)
            self._arrive(last[2])
            if self.converged:
                raise StopIteration

        minimize(
            value_gradient,
            self.at.x / length,
            jac=True,
            method="L-BFGS-B",
            bounds=self._problem.bounds / length,
            callback=advance,
            options={"maxcor": _MEMORY, "maxiter": max_iter - 1, "ftol": 0.0, "gtol": 0.0},
        )

    def _polish(self, max_iter):
        """Take unit quasi-Newton steps until they are short, or get no shorter.

        This is for points where the objective is flat; a long step, or one uphill, ends it.
        """
        self._settle()
        best, tries = (self.at, self.owed, self._size), 0
        while not self.converged and len(self.history) < max_iter and tries < _PATIENCE:
            if not np.linalg.norm(self.owed) <= 1.0:
                break
            point = self._evaluate(self.at.x + self.owed)
            allowed = min(max(_FLAT, self._problem.rounding), _NOISE) * max(1.0, abs(self.at.value))
            if not point.value <= self.at.value + allowed:
                break
            self._arrive(point)
            self._settle()
            tries += 1
            if self._size < best[-1]:
                best, tries = (self.at, self.owed, self._size), 0
        self.at, self.owed, self._size = best

    def _evaluate(self, x):
        # The change of units may have moved a bound by rounding.
        near = _ROUNDED * np.abs(x)
        x = np.where(x <= self._low + near, self._low, x)
        x = np.where(x >= self._high - near, self._high, x)
        return _Point(x, *self._problem.value_gradient(x))

    def _arrive(self, point):
        """Move to a point, store the change of the gradient, and test for convergence."""
        step, change = point.x - self.at.x, point.gradient - self.at.gradient
        if np.dot(step, change) > 0.0:
            self._steps = [*self._steps, step][-_MEMORY:]
            self._changes = [*self._changes, change][-_MEMORY:]
        self.at = point
        if not point.value >= self._best.value:
            self._best = point
        self.history.append(self._problem.reported(point.value))
        self._report(self.history[-1])
        if np.linalg.norm(self._projected(point)) <= self._near:
            self._settle()

    def _settle(self):
        """Compute the next quasi-Newton step, and test for convergence."""
        x, gradient = self.at.x, self._projected(self.at)
        step = np.where(gradient != 0.0, -self._inverse_curvature(gradient), 0.0)
        self.owed = np.minimum(np.maximum(x + step, self._low), self._high) - x
        decrease, seen = float(np.dot(gradient, self.owed)), bool(self._steps)
        self._size = self._problem.size(x, self.owed, decrease)
        near = self._size <= self._tol * (1.0 if seen else _UNSEEN)
        short = np.linalg.norm(self.owed) <= _FARTHEST + self._problem.rounding
        self.converged = bool(near and short)

    def _projected(self, point):
        """Return the gradient without components that point out of the bounds."""
        below = (point.x <= self._low) & (point.gradient > 0.0)
        above = (point.x >= self._high) & (point.gradient < 0.0)
        return np.where(below | above, 0.0, point.gradient)

    def _inverse_curvature(self, gradient):
        # Coordinates at a bound are left out, with the steps that moved them: the change of the
        # gradient along these steps is not that of the others.
        free = gradient != 0.0
        pairs = [
            (step, change * free)
            for step, change in zip(self._steps, self._changes, strict=True)
            if not np.any(step[~free])
        ]
        if not pairs:
            return gradient
        # SciPy's product assumes unit curvature in directions without a step. The curvature of the
        # last step is a better guess; a change of units supplies it.
        steps, changes = map(np.array, zip(*pairs, strict=True))
        step, change = steps[-1], changes[-1]
        unit = np.sqrt(np.dot(step, change) / np.dot(change, change))
        memory = LbfgsInvHessProduct(steps / unit, changes * unit)
        return unit * memory.matvec(unit * gradient)
