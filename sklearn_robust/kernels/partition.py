"""The partition function and the information of a location, from tables of Chebyshev series."""

import math

from numba import types

from .compiled import compiled, entry
from .linked import MATRIX, NUMBER, linked


@entry
def log_partition(alpha, table):
    """Return what ``partition_and_slope`` does."""
    return partition_and_slope(alpha, table)


@linked(types.UniTuple(NUMBER, 2), NUMBER, MATRIX)
def partition_and_slope(alpha, table):
    """Return log Z(alpha) and its derivative, alpha >= 0; each to 1e-13.

    A row of ``table`` is a piece: its ends in the coordinate t, then two Chebyshev series.
    """
    if alpha == 2.0:
        return 0.5 * math.log(2.0 * math.pi), -math.inf
    return _piecewise(alpha, table)


@entry
def log_information(alpha, table):
    """Return what ``information_and_slope`` does."""
    return information_and_slope(alpha, table)


@linked(types.UniTuple(NUMBER, 2), NUMBER, MATRIX)
def information_and_slope(alpha, table):
    """Return log E psi² at c = 1 and its derivative, alpha in [0, 2]; ``table`` as above."""
    if alpha == 2.0:
        return 0.0, math.inf
    return _piecewise(alpha, table)


@entry
def log_normaliser(alpha, tables, estimated):
    """Return what ``normaliser_and_slope`` does, from both tables."""
    return normaliser_and_slope(alpha, tables[0], tables[1], estimated)


@linked(types.UniTuple(NUMBER, 2), NUMBER, MATRIX, MATRIX, NUMBER)
def normaliser_and_slope(alpha, partition, information, estimated):
    """Return what the likelihood adds to the mean rho and log c, and its derivative in alpha.

    The tables are those of ``log_partition`` and ``log_information``, ``estimated`` is p/n.
    """
    value, slope = partition_and_slope(alpha, partition)
    if estimated == 0.0:
        return value, slope
    found, change = information_and_slope(alpha, information)
    return value + 0.5 * estimated * found, slope + 0.5 * estimated * change


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
