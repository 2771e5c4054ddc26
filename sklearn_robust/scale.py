"""Scales of residuals: how large an ordinary one is, whatever the others are."""

from __future__ import annotations

import numpy as np

__all__ = ["mad", "scale_floor", "size_quantiles"]

_NORMAL_QUARTILE = 0.674489750196
"""The median of abs(Z) for Z standard normal; makes the MAD consistent there."""
_TIE = 1e-9
"""Two halves of the weight differ by rounding only below this share of it."""


def _weighted_median(values, sample_weight):
    order = np.argsort(values, kind="stable")
    order = order[sample_weight[order] > 0.0]
    cumulated = np.cumsum(sample_weight[order])
    total = cumulated[-1]
    middle = int(np.searchsorted(cumulated, (0.5 - _TIE) * total))
    upper = middle
    if cumulated[middle] <= (0.5 + _TIE) * total:
        upper = min(middle + 1, len(order) - 1)
    return 0.5 * values[order[middle]] + 0.5 * values[order[upper]]


def mad(residuals, sample_weight=None):
    """Median absolute deviation about zero, divided by 0.674489750196.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
        Their centre is taken to be zero.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero: weight 2 counts as the residual written twice.

    Returns
    -------
    float
        In the unit of ``residuals``; consistent for the standard deviation at the normal,
        finite whatever fewer than half of the rows are.

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation. Journal of
    the American Statistical Association 69.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.scale import mad
    >>> round(mad(np.array([-1.0, 0.5, 0.0, 1.0, 1e9])), 4)
    1.4826
    """
    sizes = np.abs(residuals)
    if sample_weight is None:
        return float(np.median(sizes)) / _NORMAL_QUARTILE
    return float(_weighted_median(sizes, sample_weight)) / _NORMAL_QUARTILE


def scale_floor(y, sample_weight=None):
    """Least residual scale that rounding in ``y`` allows to tell from zero.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,), optional
        Rows of weight zero do not count.

    Returns
    -------
    float
        1e-12 of the largest distance of ``y`` from its middle, plus 4 units of rounding of
        its largest value; the least normal double where ``y`` is all zero.
    """
    if sample_weight is not None:
        y = y[sample_weight > 0.0]
    low, high = float(np.min(y)), float(np.max(y))
    spread = 0.5 * high - 0.5 * low
    rounding = 4.0 * np.finfo(np.float64).eps * max(abs(low), abs(high))
    return max(1e-12 * spread + rounding, float(np.finfo(np.float64).tiny))


_ENOUGH = 20_000
"""Rows from which quantiles are taken at the most; they then err by about 0.3 per cent."""


def size_quantiles(residuals, sample_weight=None):
    """Quantiles of the sizes of residuals at the probabilities 0, 0.001, ..., 1.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples,)
        Of more than 20 000, that many evenly spaced ones are looked at.
    sample_weight : ndarray of shape (n_samples,), optional
        Case weights, not all zero.

    Returns
    -------
    ndarray of shape (1001,)
        In the unit of ``residuals``.
    """
    if sample_weight is not None:
        present = sample_weight > 0.0
        residuals, sample_weight = residuals[present], sample_weight[present]
    step = -(-len(residuals) // _ENOUGH)
    sizes = np.abs(residuals[::step])
    order = np.argsort(sizes)
    weights = np.ones(len(sizes)) if sample_weight is None else sample_weight[::step]
    cumulated = np.cumsum(weights[order])
    wanted = np.linspace(0.0, 1.0 - _TIE, 1001) * cumulated[-1]
    return sizes[order[np.searchsorted(cumulated, wanted)]]
