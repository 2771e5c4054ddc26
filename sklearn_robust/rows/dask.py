"""Rows in the blocks of a Dask collection, read where they are."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from dask import delayed

from .. import scale as scales
from ..losses import Loss, resolve, tuning_constant
from .base import Rows
from .collections import Scheduler
from .dask_levels import LevelsInBlocks
from .dense import DenseRows
from .local import LocalRows, check_target
from .parts import (
    Description,
    Job,
    Part,
    asked,
    chained,
    counted,
    described,
    numbered,
    taken,
    triangulated,
    without,
)
from .statistics import MARGIN, added, narrowed

_FAN_IN = 8
"""Results that are added up at a time, wherever they are."""
_KEPT = 1 << 24
"""Numbers of the evenly spaced rows that are kept here, at the most."""
_GATHERED = 1_000_000
"""Residuals that are brought together, at the most, where a quantile is looked for."""
_BINS = 4096
_MOST_LOOKS = 50
_WELSCH = resolve("welsch")


@dataclass(frozen=True)
class Chosen:
    """Some rows with a weight, by their numbers in every block.

    Attributes
    ----------
    numbers : list of Delayed
    source : list of Delayed
        The same, found from the collection again: what outlives the fit must not hold blocks
        in the memory of the workers.
    count : int
    """

    numbers: list
    source: list
    count: int

    def __len__(self):
        return self.count


class Readings:
    """How often all blocks have been read."""

    def __init__(self):
        self.count = 0


class DaskRows(LevelsInBlocks, Rows):
    """Rows of the blocks of a collection; only sums, and a few rows, are brought here.

    A reading sends what is asked to the blocks, and adds the answers up in a tree whose form
    depends on the number of blocks alone.

    Parameters
    ----------
    parts : tuple of two lists of Delayed
        The blocks, as :class:`Part`: looked through for NaN and infinity, and as they are.
    scheduler : Scheduler
        What computes.
    fit_intercept : bool
    persist : "auto", True or False
        Whether blocks are kept by the workers; "auto" is where they fit.
    """

    def __init__(self, parts, scheduler: Scheduler, *, fit_intercept, persist):
        self._scheduler, self.readings = scheduler, Readings()
        self._target = 0
        self._parts, self._source = parts
        if persist is True:
            self._parts = scheduler.persist(self._parts)
        self._describe()
        if persist == "auto" and self._size <= scheduler.memory():
            self._parts = scheduler.persist(self._source)
        elif persist is not True:
            self._parts = self._source
        self._keep()
        self.columns = self._standardisation(fit_intercept)
        self._hold_target()

    def _describe(self):
        """Read what the blocks hold, and keep those that are not empty."""
        descriptions = self._descriptions()
        kept = [k for k, description in enumerate(descriptions) if description.n_rows]
        if not kept:
            raise ValueError("X must hold at least one row, got none.")
        self._parts = [self._parts[k] for k in kept]
        self._source = [self._source[k] for k in kept]
        self._described = [descriptions[k] for k in kept]
        self.n_features = self._described[0].n_features
        self.n_rows = sum(one.n_rows for one in self._described)
        self._size = sum(one.size for one in self._described)
        self._count()

    def _descriptions(self) -> list[Description]:
        return self._read([delayed(described, pure=False)(of) for of in self._parts], chained)

    def _count(self):
        blocks = self._described
        self._places = np.cumsum([0, *(one.n_present for one in blocks)])
        if self.n_present == 0:
            raise ValueError("sample_weight must hold at least one positive number, got all zeros.")
        self.sample_weight = None
        self.total_weight = float(math.fsum(one.total for one in blocks))
        largest = max(one.largest for one in blocks)
        shares = math.fsum(one.total / largest for one in blocks)
        squares = math.fsum(one.squares * (one.largest / largest) ** 2 for one in blocks)
        self.n_cases = max(self.total_weight, shares**2 / squares)

    @property
    def n_present(self):
        return int(self._places[-1])

    @property
    def n_targets(self) -> int:
        return self._described[0].low.size

    def with_target(self, target: int) -> DaskRows:
        """Return the same rows with another target, by its number."""
        other = copy(self)
        other._target = target
        other._hold_target()
        return other

    def _hold_target(self):
        lows = [one.low[self._target] for one in self._described if one.n_present]
        highs = [one.high[self._target] for one in self._described if one.n_present]
        _, targets, cases = self._kept
        y = np.ascontiguousarray(targets[:, self._target])
        check_target(max(-min(lows), max(highs)), lambda: scales.scale_floor(y, cases))
        centre = scales.middle(y, cases) if self.columns.fit_intercept else None
        self._origin = 0.0 if centre is None else centre
        self._floor = scales.scale_floor(y, cases, centre)

    # -- readings --

    def _read(self, results, combine):
        """Return results of all blocks, brought together in a tree."""
        self.readings.count += 1
        while len(results) > 1:
            results = [
                delayed(combine, pure=False)(results[first : first + _FAN_IN])
                for first in range(0, len(results), _FAN_IN)
            ]
        return self._scheduler.compute(results[0])

    def _asked(self, ask, parts=None):
        """Return what the rows of every block answer, not computed yet."""
        job = self._job(ask)
        parts = self._parts if parts is None else parts
        return [delayed(asked, pure=False)(job, part) for part in parts]

    def _job(self, ask):
        """Return what is asked as one object, which goes to every worker once."""
        job = Job(ask, self._target, getattr(self, "columns", None), self._origin)
        return delayed(job, pure=False, traverse=False)

    def _sum(self, task):
        return self._read(self._asked(lambda rows: rows._sum(task)), added)

    # -- a few rows --

    def _keep(self):
        """Bring evenly spaced rows here, all where they are few."""
        most = min(scales.ENOUGH, max(_KEPT // self.n_features, 1))
        self._kept = self._taken(np.arange(0, self.n_present, -(-self.n_present // most)))

    def _taken(self, places):
        """Return X, targets and case weights of some of the rows with a weight."""
        parts = []
        for k, local in self._by_part(places):
            parts.append(delayed(taken, pure=False)(self._parts[k], local))
        return self._together(self._read(parts, chained))

    def _together(self, parts):
        """Return what was taken of several blocks as one."""
        X, targets, cases = zip(*parts, strict=True)
        weights = None if cases[0] is None else np.concatenate(cases)
        return np.concatenate(X), np.concatenate(targets), weights

    def _by_part(self, places):
        """Yield the number of every block that has some of the places, and these in it."""
        edges = np.searchsorted(places, self._places)
        for k, (first, last) in enumerate(pairwise(edges)):
            if last > first:
                yield k, places[first:last] - self._places[k]

    def _seen(self, taken, kind=DenseRows) -> Any:
        """Return what :meth:`_taken` did as rows in this process."""
        X, targets, cases = taken
        y = np.ascontiguousarray(targets[:, self._target])
        return kind.placed(X, y, cases, self.columns, self._origin)

    @property
    def _few(self) -> LocalRows:
        """The rows that are kept here."""
        return self._seen(self._kept)

    def _only_present(self, places):
        return self._seen(self._taken(places))

    def _here(self):
        return self._few if self.are_few else self._only_present(np.arange(self.n_present))

    def thinned(self, most):
        return self._few.thinned(most)

    @property
    def are_few(self) -> bool:
        """Whether all rows are kept here anyway."""
        return len(self._kept[0]) == self.n_present

    def here(self) -> GatheredRows:
        """Return the rows in this process; their weights stay where they were."""
        rows = self._seen(self._kept, GatheredRows)
        rows.source = self
        return rows

    def _some_rows(self, most, columns):
        X = self._kept[0]
        return X[:: -(-len(X) // most)][:, columns].astype(np.float64)

    def _centrable(self):
        return np.ones(self.n_features, dtype=bool)

    # -- residuals --

    def scale_floor(self):
        return self._floor

    def residuals(self, params):
        return self._joined(self._asked(lambda rows: rows.residuals(params), self._source))

    def training_weights(self, params, loss, scale, left_out=()):
        def ask(rows):
            return lambda numbers: rows.training_weights(params, loss, scale, numbers)[0]

        largest = float(self._few.weights(params, loss, scale).max())
        if len(left_out) == 0:
            return self._joined(self._asked(lambda rows: ask(rows)(()), self._source)), largest
        return self._joined(self._numbered(ask, left_out.source, self._source)), largest

    def chosen(self, places) -> Chosen:
        """Return rows given by their places among those with a weight."""
        local = dict(self._by_part(np.sort(places)))
        empty = np.empty(0, dtype=np.intp)
        numbers = [
            delayed(Part.present_numbers, pure=False)(part, local.get(k, empty))
            for k, part in enumerate(self._source)
        ]
        return Chosen(numbers, numbers, len(places))

    def _joined(self, values):
        """Return an array of one value a row, in the blocks of the collection."""
        return da.concatenate([
            da.from_delayed(value, shape=(one.n_rows,), dtype=np.float64)
            for value, one in zip(values, self._described, strict=True)
        ])  # fmt: skip

    def _numbered(self, ask, numbers, parts):
        """Return what rows answer to some of their numbers, not computed yet."""
        job = self._job(ask)
        return [
            delayed(numbered, pure=False)(job, of, part)
            for of, part in zip(numbers, parts, strict=True)
        ]

    def _choose(self, numbers, source) -> Chosen:
        numbers = self._scheduler.persist(numbers)
        counts = [delayed(counted, pure=False)(of) for of in numbers]
        return Chosen(numbers, source, self._read(counts, added)[0])

    def beyond(self, params, size):
        def ask(rows):
            return rows.beyond(params, size)

        return self._choose(self._asked(ask), self._asked(ask, self._source))

    def further(self, which, root, distance):
        def ask(rows):
            return lambda numbers: rows.further(numbers, root, distance)

        return self._choose(
            self._numbered(ask, which.numbers, self._parts),
            self._numbered(ask, which.source, self._source),
        )

    def without(self, which):
        other = copy(self)
        other._parts = [
            delayed(without, pure=False)(part, numbers)
            for part, numbers in zip(self._parts, which.numbers, strict=True)
        ]
        other._described = other._descriptions()
        other._rare_levels = None
        other._count()
        other._keep()
        return other

    # -- scales --

    def _expected(self, params, low, high) -> float:
        """Return about how many residuals have a size between two bounds, or more."""
        if self.n_present <= _GATHERED:
            return self.n_present
        sizes = np.abs(self._few.residuals(params))
        return float(np.mean((sizes >= low) & (sizes <= high))) * self.n_present

    def sizes(self, params, low, high):
        expected = self._expected(params, low, high)
        if expected > _GATHERED:
            low = max(low, high - (high - low) * _GATHERED / expected)
        return super().sizes(params, low, high)

    def sizes_gradient(self, params, loss: Loss, scale: float, low: float, high: float):
        if self._expected(params, low, high) <= _GATHERED:
            return super().sizes_gradient(params, loss, scale, low, high)
        none: np.ndarray = np.empty(0)
        found = scales.Sizes(none, none, 0.0, 0.0, low, high, self.total_weight)
        return *self.loss_gradient(params, loss, scale), found

    def deviation(self, params, share):
        bounds = self._bracket(params, share, self._few)
        return self._quantile(params, share, *bounds) / scales.normal_quantile(share)

    def _quantile(self, params, share, low, high) -> float:
        """Return a quantile of the sizes, exact but where rounding cannot tell it.

        Where too many lie between the bounds, they are counted in bins first.
        """
        expected = 2.0 * MARGIN * self.n_present
        for _ in range(_MOST_LOOKS):
            if expected <= _GATHERED:
                found = Rows.sizes(self, params, low, high)
                quantile = found.quantile(share)
                if quantile is not None:
                    return quantile
            below, counts, largest = self._histogram(params, low, high)
            low, high, weight = narrowed(
                share * self.total_weight, low, high, below, counts, largest
            )
            expected = weight / self.total_weight * self.n_present
            if high - low <= 2.0 * _BINS * np.finfo(np.float64).eps * high:
                return high  # bins would be narrower than rounding
        return 0.5 * (low + high)

    def _histogram(self, params, low, high):
        """Return the case weight below, that in every bin, and the largest size."""
        residuals_into = self._residuals_into(params)

        def task(rows, start, stop):
            out = np.empty(stop - start)
            residuals_into(rows, start, stop, out)
            sizes, cases = np.abs(out), rows._own_cases()[start:stop]
            present = cases > 0.0
            sizes, cases = sizes[present], cases[present]
            counts, _ = np.histogram(sizes, bins=_BINS, range=(low, high), weights=cases)
            below = float(np.sum(cases, where=sizes < low))
            return below, counts, [float(np.max(sizes, initial=0.0))]

        below, counts, largest = self._sum(task)
        return below, counts, max(largest)

    def m_scale(self, params, n_parameters, floor):
        half = self.half_of_cases(n_parameters) / self.total_weight
        constant = tuning_constant(breakdown=0.5)
        sigma = max(self.deviation(params, 0.5), floor)
        for _ in range(_MOST_LOOKS):
            value, _, slope = self.scale_gradient(params, _WELSCH, constant * sigma)
            # Newton's method in log sigma, no step over 1: far off the slope says little.
            step = min(max((half - value) / min(slope, -1e-300), -1.0), 1.0)
            sigma *= math.exp(step)
            if abs(step) <= 1e-12 or sigma <= floor:
                break
        return max(sigma, floor)

    # -- linear algebra --

    def block(self):
        return None

    def least_squares_gradient(self, params):
        total = self.total_weight

        def ask(rows):
            return [rows.least_squares_gradient(params) * (rows.total_weight / total)]

        return self._read(self._asked(ask), added)[0]

    def triangular(self, params, loss, scale, majorant=1.0):
        total = self.total_weight

        def ask(rows):
            return rows.triangular(params, loss, scale, majorant) * math.sqrt(
                rows.total_weight / total
            )

        return self._read(self._asked(ask), triangulated)


class GatheredRows(DenseRows):
    """All rows with a weight of a small collection, in this process."""

    source: DaskRows

    def training_weights(self, params, loss, scale, left_out=()):
        return self.source.training_weights(params, loss, scale, self.source.chosen(left_out))
