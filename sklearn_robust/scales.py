"""Robust scales: the size of an ordinary residual."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from .validation import check_unmasked

__all__ = ["m_scale", "mad", "scale_floor", "truncated_deviation"]

_NORMAL_QUARTILE = 0.674489750196
"""The median of abs(Z) for Z standard normal, which makes the MAD consistent for normal data."""
TIE = 1e-9
"""A smaller difference between shares of the weight is rounding."""
WIDER = (0.75, 0.9, 0.99)
"""Probabilities of the quantiles that replace the median in turn, where the one before is zero."""
SHRINKAGE = 0.125
"""E Z²·weight(Z) for the loss of the M-scale, Z standard normal. The gradient of half the squared
scale is that of c² times the mean loss, divided by this. A penalty is therefore multiplied by it
when the mean loss is minimised instead of the scale."""
WINDOW = 2.5
"""Residuals beyond this many scales do not count in the truncated deviation."""
_REACH = 0.95
"""Lower bound of the residuals kept one by one, relative to the window; smaller ones are summed."""
_WITHIN = 1.0 - math.sqrt(2.0 / math.pi) * WINDOW * math.exp(-0.5 * WINDOW**2) / math.erf(
    WINDOW / math.sqrt(2.0)
)
"""The variance of a standard normal within the window."""


def _weighted_quantile(values, sample_weight, share):
    """Return the weighted quantile; at a tie it is the mean of two values."""
    order = np.argsort(values, kind="stable")
    order = order[sample_weight[order] > 0.0]
    cumulated = np.cumsum(sample_weight[order])
    total = cumulated[-1]
    at = int(np.searchsorted(cumulated, (share - TIE) * total))
    upper = at
    if cumulated[at] <= (share + TIE) * total:
        upper = min(at + 1, len(order) - 1)
    return 0.5 * values[order[at]] + 0.5 * values[order[upper]]


def abs_residual_quantile(residuals, share, sample_weight=None):
    """Quantile of the absolute residuals; a tie averages the two middle values.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
    share : float in (0, 1]
        The share of the weight that lies below.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero: weight 2 counts as the residual written twice.

    Returns
    -------
    float
        In the unit of ``residuals``.
    """
    sizes = np.abs(residuals)
    if sample_weight is not None:
        return float(_weighted_quantile(sizes, sample_weight, share))
    return _quantile(sizes, share)


def _quantile(values, share):
    """Return the result of ``_weighted_quantile`` for equal weights."""
    at = math.ceil((share - TIE) * len(values)) - 1
    tied = at + 1 < len(values) and at + 1 <= (share + TIE) * len(values)
    ordered = np.partition(values, (at, at + 1) if tied else at)
    return float(0.5 * ordered[at] + 0.5 * ordered[at + tied])


def mad(residuals, sample_weight=None):
    """Median absolute deviation about zero, divided by 0.674489750196.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
        The deviations are about zero, not about their median.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero: weight 2 counts as the residual written twice.

    Returns
    -------
    float
        In the unit of ``residuals``. It is consistent for the standard deviation of normal
        residuals, and finite however large fewer than half of them are.

    Raises
    ------
    ValueError
        If an argument holds masked values.

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation. Journal of
    the American Statistical Association 69.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.scales import mad
    >>> round(mad(np.array([-1.0, 0.5, 0.0, 1.0, 1e9])), 4)
    1.4826
    """
    residuals, sample_weight = _unmasked(residuals, sample_weight)
    return abs_residual_quantile(residuals, 0.5, sample_weight) / _NORMAL_QUARTILE


def normal_scaled_quantile(residuals, share, sample_weight=None):
    """Return a quantile of the absolute residuals, divided by that of the standard normal.

    It is consistent for the standard deviation of normal residuals; at 1/2 it is the MAD.
    """
    if share == 0.5:
        return mad(residuals, sample_weight)
    return abs_residual_quantile(residuals, share, sample_weight) / normal_quantile(share)


def normal_quantile(share):
    """Return the quantile of abs(Z), Z standard normal."""
    return _NORMAL_QUARTILE if share == 0.5 else float(ndtri(0.5 + 0.5 * share))


def n_cases(sample_weight) -> float:
    """Return the number of cases, which is the sum of the weights.

    Weights that sum to less than Kish's (1965) effective sample size, the square of their sum
    divided by the sum of their squares, are treated as proportions: the effective sample size is
    then the number of cases.
    """
    largest = float(np.max(sample_weight, initial=0.0))
    if largest == 0.0:
        return 0.0
    shares = sample_weight / largest
    return max(float(sample_weight.sum()), float(shares.sum() ** 2 / np.sum(shares**2)))


def half_of_cases(n_parameters, total, cases) -> float:
    """Return half of the total case weight, less the share of the parameters; at least 0."""
    return max(0.5 * total * (1.0 - n_parameters / cases), 0.0)


def _half_of_cases(n_parameters, n_rows, sample_weight):
    if sample_weight is None:
        return half_of_cases(n_parameters, n_rows, n_rows)
    return half_of_cases(n_parameters, float(sample_weight.sum()), n_cases(sample_weight))


def m_scale(residuals, sample_weight=None, *, n_parameters=0.0, floor=0.0):
    r"""M-scale of residuals, with a breakdown point of 1/2.

    The scale s at which

    .. math:: \frac{\sum_i s_i\,\rho(r_i/s)}{\sum_i s_i - p} = \frac{1}{2},

    where :math:`\rho` is Welsch's loss at c = 0.57735 s.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero. If they sum to less than Kish's effective sample size, they
        are treated as proportions of it, and p is reduced in proportion.
    n_parameters : float, default=0.0
        The number p of fitted parameters.
    floor : float, default=0.0
        The least scale that is returned.

    Returns
    -------
    float
        In the unit of ``residuals``; consistent for the standard deviation of normal residuals.
        ``floor`` if so many residuals are zero that no larger s solves the equation.

    Raises
    ------
    ValueError
        If an argument holds masked values.

    References
    ----------
    Rousseeuw, P. J. & Yohai, V. J. (1984). Robust regression by means of S-estimators. Lecture
    Notes in Statistics 26.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.scales import m_scale
    >>> residuals = np.random.default_rng(0).normal(size=100_000)
    >>> residuals[:20_000] = 1e6
    >>> round(m_scale(residuals), 1)
    1.4
    """
    from . import kernels

    residuals, sample_weight = _unmasked(residuals, sample_weight)
    half = _half_of_cases(n_parameters, len(residuals), sample_weight)
    residuals = np.ascontiguousarray(residuals, dtype=np.float64)
    cases = np.ones(len(residuals)) if sample_weight is None else np.array(sample_weight, float)
    cases.flags.writeable = False  # one type for all weights compiles once
    floor = max(floor, float(np.finfo(np.float64).tiny))
    first = mad(residuals, sample_weight)
    return kernels.m_scale(residuals, cases, half, floor, first, 1e-13, np.empty(len(residuals)))


@dataclass(frozen=True)
class AbsResiduals:
    """Absolute residuals between two bounds, and sums of the smaller ones.

    Attributes
    ----------
    sizes, cases : ndarray
        In any order, with their case weights.
    below : float
        The case weight of the smaller ones.
    squares : float
        The case-weighted sum of the squares of the smaller ones, in units of ``high``.
    low, high : float
        The bounds, which belong to the range.
    total : float
        The case weight of all sizes.
    """

    sizes: np.ndarray
    cases: np.ndarray
    below: float
    squares: float
    low: float
    high: float
    total: float

    @classmethod
    def all(cls, sizes, cases) -> AbsResiduals:
        """Return all sizes that have a positive case weight."""
        present = cases > 0.0
        sizes, cases = sizes[present], cases[present]
        return cls(sizes, cases, 0.0, 0.0, 0.0, float(sizes.max()), float(cases.sum()))

    def quantile(self, share) -> float | None:
        """Return a quantile of the sizes, or None if it is outside the bounds.

        At a tie it is the mean of two sizes.
        """
        order = np.argsort(self.sizes)
        cumulated = self.below + np.cumsum(self.cases[order])
        least, most = (share - TIE) * self.total, (share + TIE) * self.total
        at = int(np.searchsorted(cumulated, least))
        if self.below >= least > 0.0 or at >= len(order):
            return None
        tied = cumulated[at] <= most and share < 1.0
        if tied and at + 1 == len(order):
            return None
        return float(0.5 * self.sizes[order[at]] + 0.5 * self.sizes[order[at + tied]])

    def within(self, edge):
        """Return the case weight of sizes up to ``edge`` and their root mean square.

        ``edge`` lies between the bounds.
        """
        inside = self.sizes <= edge
        count = self.below + float(np.sum(self.cases, where=inside))
        shares = self.sizes / self.high if self.high > 0.0 else self.sizes
        squares = self.squares + float(np.sum(self.cases * shares**2, where=inside))
        return count, self.high * math.sqrt(squares / count) if count > 0.0 else 0.0


def truncated_deviation(residuals, largest, sample_weight=None, *, n_parameters=0.0):
    """Compute the standard deviation of the residuals within 2.5 times itself.

    It is corrected for the part of a normal distribution outside this window. If several values
    satisfy the definition, the largest one up to ``largest`` is returned. The window always keeps
    half of the rows: if it would not, the smallest deviation that does so is returned.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
    largest : float
        Where the search begins, and the most that is returned.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero.
    n_parameters : float, default=0.0
        The number p of fitted parameters: the variance is divided by (n - p)/n.

    Returns
    -------
    float
        In the unit of ``residuals``; consistent for the standard deviation at the normal.

    Raises
    ------
    ValueError
        If an argument holds masked values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.scales import m_scale, truncated_deviation
    >>> residuals = np.random.default_rng(0).normal(size=100_000)
    >>> residuals[:20_000] = 1e6
    >>> round(truncated_deviation(residuals, m_scale(residuals)), 1)
    1.0
    """
    residuals, sample_weight = _unmasked(residuals, sample_weight)
    cases = np.ones(len(residuals)) if sample_weight is None else sample_weight
    free = 2.0 * _half_of_cases(n_parameters, len(residuals), sample_weight) / cases.sum()
    sizes = AbsResiduals.all(np.abs(residuals), cases)
    return truncated_deviation_of(
        lambda low, high: sizes,
        lambda: abs_residual_quantile(residuals, 0.5, sample_weight),
        largest,
        free,
    )


def truncated_deviation_of(sizes_between, median, largest, free):
    """Compute :func:`truncated_deviation` of residuals that are not all in one array.

    Parameters
    ----------
    sizes_between : callable
        Takes two bounds and returns the :class:`AbsResiduals` of the residuals between them, whose
        lower bound may be higher.
    median : callable
        Returns the median size.
    largest : float
        Where the search begins, and the most that is returned.
    free : float
        The share (n - p)/n, by which the variance is divided.

    Returns
    -------
    float
        In the unit of the residuals; consistent for the standard deviation of normal residuals.
    """
    sigma, before = largest, math.inf
    found = None
    while sigma < before and free > 0.0:
        edge = WINDOW * sigma
        if found is None or edge < found.low:
            found = sizes_between(_REACH * edge, edge)
        count, root = found.within(edge)
        if count < (0.5 - TIE) * found.total:
            if before == math.inf:
                return largest
            return min(median() / WINDOW, before)  # the median may be the mean of two sizes
        before, sigma = sigma, min(root / math.sqrt(_WITHIN * free), sigma)
    return sigma


ENOUGH = 20_000
"""Most rows from which quantiles are taken; their error is then about 0.3 per cent."""


def middle(y, sample_weight=None):
    """Return the median of y, or, of more than 20 000 rows, that of evenly spaced ones."""
    y, sample_weight = _thinned(y, sample_weight)
    if sample_weight is None:
        return _quantile(y, 0.5)
    return float(_weighted_quantile(y, sample_weight, 0.5))


def scale_floor(y, sample_weight=None, centre=None):
    """Least residual scale that can be distinguished from zero, given the rounding of ``y``.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        With more than 20 000 rows, that many evenly spaced ones are used.
    sample_weight : ndarray of shape (n_samples,), optional
        Rows of weight zero do not count.
    centre : float, optional
        The median of ``y``, if it is known.

    Returns
    -------
    float
        1e-12 of the spread of ``y``, plus 4 units of rounding of its ordinary values. The
        spread is the 0.75 quantile of the distances from the median, so that a few far values do
        not determine it. If this is zero, it is the first of the quantiles 0.9, 0.99 and 1 that is
        not. The smallest normal double if ``y`` is all zero.

    Raises
    ------
    ValueError
        If an argument holds masked values.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.scales import scale_floor
    >>> f"{scale_floor(np.array([1.0, 2.0, 3.0, 4.0, 5.0])):.0e}"
    '2e-12'
    """
    y, sample_weight = _thinned(
        check_unmasked("y", y), check_unmasked("sample_weight", sample_weight)
    )
    centre = middle(y, sample_weight) if centre is None else centre
    halves = 0.5 * y - 0.5 * centre
    spreads = (2.0 * abs_residual_quantile(halves, share, sample_weight) for share in (*WIDER, 1.0))
    spread = next((spread for spread in spreads if spread > 0.0), 0.0)
    rounding = 4.0 * np.finfo(np.float64).eps * (abs(centre) + spread)
    return max(1e-12 * spread + rounding, float(np.finfo(np.float64).tiny))


def abs_residual_quantiles(residuals, sample_weight=None):
    """Quantiles of the absolute residuals at the probabilities 0, 0.001, ..., 1.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
        With more than 20 000 rows, that many evenly spaced ones are used.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero.

    Returns
    -------
    ndarray of shape (1001,)
        In the unit of ``residuals``.
    """
    residuals, sample_weight = _thinned(residuals, sample_weight)
    sizes, shares = np.abs(residuals), np.linspace(0.0, 1.0 - TIE, 1001)
    if sample_weight is None:
        return np.sort(sizes)[np.maximum(np.ceil(shares * len(sizes)).astype(int) - 1, 0)]
    order = np.argsort(sizes)
    cumulated = np.cumsum(sample_weight[order])
    return sizes[order[np.searchsorted(cumulated, shares * cumulated[-1])]]


def _unmasked(residuals, sample_weight):
    """Return both as plain arrays, or raise if something is masked."""
    return check_unmasked("residuals", residuals), check_unmasked("sample_weight", sample_weight)


def _thinned(values, sample_weight):
    """Return values and weights of at most 20 000 evenly spaced rows with a positive weight."""
    if sample_weight is not None:
        present = sample_weight > 0.0
        values, sample_weight = values[present], sample_weight[present]
    step = -(-len(values) // ENOUGH)
    return values[::step], None if sample_weight is None else sample_weight[::step]
