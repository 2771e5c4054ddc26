"""What may be asked of the residuals: their scales, quantiles and weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np

from .. import kernels
from .. import scale as scales
from ..losses import Loss

_MANY = 50_000
"""Rows beyond which residuals are not all held at once; quantiles are bracketed first."""
_FEW = 5_000
"""Rows that show where to look for a quantile."""
_MARGIN = 0.04
"""Share of the rows to look through on either side: over 5 standard errors of so few rows."""


class ResidualStatistics(ABC):
    """Statistics of the residuals at given parameters, from ranges of rows."""

    n_rows: int
    sample_weight: np.ndarray | None
    total_weight: float
    n_cases: float
    y: np.ndarray

    @abstractmethod
    def _in_order(self, task: Callable) -> Iterator:
        """Yield ``task(start, stop)`` of every range of rows, in order."""

    @abstractmethod
    def _cases_of(self, start, stop) -> np.ndarray:
        """Return the case weights of a range; they may be empty where there are none."""

    @abstractmethod
    def _residuals_into(self, params) -> Callable:
        """Return what writes the residuals of rows ``start`` to ``stop`` to ``out``."""

    @abstractmethod
    def thinned(self, most) -> ResidualStatistics:
        """Return at most so many evenly spaced rows of those with a weight."""

    def residuals(self, params) -> np.ndarray:
        """Return y minus the fitted values, shape (n_rows,)."""
        return self._written(self._residuals_into(params))

    def weights(self, params, loss: Loss, scale: float) -> np.ndarray:
        """Return the robust weight of every row, 1 at a residual of zero; shape (n_rows,)."""
        residuals_into, largest = self._residuals_into(params), loss.weight_at_zero

        def weights_into(start, stop, out):
            residuals_into(start, stop, out)
            kernels.residuals_to_weights(loss.code, loss.alpha, scale, largest, out)

        return self._written(weights_into)

    def _written(self, write) -> np.ndarray:
        out = np.empty(self.n_rows)
        for _ in self._in_order(lambda start, stop: write(start, stop, out[start:stop])):
            pass
        return out

    def beyond(self, params, size) -> np.ndarray:
        """Return the numbers of the rows with a weight whose residual is larger than ``size``."""
        residuals_into = self._residuals_into(params)

        def task(start, stop):
            out = np.empty(stop - start)
            residuals_into(start, stop, out)
            far = np.abs(out) > size
            if self.sample_weight is not None:
                far &= self.sample_weight[start:stop] > 0.0
            return start + np.flatnonzero(far)

        return np.concatenate(list(self._in_order(task)))

    def sizes(self, params, low, high) -> scales.Sizes:
        """Return the sizes of the residuals between two bounds, and sums of those below."""
        residuals_into = self._residuals_into(params)

        def task(start, stop):
            out = np.empty(stop - start)
            residuals_into(start, stop, out)
            *sums, sizes, cases = kernels.sizes_between(out, self._cases_of(start, stop), low, high)
            return *sums, sizes.copy(), cases.copy()  # not the whole of what was held for them

        below, squares, sizes, cases = zip(*self._in_order(task), strict=True)
        return scales.Sizes(
            np.concatenate(sizes), np.concatenate(cases), sum(below), sum(squares),
            low, high, self.total_weight,
        )  # fmt: skip

    def deviation(self, params, share) -> float:
        """Return the quantile of the sizes of the residuals over that of the normal."""
        if self.n_rows <= _MANY:
            return scales.deviation(self.residuals(params), share, self.sample_weight)
        few = self.thinned(_FEW)
        sizes, cases = np.abs(few.residuals(params)), few.sample_weight
        low, high = (
            scales.size_quantile(sizes, min(max(share + apart, 1e-9), 1.0), cases)
            for apart in (-_MARGIN, _MARGIN)
        )
        quantile = self.sizes(params, low, high).quantile(share)
        if quantile is None:
            quantile = self.sizes(params, 0.0, np.inf).quantile(share)
        return quantile / scales.normal_quantile(share)

    def m_scale(self, params, n_parameters, floor) -> float:
        """Return the M-scale of the residuals, breakdown point 1/2, at least ``floor``."""
        return scales.m_scale(
            self.residuals(params), self.sample_weight, n_parameters=n_parameters, floor=floor
        )

    def truncated_deviation(self, params, largest, n_parameters) -> float:
        """Return the deviation of the residuals within 2.5 times itself, at most ``largest``."""
        free = 2.0 * self.half_of_cases(n_parameters) / self.total_weight
        return scales.truncated_deviation_of(
            lambda low, high: self.sizes(params, low, high), largest, free
        )

    def half_of_cases(self, n_parameters) -> float:
        """Return half of the case weights that so many parameters leave free."""
        return scales.half_of_cases(n_parameters, self.total_weight, self.n_cases)

    def size_quantiles(self, params) -> np.ndarray:
        """Return quantiles of the sizes of the residuals, shape (1001,)."""
        few = self.thinned(scales.ENOUGH)
        return scales.size_quantiles(few.residuals(params), few.sample_weight)
