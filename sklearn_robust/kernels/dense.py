"""Passes over a range of dense rows.

Data come as a C-contiguous array and a flag: ``by_column`` is False for ``X`` of shape (n_rows,
n_features), True for the transposed view of column-major data. Every pass works on ``x - centre``,
subtracted entry by entry: far from zero that keeps the digits which a sum of products would lose.
"""

import math

import numpy as np

from .algebra import LINE, add_gram, mirror, zeros
from .compiled import SUM, compiled, entry
from .elementary import smaller
from .linked import COUNT, DATA, NUMBER, OUT, OUT_MATRIX, ROW, VOID, linked
from .residuals import BLOCK, GRAM, SIZES, block_loss, block_sizes


@compiled(SUM)
def _centred_dot(x, centre, coef):
    total = 0.0
    for j in range(x.shape[0]):
        total += (x[j] - centre[j]) * coef[j]
    return total


@compiled(SUM)
def _centred_column_dot(column, centre, values, n):
    total = 0.0
    for i in range(n):
        total += (column[i] - centre) * values[i]
    return total


@linked(VOID, DATA, ROW, NUMBER, ROW, ROW, NUMBER, COUNT, COUNT, OUT)
def row_residuals(X, y, origin, centre, coef, intercept, first, n, residuals):
    """Write the residuals of n rows that follow the first ones, of row-major data."""
    # y - origin comes first and outside the fast sums: both may be huge, and near.
    own = y[first : first + n]  # a number by its place in a slice is a vector instruction
    for i in range(n):
        fitted = _centred_dot(X[first + i], centre, coef)
        residuals[i] = ((own[i] - origin) - intercept) - fitted


@linked(VOID, DATA, ROW, NUMBER, ROW, ROW, NUMBER, COUNT, COUNT, OUT)
def column_residuals(X, y, origin, centre, coef, intercept, first, n, residuals):
    """Do what ``row_residuals`` does, of column-major data."""
    own = y[first : first + n]
    for i in range(n):
        residuals[i] = (own[i] - origin) - intercept
    for j in range(X.shape[0]):
        column = X[j, first : first + n]
        for i in range(n):
            residuals[i] -= (column[i] - centre[j]) * coef[j]


@compiled()
def _residuals(X, by_column, y, origin, centre, coef, intercept, first, n, residuals):
    if by_column:
        column_residuals(X, y, origin, centre, coef, intercept, first, n, residuals)
    else:
        row_residuals(X, y, origin, centre, coef, intercept, first, n, residuals)


@linked(VOID, DATA, ROW, ROW, COUNT, COUNT, OUT)
def row_gradient(X, centre, influence, first, n, gradient):
    """Take the sums over n rows of influence·(x - centre) from the gradient."""
    # Four rows at a time: the gradient is loaded and stored a quarter as often.
    most = n - n % 4
    for i in range(0, most, 4):
        k, a, b, c, d = (
            first + i,
            influence[i],
            influence[i + 1],
            influence[i + 2],
            influence[i + 3],
        )
        for j in range(X.shape[1]):
            m = centre[j]
            near = (X[k, j] - m) * a + (X[k + 1, j] - m) * b
            gradient[j] -= near + ((X[k + 2, j] - m) * c + (X[k + 3, j] - m) * d)
    for i in range(most, n):
        for j in range(X.shape[1]):
            gradient[j] -= (X[first + i, j] - centre[j]) * influence[i]


@linked(VOID, DATA, ROW, ROW, COUNT, COUNT, OUT)
def column_gradient(X, centre, influence, first, n, gradient):
    """Do what ``row_gradient`` does, of column-major data."""
    for j in range(X.shape[0]):
        column = X[j, first : first + n]
        gradient[j] -= _centred_column_dot(column, centre[j], influence, n)


