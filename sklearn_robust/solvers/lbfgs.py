"""Limited-memory BFGS, preconditioned by the curvature of least squares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize

from .objective import Objective
from .result import SolverResult, Start

_MEMORY = 10
_PATIENCE = 5
"""Quasi-Newton steps that may fail to owe less before the search gives up."""
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
    search = _Search(objective, start, tol, report)
    if not search.converged and max_iter > 1:
        minimize(
            search.value_gradient,
            search.at.x,
            jac=True,
            method="L-BFGS-B",
            callback=search.advance,
            options={"maxcor": _MEMORY, "maxiter": max_iter - 1, "ftol": 0.0, "gtol": 0.0},
        )
    search.polish(max_iter)
    return SolverResult(
        search.params(search.at.x + search.owed),
        objective.scale,
        search.history[-1],
        len(search.history),
        search.converged,
        tuple(search.history),
    )


class _Point(NamedTuple):
    x: np.ndarray
    value: float
    gradient: np.ndarray


class _Search:
    """One search: the change of coordinates, the memory of its steps, and its progress.

    Parameters are ``origin + c·length·root·x``. A line search begins with a step of length 1,
    and ``length`` makes that the step of least squares.
    """

    def __init__(self, objective, start, tol, report):
        self._objective = objective
        self._origin = start.params
        self._root = start.root.root
        self._tol = tol
        self._report = report
        self.at: _Point
        self.owed: np.ndarray
        self._size: float
        self._steps: list[np.ndarray] = []
        self._changes: list[np.ndarray] = []
        self.history: list[float] = []
        value, gradient = objective.value_gradient(start.params)
        gradient = self._root.T @ gradient
        self._length = float(np.linalg.norm(gradient)) or 1.0
        self._read = _Point(
            np.zeros(len(gradient)), value / self._length**2, gradient / self._length
        )
        self._arrive()

    def params(self, x):
        return self._origin + (self._objective.scale * self._length) * (self._root @ x)

    def value_gradient(self, x):
        """Return value and gradient in x; the last ones are kept, for the search asks twice."""
        if not np.array_equal(x, self._read.x):
            value, gradient = self._objective.value_gradient(self.params(x))
            gradient = self._root.T @ gradient / self._length
            self._read = _Point(x.copy(), value / self._length**2, gradient)
        return self._read.value, self._read.gradient

    def advance(self, intermediate_result):
        """Take note of a step of the line search; stop it when little is owed."""
        self._step_to(intermediate_result.x)
        if self.converged:
            raise StopIteration

    def polish(self, max_iter):
        """Take the steps owed until little is owed, or no less after several of them."""
        best, tries = (self.at, self.owed, self._size), 0
        while not self.converged and len(self.history) < max_iter and tries < _PATIENCE:
            self._step_to(self.at.x + self.owed)
            tries += 1
            if self._size < best[-1]:
                best, tries = (self.at, self.owed, self._size), 0
        self.at, self.owed, self._size = best

    def _step_to(self, x):
        self.value_gradient(x)
        step, change = self._read.x - self.at.x, self._read.gradient - self.at.gradient
        if np.dot(step, change) > 0.0:
            self._steps = [*self._steps, step][-_MEMORY:]
            self._changes = [*self._changes, change][-_MEMORY:]
        self._arrive()

    def _arrive(self):
        """Settle at the point last read and see what is still owed there."""
        self.at = self._read
        self.history.append(self.at.value * (self._length * self._objective.scale) ** 2)
        self._report(self.history[-1])
        self.owed = -self._inverse_curvature(self.at.gradient)
        params = self.params(self.at.x)
        step = self.params(self.at.x + self.owed) - params
        self._size = self._objective.relative_size(step, params)
        self.converged = self._size <= self._tol * (1.0 if self._steps else _UNSEEN)

    def _inverse_curvature(self, gradient):
        if not self._steps:
            return gradient
        # SciPy's product presumes unit curvature where no step has been; the last step's
        # curvature is the better guess, and comes in by a change of units.
        step, change = self._steps[-1], self._changes[-1]
        unit = np.sqrt(np.dot(step, change) / np.dot(change, change))
        memory = LbfgsInvHessProduct(np.array(self._steps) / unit, np.array(self._changes) * unit)
        return unit * memory.matvec(unit * gradient)
