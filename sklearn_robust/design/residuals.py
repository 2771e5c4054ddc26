"""Residuals at given parameters: absolute residuals, scales, quantiles and robust weights."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .. import kernels, scales
from ..losses import Loss, resolve, tuning_constant
from ..scales import AbsResiduals
from .base import Design
from .passes import abs_residuals_gradient, loss_gradient, scale_gradient

_MANY = 50_000
"""Most rows of which all residuals are held at once; with more, quantiles are bracketed first."""
_FEW = 5_000
"""Number of evenly spaced rows whose residuals bracket a quantile of all."""
_MARGIN = 0.04
"""Half-width of the bracket of a quantile, as a share of the rows: 5 standard errors of the
quantile of the few rows that give the bracket."""
_BINS = 4096
"""Bins in which absolute residuals are counted if too many lie in the bracket."""
_MOST_LOOKS = 50
"""Most counting passes, or Newton steps of the M-scale."""
_EXACT = 10.0
"""Residuals up to this many floors of the scale count as exact: other rows pull at the fit."""
_WELSCH = resolve("welsch")


def residuals(design: Design, params):
    """Return y minus the fitted values, shape (n_rows,)."""
    packed = design.packed()
    if packed is not None and len(packed.y) == design.n_rows:
        return packed.residuals(params)
    coef, intercept = design.columns.split(params)
    return design.map_rows(
        lambda rows, start, stop: rows.residuals_of_range(coef, intercept, start, stop)
    )


def robust_weights(design: Design, params, loss: Loss, scale: float, *, zero_at=()):
    """Return the robust weight of every row, 1 at a residual of zero; shape (n_rows,).

    The weights of the rows ``zero_at``, as :func:`large_residuals` gives them, are 0.
    """
    if design.in_process:
        return _weights_of(design, residuals(design, params), loss, scale, zero_at)
    coef, intercept = design.columns.split(params)

    def task(rows, start, stop):
        out = rows.residuals_of_range(coef, intercept, start, stop)
        kernels.residuals_to_weights(loss.code, loss.alpha, scale, loss.weight_at_zero, out)
        return out

    return design.map_rows(task, zero_at=zero_at)


def final_weights(design: Design, counted: Design, params, loss: Loss, scale: float, left_out=()):
    """Return the robust weights of all rows, 0 for rows left out, and summaries of the residuals.

    ``counted`` is the design without the rows left out. If the rows are not in this process, the
    summaries are those of evenly spaced rows.

    Returns
    -------
    weights : array of shape (n_rows,)
    largest : float
        The largest weight of a row.
    quantiles : ndarray of shape (1001,)
        Quantiles of the absolute residuals of the rows that are not left out.
    """
    design, left_out = design.holder_of_weights(left_out)
    if not design.in_process:
        weights = robust_weights(design, params, loss, scale, zero_at=left_out)
        few = design.thinned(scales.ENOUGH)
        largest = float(robust_weights(few, params, loss, scale).max())
        few = counted.thinned(scales.ENOUGH)
        sizes = residuals(few, params)
        return weights, largest, scales.abs_residual_quantiles(sizes, few.sample_weight)
    left = residuals(design, params)
    quantiles = scales.abs_residual_quantiles(left, counted.sample_weight)
    weights = _weights_of(design, left, loss, scale, left_out)
    return weights, float(weights.max()), quantiles


def _weights_of(design, left, loss, scale, zero_at):
    """Overwrite residuals with their robust weights, and return these."""

    def task(rows, start, stop):
        part = left[start:stop]
        kernels.residuals_to_weights(loss.code, loss.alpha, scale, loss.weight_at_zero, part)

    design.reduce(task, list)
    left[np.asarray(zero_at, dtype=np.intp)] = 0.0
    return left


def large_residuals(design: Design, params, size):
    """Return the numbers of the rows with a weight whose absolute residual is over ``size``."""
    if design.in_process:
        sizes = residuals(design, params)
        large = np.abs(sizes, out=sizes) > size
        if design.sample_weight is not None:
            large &= design.sample_weight > 0.0
        return np.flatnonzero(large)
    coef, intercept = design.columns.split(params)

    def task(rows, start, stop):
        large = np.abs(rows.residuals_of_range(coef, intercept, start, stop)) > size
        if rows.sample_weight is not None:
            large &= rows.sample_weight[start:stop] > 0.0
        return large

    return design.select(task)


def abs_residuals(design: Design, params, low, high) -> AbsResiduals:
    """Return the absolute residuals between two bounds, and sums of the smaller ones.

    If these would be too many to gather, the lower bound is raised.
    """
    expected = _expected(design, params, low, high)
    if expected > design.most_gathered:
        low = max(low, high - (high - low) * design.most_gathered / expected)
    return _gathered(design, params, low, high)


def _gathered(design, params, low, high):
    coef, intercept = design.columns.split(params)

    def task(rows, start, stop):
        out = rows.residuals_of_range(coef, intercept, start, stop)
        *sums, sizes, cases = kernels.sizes_between(out, rows.cases_of(start, stop), low, high)
        # The copies let the larger buffers be freed. Lists are concatenated.
        return *sums, [(sizes.copy(), cases.copy())]

    below, squares, lists = design.reduce(task)
    sizes, cases = map(np.concatenate, zip(*lists, strict=True))
    return AbsResiduals(sizes, cases, below, squares, low, high, design.total_weight)


def _expected(design, params, low, high) -> float:
    """Return approximately how many absolute residuals lie between two bounds, or more."""
    if design.n_present <= design.most_gathered:
        return design.n_present
    sizes = np.abs(residuals(design.thinned(scales.ENOUGH), params))
    return float(np.mean((sizes >= low) & (sizes <= high))) * design.n_present


def loss_gradient_and_abs_residuals(design: Design, params, loss: Loss, scale: float, bounds):
    """Return the results of ``abs_residuals_gradient``; no residuals if they would be too many."""
    if _expected(design, params, *bounds) <= design.most_gathered:
        return abs_residuals_gradient(design, params, loss, scale, bounds)
    none: np.ndarray = np.empty(0)
    low, high = bounds
    found = AbsResiduals(none, none, 0.0, 0.0, low, high, design.total_weight)
    return *loss_gradient(design, params, loss, scale), found


def normal_scaled_quantile(design: Design, params, share) -> float:
    """Return a quantile of the absolute residuals, divided by that of the standard normal.

    At the share 1/2 it is the MAD.
    """
    if design.in_process and design.n_rows <= _MANY:
        return scales.normal_scaled_quantile(residuals(design, params), share, design.sample_weight)
    few = design.thinned(_FEW)
    sizes, cases = np.abs(residuals(few, params)), few.sample_weight
    low, high = (
        scales.abs_residual_quantile(sizes, min(max(share + apart, 1e-9), 1.0), cases)
        for apart in (-_MARGIN, _MARGIN)
    )
    return _bracketed_quantile(design, params, share, low, high) / scales.normal_quantile(share)


def _bracketed_quantile(design, params, share, low, high) -> float:
    """Return a quantile of the absolute residuals, exact to rounding.

    If too many lie between the bounds, or the quantile does not, they are counted in bins.
    """
    expected = 2.0 * _MARGIN * design.n_present
    for _ in range(_MOST_LOOKS):
        if expected <= design.most_gathered:
            quantile = _gathered(design, params, low, high).quantile(share)
            if quantile is not None:
                return quantile
        below, counts, largest = _histogram(design, params, low, high)
        wanted = share * design.total_weight
        low, high, weight = narrowed(wanted, (low, high), below, counts, largest)
        expected = weight / design.total_weight * design.n_present
        if high - low <= 2.0 * _BINS * np.finfo(np.float64).eps * high:
            return high  # bins would be narrower than rounding
    return 0.5 * (low + high)


def _histogram(design, params, low, high):
    """Return the case weight below the bins and in every bin, and the largest absolute residual."""
    coef, intercept = design.columns.split(params)

    def task(rows, start, stop):
        sizes = np.abs(rows.residuals_of_range(coef, intercept, start, stop))
        cases = rows.own_cases()[start:stop]
        present = cases > 0.0
        sizes, cases = sizes[present], cases[present]
        counts, _ = np.histogram(sizes, bins=_BINS, range=(low, high), weights=cases)
        below = float(np.sum(cases, where=sizes < low))
        return below, counts, [float(np.max(sizes, initial=0.0))]

    below, counts, largest = design.reduce(task)
    return below, counts, max(largest)


def narrowed(wanted, bounds, below, counts, largest):
    """Return bounds between which a quantile lies, and the case weight there.

    Parameters
    ----------
    wanted : float
        The case weight below the quantile; at a tie the quantile is the mean of two sizes.
    bounds : tuple of float
        Bounds between which absolute residuals were counted.
    below : float
        The case weight below.
    counts : ndarray of shape (n_bins,)
        The case weight in even bins between the bounds.
    largest : float
        The largest absolute residual.
    """
    low, high = bounds
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
    return edges[at], edges[last + 1], float(counts[at : last + 1].sum())


def m_scale(design: Design, params, n_parameters, floor) -> float:
    """Return the M-scale of the residuals, breakdown point 1/2, at least ``floor``."""
    if design.in_process:
        return scales.m_scale(
            residuals(design, params), design.sample_weight, n_parameters=n_parameters, floor=floor
        )
    half = design.half_of_cases(n_parameters) / design.total_weight
    constant = tuning_constant(breakdown=0.5)
    sigma = max(normal_scaled_quantile(design, params, 0.5), floor)
    for _ in range(_MOST_LOOKS):
        value, _, slope = scale_gradient(design, params, _WELSCH, constant * sigma)
        # Newton's method in log sigma. Steps are at most 1, because far off the slope is no guide.
        step = min(max((half - value) / min(slope, -1e-300), -1.0), 1.0)
        sigma *= math.exp(step)
        if abs(step) <= 1e-12 or sigma <= floor:
            break
    return max(sigma, floor)


def truncated_deviation(design: Design, params, largest, n_parameters) -> float:
    """Return the deviation of the residuals within 2.5 times itself, at most ``largest``."""
    if design.in_process and design.n_rows <= _MANY:
        return scales.truncated_deviation(
            residuals(design, params), largest, design.sample_weight, n_parameters=n_parameters
        )
    free = 2.0 * design.half_of_cases(n_parameters) / design.total_weight
    return scales.truncated_deviation_of(
        partial(abs_residuals, design, params),
        lambda: normal_scaled_quantile(design, params, 0.5) * scales.normal_quantile(0.5),
        largest,
        free,
    )


def most_are_exact(design: Design, params, share=0.5) -> bool:
    """Return whether more than this share of the case weight is fitted to within rounding."""
    return normal_scaled_quantile(design, params, share) <= _EXACT * design.floor
