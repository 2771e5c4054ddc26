"""The fit of coefficients, shape, and a scale that grows with columns of X."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np

from .. import scales
from ..design import LocalDesign, Standardisation, make_design
from ..design.residuals import residuals
from ..linear_algebra import minimum_norm
from ..losses import resolve
from ..penalties import ElasticNet
from ..problem import Likelihood, Problem
from ..scales import ENOUGH
from ..solvers.growing import (
    GrowingLikelihood,
    GrowingResult,
    GrowingStart,
    grow,
    grow_near,
)
from ..solvers.result import first_usable, quiet
from .likelihood import MaximumLikelihood
from .likelihood_starts import NO_ROWS
from .m_estimate import LOOSE, Regression
from .s_estimate import bad_leverage
from .shared_starts import SharedStarts
from .starts import least_squares_root
from .subsample import subsample_size

_SAMPLE = 1000
"""Most rows on which starts are compared."""
_FEW = 6
"""Iterations from every start, after which the best goes on."""
_RANKING = 1e-2
"""Tolerance of searches that are only compared."""
_SHAPES = (1.0, 0.5, 0.0)
"""Shapes that are compared at each start."""


def scale_design(given, cases=None) -> LocalDesign:
    """Return the columns on which the scale depends as a design, whose target is zero.

    Parameters
    ----------
    given : {ndarray, sparse matrix} of shape (n_rows, n_columns)
    cases : ndarray of shape (n_rows,), optional
        Case weights; only rows that have one decide how the columns are standardised.
    """
    return make_design(given, np.zeros(given.shape[0]), cases)


@dataclass(frozen=True)
class GrowingFit(GrowingResult):
    """The result of a whole fit.

    Attributes
    ----------
    growing : GrowingLikelihood
        Of the rows that count.
    left_out : ndarray of int
        The numbers of the rows left out.
    """

    growing: GrowingLikelihood
    left_out: np.ndarray


@dataclass(frozen=True)
class GrowingScale:
    """A fit of coefficients, scale, its growth and shape.

    Attributes
    ----------
    likelihood : Likelihood
        The likelihood of all rows with one scale.
    given : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        The columns on which the scale depends.
    penalty : float
        The strength of the penalty on their standardised coefficients.
    init, solver, random_state, max_iter, tol, start
        As of :class:`~sklearn_robust.procedures.likelihood.MaximumLikelihood`; the last is its
        ``given``.
    """

    likelihood: Likelihood
    given: Any
    penalty: float
    init: str | None
    solver: str
    random_state: Any
    max_iter: int
    tol: float
    start: tuple | None = None

    @property
    def design(self) -> LocalDesign:
        """All rows, which are in this process."""
        return cast(LocalDesign, self.likelihood.design)

    @cached_property
    def plain(self) -> MaximumLikelihood:
        """The fit with one scale, whose start this one shares; of a sample if there are many rows.

        The sample is always the same.
        """
        design = self.design
        rows = design if len(self._sampled) == design.n_present else design.take(self._sampled)
        return MaximumLikelihood(
            self.likelihood.on(rows), self.init, self.solver, self.random_state, self.max_iter,
            self.tol, self.start,
        )  # fmt: skip

    @cached_property
    def _sampled(self) -> np.ndarray:
        """The places of the rows that are fitted first, among those with a weight."""
        design = self.design
        size = subsample_size(design)
        if size == 0:
            return np.arange(design.n_present)
        chosen = np.random.default_rng(0).choice(design.n_present, size, replace=False)
        return np.sort(chosen)

    @property
    def exact(self) -> bool:
        """Whether the start fits most rows exactly, so that no scale can be learned."""
        begin = self.plain.start
        return begin.likelihood.unbounded_at(begin.start)

    def fit(self, report) -> GrowingFit:
        """Minimise the negative log-likelihood.

        Parameters
        ----------
        report : callable
            Called with the likelihood at the beginning of each iteration.
        """
        design = self.design
        few = self._of(self.plain.likelihood.design, self._given_of_few)
        found, growing, left_out = few.best()
        if few.likelihood.design is not design:
            whole, before = self._of(design, self.given), growing.scale_design.columns
            left_out = whole.bad_leverage(found.params, found.slopes / before.unit)
            growing = whole.growing(left_out)
            found = restandardised(found, before, growing)
        options = {"tol": self.tol, "max_iter": self.max_iter, "report": report}
        result = _grown(growing, found, **options)
        params = minimum_norm(result.params, design.columns.unit, found.root.null)
        slopes, scale = _least_growth(growing.scale_design, result)
        parts = vars(replace(result, params=params, slopes=slopes, scale=scale))
        return GrowingFit(**parts, growing=growing, left_out=left_out)

    @property
    def _given_of_few(self):
        """The columns in the rows that are fitted first."""
        if len(self._sampled) == self.design.n_present:
            return self.given
        return self.given[self.design.present()[self._sampled]]

    def _of(self, design, given) -> _Rows:
        return _Rows(self, self.likelihood.on(design), given)


@dataclass(frozen=True)
class _Rows:
    """The rows of a fit, all or a sample, with the start of the fit with one scale."""

    fit: GrowingScale
    likelihood: Likelihood
    given: Any

    @property
    def design(self) -> LocalDesign:
        """The rows."""
        return cast(LocalDesign, self.likelihood.design)

    def growing(self, left_out) -> GrowingLikelihood:
        """Return the likelihood of the rows that are not left out."""
        design = self.design
        rows = design.without(left_out) if len(left_out) else design
        sizes = scale_design(self.given, rows.sample_weight)
        return GrowingLikelihood(self.likelihood.on(rows), sizes, self.fit.penalty)

    def best(self):
        """Return the best start, the likelihood of the rows that count, and the rows left out."""
        begin = self.fit.plain.start
        growing, left_out = self.growing(begin.left_out), begin.left_out
        robust = begin.start.params if begin.believed is None else begin.believed.params
        unscaled = self.slopes_of(robust, growing.scale_design) / growing.scale_design.columns.unit
        if begin.estimate is not None:
            left_out = self.bad_leverage(robust, unscaled)
            growing = self.growing(left_out)
        slopes = unscaled * growing.scale_design.columns.unit
        seeds = [(robust, slopes), (begin.start.params, np.zeros(len(slopes)))]
        sampled = growing.thinned(_SAMPLE)
        starts = []
        for params, of in seeds:
            first = self._at(sampled, begin.start, params, of)
            result = grow(sampled, first, max_iter=_FEW, tol=_RANKING, report=quiet)
            starts.append(first.at(result))
        first = min(starts, key=sampled.value_at)
        best = grow(sampled, first, max_iter=LOOSE["max_iter"], tol=_RANKING, report=quiet)
        return first.at(best), growing, left_out

    def _at(self, growing, start, params, slopes) -> GrowingStart:
        """Return the start at coefficients and growth, with the MAD and the most likely shape."""
        divided = residuals(growing.design, params) * np.exp(-growing.log_scales(slopes, 0.0))
        plain = growing.plain
        mad = max(scales.mad(divided, growing.design.sample_weight), growing.design.floor)
        scale = float(np.clip(mad, *plain.scale_bounds))
        shapes = {float(np.clip(alpha, *plain.alpha_bounds)) for alpha in _SHAPES}
        ways = [
            GrowingStart(params, start.root, scale, alpha, slopes=slopes)
            for alpha in sorted(shapes, reverse=True)
        ]
        return min(ways, key=growing.value_at)

    def slopes_of(self, params, sizes: LocalDesign) -> np.ndarray:
        """Return g from a robust regression of the log absolute residuals.

        The errors of the logarithm do not depend on the scale, so its slopes are those of log c,
        whatever the distribution of the errors. The logarithm of an outlier is not far off those of
        other rows, so a convex loss resists them.
        """
        if sizes.n_features == 0:
            return np.zeros(0)
        logs = np.log(np.maximum(np.abs(residuals(self.design, params)), self.design.floor))
        rows = sizes.with_target(logs)
        problem = Problem(rows, ElasticNet(l2_regularization=self.fit.penalty))
        loose = LOOSE["max_iter"], LOOSE["tol"]
        shared = SharedStarts(problem, "auto", self.fit.random_state, *loose)
        objective = problem.objective(resolve(alpha=1.0), 1.0)
        result = Regression(shared, objective, "ols", "mad", 0.95).fit(quiet)
        return result.params[:-1]

    def bad_leverage(self, params, slopes) -> np.ndarray:
        """Return the rows far off in X whose residuals are large beside their scale.

        Parameters
        ----------
        params : ndarray of shape (n_parameters,)
        slopes : ndarray of shape (n_columns,)
            Of the columns as they were given.
        """
        begin, design = self.fit.plain.start, self.design
        if begin.estimate is None or begin.believed is None:
            return NO_ROWS
        logs = np.asarray(self.given @ slopes).ravel()
        logs = logs - np.average(logs, weights=design.sample_weight)
        sizes = np.exp(np.clip(logs, -300.0, 300.0))
        believed = begin.estimate
        if begin.believed is not begin.estimate:
            believed = replace(begin.believed, params=params)
        return bad_leverage(design, begin.estimate, believed, begin.metric, sizes)[0]


def restandardised(start: GrowingStart, before: Standardisation, growing) -> GrowingStart:
    """Return a start found with other columns of the scale, for those of a likelihood."""
    now = growing.scale_design.columns
    slopes = start.slopes / before.unit * now.unit
    moved = float(start.slopes @ ((now.centre - before.centre) / before.unit))
    scale = float(np.clip(start.scale * math.exp(moved), *growing.plain.scale_bounds))
    return replace(start, slopes=slopes, scale=scale)


def _least_growth(rows: LocalDesign, result):
    """Return the slopes and the scale with the same scales of all rows and the least slopes."""
    at = np.append(result.slopes, math.log(result.scale))
    for some in (rows.thinned(ENOUGH), rows):  # columns that are free in a few rows are so in all
        null = least_squares_root(Problem(some, ElasticNet()), at).null
        if null.shape[1] == 0:
            return result.slopes, result.scale
    at = minimum_norm(at, rows.columns.unit, null)
    return at[:-1], math.exp(at[-1])


def _grown(growing, start, **options) -> GrowingResult:
    """Minimise by Newton's method, or by L-BFGS-B where that stalls."""
    return first_usable(*(partial(way, growing, start, **options) for way in (grow_near, grow)))
