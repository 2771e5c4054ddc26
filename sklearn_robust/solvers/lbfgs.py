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
"""Share of ``tol`` that converges before the first step, when the curvature is only assumed to be
1: between outliers that balance each other it is smaller."""
_STRETCH = 16
"""Iterations after which the curvature is computed again."""
MAJORANT = 0.1
"""Share of the difference between the curvature of IRLS and that of the loss which the new
curvature keeps."""
_NEWTON = 1e-10
"""The same share where Newton's curvature is wanted; not 0, which may be singular."""
_CHEAP = 30_000_000
"""Multiplications in a Gram matrix and its factor up to which the curvature is computed again."""
_FARTHEST = 1.0
"""Length of a step, in coordinates of unit curvature, above which a search has not converged."""


def lbfgs(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise the objective by ``scipy.optimize``'s L-BFGS-B, one reading of the rows a call.

    In the coordinates of the start's inverse root, least squares has unit curvature, and a
    robust objective nearly so: few iterations are needed whatever the correlations of the
    columns. The search ends when the quasi-Newton step still owed is within ``tol``. Where
    the objective has become too flat for a line search to compare its values, unit
    quasi-Newton steps, judged by the gradient alone, go the rest of the way. Where rows are
    given up on the way, least squares is no guide to the curvature: for tables that are not large
    nor their columns dependent it is found anew after some iterations, and at the end of a
    convex fit.

    Parameters
    ----------
    objective, start, tol, max_iter, report
        As in :func:`sklearn_robust.solvers.irls.irls`.

    Returns
    -------
    SolverResult
        If it did not converge, the best point that was seen.
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
    """Return whether finding the curvature costs little beside a search."""
    n_parameters = design.columns.n_parameters
    return (design.n_rows + n_parameters) * n_parameters**2 <= _CHEAP


def _reconditioned(objective, start, tol):
    """Return the same start with the curvature there, unless that is singular."""
    root = objective.curvature(start.params, MAJORANT)[-1]
    return start if root.null.shape[1] > start.root.null.shape[1] else replace(start, root=root)


def _checked(objective, start, tol):
    """Return a start one Newton step further if that step is more than ``tol``, else the same.

    Steps of a quasi-Newton method may never have seen a direction in which a convex objective
    is nearly flat; Newton's step has, and is gone where it does not lead up.
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
    end : ndarray, where that step leads or, if it is not known well, the best point seen
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
        # A step of presumed length may lead up, and so may those that are rounding.
        as_good = self.at.value <= self._best.value + _UPHILL * abs(self._best.value)
        return self.at.x if as_good else self._best.x

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
        if not point.value >= self._best.value:
            self._best = point
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
        near = self._size <= self._tol * (1.0 if seen else _UNSEEN)
        short = np.linalg.norm(self.owed) <= _FARTHEST + self._problem.rounding
        self.converged = bool(near and short)

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
