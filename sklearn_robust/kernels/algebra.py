"""Small symmetric systems."""

import math

from .compiled import SUM, compiled

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


@compiled()
def add_gram(left, right, n, gram):
    """Add the lower triangle of ``left·rightᵀ``, and some beside the diagonal, to ``gram``.

    Of the first n columns; two rows by two, so that each number read serves twice.
    """
    size = left.shape[0]
    for j in range(0, size - 1, 2):
        a, b = left[j, :n], left[j + 1, :n]
        for k in range(0, j + 1, 2):
            ax, bx, ay, by = _four_dots(a, b, right[k, :n], right[k + 1, :n])
            gram[j, k] += ax
            gram[j + 1, k] += bx
            gram[j, k + 1] += ay
            gram[j + 1, k + 1] += by
    if size % 2:
        for k in range(size):
            gram[size - 1, k] += dot(left[size - 1, :n], right[k, :n])


@compiled()
def solve(gram, right):
    """Overwrite ``right`` with the solution by Cholesky; return whether there is one.

    Of ``gram`` the lower triangle is read, and overwritten.
    """
    q = gram.shape[0]
    for j in range(q):
        rest = gram[j, j] - dot(gram[j, :j], gram[j, :j])
        if not rest > _SINGULAR * gram[j, j]:
            return False
        gram[j, j] = math.sqrt(rest)
        for i in range(j + 1, q):
            gram[i, j] = (gram[i, j] - dot(gram[i, :j], gram[j, :j])) / gram[j, j]
        right[j] = (right[j] - dot(gram[j, :j], right[:j])) / gram[j, j]
    for j in range(q - 1, -1, -1):
        for i in range(j + 1, q):
            right[j] -= gram[i, j] * right[i]
        right[j] /= gram[j, j]
    return True
