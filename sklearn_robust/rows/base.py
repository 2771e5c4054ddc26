"""What a solver may ask of the rows, wherever they are."""

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
from .block import Block
from .standardisation import AT_ONCE, LEAST, ColumnStatistics
from .statistics import ResidualStatistics
from .threads import available_threads, serial_algebra

_CHUNK = 1 << 18
"""Entries of X worth a task of its own: about 0.1 ms of work, the price of a thread."""
_MOST_CHUNKS = 64
_BATCHES = 4
"""Tasks that a thread is given in a pass: enough to even out, few enough to cost little."""
_PACKED = 1 << 18
"""Numbers that are copied, standardised, to be searched by compiled code alone."""
_SPARSE = 3
"""Rows for one that is drawn from which each may come from a stretch of its own."""
_WIDE = 1e100
"""Targets below this are not asked how far apart they are."""


def read_only(array):
    """Return a read-only view: one type for all arrays, mapped ones too, compiles once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


class Rows(ColumnStatistics, ResidualStatistics):
    """Rows of X, y and case weights: sums over them, and nothing of the problem they serve.

    A subclass says how one range of rows is read; here the ranges are visited, by threads
    where that pays, and their sums added in the order of the ranges. The ranges depend on the
    shape of X alone, so the result has the same bits for any number of threads.

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
        self._hold_target(y)

    def _place(self, X, sample_weight):
        """Keep X and the case weights, and decide on the ranges."""
        self.n_rows, self.n_features = X.shape
        self.sample_weight = sample_weight
        self._cases = read_only(np.empty(0) if sample_weight is None else sample_weight)
        self._count()
        self._hold(X)
        n_ranges = self._n_ranges()
        edges = [self.n_rows * k // n_ranges for k in range(n_ranges + 1)]
        self._ranges = list(pairwise(edges))
        self._n_threads = available_threads() if len(self._ranges) > 1 else 1
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
        if largest > 1.0 / LEAST:
            raise ValueError(f"y must hold numbers below {1 / LEAST:g}, got about {largest:g}.")
        # A ratio beyond any double has a floor far below any residual worth the name.
        if largest > _WIDE and scales.scale_floor(y, self.sample_weight) < largest / _WIDE**3:
            raise ValueError(
                f"y must hold numbers within a factor of {1e-12 * _WIDE**3:g}, got about "
                f"{largest:g} beside much smaller ones."
            )
        self.y = read_only(y)
        self._packed: Block | None = None
        self._floor: float | None = None
        self._origin = 0.0
        if self.columns.fit_intercept:
            self._origin = scales.middle(y, self.sample_weight)

    def to_original(self, params):
        """Return the coefficients and the intercept in the user's units."""
        coef, intercept = self.columns.split(params)
        intercept += self._origin
        return coef, intercept - float(np.dot(self.columns.centre, coef))

    def from_original(self, coef, intercept):
        """Return the parameters of coefficients and an intercept in the user's units."""
        params = np.asarray(coef, dtype=np.float64) * self.columns.unit
        if not self.columns.fit_intercept:
            return params
        at_centre = intercept + float(np.dot(self.columns.centre, coef))
        return np.append(params, at_centre - self._origin)

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

    def sample(self, size, random_state) -> Rows:
        """Return about so many rows drawn without replacement, columns standardised as here.

        Rows of weight zero are not drawn; where there are no more than ``size`` others, these
        rows themselves are returned.
        """
        n_rows = self.n_present
        if n_rows <= size:
            return self
        if n_rows < _SPARSE * size:
            drawn = np.sort(random_state.choice(n_rows, size, replace=False))
        else:  # one of each stretch of neighbours: the others need not be numbered
            places = (np.arange(size) + random_state.uniform(size=size)) * (n_rows / size)
            places = places.astype(np.intp)
            drawn = places[np.diff(places, prepend=-1) > 0]
        return self._only(drawn if self.sample_weight is None else self.present()[drawn])

    def thinned(self, most) -> Rows:
        """Return at most so many evenly spaced rows of those with a weight."""
        return self if self.n_present <= most else self._only(self._evenly(most))

    def _evenly(self, most) -> np.ndarray:
        step = -(-self.n_present // most)
        if self.sample_weight is None:
            return np.arange(0, self.n_rows, step)
        return self.present()[::step]

    def _only(self, which) -> Rows:
        """Return some rows by their numbers, everything else as here."""
        other = copy(self)
        weights = None if self.sample_weight is None else self.sample_weight[which]
        other._place(self._rows_of(which), weights)
        other.y = read_only(self.y[which])
        other._packed, other._floor = None, None
        return other

    def without(self, which) -> Rows:
        """Return the same rows with weight zero for some, by their numbers."""
        other = copy(self)
        other.sample_weight = self._own_cases().copy()
        other.sample_weight[which] = 0.0
        other._cases = read_only(other.sample_weight)
        other._count()
        other._packed, other._floor = None, None
        return other

    def leverages(self, which, root) -> np.ndarray:
        """Return the squared length of some standardised rows, given by number, times a root."""
        lengths = np.empty(len(which))
        with serial_algebra():
            for start in range(0, len(which), AT_ONCE):
                block = root.T @ self._standardised(which[start : start + AT_ONCE])
                lengths[start : start + AT_ONCE] = np.einsum("ij,ij->j", block, block)
        return lengths

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
        with serial_algebra():
            return planes.search(
                self._block_of_present(), half=self.half_of_cases(n_parameters),
                floor=floor, penalty=penalty, given=given, random_state=random_state,
            )  # fmt: skip

    def block(self) -> Block | None:
        """Return the rows with a weight packed together, or None where they are many."""
        if self._packed is None and self.n_rows * self.columns.n_parameters <= _PACKED:
            self._packed = self._block_of_present()
        return self._packed

    def _block_of_present(self) -> Block:
        which = slice(None) if self.sample_weight is None else self.present()
        cases = read_only(self._own_cases()[which])
        y = self.y[which] - self._origin
        return Block(self._standardised(which), y, cases, self.n_features)

    # -- what a subclass provides: one range of rows --

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

    # -- visiting the ranges --

    def _own_cases(self) -> np.ndarray:
        """Return the case weight of every row."""
        return np.ones(self.n_rows) if self.sample_weight is None else self.sample_weight

    def _cases_of(self, start, stop) -> np.ndarray:
        """Return the case weights of a range, none where every row counts once."""
        return self._cases[start:stop]

    def _residuals_into(self, params):
        coef, intercept = self.columns.split(params)

        def write(start, stop, out):
            self._residuals_range(coef, intercept, start, stop, out)
            if self.sample_weight is not None:  # what an absent row holds must not be seen
                absent = self.sample_weight[start:stop] == 0.0
                out[absent & ~np.isfinite(out)] = np.finfo(np.float64).max

        return write

    def scale_floor(self) -> float:
        """Return the least residual scale that rounding in y allows to tell from zero."""
        if self._floor is None:
            centre = self._origin if self.columns.fit_intercept else None
            self._floor = scales.scale_floor(self.y, self.sample_weight, centre)
        return self._floor

    def _n_ranges(self) -> int:
        return max(min(self._n_stored() // _CHUNK, _MOST_CHUNKS, self.n_rows), 1)

    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(start, stop)`` of every range, in order, a few batches of them at once."""
        if self._n_threads == 1:
            yield from (task(start, stop) for start, stop in self._ranges)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads)

        def work(batch):
            return [task(start, stop) for start, stop in batch]

        size = -(-len(self._ranges) // (_BATCHES * self._n_threads))
        pending: deque[Future] = deque()
        for first in range(0, len(self._ranges), size):
            pending.append(self._pool.submit(work, self._ranges[first : first + size]))
            if len(pending) > self._n_threads:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()

    def _sum(self, task: Callable) -> list:
        results = self._in_order(task)
        totals = list(next(results))
        for parts in results:
            totals = [total + part for total, part in zip(totals, parts, strict=True)]
        return totals

    # -- passes --

    def loss_gradient(self, params, loss: Loss, scale: float):
        """Return the mean of rho and ``scale`` times its gradient in the parameters.

        Parameters
        ----------
        params : ndarray of shape (n_parameters,)
            Of the standardised columns.
        loss : Loss
        scale : float
            The scale c, in the unit of y.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        """
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.NOTHING)
        return float(sums[0]), gradient

    def curvature(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does and the mean weighted Gram matrix.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        gram : ndarray of shape (n_parameters, n_parameters)
            Of the standardised columns under the robust weights.
        """
        sums, gradient, gram, _ = self._pass(params, loss, scale, kernels.GRAM)
        size = self.columns.n_parameters
        return float(sums[0]), gradient, gram[:size, :size]

    def scale_gradient(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does, and the derivative in log c."""
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.NOTHING)
        return float(sums[0]), gradient, -float(sums[1])

    def sizes_gradient(self, params, loss: Loss, scale: float, low: float, high: float):
        """Return what :meth:`loss_gradient` does, and the sizes of residuals, for quantiles.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        sizes : Sizes
            Those between ``low`` and ``high`` themselves.
        """
        sums, gradient, _, lists = self._pass(params, loss, scale, kernels.SIZES, low, high)
        below, squares = self.total_weight * sums[3:5]
        sizes, cases = map(np.concatenate, zip(*lists, strict=True))
        found = scales.Sizes(
            sizes, cases, float(below), float(squares), low, high, self.total_weight
        )
        return float(sums[0]), gradient, found

    def shape_gradient(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does, and the slopes in scale and shape.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        scale_slope, shape_slope : float
            The derivatives of the mean of rho in log c and in alpha.
        """
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.SHAPE)
        return float(sums[0]), gradient, -float(sums[1]), float(sums[2])

    def least_squares_gradient(self, params) -> np.ndarray:
        """Return the gradient of the mean of r²/2, found in twice the precision of a double."""
        coef, intercept = self.columns.split(params)
        # Powers of two: dividing by them changes no digit, and keeps products within range.
        unit = np.exp2(np.round(np.log2(self.columns.unit)))
        mean = 2.0 ** round(np.log2(self.total_weight))
        sums, errors = np.zeros((2, self.n_features + 1))
        present = self.present()
        cases = self._own_cases() / mean
        for which in np.array_split(present, -(-len(present) // AT_ONCE)):
            kernels.add_gradient(
                self._raw_rows(which), self.y[which], self._origin, cases[which],
                self.columns.centre, unit, coef * unit, intercept, sums, errors,
            )  # fmt: skip
        gradient = -(sums + errors) / (self.total_weight / mean)
        gradient[:-1] *= unit / self.columns.unit
        return gradient[: self.columns.n_parameters]

    def _pass(self, params, loss, scale, extra, low=0.0, high=0.0):
        coef, intercept = self.columns.split(params)
        wanted = extra, low, high

        def task(start, stop):
            *parts, sizes, cases = self._pass_range(
                coef, intercept, loss, scale, wanted, start, stop
            )
            # Copies, not the whole of what was held for them; lists are added end to end.
            return *parts, [(sizes.copy(), cases.copy())]

        *totals, lists = self._sum(task)
        sums, gradient, gram = (total / self.total_weight for total in totals)
        gradient[:-1] /= self.columns.unit
        return sums, gradient[: self.columns.n_parameters], gram, lists

    def triangular(self, params, loss: Loss, scale: float) -> np.ndarray:
        """Return R with RᵀR the Gram matrix of :meth:`curvature`, not formed from it.

        Built by QR, a few rows after the others, it keeps the digits that a Gram matrix
        loses where columns are nearly dependent.

        Returns
        -------
        ndarray of shape (at most n_parameters, n_parameters)
        """
        weights = self.weights(params, loss, scale) * loss.weight_at_zero
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
