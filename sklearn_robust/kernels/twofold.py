"""Compiled code of least squares in twice the precision: numbers as sums of two doubles.

None of these functions may be compiled for fast sums, which would drop the errors.
"""

import numpy as np

from .compiled import compiled, entry

_SPLITTER = 2.0**27 + 1.0


@compiled()
def _sum(a, b):
    """Return the rounded sum and its error (Knuth 1969, section 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@compiled()
def _product(a, b):
    """Return the rounded product and its error (Dekker 1971)."""
    product = a * b
    a_high, b_high = _SPLITTER * a, _SPLITTER * b
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@entry
def add_gradient(X, y, origin, cases, centre, unit, coef, intercept, sums, errors):
    """Add the sums over rows of case·r·((x - centre)/unit, 1) to ``sums + errors``.

    ``unit`` holds powers of two, which change no digit; ``coef`` is that of (x - centre)/unit.
    """
    p = centre.shape[0]
    x, x_low = np.empty(p), np.empty(p)
    for i in range(X.shape[0]):
        r, low = _sum(y[i], -origin)
        r, error = _sum(r, -intercept)
        low += error
        for j in range(p):
            x[j], x_low[j] = _sum(X[i, j], -centre[j])
            x[j] /= unit[j]
            x_low[j] /= unit[j]
            fitted, rest = _product(x[j], -coef[j])
            r, error = _sum(r, fitted)
            low += error + (rest - x_low[j] * coef[j])
        r, error = _sum(r, low)
        weighted, low = _product(r, cases[i])
        low += error * cases[i]
        for j in range(p):
            push, rest = _product(x[j], weighted)
            sums[j], error = _sum(sums[j], push)
            errors[j] += error + (rest + x[j] * low + x_low[j] * weighted)
        sums[p], error = _sum(sums[p], weighted)
        errors[p] += error + low
