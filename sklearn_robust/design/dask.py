"""Designs of Dask collections, whose blocks are read where they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from dask import delayed

from .. import scales
from ..limits import LIMITS
from .base import Design, added, check_target
from .dask_blocks import Scheduler, parts_of
from .dask_divided import BlockDivision, divided
from .dask_levels import rows_of_rare_levels
from .dask_parts import (
    Description,
    Job,
    Part,
    answered,
    chained,
    counted,
    described,
    taken,
    together,
    without,
)
from .dense import DenseDesign
from .local import LocalDesign
from .standardisation import Standardisation, standardised_columns

__all__ = ["DaskDesign", "Scheduler", "parts_of"]

_FAN_IN = 8
"""Number of results that one task combines."""


@dataclass(frozen=True)
class Chosen:
    """Some rows with a weight, by their numbers in every block.

    Attributes
    ----------
    numbers : list of Delayed
    source : list of Delayed
        The same, computed from the collection. Results that outlive the fit must not keep blocks in
        the memory of the workers.
    count : int
    """

    numbers: list
    source: list
    count: int

    def __len__(self):
        return self.count


class Readings:
    """The number of passes over all blocks."""

    def __init__(self):
        self.count = 0


class DaskDesign(Design):
    """Rows of the blocks of a collection; only sums and a few rows come to this process.

    A pass sends a task to the blocks, and combines the results in a tree whose form depends only on
    the number of blocks.

    Parameters
    ----------
    parts : tuple of two lists of Delayed
        The blocks, each a :class:`Part`: checked for NaN and infinity, and unchecked.
    scheduler : Scheduler
    fit_intercept : bool
    persist : "auto", True or False
        Whether the workers keep the blocks; "auto" keeps them if they fit.
    """

    in_process = False
    sample_weight = None
    _division: BlockDivision | None = None
    _kept: Part

    def __init__(self, parts, scheduler: Scheduler, *, fit_intercept, persist):
        self._scheduler, self.readings = scheduler, Readings()
        self._target = 0
        self._rare_levels: tuple | None = None
        self.parts, self._source = parts
        if persist is True:
            self.parts = scheduler.persist(self.parts)
        self._describe()
        if persist == "auto" and self._size <= scheduler.memory():
            self.parts = scheduler.persist(self._source)
        elif persist is not True:
            self.parts = self._source
        self.columns = Standardisation.none(self.n_features, fit_intercept=fit_intercept)
        self._keep()
        if self._kept.sizes is not None:
            self._divide()
        self.columns = standardised_columns(self)
        self._hold_target()

    def _describe(self):
        """Read the descriptions of the blocks, and drop empty blocks."""
        descriptions = self._descriptions()
        kept = [k for k, description in enumerate(descriptions) if description.n_rows]
        if not kept:
            raise ValueError("X must hold at least one row, got none.")
        self.parts = [self.parts[k] for k in kept]
        self._source = [self._source[k] for k in kept]
        self._described = [descriptions[k] for k in kept]
        self.n_features = self._described[0].n_features
        self.n_rows = sum(one.n_rows for one in self._described)
        self._size = sum(one.size for one in self._described)
        self._count()

    def _divide(self):
        """Divide the rows of the blocks whenever they are read, and those kept in this process."""
        self._division = BlockDivision.of(self._kept, fit_intercept=self.columns.fit_intercept)
        division = delayed(self._division, pure=False, traverse=False)
        self.parts, self._source = (
            [delayed(divided, pure=False)(division, part) for part in parts]
            for parts in (self.parts, self._source)
        )
        self._described = self._descriptions()
        self.n_features = self._described[0].n_features
        self._kept = self._division(self._kept)
        self.columns = Standardisation.none(self.n_features, fit_intercept=False)

    def _descriptions(self) -> list[Description]:
        return self.read([delayed(described, pure=False)(of) for of in self.parts], chained)

    def _count(self):
        blocks = self._described
        self._places = np.cumsum([0, *(one.n_present for one in blocks)])
        self.n_present = int(self._places[-1])
        if self.n_present == 0:
            raise ValueError("sample_weight must hold at least one positive number, got all zeros.")
        self.total_weight = float(math.fsum(one.total for one in blocks))
        largest = max(one.largest for one in blocks)
        shares = math.fsum(one.total / largest for one in blocks)
        squares = math.fsum(one.squares * (one.largest / largest) ** 2 for one in blocks)
        self.n_cases = max(self.total_weight, shares**2 / squares)

    @property
    def n_targets(self) -> int:
        return self._described[0].low.size

    def with_target(self, target: int) -> DaskDesign:
        """Return the same rows with another target, by its number."""
        other = copy(self)
        other._target = target
        other._hold_target()
        return other

    def _hold_target(self):
        lows = [one.low[self._target] for one in self._described if one.n_present]
        highs = [one.high[self._target] for one in self._described if one.n_present]
        y, cases = np.ascontiguousarray(self._kept.y[:, self._target]), self._kept.cases
        check_target(max(-min(lows), max(highs)), lambda: scales.scale_floor(y, cases))
        centre = scales.middle(y, cases) if self.columns.fit_intercept else None
        self.origin = 0.0 if centre is None else centre
        self._floor = scales.scale_floor(y, cases, centre)
        if self._division is not None:
            self.columns = self._division.columns(self.columns, self._target)
            self._floor = max(self._floor, self._least_floor)

    @property
    def _least_floor(self) -> float:
        return 0.0 if self._division is None else self._division.least_floors[self._target]

    @property
    def mean_log_error_scale(self):
        return math.fsum(one.logs for one in self._described) / self.total_weight

    @property
    def most_gathered(self):
        return LIMITS.gathered

    @property
    def floor(self):
        return self._floor

    # -- passes --

    def read(self, results, combine):
        """Return the results of all blocks, combined in a tree."""
        self.readings.count += 1
        while len(results) > 1:
            results = [
                delayed(combine, pure=False)(results[first : first + _FAN_IN])
                for first in range(0, len(results), _FAN_IN)
            ]
        return self._scheduler.compute(results[0])

    def _answers(self, ask, parts, numbers=None):
        """Return the results of ``ask`` for the rows of every block, not computed yet.

        ``numbers`` are rows of every block to pass to ``ask``.
        """
        # The job is one object, which goes to every worker once.
        job = delayed(Job(ask, self._target, self.frame), pure=False, traverse=False)
        if numbers is None:
            return [delayed(answered, pure=False)(job, part) for part in parts]
        return [
            delayed(answered, pure=False)(job, part, of)
            for part, of in zip(parts, numbers, strict=True)
        ]

    def reduce(self, task: Callable, combine: Callable = added):
        return self.read(
            self._answers(lambda rows: rows.reduce(task, combine), self.parts), combine
        )

    def map_rows(self, task: Callable, *, zero_at=()):
        if len(zero_at) == 0:
            return self._joined(self._answers(lambda rows: rows.map_rows(task), self._source))

        def ask(rows, numbers):
            return rows.map_rows(task, zero_at=numbers)

        return self._joined(self._answers(ask, self._source, zero_at.source))

    def _joined(self, values):
        """Return an array of one value a row, in the blocks of the collection."""
        return da.concatenate([
            da.from_delayed(value, shape=(one.n_rows,), dtype=np.float64)
            for value, one in zip(values, self._described, strict=True)
        ])  # fmt: skip

    def select(self, task: Callable):
        def ask(rows):
            return rows.select(task)

        return self._chosen(self._answers(ask, self.parts), self._answers(ask, self._source))

    def select_among(self, which, task: Callable):
        def ask(rows, numbers):
            return rows.select_among(numbers, task)

        return self._chosen(
            self._answers(ask, self.parts, which.numbers),
            self._answers(ask, self._source, which.source),
        )

    def _chosen(self, numbers, source) -> Chosen:
        numbers = self._scheduler.persist(numbers)
        counts = [delayed(counted, pure=False)(of) for of in numbers]
        return Chosen(numbers, source, self.read(counts, added)[0])

    def without(self, which):
        other = copy(self)
        other.parts = [
            delayed(without, pure=False)(part, numbers)
            for part, numbers in zip(self.parts, which.numbers, strict=True)
        ]
        other._described = other._descriptions()
        other._rare_levels = None
        other._count()
        other._keep()
        return other

    # -- a few rows --

    def _keep(self):
        """Fetch evenly spaced rows, or all rows if they are few."""
        most = min(scales.ENOUGH, max(LIMITS.kept // self.n_features, 1))
        self._kept = self._taken(np.arange(0, self.n_present, -(-self.n_present // most)))

    def _taken(self, places) -> Part:
        """Return some of the rows with a weight as one block."""
        parts = []
        for k, local in self._by_part(places):
            parts.append(delayed(taken, pure=False)(self.parts[k], local))
        return together(self.read(parts, chained))

    def _by_part(self, places):
        """Yield the number of every block that has some of the positions, and these in it."""
        edges = np.searchsorted(places, self._places)
        for k, (first, last) in enumerate(pairwise(edges)):
            if last > first:
                yield k, places[first:last] - self._places[k]

    def _seen(self, part: Part, kind=DenseDesign) -> Any:
        """Return the result of :meth:`_taken` as a design in this process."""
        y = np.ascontiguousarray(part.y[:, self._target])
        rows = kind.placed(part.X, y, part.cases, self.frame)
        rows.least_floor = self._least_floor
        return rows

    @property
    def _few(self) -> LocalDesign:
        """The rows that are kept in this process."""
        return self._seen(self._kept)

    def take(self, places):
        if places is not None:
            return self._seen(self._taken(places))
        return self._few if self.are_few else self.take(np.arange(self.n_present))

    def thinned(self, most):
        return self._few.thinned(most)

    @property
    def are_few(self) -> bool:
        """Whether all rows are kept in this process."""
        return len(self._kept.X) == self.n_present

    def here(self) -> GatheredDesign:
        """Return the rows in this process; robust weights stay with the blocks."""
        rows = self._seen(self._kept, GatheredDesign)
        rows.source, rows.error_scale = self, self._kept.sizes
        return rows

    def chosen(self, places) -> Chosen:
        """Return rows given by their positions among those with a weight."""
        local = dict(self._by_part(np.sort(places)))
        empty = np.empty(0, dtype=np.intp)
        numbers = [
            delayed(Part.present_numbers, pure=False)(part, local.get(k, empty))
            for k, part in enumerate(self._source)
        ]
        return Chosen(numbers, numbers, len(places))

    def rows_with_levels(self):
        """Return all rows of rare levels, or None if no level is rare.

        The rows kept in this process show which columns are level columns, but hold too few rows of
        rare levels.
        """
        if self._rare_levels is None:
            self._rare_levels = rows_of_rare_levels(self, *self._few.level_columns())
        if not self._rare_levels:
            return None
        part, columns, base = self._rare_levels
        rows = self._seen(part)
        rows.set_level_columns(columns, base, most=1.0)
        return rows


class GatheredDesign(DenseDesign):
    """All rows with a weight of a small collection, in this process."""

    source: DaskDesign

    def holder_of_weights(self, which):
        return self.source, self.source.chosen(which)
