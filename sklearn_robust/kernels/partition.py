"""The partition function and the information of a location, from tables of Chebyshev series."""

import math

from .compiled import compiled, entry


@entry
def log_partition(alpha, table):
    """Return log Z(alpha) and its derivative, alpha >= 0; each to 1e-13.

    A row of ``table`` is a piece: its ends in the coordinate t, then two Chebyshev series.
    """
    if alpha == 2.0:
        return 0.5 * math.log(2.0 * math.pi), -math.inf
    return _piecewise(alpha, table)


@entry
def log_information(alpha, table):
    """Return log E psi² at c = 1 and its derivative, alpha in [0, 2]; ``table`` as above."""
    if alpha == 2.0:
        return 0.0, math.inf
    return _piecewise(alpha, table)


@entry
def log_normaliser(alpha, tables, fitted):
    """Return what the likelihood adds to the mean rho and log c, and its derivative in alpha.

    ``tables`` are those of ``log_partition`` and ``log_information``, ``fitted`` is p/n.
    """
    value, slope = log_partition(alpha, tables[0])
    if fitted == 0.0:
        return value, slope
    information, change = log_information(alpha, tables[1])
    return value + 0.5 * fitted * information, slope + 0.5 * fitted * change


@compiled()
def _piecewise(alpha, table):
    """Return the two series of a table at alpha."""
    if alpha <= 1.0:
        t = alpha
    elif alpha < 2.0:
        t = 1.0 - math.log2(2.0 - alpha)
    elif alpha <= 4.0:
        t = 113.0 + math.log2(alpha - 2.0)
    else:
        t = 116.0 - 4.0 / alpha
    piece = 0
    while table[piece, 1] < t:
        piece += 1
    low, high = table[piece, 0], table[piece, 1]
    x = (2.0 * t - low - high) / (high - low)
    middle = 1 + table.shape[1] // 2
    return _clenshaw(table[piece, 2:middle], x), _clenshaw(table[piece, middle:], x)


@compiled()
def _clenshaw(series, x):
    value, before = 0.0, 0.0
    for j in range(series.shape[0] - 1, 0, -1):
        value, before = 2.0 * x * value - before + series[j], value
    return x * value - before + series[0]
