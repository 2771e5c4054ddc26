"""Limited-memory BFGS, preconditioned by the curvature of least squares."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize

from .objective import Objective
from .result import SolverResult, Start

_MEMORY = 10
_NEAR = 100.0
"""A gradient over so many times ``tol`` owes more: curvature is about 1 in these coordinates."""
_PATIENCE = 5
"""Quasi-Newton steps that may fail to owe less before the search gives up."""
_FLAT = 1e-8
"""Relative differences of the objective below which its values are not compared."""
_ROUNDED = 4.0 * np.finfo(np.float64).eps
"""Relative distance from a bound within which a coordinate is at it."""
_UNSEEN = 0.1
"""Share of ``tol`` allowed before the first step, when the curvature is only presumed."""


def lbfgs(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise the objective by ``scipy.optimize``'s L-BFGS-B, one reading of the rows a call.

    In the coordinates of the start's inverse root, least squares has unit curvature, and a
    robust objective nearly so: few iterations are needed whatever the correlations of the
    columns. The search ends when the quasi-Newton step still owed is within ``tol``. Where
    the objective has become too flat for a line search to compare its values, unit
    quasi-Newton steps, judged by the gradient alone, go the rest of the way.

    Parameters
    ----------
    objective, start, tol, max_iter, report
        As in :func:`sklearn_robust.solvers.irls.irls`.

    Returns
    -------
    SolverResult
    """
    problem = _FixedScale(objective, start)
    search = Search(problem, tol=tol, max_iter=max_iter, report=report)
    return SolverResult(
        problem.params(search.at.x + search.owed),
        objective.scale,
        search.history[-1],
        len(search.history),
        search.converged,
        tuple(search.history),
    )


class Problem(Protocol):
    """What a search needs to know of a problem, in the coordinates x that suit a search."""

    x: np.ndarray
    """Where the search begins."""
    bounds: np.ndarray
    """Least and largest value of every coordinate, shape (n, 2); not finite where free."""
    rounding: float
    """How far rounding moves fitted values, relative to c."""

    def value_gradient(self, x):
        """Return value and gradient at x."""

    def size(self, x, step, decrease) -> float:
        """Return the relative size of a step, which is held against ``tol``."""

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
    """One search: its run on construction, the memory of its steps, and where it ended.

    SciPy's line search begins with a step of length 1, so it is given x in units of the first
    gradient's length, at most 1: that makes its first step the one of unit curvature, unless
    that is long.

    Attributes
    ----------
    at : x, value and gradient at the last point
    owed : ndarray, the step still owed there
    converged : bool, whether it is within ``tol``
    history : list of float, the values of all iterations in the user's units
    """

    def __init__(self, problem: Problem, *, tol, max_iter, report):
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
        self.at = self._evaluate(problem.x)
        self._arrive(self.at)
        if not self.converged and max_iter > 1:
            self._line_searches(max_iter)
        self._polish(max_iter)

    def _line_searches(self, max_iter):
        length = min(float(np.linalg.norm(self._projected(self.at))), 1.0) or 1.0
        last: tuple = None, None, self.at  # SciPy asks again for a value it has

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
        """Take the steps owed until little is owed, or no less after several of them.

        That is for where the objective is flat: a long step, or one uphill, ends it.
        """
        self._settle()
        best, tries = (self.at, self.owed, self._size), 0
        while not self.converged and len(self.history) < max_iter and tries < _PATIENCE:
            if not np.linalg.norm(self.owed) <= 1.0:
                break
            point = self._evaluate(self.at.x + self.owed)
            if not point.value <= self.at.value + _FLAT * max(1.0, abs(self.at.value)):
                break
            self._arrive(point)
            self._settle()
            tries += 1
            if self._size < best[-1]:
                best, tries = (self.at, self.owed, self._size), 0
        self.at, self.owed, self._size = best

    def _evaluate(self, x):
        # A bound that a change of units has moved by rounding is a bound all the same.
        near = _ROUNDED * np.abs(x)
        x = np.where(x <= self._low + near, self._low, x)
        x = np.where(x >= self._high - near, self._high, x)
        return _Point(x, *self._problem.value_gradient(x))

    def _arrive(self, point):
        """Go on to a point, remember how the gradient changed, see whether little is owed."""
        step, change = point.x - self.at.x, point.gradient - self.at.gradient
        if np.dot(step, change) > 0.0:
            self._steps = [*self._steps, step][-_MEMORY:]
            self._changes = [*self._changes, change][-_MEMORY:]
        self.at = point
        self.history.append(self._problem.reported(point.value))
        self._report(self.history[-1])
        if np.linalg.norm(self._projected(point)) <= self._near:
            self._settle()

    def _settle(self):
        """See what is still owed where the search is."""
        x, gradient = self.at.x, self._projected(self.at)
        step = np.where(gradient != 0.0, -self._inverse_curvature(gradient), 0.0)
        self.owed = np.minimum(np.maximum(x + step, self._low), self._high) - x
        decrease, seen = float(np.dot(gradient, self.owed)), bool(self._steps)
        self._size = self._problem.size(x, self.owed, decrease)
        self.converged = bool(self._size <= self._tol * (1.0 if seen else _UNSEEN))

    def _projected(self, point):
        """Return the gradient without what pushes against a bound."""
        below = (point.x <= self._low) & (point.gradient > 0.0)
        above = (point.x >= self._high) & (point.gradient < 0.0)
        return np.where(below | above, 0.0, point.gradient)

    def _inverse_curvature(self, gradient):
        # Coordinates held at a bound are left out, and with them the steps that moved them:
        # how these changed the gradient says nothing of the others.
        free = gradient != 0.0
        pairs = [
            (step, change * free)
            for step, change in zip(self._steps, self._changes, strict=True)
            if not np.any(step[~free])
        ]
        if not pairs:
            return gradient
        # SciPy's product presumes unit curvature where no step has been; the last step's
        # curvature is the better guess, and comes in by a change of units.
        steps, changes = map(np.array, zip(*pairs, strict=True))
        step, change = steps[-1], changes[-1]
        unit = np.sqrt(np.dot(step, change) / np.dot(change, change))
        memory = LbfgsInvHessProduct(steps / unit, changes * unit)
        return unit * memory.matvec(unit * gradient)
