"""Iteratively reweighted least squares by weighted normal equations."""

from __future__ import annotations

import numpy as np

from ..problem import Objective
from .result import SolverResult, Start, Status

LONGEST = 1.9
"""Largest factor by which a step is lengthened; below 2 the objective cannot increase."""
LEAST_CURVATURE = 0.01
"""Lower bound on the estimated curvature of the objective, relative to that of the quadratic."""
FASTEST = 0.1
"""Least factor by which a step reduces the majorant; its inverse raises it after a step uphill."""
_LEAST_MAJORANT = 1e-10
"""Lower bound on the majorant: at 0 the curvature may be singular."""
_LEAST_IF_REDESCENDING = 0.01
"""The same lower bound under a loss that redescends."""
_SETTLED = 0.03
"""Size of a step below which the majorant is reduced under a loss that redescends."""
_SHORTER = 0.25
"""Factor by which a step uphill is shortened."""
UPHILL = 1e-12
"""Relative increase of the objective that may be rounding."""


def irls(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise the objective by a sequence of weighted least-squares fits.

    Each iteration minimises a quadratic that touches the objective and lies above it, so the
    objective never increases (Huber 1981, section 7.8), even if the step is lengthened by a factor
    below 2. The curvature of the objective is a share of that of the quadratic. The share is
    estimated from the change of the slope along the last step (as in Barzilai & Borwein 1988).
    Steps are divided by it, and the step divided by the share estimates the remaining distance.

    A share at its lower bound is no estimate, so a convex fit does not converge there. If the share
    is so small that steps cannot be lengthened enough, as between outliers that balance each other,
    convergence is slow. The curvature of the quadratic is then lowered towards that of the
    objective, until the steps are Newton's. Under a redescending loss this begins only once steps
    are short, because longer ones might leave the minimum next to the start, and a hundredth of
    the difference is kept. If a step of the lowered quadratic leads uphill, a quarter of it is
    tried, and part of the difference is restored.

    Parameters
    ----------
    objective : Objective
    start : Start
    tol : float
        Bound on the relative size of the remaining step.
    max_iter : int
    report : callable
        Called with the objective at the beginning of each iteration.

    Returns
    -------
    SolverResult
        The best point that was seen, if the search did not converge.
    """
    search = _Search(objective, start)
    converged = False
    while not converged and len(search.history) < max_iter:
        converged = search.step(tol)
        report(search.history[-1])
    params = search.params if converged and search.size > 0.0 else search.best()
    history, status = tuple(search.history), Status.of(converged)
    return SolverResult(params, objective.scale, history[-1], len(history), status, history)


class _Search:
    """The state of ``irls`` from one pass over the rows to the next.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Where the next pass evaluates the objective.
    history : list of float
    size : float
        Relative size of the last step, 0 if it is rounding.
    """

    def __init__(self, objective, start):
        self._objective, self._n_null = objective, start.root.null.shape[1]
        self._least, self._within = newton_share(objective.loss)
        self.size = np.inf
        self.params = self._at = start.params
        self._value, self._slope = np.inf, 0.0
        self._step = np.zeros_like(start.params)
        self._length, self._majorant, self._newton = 1.0, 1.0, False
        self.history: list[float] = []

    def step(self, tol) -> bool:
        """Take a step, in one pass; return whether the remaining distance is within ``tol``."""
        objective, newton = self._objective, self._majorant < 1.0
        value, gradient, root = objective.curvature(self.params, self._majorant)
        uphill = self._newton and not value <= self._value + UPHILL * abs(self._value)
        singular = newton and root.null.shape[1] > self._n_null
        self.history.append(self.history[-1] if uphill else objective.reported(value))
        if uphill or singular:
            self._majorant = min(self._majorant / FASTEST, 1.0)
            if uphill:
                self._length *= _SHORTER
                self._go_on()
            return False
        share = LEAST_CURVATURE
        if self._slope < 0.0:
            share = (1.0 - float(np.dot(gradient, self._step)) / self._slope) / self._length
            share = min(max(share, LEAST_CURVATURE), 1.0)
            self._length = min(1.0 / share, LONGEST)
            if share * LONGEST < 1.0 and self.size <= self._within:
                self._majorant = max(self._majorant * max(share, FASTEST), self._least)
        self._at, self._value, self._newton = self.params, value, newton
        self._step = -root.solve(gradient)
        self._slope = float(np.dot(gradient, self._step))
        self._go_on()
        step = objective.scale * self._step
        self.size = objective.relative_size(step, self._at, self._slope, root)
        known = share > LEAST_CURVATURE or self.size == 0.0 or self._majorant <= self._least
        return known and self.size <= tol * share

    def _go_on(self):
        self.params = self._at + (self._objective.scale * self._length) * self._step

    def best(self):
        """Return the next point of the search or, if that is worse, the last one."""
        ahead = self._objective.value(self.params)
        return self.params if ahead <= self._value else self._at


def newton_share(loss) -> tuple[float, float]:
    """Return the least majorant, and the size of a step after which it may be reduced."""
    return (_LEAST_IF_REDESCENDING, _SETTLED) if loss.redescending else (_LEAST_MAJORANT, np.inf)
