"""The fit of coefficients, shape, and a scale that grows with columns of X."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np

from .. import scales
from ..design import LocalDesign, make_design
from ..design.residuals import residuals
from ..linear_algebra import minimum_norm
from ..losses import resolve
from ..penalties import ElasticNet
from ..problem import Likelihood, Problem
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
from .starts import least_squares
from .subsample import subsample_size

_SAMPLE = 1000
"""Most rows on which starts are compared."""
_FEW = 6
"""Iterations from every start, after which the best goes on."""
_RANKING = 1e-2
"""Tolerance of searches that are only compared."""
_SHAPES = (1.0, 0.5, 0.0)
"""Shapes that are compared at each start."""
_AT_ONCE = 8192
"""Rows of which the moments are computed at once."""
_MOST = 1e150
"""Most deviations of a value of a row that does not count."""
_LEAST = 1e-150
"""Least size of a column; its square does not underflow."""


class ScaleColumns(NamedTuple):
    """Standardised columns on which the scale depends: ``(u - centre) / unit``.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_columns)
    centre, unit : ndarray of shape (n_columns,)
        Mean and root mean square about it of the rows that count. Constant columns become zero.
    """

    values: np.ndarray
    centre: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, given, cases) -> ScaleColumns:
        """Standardise columns, shape (n_rows, n_columns), by rows with these case weights."""
        low, high = np.full((2, given.shape[1]), [[np.inf], [-np.inf]])
        for _, of in _blocks(given, cases):
            low = np.minimum(low, np.min(of, axis=0))
            high = np.maximum(high, np.max(of, axis=0))
        largest = np.maximum(np.maximum(-low, high), _LEAST)
        total = float(cases.sum())
        mean, square = np.zeros((2, given.shape[1]))
        for own, of in _blocks(given, cases):
            mean += own @ (of / largest) / total
        for own, of in _blocks(given, cases):
            square += own @ (of / largest - mean) ** 2 / total
        centre, unit = largest * mean, largest * np.sqrt(square)
        constant = unit <= 8.0 * np.finfo(np.float64).eps * np.abs(centre) + _LEAST
        constant |= high == low
        unit = np.where(constant, 1.0, unit)
        values = np.empty(given.shape)
        with np.errstate(over="ignore"):
            np.subtract(given, centre, out=values)
            values /= unit
        values[:, constant] = 0.0
        np.clip(values, -_MOST, _MOST, out=values)
        return cls(values, centre, unit)


def _blocks(given, cases):
    """Yield the case weights and the columns of the rows with a weight, some rows at a time."""
    for first in range(0, len(given), _AT_ONCE):
        own = cases[first : first + _AT_ONCE]
        yield own[own > 0.0], given[first : first + _AT_ONCE][own > 0.0]


@dataclass(frozen=True)
class GrowingFit(GrowingResult):
    """The result of a whole fit.

    Attributes
    ----------
    growing : GrowingLikelihood
        Of the rows that count.
    columns : ScaleColumns
    left_out : ndarray of int
        The numbers of the rows left out.
    """

    growing: GrowingLikelihood
    columns: ScaleColumns
    left_out: np.ndarray


@dataclass(frozen=True)
class GrowingScale:
    """A fit of coefficients, scale, its growth and shape.

    Attributes
    ----------
    likelihood : Likelihood
        The likelihood of all rows with one scale.
    given : ndarray of shape (n_rows, n_columns)
        The columns on which the scale depends.
    penalty : float
        The strength of the penalty on their standardised coefficients.
    init, solver, random_state, max_iter, tol, start
        As of :class:`~sklearn_robust.procedures.likelihood.MaximumLikelihood`; the last is its
        ``given``.
    """

    likelihood: Likelihood
    given: np.ndarray
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
        found, columns, left_out = few.best()
        if few.likelihood.design is not design:
            whole = self._of(design, self.given)
            left_out = whole.bad_leverage(found.params, found.slopes / columns.unit)
            found, columns = whole.restandardised(found, columns, left_out)
            few = whole
        growing = few.growing(columns, left_out)
        options = {"tol": self.tol, "max_iter": self.max_iter, "report": report}
        result = _grown(growing, found, **options)
        params = minimum_norm(result.params, design.columns.unit, found.root.null)
        parts = vars(replace(result, params=params))
        return GrowingFit(**parts, growing=growing, columns=columns, left_out=left_out)

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
    given: np.ndarray

    @property
    def design(self) -> LocalDesign:
        """The rows."""
        return cast(LocalDesign, self.likelihood.design)

    def growing(self, columns: ScaleColumns, left_out) -> GrowingLikelihood:
        """Return the likelihood of the rows that are not left out."""
        design = self.design
        rows = design.without(left_out) if len(left_out) else design
        return GrowingLikelihood(self.likelihood.on(rows), columns.values, self.fit.penalty)

    def columns(self, left_out) -> ScaleColumns:
        """Return the columns, standardised by the rows that are not left out."""
        cases = self.design.own_cases().copy()
        cases[left_out] = 0.0
        return ScaleColumns.of(self.given, cases)

    def best(self):
        """Return the best start, the standardised columns, and the rows left out."""
        begin = self.fit.plain.start
        columns = self.columns(begin.left_out)
        robust = begin.start.params if begin.believed is None else begin.believed.params
        slopes = self.slopes_of(robust, columns)
        left_out = NO_ROWS
        if begin.estimate is not None:
            left_out = self.bad_leverage(robust, slopes / columns.unit)
        unscaled, columns = slopes / columns.unit, self.columns(left_out)
        slopes, none = unscaled * columns.unit, np.zeros(len(slopes))
        seeds = [(robust, slopes), (begin.start.params, none)]
        if self.fit.init is not None:
            least = least_squares(self.likelihood.problem, max_iter=LOOSE["max_iter"]).params
            seeds.append((least, slopes))
        growing = self.growing(columns, left_out)
        places = _evenly(growing.design.n_present, _SAMPLE)
        rows = growing.design.present()[places]
        sampled = replace(
            growing, plain=growing.plain.on(growing.design.take(places)),
            columns=growing.columns[rows],
        )  # fmt: skip
        starts = []
        for params, of in seeds:
            first = self._at(sampled, begin.start, params, of)
            result = grow(sampled, first, max_iter=_FEW, tol=_RANKING, report=quiet)
            starts.append(first.at(result))
        first = min(starts, key=sampled.value_at)
        best = grow(sampled, first, max_iter=LOOSE["max_iter"], tol=_RANKING, report=quiet)
        return first.at(best), columns, left_out

    def _at(self, growing, start, params, slopes) -> GrowingStart:
        """Return the start at coefficients and growth, with the MAD and the most likely shape."""
        divided = residuals(growing.design, params) * np.exp(-(growing.columns @ slopes))
        plain = growing.plain
        mad = max(scales.mad(divided, growing.design.sample_weight), growing.design.floor)
        scale = float(np.clip(mad, *plain.scale_bounds))
        shapes = {float(np.clip(alpha, *plain.alpha_bounds)) for alpha in _SHAPES}
        ways = [
            GrowingStart(params, start.root, scale, alpha, slopes=slopes)
            for alpha in sorted(shapes, reverse=True)
        ]
        return min(ways, key=growing.value_at)

    def slopes_of(self, params, columns: ScaleColumns) -> np.ndarray:
        """Return g from a robust regression of the log absolute residuals.

        The errors of the logarithm do not depend on the scale, so its slopes are those of log c,
        whatever the distribution of the errors.
        """
        design = self.design
        if columns.values.shape[1] == 0 or not np.any(columns.values):
            return np.zeros(columns.values.shape[1])
        sizes = np.maximum(np.abs(residuals(design, params)), design.floor)
        rows = make_design(columns.values, np.log(sizes), design.sample_weight)
        penalty = ElasticNet(l2_regularization=self.fit.penalty)
        problem = Problem(rows, penalty)
        loose = LOOSE["max_iter"], LOOSE["tol"]
        shared = SharedStarts(problem, "auto", self.fit.random_state, *loose)
        objective = problem.objective(resolve("welsch"), 1.0)
        result = Regression(shared, objective, "s", "reweighted", 0.95).fit(quiet)
        return np.where(np.any(columns.values, axis=0), rows.to_original(result.params)[0], 0.0)

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
        logs = self.given @ slopes
        logs = logs - np.average(logs, weights=design.sample_weight)
        sizes = np.exp(np.clip(logs, -300.0, 300.0))
        believed = begin.estimate
        if begin.believed is not begin.estimate:
            believed = replace(begin.believed, params=params)
        return bad_leverage(design, begin.estimate, believed, self.fit.random_state, sizes)[0]

    def restandardised(self, start: GrowingStart, before: ScaleColumns, left_out):
        """Return a start found in other rows, and the columns standardised by these rows."""
        columns = self.columns(left_out)
        slopes = start.slopes / before.unit * columns.unit
        moved = float(start.slopes @ ((columns.centre - before.centre) / before.unit))
        scale = float(np.clip(start.scale * math.exp(moved), *self.likelihood.scale_bounds))
        return replace(start, slopes=slopes, scale=scale), columns


def _grown(growing, start, **options) -> GrowingResult:
    """Minimise by Newton's method, or by L-BFGS-B where that stalls."""
    return first_usable(*(partial(way, growing, start, **options) for way in (grow_near, grow)))


def _evenly(n_rows, most) -> np.ndarray:
    """Return at most so many evenly spaced numbers of rows."""
    return np.arange(0, n_rows, -(-n_rows // most))
