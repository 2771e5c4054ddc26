"""Designs whose rows are in this process, read in ranges by threads."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from .. import scales
from ..limits import LIMITS
from .base import Design, Frame, added, check_target
from .levels import MOST_APART, Blocks, Levels, levels_of, shared_values
from .packed import PackedRows
from .standardisation import Standardisation, standardised_columns
from .threads import available_threads
from .working_set import DenseColumns, WorkingSet

_CHUNK = 1 << 18
"""Least number of entries of X in a task: about 0.1 ms of work, the overhead of a thread."""
_MOST_CHUNKS = 64
_BATCHES = 4
"""Tasks of a thread in a pass: enough to balance the load, few enough to cost little."""
_FEW = 400
"""Number of evenly spaced rows that show which columns may be level columns."""


def read_only(array):
    """Return a read-only view, so that kernels compile once for all arrays, mapped ones too."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


class LocalDesign(Design):
    """Rows in this process.

    A subclass says how one range of rows is read. This class runs through the ranges, with threads
    if that is faster. The ranges depend only on the shape of X.

    Parameters
    ----------
    X : array or matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), float64
    sample_weight : ndarray of shape (n_rows,), float64, or None
    fit_intercept : bool
    """

    undivided: tuple | None = None
    """X and y as they were before they were divided, if they were."""
    least_floor = 0.0
    """The rounding of y that its values no longer show, because an origin was subtracted."""

    def __init__(self, X, y, sample_weight, *, fit_intercept):
        self._place(X, sample_weight)
        self.y = read_only(np.ascontiguousarray(y))
        self.columns = Standardisation.none(self.n_features, fit_intercept=fit_intercept)
        self.columns = standardised_columns(self)
        self._forget_levels()
        self._hold_target(y)

    @classmethod
    def placed(cls, X, y, sample_weight, frame: Frame, *, n_threads=None):
        """Return rows with the frame of other rows."""
        rows = cls.__new__(cls)
        rows._place(X, sample_weight, n_threads)
        rows.y, rows.columns, rows.origin = read_only(np.ascontiguousarray(y)), *frame
        rows._packed, rows._floor, rows._working_set = None, None, None
        rows._forget_levels()
        return rows

    def _place(self, X, sample_weight, n_threads=None):
        """Store X and the case weights, and choose the ranges."""
        self.n_rows, self.n_features = X.shape
        self._count(sample_weight)
        self.X = self.held(X)
        n_ranges = max(min(self.n_stored // _CHUNK, _MOST_CHUNKS, self.n_rows), 1)
        edges = [self.n_rows * k // n_ranges for k in range(n_ranges + 1)]
        self._ranges = list(pairwise(edges))
        self._n_threads = 1
        if n_ranges > 1:
            self._n_threads = n_threads or available_threads()
        self._pool: ThreadPoolExecutor | None = None

    def _count(self, sample_weight):
        """Store the case weights, their sum, and the number of cases."""
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(sample_weight)
        self.sample_weight = sample_weight
        self.cases = read_only(np.empty(0) if sample_weight is None else sample_weight)
        if sample_weight is None:
            self.n_present, self.total_weight = self.n_rows, float(self.n_rows)
            self.n_cases = self.total_weight
        else:
            self.n_present = int(np.count_nonzero(sample_weight))
            self.total_weight = float(sample_weight.sum())
            self.n_cases = scales.n_cases(sample_weight)

    def with_target(self, y):
        """Return the same rows with another y; X is shared, not read again."""
        other = copy(self)
        other._hold_target(y)
        return other

    def _hold_target(self, y):
        present = y if self.sample_weight is None else y[self.sample_weight > 0.0]
        largest = float(max(-present.min(), present.max()))
        check_target(largest, lambda: scales.scale_floor(y, self.sample_weight))
        self.y = read_only(np.ascontiguousarray(y))
        self._packed: PackedRows | None = None
        self._floor: float | None = None
        self._working_set: WorkingSet | None = None
        self.origin = scales.middle(y, self.sample_weight) if self.columns.fit_intercept else 0.0

    @property
    def floor(self) -> float:
        if self._floor is None:
            centre = self.origin if self.columns.fit_intercept else None
            found = scales.scale_floor(self.y, self.sample_weight, centre)
            self._floor = max(found, self.least_floor)
        return self._floor

    # -- case weights --

    def present(self) -> np.ndarray:
        """Return the numbers of the rows whose case weight is not zero."""
        if self.sample_weight is None:
            return np.arange(self.n_rows)
        return np.flatnonzero(self.sample_weight > 0.0)

    def own_cases(self) -> np.ndarray:
        """Return the case weight of every row."""
        return np.ones(self.n_rows) if self.sample_weight is None else self.sample_weight

    def cases_of(self, start, stop) -> np.ndarray:
        """Return the case weights of a range; an empty array if every row counts once."""
        return self.cases[start:stop]

    def shares(self) -> np.ndarray:
        """Return the share of every row present in the total case weight."""
        return self.own_cases()[self.present()] / self.total_weight

    # -- some of the rows --

    def take(self, places):
        if places is None:
            return self
        which = places if self.sample_weight is None else self.present()[places]
        weights = None if self.sample_weight is None else self.sample_weight[which]
        few = self.placed(self.X[which], self.y[which], weights, self.frame)
        few._whole, few.least_floor = self, self.least_floor
        return few

    def thinned(self, most):
        if self.n_present <= most:
            return self
        return self.take(np.arange(0, self.n_present, -(-self.n_present // most)))

    def without(self, which):
        other = copy(self)
        weights = self.own_cases().copy()
        weights[which] = 0.0
        other._count(weights)
        other._packed, other._floor, other._working_set = None, None, None
        if self._packed is not None:
            other._packed = self._packed.among(weights[self.present()] > 0.0)
        other._forget_levels(other.level_columns())
        return other

    def restricted(self, which) -> LocalDesign:
        """Return the same rows with some of the columns of X, standardised as here."""
        columns = replace(
            self.columns, centre=self.columns.centre[which], unit=self.columns.unit[which]
        )
        frame = Frame(columns, self.origin)
        return self.placed(self.X[:, which], self.y, self.sample_weight, frame)

    def standardised(self, which, features=slice(None)) -> np.ndarray:
        """Return the standardised columns of a few rows, and ones if there is an intercept.

        The shape is (n_parameters, n_few), so columns are contiguous.
        """
        raw = self.dense_rows(which, features)
        columns = np.empty((raw.shape[1] + self.columns.fit_intercept, len(raw)))
        slopes, ones = np.split(columns, [raw.shape[1]])
        np.subtract(raw.T, self.columns.centre[features, None], out=slopes)
        slopes *= 1.0 / self.columns.unit[features, None]
        ones[:] = 1.0
        return columns

    def packed(self):
        if self._packed is None and self.n_rows * self.columns.n_parameters <= LIMITS.packed:
            self._packed = self.packed_columns(slice(None))
        return self._packed

    def working_set(self) -> WorkingSet:
        """Return the columns that searches with selection have used so far."""
        if self._working_set is None:
            self._working_set = WorkingSet(self)
        return self._working_set

    def packed_columns(self, columns) -> PackedRows:
        """Return some standardised columns of all rows present, and ones for an intercept."""
        which = slice(None) if self.sample_weight is None else self.present()
        cases = read_only(self.own_cases()[which])
        y, standardised = self.y[which] - self.origin, self.standardised(which, columns)
        return PackedRows(standardised, y, cases, len(standardised) - self.columns.fit_intercept)

    # -- level columns --

    def _forget_levels(self, columns=None):
        """Discard the levels of the rows, and the level columns unless they are given."""
        self._level_columns, self._level_blocks = columns, {}
        self._most_apart = MOST_APART
        self._whole: LocalDesign | None = None

    def set_level_columns(self, columns, base, *, most):
        """Set level columns, in which at most a share ``most`` of the rows differs from base."""
        self._forget_levels((columns, base))
        self._most_apart = most

    def level_columns(self):
        """Return the numbers of likely level columns, and their shared values.

        A part of the rows has the same level columns as the whole.
        """
        if self._level_columns is None and self._whole is not None:
            self._level_columns = self._whole.level_columns()
        if self._level_columns is None:
            likely, base = shared_values(self.thinned(_FEW).dense_rows(slice(None)))
            if not self.columns.fit_intercept:  # no intercept absorbs another value
                likely &= base == 0.0
            self._level_columns = np.flatnonzero(likely), base[likely]
        return self._level_columns

    @property
    def levels_known(self) -> bool:
        return "levels" in self._level_blocks

    def levels(self) -> Levels | None:
        if "levels" not in self._level_blocks:
            columns, base = self.level_columns()
            found = None
            if len(columns):
                found = levels_of(self.apart(columns, base), columns, base, self._most_apart)
            self._level_blocks["levels"] = found
        return self._level_blocks["levels"]

    def level_blocks(self, *, bases) -> Blocks | None:
        """Return the level columns in blocks, or None if there are none.

        With ``bases``, the rows that have none of the levels of a factor form a block too.
        """
        if bases not in self._level_blocks:
            levels = self.levels()
            self._level_blocks[bases] = levels and levels.blocks(self.columns, bases=bases)
        return self._level_blocks[bases]

    def rows_with_levels(self):
        return self

    # -- all ranges --

    def reduce(self, task: Callable, combine: Callable = added):
        return combine(self._in_order(task))

    def map_rows(self, task: Callable, *, zero_at=()):
        out = np.empty(self.n_rows)
        for (start, stop), numbers in zip(self._ranges, self._in_order(task), strict=True):
            out[start:stop] = numbers
        out[np.asarray(zero_at, dtype=np.intp)] = 0.0
        return out

    def select(self, task: Callable):
        def numbers(rows, start, stop):
            return start + np.flatnonzero(task(rows, start, stop))

        return np.concatenate(list(self._in_order(numbers)))

    def select_among(self, which, task: Callable):
        return which[task(self, which)]

    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(rows, start, stop)`` for every range in order; a few run in parallel."""
        if self._n_threads == 1:
            for start, stop in self._ranges:
                yield task(self, start, stop)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads)

        def work(batch):
            return [task(self, start, stop) for start, stop in batch]

        size = -(-len(self._ranges) // (_BATCHES * self._n_threads))
        pending: deque[Future] = deque()
        for first in range(0, len(self._ranges), size):
            pending.append(self._pool.submit(work, self._ranges[first : first + size]))
            if len(pending) > self._n_threads:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()

    def residuals_of_range(self, coef, intercept, start, stop):
        """Return y minus the fitted values of a range; finite where the row is absent."""
        out = np.empty(stop - start)
        self.write_residuals(coef, intercept, start, stop, out)
        if self.sample_weight is not None:  # an absent row may hold anything
            absent = self.sample_weight[start:stop] == 0.0
            out[absent & ~np.isfinite(out)] = np.finfo(np.float64).max
        return out

    # -- how X is stored; a subclass may override these --

    def held(self, X):
        """Return X in the form that the kernels take."""
        return X

    @property
    def n_stored(self) -> int:
        """The number of entries of X that a pass reads."""
        return self.X.size

    def held_columns(self, rows):
        """Return an object that holds columns of some rows, none at first."""
        return DenseColumns(self, rows)

    def filled_columns(self, which) -> np.ndarray:
        """Return the numbers of the columns stored for at least half of some rows."""
        return np.arange(self.n_features)

    def apart(self, columns, base) -> sparse.csc_array:
        """Return some columns of the rows present, minus a value for each column."""
        which = slice(None) if self.sample_weight is None else self.present()
        return sparse.csc_array(self.dense_rows(which, columns) - base)

    # -- one range of rows; a subclass must define these --

    @abstractmethod
    def moments_range(self, centre, start, stop):
        """Return the case-weighted sums of x - centre and its square, each (n_features,)."""

    @abstractmethod
    def loss_pass(self, wanted, start, stop):
        """Return the sums of a :class:`~.passes.LossPass`, as from ``kernels.dense_pass``."""

    @abstractmethod
    def gradient_range(self, influence, start, stop):
        """Return minus the sums of influence·(x - centre, 1), shape (n_features + 1,)."""

    @abstractmethod
    def write_residuals(self, coef, intercept, start, stop, out) -> None:
        """Write the residuals of the range to ``out``, of its length."""

    @abstractmethod
    def dense_rows(self, which, columns=slice(None)) -> np.ndarray:
        """Return a few rows of X as dense float64, given by a slice or their numbers."""
