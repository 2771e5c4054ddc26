"""What a solver may ask of the rows, wherever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import kernels
from ..losses import Loss
from ..scale import mad, scale_floor
from .threads import available_threads

_CHUNK = 1 << 18
"""Entries of X worth a task of its own: about 0.1 ms of work, the price of a thread."""
_MOST_CHUNKS = 64


def read_only(array):
    """Return a read-only view: one type for all arrays, mapped ones too, compiles once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Standardisation:
    """Columns as the solvers see them: ``(x - centre) / unit``, each of unit root mean square.

    It keeps data far from zero, or in units far apart, as well-conditioned as they can be.
    Parameters of the standardised columns are the coefficients times ``unit``, in the unit of
    y, followed by the intercept at ``centre`` where there is one.

    Attributes
    ----------
    centre, unit : ndarray of shape (n_features,)
    fit_intercept : bool
    """

    centre: np.ndarray
    unit: np.ndarray
    fit_intercept: bool

    @property
    def n_parameters(self) -> int:
        return len(self.unit) + self.fit_intercept

    def split(self, params):
        """Return the coefficients of ``x - centre`` and the intercept at ``centre``."""
        if self.fit_intercept:
            return params[:-1] / self.unit, float(params[-1])
        return params / self.unit, 0.0

    def to_original(self, params):
        """Return the coefficients and the intercept in the user's units."""
        coef, intercept = self.split(params)
        return coef, intercept - float(np.dot(self.centre, coef))

    def from_original(self, coef, intercept):
        """Return the parameters of coefficients and an intercept in the user's units."""
        params = np.asarray(coef, dtype=np.float64) * self.unit
        if not self.fit_intercept:
            return params
        return np.append(params, intercept + float(np.dot(self.centre, coef)))


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
        self.y = read_only(y)
        self.sample_weight = sample_weight
        self._cases = read_only(np.empty(0) if sample_weight is None else sample_weight)
        self.total_weight = float(self.n_rows if sample_weight is None else sample_weight.sum())
        self._hold(X)
        self._n_threads = available_threads() if self._n_ranges() > 1 else 1
        self._pool: ThreadPoolExecutor | None = None
        self.columns = self._standardisation(fit_intercept)

    def with_target(self, y):
        """Return the same rows with another y; X is shared, not read again."""
        other = copy(self)
        other.y = read_only(y)
        return other

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
    def _pass_range(self, coef, intercept, loss, scale, gram_too, start, stop):
        """Return the sums of rho, of c times its gradient, and of the Gram matrix."""

    @abstractmethod
    def _residuals_range(self, coef, intercept, start, stop, out) -> None:
        """Write the residuals of the range to their places in ``out``."""

    @abstractmethod
    def _dense_range(self, start, stop) -> np.ndarray:
        """Return the standardised columns of a few rows, (stop - start, n_features)."""

    # -- visiting the ranges --

    def _n_ranges(self) -> int:
        return int(np.clip(self._n_stored() // _CHUNK, 1, min(_MOST_CHUNKS, self.n_rows)))

    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(start, stop)`` of every range, in order, a few of them at once."""
        edges = np.linspace(0, self.n_rows, self._n_ranges() + 1).astype(int)
        ranges = list(pairwise(edges))
        if self._n_threads == 1:
            yield from (task(start, stop) for start, stop in ranges)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads)
        pending: deque[Future] = deque()
        for start, stop in ranges:
            pending.append(self._pool.submit(task, start, stop))
            if len(pending) > self._n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _sum(self, task: Callable) -> list:
        ranges = self._in_order(task)
        totals = list(next(ranges))
        for parts in ranges:
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
        variance = np.maximum(second / self.total_weight - mean**2, 0.0)
        unit = np.sqrt(variance)
        constant = unit <= 4.0 * np.finfo(np.float64).eps * np.abs(centre)
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
        return self._pass(params, loss, scale, gram_too=False)[:2]

    def curvature(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does and the mean weighted Gram matrix.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        gram : ndarray of shape (n_parameters, n_parameters)
            Of the standardised columns under the robust weights.
        """
        return self._pass(params, loss, scale, gram_too=True)

    def _pass(self, params, loss, scale, gram_too):
        coef, intercept = self.columns.split(params)
        total, gradient, gram = self._sum(
            lambda start, stop: self._pass_range(
                coef, intercept, loss, scale, gram_too, start, stop
            )
        )
        gradient[:-1] /= self.columns.unit
        size = self.columns.n_parameters
        gram = np.tril(gram[:size, :size])
        gram = gram + np.tril(gram, -1).T
        weight = self.total_weight
        return total / weight, gradient[:size] / weight, gram / weight

    def residuals(self, params) -> np.ndarray:
        """Return y minus the fitted values, shape (n_rows,)."""
        coef, intercept = self.columns.split(params)
        out = np.empty(self.n_rows)
        for _ in self._in_order(
            lambda start, stop: self._residuals_range(coef, intercept, start, stop, out)
        ):
            pass
        return out

    def mean_target(self) -> float:
        """Return the case-weighted mean of y."""
        return float(np.average(self.y, weights=self.sample_weight))

    def scale_floor(self) -> float:
        """Return the least residual scale that rounding in y allows to tell from zero."""
        return scale_floor(self.y, self.sample_weight)

    def mad(self, params) -> float:
        """Return the case-weighted MAD of the residuals."""
        return mad(self.residuals(params), self.sample_weight)

    def weights(self, params, loss: Loss, scale: float) -> np.ndarray:
        """Return the robust weight of every row, 1 at a residual of zero; shape (n_rows,)."""
        residuals = self.residuals(params)
        weights = kernels.weight_values(loss.code, loss.alpha, residuals, scale)
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
            block = np.ones((stop - start, size))
            block[:, : self.n_features] = self._dense_range(start, stop)
            block *= roots[start:stop, None]
            upper = np.asarray(np.linalg.qr(np.vstack([upper, block]), mode="r"))
        return upper
