"""Compiled code of tables with categories: steps of the coefficients of level columns.

Most rows share one value of a level column; only the others, its rows, are told anything by its
coefficient. Level columns of the same rows form a block. The blocks come as arrays:

firsts : ndarray of shape (n_blocks + 1,)
    Where the rows of each block begin in ``members``.
members : ndarray
    The numbers of the rows, block after block.
widths : ndarray of shape (n_blocks,)
    How many columns a block has.
starts : ndarray of shape (n_blocks + 1,)
    Where the entries of each block begin in ``entries``.
entries : ndarray
    How much a fitted value changes with a coefficient: of each block a line for every column,
    as long as the block has rows.
"""

import math

import numpy as np

from .algebra import LINE, add_weighted_gram, factor, substitute
from .compiled import compiled, entry
from .planes import plane_through
from .residuals import BLOCK
from .scales import CONSTANT, weigh

_ROUGH = 0.3
"""Scale c of the convex loss of the levels, in median sizes of the residuals."""
_LONGER = 1.5
"""Its steps are lengthened this much, which makes crossed factors close in faster,"""
_LONGEST = 1.9
"""and those of S-steps this much, as in ``planes``."""


@compiled()
def take(residuals, rows, entries, step, coefs):
    """Change the coefficients of a block by a step, and the residuals of its rows with them."""
    for k in range(step.shape[0]):
        coefs[k] += step[k]
        for i in range(rows.shape[0]):
            residuals[rows[i]] -= step[k] * entries[k, i]


@compiled()
def _sweep(residuals, weights, firsts, members, widths, starts, entries, ridge, length, coefs):
    """Take a step of weighted least squares in every block after the other, weights held."""
    column = 0
    for b in range(widths.shape[0]):
        rows, width = members[firsts[b] : firsts[b + 1]], widths[b]
        own = entries[starts[b] : starts[b + 1]].reshape(width, rows.shape[0])
        step, gram = np.zeros(width), np.zeros((width, width))
        for j in range(width):
            gram[j, j] = ridge[column + j]
            step[j] = -ridge[column + j] * coefs[column + j]
            for i in range(rows.shape[0]):
                pull = weights[rows[i]] * own[j, i]
                step[j] += pull * residuals[rows[i]]
                for k in range(j + 1):
                    gram[j, k] += pull * own[k, i]
        if factor(gram):
            substitute(gram, step)
            for j in range(width):
                step[j] *= length
            take(residuals, rows, own, step, coefs[column : column + width])
        column += width


@entry
def fit_blocks(residuals, cases, firsts, members, widths, starts, entries, ridge, steps, coefs):
    """Fit the blocks to the residuals by a convex loss, in place: sweeps of weighted steps.

    The loss is Charbonnier's, nearly the absolute value: it turns from a square at a share of the
    median size of the residuals, found anew in every sweep.
    """
    n = residuals.shape[0]
    weights = np.empty(n)
    for _ in range(steps):
        for i in range(n):
            weights[i] = abs(residuals[i])
        c = _ROUGH * np.median(weights)
        if not c > 0.0:
            c = _ROUGH * np.mean(weights)
        if not c > 0.0:
            return
        for i in range(n):
            weights[i] = cases[i] / math.sqrt(1.0 + (residuals[i] / c) ** 2)
        _sweep(residuals, weights, firsts, members, widths, starts, entries, ridge, _LONGER, coefs)


@entry
def refine_mixed(
    Z, cases, half, floor, ridge, firsts, members, widths, starts, entries, level_ridge, tol,
    max_steps, plane, coefs, residuals, scale,
):  # fmt: skip
    """Improve a plane and its scale: S-steps, of the numeric columns first, then of each block.

    As ``refine``, where the weighted least squares of a step are solved by one sweep over the
    numeric columns and the blocks, which like the exact solution does not increase the scale.

    Parameters
    ----------
    Z : ndarray of shape (n_numeric, n_rows)
        Orthonormal combinations of the numeric columns.
    ridge : ndarray of shape (n_numeric, n_numeric)
    level_ridge : ndarray of shape (n_columns,)
    plane : ndarray of shape (n_numeric,)
    coefs : ndarray of shape (n_columns,)
    residuals : ndarray of shape (n_rows,)
        Those of plane and coefs; all three are changed in place.

    Returns
    -------
    float
        The scale.
    """
    q, n = Z.shape
    weights, roots, right = np.empty(n), np.empty(n), np.empty(q)
    packed, gram = np.empty((q, BLOCK + LINE)), np.empty((q, q))
    for step in range(max_steps):
        total = weigh(residuals, cases, CONSTANT * scale, weights)[0]
        shrink = math.sqrt(total / half)
        scale = max(scale * shrink, floor)
        if scale == floor or (step > 0 and abs(shrink - 1.0) < tol):
            break
        length = 1.0 if step == 0 else _LONGEST
        for j in range(q):
            right[j] = 0.0
            for k in range(q):
                gram[j, k] = ridge[j, k]
                right[j] -= ridge[j, k] * plane[k]
            for i in range(n):
                right[j] += Z[j, i] * (weights[i] * residuals[i])
        if q > 0:
            for i in range(n):
                roots[i] = math.sqrt(weights[i])
            add_weighted_gram(Z, roots, packed, gram)
            if factor(gram):
                substitute(gram, right)
                for j in range(q):
                    move = length * right[j]
                    plane[j] += move
                    for i in range(n):
                        residuals[i] -= move * Z[j, i]
        _sweep(
            residuals, weights, firsts, members, widths, starts, entries, level_ridge, length, coefs
        )
    return scale


@entry
def change_blocks(changes, firsts, members, widths, starts, entries, residuals, coefs):
    """Change the coefficients of all blocks, and the residuals with them."""
    column = 0
    for b in range(widths.shape[0]):
        rows, width = members[firsts[b] : firsts[b + 1]], widths[b]
        own = entries[starts[b] : starts[b + 1]].reshape(width, rows.shape[0])
        step = changes[column : column + width]
        take(residuals, rows, own, step, coefs[column : column + width])
        column += width


@entry
def redraw_blocks(draws, firsts, members, widths, starts, entries, residuals, coefs):
    """Let some blocks fit a few of their own rows, taken one after the other, and those alone.

    Parameters
    ----------
    draws : ndarray of shape (n_blocks, n_draws)
        Numbers in [0, 1), each a place among the rows of the block. A block whose first number
        is negative is left as it is.
    """
    column = 0
    for b in range(widths.shape[0]):
        rows, width = members[firsts[b] : firsts[b + 1]], widths[b]
        n = rows.shape[0]
        if draws[b, 0] >= 0.0:
            own = entries[starts[b] : starts[b + 1]].reshape(width, n)
            left, draw = np.empty(n), np.empty(draws.shape[1], np.int64)
            for i in range(n):
                left[i] = residuals[rows[i]]
            for k in range(draw.shape[0]):
                draw[k] = int(draws[b, k] * n)
            reduced, pivots = np.empty((width + 1, width + 1)), np.empty(width)
            change = np.empty(width)
            if plane_through(own, left, draw, reduced, pivots, change):
                take(residuals, rows, own, change, coefs[column : column + width])
        column += width
