"""Small symmetric systems."""

import math

import numpy as np

from .compiled import SUM, compiled
from .elementary import smaller
from .linked import COUNT, FLAG, MATRIX, OUT, OUT_MATRIX, ROW, VOID, linked

LINE = 8
"""Doubles in a line of the cache. The rows of a packed block lie a line more than a power of 2
apart, which would map all of them to the same few lines of the cache."""
_SINGULAR = 1e-13
"""A pivot is lost in rounding below this share of its diagonal entry."""


@compiled(SUM)
def dot(a, b):
    """Return the inner product."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@compiled(SUM)
def _four_dots(a, b, x, y):
    ax, bx, ay, by = 0.0, 0.0, 0.0, 0.0
    for i in range(a.shape[0]):
        ax += a[i] * x[i]
        bx += b[i] * x[i]
        ay += a[i] * y[i]
        by += b[i] * y[i]
    return ax, bx, ay, by


@linked(OUT_MATRIX, COUNT, COUNT)
def zeros(rows, columns):
    """Return a matrix of zeros, its place in memory a multiple of 32 bytes.

    Of numpy's arrays that is true by chance, and some kernels take a quarter longer elsewhere.
    """
    made = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            made[i, j] = 0.0
    return made


@linked(VOID, MATRIX, COUNT, OUT_MATRIX)
def add_gram(packed, n, gram):
    """Add the lower triangle of ``packed·packedᵀ``, and some beside the diagonal, to ``gram``.

    Of the first n columns; two rows by two, so that each number read serves twice.
    """
    size = packed.shape[0]
    for j in range(0, size - 1, 2):
        a, b = packed[j, :n], packed[j + 1, :n]
        for k in range(0, j + 1, 2):
            ax, bx, ay, by = _four_dots(a, b, packed[k, :n], packed[k + 1, :n])
            gram[j, k] += ax
            gram[j + 1, k] += bx
            gram[j, k + 1] += ay
            gram[j + 1, k + 1] += by
    if size % 2:
        for k in range(size):
            gram[size - 1, k] += dot(packed[size - 1, :n], packed[k, :n])


@linked(VOID, OUT_MATRIX)
def mirror(gram):
    """Write the lower triangle above the diagonal too."""
    for j in range(gram.shape[0]):
        for k in range(j):
            gram[k, j] = gram[j, k]


@linked(VOID, MATRIX, ROW, OUT_MATRIX, OUT_MATRIX)
def add_weighted_gram(Z, roots, packed, gram):
    """Add the lower triangle of Z·diag(roots²)·Zᵀ to ``gram``, the roots those of weights.

    ``packed``, as many rows and a line more than the columns of a block, is overwritten.
    """
    q, n = Z.shape
    most = packed.shape[1] - LINE
    for first in range(0, n, most):
        size = smaller(most, n - first)
        # A number by its place in a slice is a vector instruction, by a sum of places it is not.
        own = roots[first : first + size]
        for j in range(q):
            column = Z[j, first : first + size]
            for i in range(size):
                packed[j, i] = own[i] * column[i]
        add_gram(packed, size, gram)


@linked(FLAG, OUT_MATRIX)
def factor(gram):
    """Overwrite the lower triangle by its Cholesky factor; return whether there is one."""
    q = gram.shape[0]
    for j in range(q):
        rest = gram[j, j] - dot(gram[j, :j], gram[j, :j])
        if not rest > _SINGULAR * gram[j, j]:
            return False
        gram[j, j] = math.sqrt(rest)
        for i in range(j + 1, q):
            gram[i, j] = (gram[i, j] - dot(gram[i, :j], gram[j, :j])) / gram[j, j]
    return True


@linked(VOID, MATRIX, OUT)
def substitute(lower, right):
    """Overwrite ``right`` with the solution of the system whose Cholesky factor is given."""
    q = lower.shape[0]
    for j in range(q):
        right[j] = (right[j] - dot(lower[j, :j], right[:j])) / lower[j, j]
    for j in range(q - 1, -1, -1):
        for i in range(j + 1, q):
            right[j] -= lower[i, j] * right[i]
        right[j] /= lower[j, j]
