"""Rows in this process, in ranges that threads read side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from itertools import pairwise

import numpy as np

from .. import kernels
from .. import scale as scales
from ..losses import Loss
from . import planes
from .base import Rows
from .block import Block
from .level_rows import LevelRows
from .standardisation import LEAST
from .statistics import added
from .threads import available_threads, serial_algebra

_CHUNK = 1 << 18
"""Entries of X worth a task of its own: about 0.1 ms of work, the price of a thread."""
_MOST_CHUNKS = 64
_BATCHES = 4
"""Tasks that a thread is given in a pass: enough to even out, few enough to cost little."""
_PACKED = 1 << 18
"""Numbers that are copied, standardised, to be searched by compiled code alone."""
_AT_ONCE = 4096
"""Rows that are copied at once where a few of them are wanted as they are."""
_VANISHES = 1e-10
"""Root mean square change of fitted values, of a direction of unit length, that is rounding."""
_WIDE = 1e100
"""Targets below this are not asked how far apart they are."""
_MANY = 50_000
"""Rows beyond which residuals are not all held at once; quantiles are bracketed first."""
_FEW = 5_000
"""Rows that show where to look for a quantile."""


def read_only(array):
    """Return a read-only view: one type for all arrays, mapped ones too, compiles once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def check_target(largest, floor):
    """Raise where y cannot be squared; ``floor`` returns the floor of its scale."""
    if largest > 1.0 / LEAST:
        raise ValueError(f"y must hold numbers below {1 / LEAST:g}, got about {largest:g}.")
    # A ratio beyond any double has a floor far below any residual worth the name.
    if largest > _WIDE and floor() < largest / _WIDE**3:
        raise ValueError(
            f"y must hold numbers within a factor of {1e-12 * _WIDE**3:g}, got about "
            f"{largest:g} beside much smaller ones."
        )


