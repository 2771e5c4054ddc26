"""The M-scale of residuals.

The loss is Welsch's, bounded by 1, at c = 1/sqrt(3) scales: E rho(Z/c) = 1/2 for the standard
normal, so that the M-scale has a breakdown point of 1/2 and is consistent there.
"""

import math

from .compiled import SUM, compiled, entry
from .elementary import exponential

CONSTANT = math.sqrt(1.0 / 3.0)
"""The scale c of the loss, in M-scales."""

_LONGEST = 1.0
"""Newton steps of a log scale are no longer: the equation is flat far from its root."""
_TIE = 1e-6
"""Share of ``half`` that is rounding at the floor, where as many rows as count are off it."""
_OFF = 9.0
"""Residuals over so many c have a rho of 1 to the last bit."""
_STEPS = 200
"""Steps within which bisection alone would find a scale to the last bit."""


@compiled(SUM)
def weigh(residuals, cases, c, weights):
    """Fill the case-weighted weights; return the sums of rho and of weight times (r/c)²."""
    total, slope = 0.0, 0.0
    for i in range(residuals.shape[0]):
        u = residuals[i] / c
        weight, difference = exponential(-0.5 * u * u)
        weights[i] = cases[i] * weight
        total -= cases[i] * difference
        slope += weights[i] * (u * u) if weight > 0.0 else 0.0
    return total, slope


@compiled()
def _log_mean(residuals, least):
    total = 0.0
    for i in range(residuals.shape[0]):
        total += abs(residuals[i]) / residuals.shape[0]
    return max(math.log(total), least) if total > 0.0 else least


@compiled(SUM)
def _cases_beyond(residuals, cases, size):
    total = 0.0
    for i in range(residuals.shape[0]):
        total += cases[i] if abs(residuals[i]) > size else 0.0
    return total


@compiled()
def _at_floor(residuals, cases, half, floor, weights):
    """Return whether the scale is at most ``floor``; most rows far off it say that it is not."""
    most = half * (1.0 + _TIE)
    if _cases_beyond(residuals, cases, _OFF * CONSTANT * floor) > most:
        return False
    return weigh(residuals, cases, CONSTANT * floor, weights)[0] <= most


@entry
def m_scale(residuals, cases, half, floor, first, tol, weights):
    """Return the s at which the sum of rho(r/(c·s)) is ``half``, or ``floor`` where s is less.

    Newton steps of log s from ``first``, or at 0 from the mean size of the residuals, kept
    between bounds that close in on the root.
    ``weights`` is filled with the weights at nearly s.
    """
    low, high = math.log(floor), math.inf
    if _at_floor(residuals, cases, half, floor, weights):
        return floor
    log_s = max(math.log(first), low) if first > 0.0 else _log_mean(residuals, low)
    for _ in range(_STEPS):
        total, slope = weigh(residuals, cases, CONSTANT * math.exp(log_s), weights)
        excess = total - half
        if excess > 0.0:
            low = log_s
        else:
            high = log_s
        step = math.copysign(_LONGEST, excess)
        if slope > abs(excess) / _LONGEST:
            step = excess / slope
        if not low <= log_s + step <= high:
            step = 0.5 * (low + high) - log_s
        log_s += step
        if abs(step) <= tol:
            break
    return math.exp(log_s)
