"""What a solver may ask of the rows, wherever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from itertools import pairwise

import numpy as np

from .. import kernels, twofold_kernels
from .. import scale as scales
from ..losses import Loss
from . import planes
from .standardisation import FEW, Standardisation
from .threads import available_threads

_CHUNK = 1 << 18
"""Entries of X worth a task of its own: about 0.1 ms of work, the price of a thread."""
_MOST_CHUNKS = 64
_AT_ONCE = 4096
"""Rows that are copied at once where a few of them are wanted as they are."""
_WIDE = 1e100
"""Targets below this are not asked how far apart they are."""
_LEAST = 1e-153
"""Sizes of columns below this, and above its inverse, cannot be squared."""


def read_only(array):
    """Return a read-only view: one type for all arrays, mapped ones too, compiles once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


class Rows(ABC):
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
        self.n_rows, self.n_features = X.shape
        self.sample_weight = sample_weight
        self._cases = read_only(np.empty(0) if sample_weight is None else sample_weight)
        self.total_weight = float(self.n_rows if sample_weight is None else sample_weight.sum())
        self._hold(X)
        edges = np.linspace(0, self.n_rows, self._n_ranges() + 1).astype(int).tolist()
        self._ranges = list(pairwise(edges))
        self._n_threads = available_threads() if len(self._ranges) > 1 else 1
        self._pool: ThreadPoolExecutor | None = None
        self.columns = self._standardisation(fit_intercept)
        self._hold_target(y)

    def with_target(self, y):
        """Return the same rows with another y; X is shared, not read again."""
        other = copy(self)
        other._hold_target(y)
        return other

    def _hold_target(self, y):
        """Keep y, and what is taken off it before anything else, lest it be far from zero."""
        present = y if self.sample_weight is None else y[self.sample_weight > 0.0]
        largest = float(max(-present.min(), present.max()))
        if largest > 1.0 / _LEAST:
            raise ValueError(f"y must hold numbers below {1 / _LEAST:g}, got about {largest:g}.")
        # A ratio beyond any double has a floor far below any residual worth the name.
        if largest > _WIDE and scales.scale_floor(y, self.sample_weight) < largest / _WIDE**3:
            raise ValueError(
                f"y must hold numbers within a factor of {1e-12 * _WIDE**3:g}, got about "
                f"{largest:g} beside much smaller ones."
            )
        self.y = read_only(y)
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

    def present(self) -> np.ndarray:
        """Return the numbers of the rows whose weight is not zero."""
        if self.sample_weight is None:
            return np.arange(self.n_rows)
        return np.flatnonzero(self.sample_weight > 0.0)

    def sample(self, size, random_state) -> Rows:
        """Return rows drawn without replacement, columns standardised as here.

        Rows of weight zero are not drawn; where there are no more than ``size`` others, these
        rows themselves are returned.
        """
        present = self.present()
        if len(present) <= size:
            return self
        drawn = np.sort(random_state.choice(present, size, replace=False))
        weights = None if self.sample_weight is None else self.sample_weight[drawn]
        other = type(self)(
            self._rows_of(drawn), self.y[drawn], weights, fit_intercept=self.columns.fit_intercept
        )
        other.columns, other._origin = self.columns, self._origin
        return other

    def without(self, which) -> Rows:
        """Return the same rows with weight zero for some, by their numbers."""
        other = copy(self)
        other.sample_weight = self._cases_of(0, self.n_rows).copy()
        other.sample_weight[which] = 0.0
        other._cases = read_only(other.sample_weight)
        other.total_weight = float(other.sample_weight.sum())
        return other

    def leverages(self, which, root) -> np.ndarray:
        """Return the squared length of some standardised rows, given by number, times a root."""
        lengths = np.empty(len(which))
        for start in range(0, len(which), _AT_ONCE):
            block = self._block(which[start : start + _AT_ONCE]) @ root
            lengths[start : start + _AT_ONCE] = np.einsum("ij,ij->i", block, block)
        return lengths

    def _block(self, which) -> np.ndarray:
        """Return a few standardised rows, with a column of ones for an intercept."""
        columns = (self._raw_rows(which) - self.columns.centre) / self.columns.unit
        if not self.columns.fit_intercept:
            return columns
        return np.column_stack([columns, np.ones(len(columns))])

    def planes(self, n_parameters, *, floor, penalty, given, random_state) -> np.ndarray:
        """Return different parameters of small M-scale, the best first, at most five.

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
        present = self.present()
        return planes.search(
            self._block(present), self.y[present] - self._origin,
            self._cases_of(0, self.n_rows)[present],
            half=self.half_of_cases(n_parameters), floor=floor, penalty=penalty, given=given,
            random_state=random_state,
        )  # fmt: skip

    # -- what a subclass provides: one range of rows --

    @abstractmethod
    def _hold(self, X) -> None:
        """Keep X in the form that the kernels read."""

    @abstractmethod
    def _n_stored(self) -> int:
        """Return how many entries of X a pass reads."""

    @abstractmethod
    def _centrable(self) -> np.ndarray:
        """Return the mask of the columns that a kernel can centre: every entry is stored."""

    @abstractmethod
    def _moments_range(self, centre, start, stop):
        """Return the case-weighted sums of x - centre and its square, each (n_features,)."""

    @abstractmethod
    def _pass_range(self, coef, intercept, loss, scale, extra, start, stop):
        """Return the sums over the range, as the kernels do."""

    @abstractmethod
    def _residuals_range(self, coef, intercept, start, stop, out) -> None:
        """Write the residuals of the range to their places in ``out``."""

    @abstractmethod
    def _rows_of(self, which):
        """Return rows of X, as they are held, by their numbers."""

    @abstractmethod
    def _raw_rows(self, which, columns=slice(None)) -> np.ndarray:
        """Return a few rows of X as dense float64, given by a slice or their numbers."""

    # -- visiting the ranges --

    def _cases_of(self, start, stop) -> np.ndarray:
        """Return the case weights of a range."""
        return np.ones(stop - start) if self.sample_weight is None else self._cases[start:stop]

    def _n_ranges(self) -> int:
        return int(np.clip(self._n_stored() // _CHUNK, 1, min(_MOST_CHUNKS, self.n_rows)))

    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(start, stop)`` of every range, in order, a few of them at once."""
        if self._n_threads == 1:
            yield from (task(start, stop) for start, stop in self._ranges)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads)
        pending: deque[Future] = deque()
        for start, stop in self._ranges:
            pending.append(self._pool.submit(task, start, stop))
            if len(pending) > self._n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _sum(self, task: Callable) -> list:
        if len(self._ranges) == 1:
            return list(task(*self._ranges[0]))
        results = self._in_order(task)
        totals = list(next(results))
        for parts in results:
            totals = [total + part for total, part in zip(totals, parts, strict=True)]
        return totals

    def _standardisation(self, fit_intercept) -> Standardisation:
        centre = np.zeros(self.n_features)
        # The second reading corrects the rounding of the first mean and takes the variance
        # about it, which keeps the digits of columns far from zero.
        for _ in range(2 if fit_intercept else 1):
            first, second = self._sum(
                lambda start, stop, at=centre: self._moments_range(at, start, stop)
            )
            mean = first / self.total_weight if fit_intercept else np.zeros(self.n_features)
            centre = centre + np.where(self._centrable(), mean, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            unit = np.sqrt(np.maximum(second / self.total_weight - mean**2, 0.0))
        centrable = np.flatnonzero(self._centrable())
        if len(centrable):
            few = self.present()[:: -(-len(self.present()) // FEW)]
            ordinary = Standardisation(centre[centrable], unit[centrable], fit_intercept).unspoiled(
                self._raw_rows(few, centrable)
            )
            centre[centrable], unit[centrable] = ordinary.centre, ordinary.unit
        constant = unit <= 4.0 * np.finfo(np.float64).eps * np.abs(centre)
        sizes = np.where(constant, np.abs(centre), unit)
        accepted = (sizes == 0.0) | ((sizes >= _LEAST) & (sizes <= 1.0 / _LEAST))
        if not np.all(accepted):
            raise ValueError(
                f"X must hold columns that are zero or of a size in [{_LEAST:g}, {1 / _LEAST:g}], "
                f"got a size of about {sizes[~accepted][0]:g}."
            )
        return Standardisation(centre, np.where(constant, 1.0, unit), fit_intercept)

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
        sums, gradient, _ = self._pass(params, loss, scale, kernels.NOTHING)
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
        sums, gradient, gram = self._pass(params, loss, scale, kernels.GRAM)
        size = self.columns.n_parameters
        lower = np.tril(gram[:size, :size])
        return float(sums[0]), gradient, lower + np.tril(lower, -1).T

    def shape_gradient(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does, and the slopes in scale and shape.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        scale_slope, shape_slope : float
            The derivatives of the mean of rho in log c and in alpha.
        """
        sums, gradient, _ = self._pass(params, loss, scale, kernels.SHAPE)
        return float(sums[0]), gradient, -float(sums[1]), float(sums[2])

    def least_squares_gradient(self, params) -> np.ndarray:
        """Return the gradient of the mean of r²/2, found in twice the precision of a double."""
        coef, intercept = self.columns.split(params)
        # Powers of two: dividing by them changes no digit, and keeps products within range.
        unit = np.exp2(np.round(np.log2(self.columns.unit)))
        mean = 2.0 ** round(np.log2(self.total_weight))
        sums, errors = np.zeros((2, self.n_features + 1))
        present = self.present()
        cases = self._cases_of(0, self.n_rows) / mean
        for which in np.array_split(present, -(-len(present) // _AT_ONCE)):
            twofold_kernels.add_gradient(
                self._raw_rows(which), self.y[which], self._origin, cases[which],
                self.columns.centre, unit, coef * unit, intercept, sums, errors,
            )  # fmt: skip
        gradient = -(sums + errors) / (self.total_weight / mean)
        gradient[:-1] *= unit / self.columns.unit
        return gradient[: self.columns.n_parameters]

    def _pass(self, params, loss, scale, extra):
        coef, intercept = self.columns.split(params)
        sums, gradient, gram = self._sum(
            lambda start, stop: self._pass_range(coef, intercept, loss, scale, extra, start, stop)
        )
        gradient[:-1] /= self.columns.unit
        gradient = gradient[: self.columns.n_parameters]
        return [total / self.total_weight for total in (sums, gradient, gram)]

    def residuals(self, params) -> np.ndarray:
        """Return y minus the fitted values, shape (n_rows,)."""
        coef, intercept = self.columns.split(params)
        out = np.empty(self.n_rows)
        for _ in self._in_order(
            lambda start, stop: self._residuals_range(coef, intercept, start, stop, out)
        ):
            pass
        if self.sample_weight is not None:  # what an absent row holds must not be seen
            out[(self.sample_weight == 0.0) & ~np.isfinite(out)] = np.finfo(np.float64).max
        return out

    def scale_floor(self) -> float:
        """Return the least residual scale that rounding in y allows to tell from zero."""
        return scales.scale_floor(self.y, self.sample_weight)

    def deviation(self, params, share) -> float:
        """Return the quantile of the sizes of the residuals over that of the normal."""
        return scales.deviation(self.residuals(params), share, self.sample_weight)

    def m_scale(self, params, n_parameters, floor) -> float:
        """Return the M-scale of the residuals, breakdown point 1/2, at least ``floor``."""
        return scales.m_scale(
            self.residuals(params), self.sample_weight, n_parameters=n_parameters, floor=floor
        )

    def truncated_deviation(self, params, largest, n_parameters) -> float:
        """Return the deviation of the residuals within 2.5 times itself, at most ``largest``."""
        return scales.truncated_deviation(
            self.residuals(params), largest, self.sample_weight, n_parameters=n_parameters
        )

    def half_of_cases(self, n_parameters) -> float:
        """Return half of the case weights that so many parameters leave free."""
        return scales.half_of_cases(n_parameters, self.n_rows, self.sample_weight)

    def size_quantiles(self, params) -> np.ndarray:
        """Return quantiles of the sizes of the residuals, shape (1001,)."""
        return scales.size_quantiles(self.residuals(params), self.sample_weight)

    def weights(self, params, loss: Loss, scale: float) -> np.ndarray:
        """Return the robust weight of every row, 1 at a residual of zero; shape (n_rows,)."""
        residuals = self.residuals(params)
        weights = kernels.rho_psi_weights(loss.code, loss.alpha, residuals, scale)[2]
        return weights / loss.weight_at_zero

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
            block = self._block(slice(start, stop)) * roots[start:stop, None]
            upper = np.asarray(np.linalg.qr(np.vstack([upper, block]), mode="r"))
        return upper