class LocalRows(LevelRows, Rows):
    """Rows in this process.

    A subclass says how one range of rows is read; here the ranges are visited, by threads
    where that pays. The ranges depend on the shape of X alone.

    Parameters
    ----------
    X : array or matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,), float64
    sample_weight : ndarray of shape (n_rows,), float64, or None
    fit_intercept : bool
    """

    def __init__(self, X, y, sample_weight, *, fit_intercept):
        self._place(X, sample_weight)
        self.y = read_only(y)
        self.columns = self._standardisation(fit_intercept)
        self._forget_levels()
        self._hold_target(y)

    @classmethod
    def placed(cls, X, y, sample_weight, columns, origin, *, n_threads=None):
        """Return rows whose columns are standardised as those of others are."""
        rows = cls.__new__(cls)
        rows._place(X, sample_weight, n_threads)
        rows.y, rows.columns, rows._origin = read_only(y), columns, origin
        rows._packed, rows._floor = None, None
        rows._forget_levels()
        return rows

    def _place(self, X, sample_weight, n_threads=None):
        """Keep X and the case weights, and decide on the ranges."""
        self.n_rows, self.n_features = X.shape
        self.sample_weight = sample_weight
        self._cases = read_only(np.empty(0) if sample_weight is None else sample_weight)
        self._count()
        self._hold(X)
        n_ranges = self._n_ranges()
        edges = [self.n_rows * k // n_ranges for k in range(n_ranges + 1)]
        self._ranges = list(pairwise(edges))
        self._n_threads = 1
        if len(self._ranges) > 1:
            self._n_threads = n_threads or available_threads()
        self._pool: ThreadPoolExecutor | None = None

    def _count(self):
        """Note how much all cases weigh, and how many there are."""
        weights = self.sample_weight
        self.total_weight = float(self.n_rows if weights is None else weights.sum())
        self.n_cases = self.total_weight if weights is None else scales.n_cases(weights)

    def with_target(self, y):
        """Return the same rows with another y; X is shared, not read again."""
        other = copy(self)
        other._hold_target(y)
        return other

    def _hold_target(self, y):
        """Keep y, and what is taken off it before anything else, lest it be far from zero."""
        present = y if self.sample_weight is None else y[self.sample_weight > 0.0]
        largest = float(max(-present.min(), present.max()))
        check_target(largest, lambda: scales.scale_floor(y, self.sample_weight))
        self.y = read_only(y)
        self._packed: Block | None = None
        self._floor: float | None = None
        self._origin = 0.0
        if self.columns.fit_intercept:
            self._origin = scales.middle(y, self.sample_weight)

    @property
    def n_present(self) -> int:
        """The number of rows whose weight is not zero."""
        if self.sample_weight is None:
            return self.n_rows
        return int(np.count_nonzero(self.sample_weight))

    def present(self) -> np.ndarray:
        """Return the numbers of the rows whose weight is not zero."""
        if self.sample_weight is None:
            return np.arange(self.n_rows)
        return np.flatnonzero(self.sample_weight > 0.0)

    def shares(self) -> np.ndarray:
        """Return the share of every row present in the total case weight."""
        return self._own_cases()[self.present()] / self.total_weight

    def _some_rows(self, most, columns):
        places = np.arange(0, self.n_present, -(-self.n_present // most))
        return self._raw_rows(self._numbers(places), columns)

    def _numbers(self, places) -> np.ndarray:
        """Return the numbers of rows from their places among those with a weight."""
        return places if self.sample_weight is None else self.present()[places]

    def _here(self):
        return self

    def _only_present(self, places):
        return self._only(self._numbers(places))

    def _only(self, which) -> LocalRows:
        """Return some rows by their numbers, everything else as here."""
        weights = None if self.sample_weight is None else self.sample_weight[which]
        few = self.placed(self._rows_of(which), self.y[which], weights, self.columns, self._origin)
        few._forget_levels(self.level_columns())
        return few

    def without(self, which) -> Rows:
        other = copy(self)
        other.sample_weight = self._own_cases().copy()
        other.sample_weight[which] = 0.0
        other._cases = read_only(other.sample_weight)
        other._count()
        other._packed, other._floor = None, None
        other._forget_levels(other.level_columns())
        return other

    def leverages(self, which, root) -> np.ndarray:
        """Return the squared length of some standardised rows, given by number, times a root."""
        lengths = np.empty(len(which))
        with serial_algebra():
            for start in range(0, len(which), _AT_ONCE):
                block = root.T @ self._standardised(which[start : start + _AT_ONCE])
                lengths[start : start + _AT_ONCE] = np.einsum("ij,ij->j", block, block)
        return lengths

    def further(self, which, root, distance):
        return which[self.leverages(which, root) > distance]

    def _standardised(self, which, features=slice(None)) -> np.ndarray:
        """Return the standardised columns of a few rows, with one of ones for an intercept.

        The shape is (n_parameters, n_few): columns are contiguous.
        """
        raw = self._raw_rows(which, features)
        columns = np.empty((raw.shape[1] + self.columns.fit_intercept, len(raw)))
        slopes, ones = np.split(columns, [raw.shape[1]])
        np.subtract(raw.T, self.columns.centre[features, None], out=slopes)
        slopes *= 1.0 / self.columns.unit[features, None]
        ones[:] = 1.0
        return columns

    def gram(self, root, weights) -> np.ndarray:
        """Return the mean Gram matrix of combinations of the standardised columns.

        Parameters
        ----------
        root : ndarray of shape (n_parameters, n_combinations)
        weights : ndarray of shape (n_present,)
            Of every row present, beside its case weight; they may be negative.

        Returns
        -------
        ndarray of shape (n_combinations, n_combinations)
        """
        total: np.ndarray = np.zeros((root.shape[1], root.shape[1]))
        weights = weights * self.shares()
        n_parts = -(-len(weights) // _AT_ONCE)
        with serial_algebra():
            for which, of in zip(
                np.array_split(self.present(), n_parts),
                np.array_split(weights, n_parts),
                strict=True,
            ):
                combined = root.T @ self._standardised(which)
                total += (combined * of) @ combined.T
        return total

    def planes(self, n_parameters, *, floor, penalty, given, random_state) -> np.ndarray:
        """Return different parameters of small M-scale, the best first, at most three.

        Parameters
        ----------
        n_parameters : float
            How many parameters are free, fewer than there are rows.
        floor : float
            The least scale.
        penalty : ndarray of shape (n_parameters,)
            What multiplies half the squared parameters beside half the squared scale.
        given : ndarray of shape (n_given, n_parameters)
            Parameters to look at too.
        random_state : RandomState
        """
        options = {
            "half": self.half_of_cases(n_parameters), "floor": floor, "penalty": penalty,
        }  # fmt: skip
        with serial_algebra():
            if self.level_blocks(bases=True) is None:
                return planes.search(
                    self._block_of_present(), given=given, random_state=random_state, **options
                )
            return self._planes_with_levels(given, random_state, options)

    def block(self) -> Block | None:
        if self._packed is None and self.n_rows * self.columns.n_parameters <= _PACKED:
            self._packed = self._block_of_present()
        return self._packed

    def _block_of_present(self) -> Block:
        return self._block_of(slice(None))

    def _block_of(self, columns) -> Block:
        which = slice(None) if self.sample_weight is None else self.present()
        cases = read_only(self._own_cases()[which])
        y, standardised = self.y[which] - self._origin, self._standardised(which, columns)
        return Block(standardised, y, cases, len(standardised) - self.columns.fit_intercept)

    # -- what a subclass provides: one range of rows --

    @abstractmethod
    def _moments_range(self, centre, start, stop):
        """Return the case-weighted sums of x - centre and its square, each (n_features,)."""

    @abstractmethod
    def _raw_rows(self, which, columns=slice(None)) -> np.ndarray:
        """Return a few rows of X as dense float64, given by a slice or their numbers."""

    @abstractmethod
    def _hold(self, X) -> None:
        """Keep X in the form that the kernels read."""

    @abstractmethod
    def _n_stored(self) -> int:
        """Return how many entries of X a pass reads."""

    @abstractmethod
    def _pass_range(self, coef, intercept, loss, scale, wanted, start, stop):
        """Return the sums over the range, as ``kernels.dense_pass`` does."""

    @abstractmethod
    def _residuals_range(self, coef, intercept, start, stop, out) -> None:
        """Write the residuals of the range to ``out``, of its length."""

    @abstractmethod
    def _rows_of(self, which):
        """Return rows of X, as they are held, by their numbers."""

    def _own_cases(self) -> np.ndarray:
        """Return the case weight of every row."""
        return np.ones(self.n_rows) if self.sample_weight is None else self.sample_weight

    def _cases_of(self, start, stop) -> np.ndarray:
        """Return the case weights of a range, none where every row counts once."""
        return self._cases[start:stop]

    def scale_floor(self) -> float:
        if self._floor is None:
            centre = self._origin if self.columns.fit_intercept else None
            self._floor = scales.scale_floor(self.y, self.sample_weight, centre)
        return self._floor

    def _n_ranges(self) -> int:
        return max(min(self._n_stored() // _CHUNK, _MOST_CHUNKS, self.n_rows), 1)

    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(rows, start, stop)`` of every range, in order, a few at once."""
        if self._n_threads == 1:
            yield from (task(self, start, stop) for start, stop in self._ranges)
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

    def _sum(self, task: Callable) -> list:
        return added(self._in_order(task))

    def residuals(self, params):
        return self._written(self._residuals_into(params))

    def weights(self, params, loss: Loss, scale: float) -> np.ndarray:
        """Return the robust weight of every row, 1 at a residual of zero; shape (n_rows,)."""
        residuals_into, largest = self._residuals_into(params), loss.weight_at_zero

        def weights_into(rows, start, stop, out):
            residuals_into(rows, start, stop, out)
            kernels.residuals_to_weights(loss.code, loss.alpha, scale, largest, out)

        return self._written(weights_into)

    def training_weights(self, params, loss, scale, left_out=()):
        weights = self.weights(params, loss, scale)
        weights[np.asarray(left_out, dtype=np.intp)] = 0.0
        return weights, float(weights.max())

    def _written(self, write) -> np.ndarray:
        out = np.empty(self.n_rows)
        for _ in self._in_order(
            lambda rows, start, stop: write(rows, start, stop, out[start:stop])
        ):
            pass
        return out

    def beyond(self, params, size) -> np.ndarray:
        residuals_into = self._residuals_into(params)

        def task(rows, start, stop):
            out = np.empty(stop - start)
            residuals_into(rows, start, stop, out)
            far = np.abs(out) > size
            if rows.sample_weight is not None:
                far &= rows.sample_weight[start:stop] > 0.0
            return start + np.flatnonzero(far)

        return np.concatenate(list(self._in_order(task)))

    def deviation(self, params, share):
        if self.n_rows <= _MANY:
            return scales.deviation(self.residuals(params), share, self.sample_weight)
        bounds = self._bracket(params, share, self.thinned(_FEW))
        quantile = self.sizes(params, *bounds).quantile(share)
        if quantile is None:
            quantile = self.sizes(params, 0.0, np.inf).quantile(share)
        return quantile / scales.normal_quantile(share)

    def m_scale(self, params, n_parameters, floor):
        return scales.m_scale(
            self.residuals(params), self.sample_weight, n_parameters=n_parameters, floor=floor
        )

    def least_squares_gradient(self, params) -> np.ndarray:
        coef, intercept = self.columns.split(params)
        # Powers of two: dividing by them changes no digit, and keeps products within range.
        unit = np.exp2(np.round(np.log2(self.columns.unit)))
        mean = 2.0 ** round(np.log2(self.total_weight))
        sums, errors = np.zeros((2, self.n_features + 1))
        present = self.present()
        cases = self._own_cases() / mean
        for which in np.array_split(present, -(-len(present) // _AT_ONCE)):
            kernels.add_gradient(
                self._raw_rows(which), self.y[which], self._origin, cases[which],
                self.columns.centre, unit, coef * unit, intercept, sums, errors,
            )  # fmt: skip
        gradient = -(sums + errors) / (self.total_weight / mean)
        gradient[:-1] *= unit / self.columns.unit
        return gradient[: self.columns.n_parameters]

    def vanish(self, directions, params, loss, scale) -> bool:
        """Return whether directions of standardised columns change no fitted value to rounding."""
        weights = self.weights(params, loss, scale)[self.present()] * self.shares()
        zero = self.with_target(np.zeros(self.n_rows))
        changes = (zero.residuals(direction)[self.present()] for direction in directions.T)
        return all(np.dot(weights, change * change) <= _VANISHES**2 for change in changes)

    def triangular(self, params, loss: Loss, scale: float, majorant: float = 1.0) -> np.ndarray:
        weights = self.weights(params, loss, scale) * loss.weight_at_zero
        if majorant < 1.0:
            slopes = np.maximum(loss.slopes(self.residuals(params), scale), 0.0)
            weights = slopes + majorant * np.maximum(weights - slopes, 0.0)
        if self.sample_weight is not None:
            weights *= self.sample_weight
        roots = np.sqrt(weights / self.total_weight)
        size = self.columns.n_parameters
        upper: np.ndarray = np.empty((0, size))
        step = max(size, kernels.BLOCK)
        for start in range(0, self.n_rows, step):
            stop = min(start + step, self.n_rows)
            block = (self._standardised(slice(start, stop)) * roots[start:stop]).T
            upper = np.asarray(np.linalg.qr(np.vstack([upper, block]), mode="r"))
        return upper
