"""Reweighted least squares with a penalty that makes coefficients exactly zero."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..linear_algebra import InverseRoot
from ..problem import Objective
from ..scale_rules import GivenScale, ScaleRule
from .irls import LEAST_CURVATURE, LONGEST, UPHILL, newton_share
from .result import SolverResult, Start, Status

_FIRST = 32
"""This many columns may come in at once, or twice as many as are in use if that is more."""
_NEARLY = 0.9
"""A column comes in if its gradient is above this share of its threshold."""
_ROUGHER = 0.1
"""Tolerance of a search of a working set, relative to what columns outside it owe."""
_SHARPER = 0.1
"""Tolerance of the coordinate descent relative to the step before."""
_ROUGH, _LEAST = 0.01, 1e-13
"""Bounds on that tolerance, in units of the scale."""
_MOST_SWEEPS = 10_000
"""Most sweeps of the coordinate descent over the columns."""
_QUICK, _SLOWEST = 0.1, 0.99
"""Ratio of a step to the one before that a new curvature brings, and bound on an old one's."""
_SHORT, _LONGEST_IF_SHORT = 0.03, 10.0
"""After a step shorter than this the next may be lengthened by as much as this factor. A step that
leads uphill is taken back."""
_PRODUCTS = 16.0
"""Columns of which a new curvature costs as much as an iteration."""
_OLD = 3
"""Iterations after which the same curvature may be computed anew."""
_NO_ROOT = InverseRoot.identity(1)
"""The norm of a root for the rounding of steps, none of which goes through one."""


def irls_selecting(
    objective: Objective, start: Start, *, tol, max_iter, report, rule: ScaleRule | None = None
) -> SolverResult:
    """Minimise an objective with an absolute penalty.

    Each iteration minimises a quadratic near the smooth part of the objective, plus the penalty, by
    coordinate descent. Its curvature is that of an earlier iteration as long as the steps become
    shorter quickly; otherwise it is computed anew, as by :func:`sklearn_robust.solvers.irls.irls`.
    Only a working set of columns is fitted: those whose coefficients are not zero, and those whose
    gradients exceed their thresholds most (as in Massias, Gramfort & Salmon 2018). One pass over
    all columns then shows whether others have to come in.

    Parameters
    ----------
    objective : Objective
    start : Start
    tol, max_iter, report
        As for :func:`sklearn_robust.solvers.irls.irls`.
    rule : ScaleRule, optional
        The scale follows it from one iteration to the next; the default is the given one.

    Returns
    -------
    SolverResult
    """
    search = _Search(objective, start, rule or GivenScale(objective.design, objective.scale))
    owed = search.take_in(_ROUGH)
    while True:
        wanted = max(tol, _ROUGHER * owed)
        converged = search.run(wanted, max_iter, report)
        owed = search.take_in(_SHARPER * wanted)
        if (wanted == tol and owed <= tol) or len(search.history) >= max_iter:
            return search.result(converged and owed <= tol)


