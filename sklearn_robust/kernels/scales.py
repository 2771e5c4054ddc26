"""The M-scale of residuals.

The loss is Welsch's, bounded by 1, at c = 1/sqrt(3) scales: E rho(Z/c) = 1/2 for the standard
normal, so that the M-scale has a breakdown point of 1/2 and is consistent there.
"""

import math

from numba import types

from .compiled import SUM, entry
from .elementary import exponential, larger
from .linked import NUMBER, OUT, ROW, linked

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


@linked(types.UniTuple(NUMBER, 2), ROW, ROW, NUMBER, OUT, fastmath=SUM)
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


@linked(NUMBER, ROW, ROW, NUMBER, NUMBER, NUMBER, NUMBER, OUT)
def m_scale_of(residuals, cases, half, floor, first, tol, weights):
    """Return the s at which the sum of rho(r/(c·s)) is ``half``, or ``floor`` where s is less.

    Newton steps of log s from ``first``, or at 0 from the mean size of the residuals, kept
    between bounds that close in on the root.
    ``weights`` is filled with the weights at nearly s.
    """
    low, high = math.log(floor), math.inf
    most, beyond = half * (1.0 + _TIE), 0.0
    for i in range(residuals.shape[0]):
        beyond += cases[i] if abs(residuals[i]) > _OFF * CONSTANT * floor else 0.0
    # The exponentials of all rows are only needed if most rows are near the floor.
    if beyond <= most and weigh(residuals, cases, CONSTANT * floor, weights)[0] <= most:
        return floor
    log_s = low
    if not first > 0.0:
        for i in range(residuals.shape[0]):
            first += abs(residuals[i]) / residuals.shape[0]
    if first > 0.0:
        log_s = larger(math.log(first), low)
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


@entry
def m_scale(residuals, cases, half, floor, first, tol, weights):
    """Return what ``m_scale_of`` does."""
    return m_scale_of(residuals, cases, half, floor, first, tol, weights)
