"""What may be asked of the residuals: their scales, quantiles and weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from .. import kernels
from .. import scale as scales

MARGIN = 0.04
"""Share of the rows to look through on either side of a quantile, over 5 standard errors of those
that show where."""


def added(parts):
    """Return the sums, place by place, of lists of numbers, arrays and lists."""
    results = iter(parts)
    total = list(next(results))
    for other in results:
        total = [mine + theirs for mine, theirs in zip(total, other, strict=True)]
    return total


class ResidualStatistics(ABC):
    """Statistics of the residuals at given parameters, from ranges of rows."""

    n_rows: int
    sample_weight: np.ndarray | None
    total_weight: float
    n_cases: float
    y: np.ndarray

    @abstractmethod
    def _sum(self, task: Callable) -> list:
        """Return the sums over the ranges of what ``task(rows, start, stop)`` returns."""

    @abstractmethod
    def _residuals_into(self, params) -> Callable:
        """Return what writes residuals: it takes rows, start, stop and where to write them."""

    @abstractmethod
    def thinned(self, most):
        """Return at most so many evenly spaced rows of those with a weight."""

    @abstractmethod
    def residuals(self, params):
        """Return y minus the fitted values, shape (n_rows,)."""

    @abstractmethod
    def deviation(self, params, share) -> float:
        """Return the quantile of the sizes of the residuals over that of the normal."""

    @abstractmethod
    def m_scale(self, params, n_parameters, floor) -> float:
        """Return the M-scale of the residuals, breakdown point 1/2, at least ``floor``."""

    def _bracket(self, params, share, few):
        """Return bounds of a quantile of the sizes, which a few of the rows show."""
        sizes, cases = np.abs(few.residuals(params)), few.sample_weight
        return tuple(
            scales.size_quantile(sizes, min(max(share + apart, 1e-9), 1.0), cases)
            for apart in (-MARGIN, MARGIN)
        )

    def sizes(self, params, low, high) -> scales.Sizes:
        """Return the sizes of the residuals between two bounds, and sums of those below."""
        residuals_into = self._residuals_into(params)

        def task(rows, start, stop):
            out = np.empty(stop - start)
            residuals_into(rows, start, stop, out)
            *sums, sizes, cases = kernels.sizes_between(out, rows._cases_of(start, stop), low, high)
            # Copies, not the whole of what was held for them; lists are added end to end.
            return *sums, [(sizes.copy(), cases.copy())]

        below, squares, lists = self._sum(task)
        sizes, cases = map(np.concatenate, zip(*lists, strict=True))
        return scales.Sizes(sizes, cases, below, squares, low, high, self.total_weight)

    def truncated_deviation(self, params, largest, n_parameters) -> float:
        """Return the deviation of the residuals within 2.5 times itself, at most ``largest``."""
        free = 2.0 * self.half_of_cases(n_parameters) / self.total_weight
        return scales.truncated_deviation_of(
            lambda low, high: self.sizes(params, low, high),
            lambda: self.deviation(params, 0.5) * scales.normal_quantile(0.5),
            largest,
            free,
        )

    def half_of_cases(self, n_parameters) -> float:
        """Return half of the case weights that so many parameters leave free."""
        return scales.half_of_cases(n_parameters, self.total_weight, self.n_cases)

    def size_quantiles(self, params) -> np.ndarray:
        """Return quantiles of the sizes of the residuals, shape (1001,)."""
        few = self.thinned(scales.ENOUGH)
        return scales.size_quantiles(few.residuals(params), few.sample_weight)


def narrowed(wanted, low, high, below, counts, largest):
    """Return bounds between which a quantile lies, and the case weight there.

    Parameters
    ----------
    wanted : float
        The case weight that lies below it; at a tie it is the mean of two sizes.
    low, high : float
        Bounds between which sizes were counted.
    below : float
        The case weight below.
    counts : ndarray of shape (n_bins,)
        The case weight in even bins between the bounds.
    largest : float
        The largest size.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    cumulated, slack = below + np.cumsum(counts), scales.TIE * wanted
    if below >= wanted - slack:
        return 0.0, low, below
    at = int(np.searchsorted(cumulated, wanted - slack))
    if at >= len(counts):
        return high, max(largest, high), wanted
    last = at
    if cumulated[at] <= wanted + slack:
        others = at + 1 + np.flatnonzero(counts[at + 1 :])
        if len(others) == 0:
            return edges[at], max(largest, high), wanted
        last = int(others[0])
    return edges[at], edges[last + 1], float(counts[at] + counts[last])