class _Search:
    """The state of ``irls_selecting`` from one iteration to the next.

    Parameters are those of the working set, in the order of its columns.

    Attributes
    ----------
    history : list of float
    """

    def __init__(self, objective: Objective, start: Start, rule: ScaleRule):
        self._objective, self._rule = objective, rule
        self._set = objective.design.working_set()
        self._least, self._within = newton_share(objective.loss)
        self._set.for_loss(objective.loss)
        penalty = objective.problem.standardised_penalty
        self._thresholds, self._curvature = penalty.thresholds, penalty.curvature
        self._bends = bool(np.any(self._curvature))
        free = self._thresholds == 0.0
        if self._set.is_small:
            free[:] = True
        self._set.take_in(np.flatnonzero((free | (start.params != 0.0))[: self._n_features]))
        params = start.params[self._set.places]
        residuals = self._set.residuals(params)
        self._c = rule.c_of_residuals(residuals, self._set.cases)
        self._forget()
        self._move_to(params, residuals, *self._read(residuals, params))
        self.history: list[float] = []

    @property
    def _n_features(self):
        return self._objective.design.n_features

    def _forget(self):
        """Forget the last step, from which the curvature is estimated."""
        self._majorant, self._size, self._share = 1.0, np.inf, LEAST_CURVATURE
        self._known, self._age = False, _OLD

    def _read(self, residuals, params):
        """Return F/c² and the influence of every row."""
        places, c = self._set.places, self._c
        sums, influence = self._losses(residuals, kernels.NOTHING)[:2]
        value = sums[0] / self._set.design.total_weight
        value += float(np.dot(0.5 * self._curvature[places] * (params / c), params / c))
        value += float(np.dot(self._thresholds[places] / c, np.abs(params / c)))
        return value, influence

    def _move_to(self, params, residuals, value, influence):
        """Hold a point and c times the gradient of the smooth part of F there."""
        self._params, self._residuals, self._value = params, residuals, value
        self._influence = influence
        bent = self._curvature[self._set.places] * (params / self._c)
        self._gradient = self._set.gradient(influence) + bent

    def _losses(self, residuals, extra):
        loss, options = self._objective.loss, (extra, 0.0, 0.0, self._majorant)
        return kernels.range_loss(
            loss.code, loss.alpha, self._c, *options, residuals, self._set.cases
        )

    def take_in(self, within) -> float:
        """Take columns into the set; return by how much a gradient outside exceeds its threshold.

        Those come in whose gradients are above their thresholds, or nearly so. The gradients may be
        wrong by ``within``.
        """
        outside = self._set.outside()
        if len(outside) == 0:
            return 0.0
        gradient = self._set.gradient_of_all(self._influence, within)
        sizes, thresholds = np.abs(gradient[outside]), self._thresholds[outside] / self._c
        owed = float(np.max(sizes - thresholds, initial=0.0))
        if owed == 0.0:
            return owed
        near = np.flatnonzero(sizes > _NEARLY * thresholds)
        most = max(_FIRST, 2 * int(np.count_nonzero(self._params)))
        near = near[np.argsort((thresholds - sizes)[near], kind="stable")[:most]]
        entering = outside[near]
        self._set.take_in(entering)
        self._params = np.append(self._params, np.zeros(len(entering)))
        self._gradient = np.append(self._gradient, gradient[entering])
        return owed

    def run(self, tol, max_iter, report) -> bool:
        """Iterate; return whether the remaining step is within ``tol``."""
        converged = False
        while not converged and len(self.history) < max_iter:
            self.history.append(self._objective.at(self._c).reported(self._value))
            converged = self._iterate(tol)
            report(self.history[-1])
        return converged

    def _iterate(self, tol) -> bool:
        """Take a step; return whether what remained before it was within ``tol``."""
        if self._set.gram is None:
            self._weigh()
        longest = LONGEST if self._size > min(self._within, _SHORT) else _LONGEST_IF_SHORT
        kept = max(self._share, 1.0 / longest) if self._known else 1.0
        after, step, bend, size = self._step(kept, tol)
        near = self._known and size * kept <= tol * self._share
        gradient, c = self._gradient, self._c
        params, residuals = c * after, self._set.moved(self._residuals, c * step)
        found = self._read(residuals, params)
        if not found[0] <= self._value + UPHILL * abs(self._value):
            self._forget()
            self._weigh()
            return size == 0.0
        self._c = self._rule.c_of_residuals(residuals, self._set.cases)
        if self._c != c:
            found = self._read(residuals, params)
        self._move_to(params, residuals, *found)
        self._age += 1
        if bend > 0.0:
            change = float(np.dot(self._gradient * (self._c / c) - gradient, step)) / bend
            self._share = min(max(change, LEAST_CURVATURE), 1.0)
            self._known = True
        if not near and self._is_worth_weighing(size, tol):
            self._weigh()
        self._size = size
        return near or size == 0.0

    def _is_worth_weighing(self, size, tol):
        """Return whether the curvature at this point would save more time than it takes."""
        if self._size == 0.0:
            return False
        shrinks = size / self._size
        if shrinks <= _QUICK or not (size > tol > 0.0):
            return shrinks > _QUICK
        left = math.log(size / tol)
        saved = left / -math.log(min(shrinks, _SLOWEST)) - left / -math.log(_QUICK)
        lower = self._majorant > self._least and size <= self._within
        if saved <= len(self._params) / _PRODUCTS or not (lower or self._age > _OLD):
            return False
        self._majorant = self._least if lower else self._majorant
        return True

    def _weigh(self):
        """Compute the curvature of the quadratic anew."""
        self._set.weigh(self._losses(self._residuals, kernels.GRAM)[2])
        self._age = 0

    def _step(self, kept, tol):
        """Return the minimum of a quadratic, and the step to it.

        Its curvature is that of the working set times ``kept``.

        Returns
        -------
        after, step : ndarray
            The parameters after the step, of which some are exactly zero, and the step, in units
            of c.
        bend : float
            The product of the step with the curvature times the step.
        size : float
            Relative size of the step.
        """
        places, c = self._set.places, self._c
        gram = self._set.gram
        if self._bends:
            gram = gram + np.diag(self._curvature[places])
        before = self._params / c
        after, gradient = before.copy(), self._gradient / kept
        inner = max(min(_ROUGH, _SHARPER * self._size), _SHARPER * tol, _LEAST)
        kernels.descend_coordinates(
            gram, self._thresholds[places] / (c * kept), after, gradient, inner, _MOST_SWEEPS
        )
        step = after - before
        bend = float(step @ (gram @ step))
        size = self._objective.at(c).relative_size(
            c * step, self._params, bend, _NO_ROOT, self._set.intercept
        )
        return after, step, bend, size

    def _whole(self, params):
        """Return the parameters of all columns from those of the set."""
        whole = np.zeros(self._objective.design.columns.n_parameters)
        whole[self._set.places] = params
        return whole

    def result(self, converged) -> SolverResult:
        """Return the result at the point reached."""
        value, history = self._objective.at(self._c).reported(self._value), tuple(self.history)
        params, status = self._whole(self._params), Status.of(converged)
        return SolverResult(params, self._c, value, len(history), status, history)
