"""Reweighted least squares with a penalty that makes coefficients exactly zero."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..linear_algebra import InverseRoot
from ..problem import Objective
from .irls import FASTEST, LEAST_CURVATURE, LONGEST, UPHILL, newton_share
from .result import SolverResult, Start, Status

_FIRST = 32
"""A working set takes in this many columns at once, or as many as it has if that is more."""
_ALL = 128
"""Tables of at most this many columns are not restricted to a working set."""
_SHARPER = 0.1
"""Tolerance of the coordinate descent relative to the step before."""
_ROUGH, _LEAST = 0.01, 1e-13
"""Bounds on that tolerance, in units of the scale."""
_MOST_SWEEPS = 10_000
"""Most sweeps of the coordinate descent over the columns."""
_NO_ROOT = InverseRoot.identity(1)
"""The norm of a root for the rounding of steps, none of which goes through one."""
_SETTLED = 0.1
"""Size of a step below which the curvature of the quadratic is kept."""


def irls_selecting(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise an objective with an absolute penalty.

    Each iteration minimises a quadratic that touches the smooth part of the objective, plus the
    penalty, by coordinate descent. Of many columns only a working set is fitted: those whose
    coefficients are not zero, and those whose gradients exceed their thresholds most (as in
    Massias, Gramfort & Salmon 2018). One pass over all columns then shows whether others have to
    come in.

    Parameters and result are those of :func:`sklearn_robust.solvers.irls.irls`.
    """
    params = start.params
    history: list[float] = []
    thresholds = objective.thresholds[: objective.design.n_features]
    gradient = objective.value_gradient(params)[1][: len(thresholds)]
    while True:
        used = (params[: len(thresholds)] != 0.0) | (thresholds == 0.0)
        which = _working_set(np.abs(gradient) - thresholds, used)
        places = np.append(which, np.arange(len(thresholds), len(params)))
        of_set = objective if len(which) == len(thresholds) else objective.restricted(which)
        search = _Search(of_set, params[places])
        converged = search.run(tol, max_iter - len(history), report)
        history += search.history
        params = np.zeros(len(params))
        params[places] = search.params
        value, gradient = objective.value_gradient(params)
        gradient = gradient[: len(thresholds)]
        outside = np.ones(len(thresholds), dtype=bool)
        outside[which] = False
        owed = float(np.max((np.abs(gradient) - thresholds)[outside], initial=0.0))
        if owed <= tol or len(history) >= max_iter:
            break
    status = Status.of(converged and owed <= tol)
    value = objective.reported(value)
    return SolverResult(params, objective.scale, value, len(history), status, tuple(history))


def _working_set(excess, used):
    """Return the numbers of the columns to fit: those in use and those most above thresholds."""
    if len(excess) <= _ALL:
        return np.arange(len(excess))
    entering = np.flatnonzero((excess > 0.0) & ~used)
    most = max(_FIRST, int(np.count_nonzero(used)))
    entering = entering[np.argsort(-excess[entering], kind="stable")[:most]]
    return np.union1d(np.flatnonzero(used), entering)


class _Search:
    """The search of a working set, from one pass over its rows to the next.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Where the next pass evaluates the objective; at the end, the result.
    history : list of float
    """

    def __init__(self, objective, params):
        self._objective, self._thresholds = objective, objective.thresholds
        self._least, self._within = newton_share(objective.loss)
        self.params = self._at = params
        self._value, self._gradient = np.inf, np.zeros(len(params))
        self._step, self._bend = np.zeros(len(params)), 0.0
        self._gram: np.ndarray | None = None
        self._size, self._majorant = np.inf, 1.0
        self.history: list[float] = []

    def run(self, tol, max_iter, report) -> bool:
        """Iterate; return whether the remaining step is within ``tol``."""
        converged = False
        while not converged and len(self.history) < max_iter:
            converged = self._iterate(tol)
            report(self.history[-1])
        if not converged and not self._objective.value(self.params) <= self._value:
            self.params = self._at
        return converged

    def _iterate(self, tol) -> bool:
        objective = self._objective
        if self._gram is None or self._size > _SETTLED:
            value, gradient, gram = objective.quadratic(self.params, self._majorant)
        else:
            value, gradient = objective.value_gradient(self.params)
            gram = self._gram
        if not value <= self._value + UPHILL * abs(self._value):
            self.history.append(self.history[-1])
            self.params, self._gram, self._value = self._at, None, np.inf
            self._bend, self._majorant = 0.0, 1.0
            return False
        self.history.append(objective.reported(value))
        share = LEAST_CURVATURE
        if self._bend > 0.0:
            share = float(np.dot(gradient - self._gradient, self._step)) / self._bend
            share = min(max(share, LEAST_CURVATURE), 1.0)
            if share * LONGEST < 1.0 and self._size <= self._within:
                self._majorant = max(self._majorant * max(share, FASTEST), self._least)
                gram = None if self._gram is gram else gram
        self._at, self._value, self._gradient = self.params, value, gradient
        if gram is None:
            gram = objective.quadratic(self.params, self._majorant)[2]
        self._gram = gram
        kept = max(share, 1.0 / LONGEST) if self._bend > 0.0 else 1.0
        return self._step_to(gram, tol, share, kept)

    def _step_to(self, gram, tol, share, kept) -> bool:
        """Take the step of the quadratic whose curvature is multiplied by ``kept``."""
        objective, scale = self._objective, self._objective.scale
        before = self._at / scale
        after, gradient = before.copy(), self._gradient / kept
        inner = max(min(_ROUGH, _SHARPER * self._size), _SHARPER * tol, _LEAST)
        kernels.descend_coordinates(
            gram, self._thresholds / kept, after, gradient, inner, _MOST_SWEEPS
        )
        self._step = after - before
        self._bend = float(self._step @ (gram @ self._step))
        self.params = scale * after
        size = objective.relative_size(scale * self._step, self._at, self._bend, _NO_ROOT)
        self._size = size
        known = share > LEAST_CURVATURE or size == 0.0 or self._majorant <= self._least
        return known and size * kept <= tol * share