@linked(VOID, DATA, ROW, ROW, ROW, COUNT, COUNT, OUT_MATRIX)
def pack_rows(X, centre, inverse, weights, first, n, packed):
    """Write the centred columns and ones, times roots of weights, as the rows of ``packed``."""
    roots = packed[centre.shape[0]]
    for i in range(n):
        roots[i] = math.sqrt(weights[i])
    # The root is multiplied first: where it is zero nothing may overflow on the way to zero.
    most = n - n % 4
    for i in range(0, most, 4):
        k, a, b, c, d = first + i, roots[i], roots[i + 1], roots[i + 2], roots[i + 3]
        for j in range(centre.shape[0]):
            m, s = centre[j], inverse[j]
            packed[j, i] = (X[k, j] - m) * (s * a)
            packed[j, i + 1] = (X[k + 1, j] - m) * (s * b)
            packed[j, i + 2] = (X[k + 2, j] - m) * (s * c)
            packed[j, i + 3] = (X[k + 3, j] - m) * (s * d)
    for i in range(most, n):
        for j in range(centre.shape[0]):
            packed[j, i] = (X[first + i, j] - centre[j]) * (inverse[j] * roots[i])


@linked(VOID, DATA, ROW, ROW, ROW, COUNT, COUNT, OUT_MATRIX)
def pack_columns(X, centre, inverse, weights, first, n, packed):
    """Do what ``pack_rows`` does, of column-major data."""
    roots = packed[centre.shape[0]]
    for i in range(n):
        roots[i] = math.sqrt(weights[i])
    for j in range(centre.shape[0]):
        column = X[j, first : first + n]
        for i in range(n):
            packed[j, i] = (column[i] - centre[j]) * (inverse[j] * roots[i])


# ---- passes over a range of rows -----------------------------------------------------


@entry
def dense_residuals(X, by_column, y, origin, centre, coef, intercept, start, stop, out):
    """Write (y - origin) - intercept - (x - centre)·coef of the rows to ``out``."""
    for first in range(start, stop, BLOCK):
        n = smaller(BLOCK, stop - first)
        block = out[first - start : first - start + n]
        _residuals(X, by_column, y, origin, centre, coef, intercept, first, n, block)


@entry
def dense_gradient(X, by_column, centre, influence, start, stop):
    """Return minus the sums over the rows of influence·(x - centre, 1)."""
    p = centre.shape[0]
    gradient = np.zeros(p + 1)
    if by_column:
        column_gradient(X, centre, influence, start, stop - start, gradient)
    else:
        row_gradient(X, centre, influence, start, stop - start, gradient)
    for i in range(stop - start):
        gradient[p] -= influence[i]
    return gradient


@entry
def dense_pass(
    X, by_column, y, origin, case_weights, centre, unit, coef, intercept, code, alpha, c, extra,
    low, high, majorant, start, stop,
):  # fmt: skip
    """Return sums, c times the gradient, and what else of the rows is asked for.

    The sums are those of ``block_loss`` and, for SIZES, ``block_sizes``. The gradient is in
    (coef, intercept). For GRAM follows the Gram matrix of ((x - centre)/unit, 1) under the
    weights of ``block_curvatures``; for SIZES the sizes of residuals from ``low`` to ``high``
    and their case weights.
    """
    p = coef.shape[0]
    size = p + 1 if extra == GRAM else 0
    gram, packed, vectors = zeros(size, size), zeros(size, BLOCK + LINE), zeros(2, p + 1)
    gradient, inverse, blocks = vectors[0], vectors[1], zeros(8, BLOCK)
    for j in range(p):
        inverse[j] = 1.0 / unit[j]
    listed, found = zeros(2, stop - start if extra == SIZES else 0), 0
    work, sums, sizes, cases = blocks[:4], blocks[4, :6], listed[0], listed[1]
    residuals, influence, weights = blocks[5], blocks[6], blocks[7]
    for first in range(start, stop, BLOCK):
        n = smaller(BLOCK, stop - first)
        _residuals(X, by_column, y, origin, centre, coef, intercept, first, n, residuals)
        own = case_weights[first : first + n]
        block_loss(
            code, alpha, c, extra, majorant, residuals, own, n, work, influence, weights, sums
        )
        if by_column:
            column_gradient(X, centre, influence, first, n, gradient)
        else:
            row_gradient(X, centre, influence, first, n, gradient)
        if extra == GRAM:
            if by_column:
                pack_columns(X, centre, inverse, weights, first, n, packed)
            else:
                pack_rows(X, centre, inverse, weights, first, n, packed)
            add_gram(packed, n, gram)
        if extra == SIZES:
            found += block_sizes(residuals, own, n, low, high, sizes[found:], cases[found:], sums)
    mirror(gram)
    gradient[p] = -sums[5]
    return sums, gradient, gram, sizes[:found], cases[:found]
