"""Starts of the likelihood, which has several minima: several are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..losses import regression_constant
from ..problem import Likelihood
from ..scale_rules import MadScale
from ..solvers.lbfgs import lbfgs
from ..solvers.result import AdaptiveStart, Start, Status, first_usable
from .exact_plane import exact_plane
from .m_estimate import LOOSE, Regression
from .plan import likelihood_solvers_for, minimise_by, minimise_nll_by
from .residual_scales import minimise_with_scale, packed_with_mad
from .s_estimate import SEstimate, bad_leverage, efficient, row_metric
from .shared_starts import SharedStarts
from .subsample import accuracy_of, likelihood_start_from_subsample, sample_of, subsample_size

_SAMPLE = 2000
"""Most rows on which starts are compared."""
_SHARP = LOOSE | {"tol": 1e-6}
"""Options of the fit that identifies bad rows; no later search starts from it."""
_RANKING = 1e-2
"""Tolerance of searches that are only compared; the error of their values is about its square."""
_SHAPES = (1.0, 0.5, 0.0)
"""Shapes that are compared at each start."""
NO_ROWS = np.empty(0, dtype=np.intp)
"""The rows left out, if there are none."""


def at_params(likelihood: Likelihood, start: Start, alpha=1.0) -> AdaptiveStart:
    """Start at given parameters and the shape nearest to ``alpha``.

    The scale is the MAD, or the first wider quantile of the residuals that is not zero.
    """
    mad = MadScale(likelihood.design, 1.0)
    scale = float(np.clip(mad.c_at(start.params), *likelihood.scale_bounds))
    found = AdaptiveStart(start.params, start.root, scale, alpha, exact=mad.vanished)
    return _with_shape(likelihood, found, alpha)


def _with_shape(likelihood, start: AdaptiveStart, alpha) -> AdaptiveStart:
    """Return the start at the shape nearest to ``alpha``."""
    return replace(start, alpha=float(np.clip(alpha, *likelihood.alpha_bounds)))


def _likely(likelihood, seed: Start) -> AdaptiveStart:
    """Return the start at given parameters and the most likely of the shapes compared."""
    start = at_params(likelihood, seed)
    shapes = (_with_shape(likelihood, start, alpha) for alpha in _SHAPES)
    return min(shapes, key=likelihood.value_at)


@dataclass(frozen=True)
class LikelihoodStart:
    """A likelihood and where its search begins.

    Attributes
    ----------
    likelihood : Likelihood
        Of the rows that count.
    start : AdaptiveStart
    left_out : ndarray of int
        The numbers of the other rows.
    estimate, believed : SEstimate or None
        The S-estimate and the efficient fit that identify them, if they were computed.
    metric : tuple or None
        The result of :func:`~sklearn_robust.procedures.s_estimate.row_metric`, if it was computed.
    n_first : int
        Rows of the subsample that was fitted first.
    status : Status
    """

    likelihood: Likelihood
    start: AdaptiveStart
    left_out: np.ndarray
    estimate: SEstimate | None = None
    believed: SEstimate | None = None
    metric: tuple | None = None
    n_first: int = 0
    status: Status = Status.CONVERGED


@dataclass(frozen=True)
class StartSearch:
    """The search of a start.

    Attributes
    ----------
    likelihood : Likelihood
        Of all rows.
    init : str
        The name of the start.
    solver : str
        The name of a solver.
    random_state : RandomState
    """

    likelihood: Likelihood
    init: str
    solver: str
    random_state: Any

    @property
    def start(self) -> LikelihoodStart:
        """The start; with many rows it is the fit of a subsample."""
        design = self.likelihood.design
        if self.likelihood.problem.standardised_penalty.selects:
            return self._selecting() if self.init == "s" else self._named()
        compiled = self.init == "ols" and self.solver == "auto" and design.packed() is not None
        exact = self.init == "s" and exact_plane(design) is not None
        size = 0 if compiled or exact else subsample_size(design)
        searched = self._compared if self.init == "s" else self._named
        if size == 0:
            return searched()
        return first_usable(partial(self._refined_from_subsample, size), searched)

    def _refined_from_subsample(self, size) -> LikelihoodStart:
        """Return the start of all rows that follows from that of a subsample of ``size`` rows."""
        likelihood = self.likelihood
        rows = sample_of(likelihood.design, size)
        few = replace(self, likelihood=likelihood.on(rows)).start
        if few.start.exact:
            return replace(few, status=Status.NOT_APPLICABLE)
        options = LOOSE | {"tol": accuracy_of(few.likelihood.design)}
        found = _fastest(few.likelihood, few.start, **options)
        start = likelihood_start_from_subsample(few.likelihood, found)
        if start.curvature is None:
            return replace(few, status=Status.STALLED)
        left_out = NO_ROWS
        if few.estimate is not None and few.believed is not None:
            left_out, _ = bad_leverage(likelihood.design, few.estimate, few.believed, few.metric)
        likelihood = _without(likelihood, left_out)
        found = few.estimate, few.believed, few.metric
        return LikelihoodStart(likelihood, start, left_out, *found, n_first=rows.n_rows)

    @cached_property
    def _shared(self) -> SharedStarts:
        """What the convex fit and the S-estimate share."""
        return SharedStarts(
            self.likelihood.problem, self.solver, self.random_state, LOOSE["max_iter"], LOOSE["tol"]
        )

    def _at_shape(self, alpha, init) -> Regression:
        """Return the fit at a shape from a named start, with the MAD as scale."""
        objective = self.likelihood.objective(1.0, alpha)
        return Regression(self._shared, objective, init, "mad", 0.95)

    def _named(self) -> LikelihoodStart:
        """Return the start of the same name of a regression at shape 0, the heaviest tails."""
        tails = _SHAPES[-1]
        start = self._at_shape(tails, self.init).named_start
        alpha = 1.0 if self.init == "ols" else tails
        return LikelihoodStart(self.likelihood, at_params(self.likelihood, start, alpha), NO_ROWS)

    def _selecting(self) -> LikelihoodStart:
        """Return the better of the S-estimate and least squares; no rows are left out."""
        likelihood, estimate = self.likelihood, self._shared.s_estimate
        seeds = Start(estimate.params, estimate.root), self._shared.least_squares
        starts = [_likely(likelihood, seed) for seed in seeds]
        return LikelihoodStart(likelihood, _best(likelihood, starts), NO_ROWS, estimate)

    def _compared(self) -> LikelihoodStart:
        """Return the best of the S-estimate, least squares and a convex fit.

        Bad leverage points are left out. A loose search from each start is done on a sample of the
        other rows. Of the starts and the results of these searches, the most likely on all rows
        that count is returned. They are compared by the likelihood without the adjustment for the
        coefficients: with few rows that prefers least squares more often if a fifth of them are
        outliers.
        """
        likelihood, shared = self.likelihood, self._shared
        estimate = shared.s_estimate
        minimise = partial(minimise_by, shared.s_plan.solvers)
        near = shared.grown_rows
        believed = efficient(likelihood.problem, estimate, minimise, near, **_SHARP)
        metric = row_metric(likelihood.design, estimate, self.random_state)
        left_out, params = bad_leverage(likelihood.design, estimate, believed, metric)
        likelihood = _without(likelihood, left_out)
        plain = replace(likelihood, n_parameters=0.0)
        sampled = plain.on(plain.design.sample(_SAMPLE, self.random_state))
        robust = Start(estimate.params, estimate.root)
        if estimate.exact:
            exact = at_params(likelihood, robust)
            if likelihood.unbounded_at(exact):
                return LikelihoodStart(likelihood, exact, left_out, estimate, believed, metric)
        seeds = [
            replace(robust, params=params),
            replace(robust, params=shared.least_squares.params),
            replace(robust, params=_convex(sampled, robust)),
        ]
        starts = [_likely(sampled, seed) for seed in seeds]
        found = []
        for first in starts:
            result = _fastest(sampled, first, **LOOSE | {"tol": _RANKING})
            learned = {"scale": result.scale, "alpha": result.alpha}
            found.append(replace(first, params=result.params, **learned))
        best = _best(plain, [*found, *starts])
        return LikelihoodStart(likelihood, best, left_out, estimate, believed, metric)


def _fastest(likelihood, start, **options):
    solvers = likelihood_solvers_for("auto", likelihood.problem)
    return minimise_nll_by(solvers, likelihood, start, **options)


def _without(likelihood, rows):
    """Return the likelihood of the other rows."""
    return likelihood.on(likelihood.design.without(rows)) if len(rows) else likelihood


def _convex(likelihood, start):
    """Return the parameters of the convex fit."""
    objective = likelihood.objective(1.0, _SHAPES[0])
    mad = MadScale(likelihood.design, regression_constant(objective.loss, 0.95))
    searches = packed_with_mad, partial(minimise_with_scale, lbfgs)
    return first_usable(
        *(partial(search, objective, start, mad, **LOOSE) for search in searches)
    ).params


def _best(likelihood, starts):
    """Return the first start at which the likelihood of all rows is unbounded, or the best."""
    for start in starts:
        if start.exact or likelihood.is_near_floor(start.scale):
            exact = at_params(likelihood, start)
            if likelihood.unbounded_at(exact):
                return exact
    return replace(min(starts, key=likelihood.value_at), exact=False)
