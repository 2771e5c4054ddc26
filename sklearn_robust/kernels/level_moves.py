"""Compiled code of tables with categories: moves of a level to another minimum of its rows.

The blocks of level columns come as arrays, as in ``levels``.
"""

import math

import numpy as np

from .algebra import LINE, add_weighted_gram, factor, substitute
from .compiled import compiled, entry
from .levels import take
from .planes import plane_through
from .residuals import BLOCK, any_block

_CANDIDATES = 16
"""Coefficients of a block that are looked at, at the most."""
_POLISHED, _CLOSE = 3, 0.5
"""So many candidates are improved, the best, and those whose loss is as little above."""
_POLISH_STEPS = 6
"""Steps of reweighted least squares that improve a candidate."""
_PART = 128
"""Of about so many rows of a block candidates are held against each other, evenly spaced ones."""
_CLEAR_GAIN = 2.0
"""What a move has to win, in units of rho, among a part of the rows: less may be chance."""
_NEARLY_TIED, _TIED = 0.01, 1e-6
"""Several candidates whose loss is so near the least are improved further, and are equal where it
then is so near."""
_SETTLE_STEPS = 100
"""Further steps, at the most."""
_ROUGHLY_SETTLED, _SETTLED = 1e-3, 1e-12
"""Fall of the loss, in units of rho, at which steps that improve a candidate end, and others."""
_ELSEWHERE = 0.1
"""Change of a fitted value, in scales, that leads to another minimum."""


@compiled()
def _loss_of(code, alpha, c, residuals, cases, rho, influence, weights):
    """Fill the weights, case weights included, of a few residuals; return the sum of rho."""
    n, total = residuals.shape[0], 0.0
    any_block(code, alpha, c, residuals, n, rho, influence, weights)
    for i in range(n):
        total += cases[i] * rho[i]
        weights[i] *= cases[i]
    return total


@compiled()
def _without(residuals, entries, coefs, out):
    for i in range(residuals.shape[0]):
        out[i] = residuals[i]
    for k in range(coefs.shape[0]):
        for i in range(residuals.shape[0]):
            out[i] -= coefs[k] * entries[k, i]


@compiled()
def _candidate(number, n_candidates, order, residuals, entries, reduced, pivots, draw, coefs):
    """Write the coefficients of a candidate: those that fit a few rows; return if they exist.

    Of a single column each candidate fits one row, at an even share of the rows by ``order``.
    """
    width, n = entries.shape
    if width == 1:
        i = order[(2 * number + 1) * n // (2 * n_candidates)]
        coefs[0] = residuals[i] / entries[0, i]
        return True
    for k in range(draw.shape[0]):
        draw[k] = order[(number * 7919 + k * (k + 3) * 104729 + k * number * 31) % n]
    return plane_through(entries, residuals, draw, reduced, pivots, coefs)


@compiled()
def _value_of(code, alpha, c, residuals, entries, cases, ridge, base, coefs, work):
    """Return the objective of a block's rows after a change of its coefficients.

    ``work`` is given rho, influence, weights and the residuals after the change.
    """
    _without(residuals, entries, coefs, work[3])
    value = _loss_of(code, alpha, c, work[3], cases, work[0], work[1], work[2])
    for k in range(coefs.shape[0]):
        value += 0.5 * ridge[k] * (base[k] + coefs[k]) ** 2
    return value


@compiled()
def _polished(
    code,
    alpha,
    c,
    residuals,
    entries,
    cases,
    ridge,
    base,
    coefs,
    work,
    gram,
    packed,
    steps,
    settled,
):
    """Improve the coefficients of a block by reweighted least squares; return the objective."""
    width = entries.shape[0]
    weights, left, right = work[2], work[3], np.empty(width)
    value = _value_of(code, alpha, c, residuals, entries, cases, ridge, base, coefs, work)
    for _ in range(steps):
        for j in range(width):
            for k in range(width):
                gram[j, k] = ridge[j] * c * c if k == j else 0.0
            right[j] = -ridge[j] * c * c * (base[j] + coefs[j])
            for i in range(left.shape[0]):
                right[j] += entries[j, i] * weights[i] * left[i]
        for i in range(left.shape[0]):
            weights[i] = math.sqrt(weights[i])
        add_weighted_gram(entries, weights, packed, gram)
        if not factor(gram):
            break
        substitute(gram, right)
        for k in range(width):
            coefs[k] += right[k]
        before = value
        value = _value_of(code, alpha, c, residuals, entries, cases, ridge, base, coefs, work)
        if before - value <= settled:
            break
    return value


@compiled()
def _minima_of_block(code, alpha, c, residuals, entries, cases, ridge, base):
    """Return changes of a block's coefficients to minima of its rows' loss, and the loss there.

    The last line is no change, and the objective as it is.
    """
    width, n = entries.shape
    work = np.empty((4, n))
    gram, packed = np.empty((width, width)), np.empty((width, BLOCK + LINE))
    reduced, pivots = np.empty((width + 1, width + 1)), np.empty(width)
    draw = np.empty(3 * width + 4, np.int64)
    ratios = np.empty(n)
    for i in range(n):
        ratios[i] = residuals[i] / entries[0, i] if width == 1 else entries[width - 1, i]
    order = np.argsort(ratios)
    n_candidates = min(n, _CANDIDATES) if width == 1 else _CANDIDATES
    found, values = np.zeros((n_candidates + 1, width)), np.full(n_candidates + 1, math.inf)
    values[n_candidates] = _value_of(
        code, alpha, c, residuals, entries, cases, ridge, base, found[n_candidates], work
    )
    for number in range(n_candidates):
        coefs = found[number]
        if _candidate(
            number, n_candidates, order, residuals, entries, reduced, pivots, draw, coefs
        ):
            values[number] = _value_of(
                code, alpha, c, residuals, entries, cases, ridge, base, coefs, work
            )
    limit = np.sort(values[:n_candidates])[min(_POLISHED, n_candidates) - 1] + _CLOSE
    for number in range(n_candidates):
        if not values[number] <= limit or values[number] == math.inf:
            values[number] = math.inf
            continue
        values[number] = _polished(
            code, alpha, c, residuals, entries, cases, ridge, base, found[number], work, gram,
            packed, _POLISH_STEPS, _ROUGHLY_SETTLED,
        )  # fmt: skip
    for number in range(n_candidates):
        if _is_found_already(number, found, values, entries, c):
            values[number] = math.inf
    nearly = np.min(values) + _NEARLY_TIED
    rivals = np.count_nonzero(values[:n_candidates] <= nearly) > 1
    for number in range(n_candidates):
        if rivals and values[number] <= nearly:
            values[number] = _polished(
                code, alpha, c, residuals, entries, cases, ridge, base, found[number], work, gram,
                packed, _SETTLE_STEPS, _SETTLED,
            )  # fmt: skip
    return found, values


@compiled()
def _reach(change, entries):
    """Return about how much a change of coefficients changes a fitted value, at the most."""
    reach = 0.0
    for k in range(change.shape[0]):
        reach = max(reach, abs(change[k]) * np.max(np.abs(entries[k])))
    return reach


@compiled()
def _is_found_already(number, found, values, entries, c):
    """Return whether another candidate is at the same minimum and no worse."""
    for other in range(found.shape[0] - 1):
        better = values[other] < values[number]
        if (better or (other < number and values[other] == values[number])) and (
            _reach(found[number] - found[other], entries) <= _ELSEWHERE * c
        ):
            return True
    return False


@compiled()
def _least_of_equals(found, values, entries, c, square, pull):
    """Return which change leads to the least loss, of equal ones to the least coefficients.

    The last change is none. Another one that ends at the same minimum does not count.
    """
    n_candidates, width = found.shape[0] - 1, found.shape[1]
    best = int(np.argmin(values))
    lowest, least = values[best], math.inf
    if values[n_candidates] <= lowest + _TIED:
        best, least = n_candidates, 0.0
    for number in range(n_candidates):
        norm, reach = 0.0, _reach(found[number], entries)
        for k in range(width):
            norm += found[number, k] * (square[k] * found[number, k] + 2.0 * pull[k])
        if values[number] <= lowest + _TIED and reach > _ELSEWHERE * c and norm < least:
            best, least = number, norm
    return best


@entry
def move_blocks(
    residuals, cases, code, alpha, c, firsts, members, widths, starts, entries, ridge, coefs,
    square, pull,
):  # fmt: skip
    """Give every block the coefficients that its own rows want most, the others held.

    Where several serve them equally well, as where two rows contradict each other, it is given
    the least: of a change d the sum of square * d**2 + 2 * pull * d is compared.

    Parameters
    ----------
    residuals : ndarray of shape (n_rows,)
        Changed in place.
    cases : ndarray of shape (n_rows,)
    code, alpha, c
        The loss and its scale.
    firsts, members, widths, starts, entries
        The blocks.
    ridge, coefs : ndarray of shape (n_columns,)
        Penalty over c² and coefficients of the columns, block after block; the latter are changed
        in place.
    square, pull : ndarray of shape (n_columns,)
        What a change of each adds to the squared coefficients of all; zero compares nothing.

    Returns
    -------
    gain : float
        By how much the sum of rho and the penalty fell.
    n_moved : int
        How many blocks moved.
    """
    gain, n_moved, column = 0.0, 0, 0
    for b in range(widths.shape[0]):
        rows, width = members[firsts[b] : firsts[b + 1]], widths[b]
        own = entries[starts[b] : starts[b + 1]].reshape(width, rows.shape[0])
        won, moved = _move_block(
            code, alpha, c, residuals, own, cases, rows, ridge[column : column + width],
            coefs[column : column + width], square[column : column + width],
            pull[column : column + width],
        )  # fmt: skip
        gain, n_moved, column = gain + won, n_moved + moved, column + width
    return gain, n_moved


@compiled()
def _gathered(rows, step, residuals, cases, entries):
    """Return residuals, case weights and entries of every so many of the rows of a block."""
    n = (rows.shape[0] + step - 1) // step
    left, weight, own = np.empty(n), np.empty(n), np.empty((entries.shape[0], n))
    for i in range(n):
        left[i], weight[i] = residuals[rows[i * step]], cases[rows[i * step]]
        for k in range(entries.shape[0]):
            own[k, i] = entries[k, i * step]
    return left, weight, own


@compiled()
def _move_block(code, alpha, c, residuals, entries, cases, rows, ridge, coefs, square, pull):
    """Move one block; of many rows, where a part of them wants it clearly."""
    n, width = rows.shape[0], entries.shape[0]
    step = (n + _PART - 1) // _PART
    left, weight, own = _gathered(rows, step, residuals, cases, entries)
    found, values = _minima_of_block(code, alpha, c, left, own, weight, ridge / step, coefs)
    best = _least_of_equals(found, values, own, c, square, pull)
    gain, change = values[-1] - values[best], found[best]
    if step > 1 and gain > _CLEAR_GAIN:
        left, weight, own = _gathered(rows, 1, residuals, cases, entries)
        work, gram = np.empty((4, n)), np.empty((width, width))
        now = _value_of(code, alpha, c, left, own, weight, ridge, coefs, np.zeros(width), work)
        gain = now - _polished(
            code, alpha, c, left, own, weight, ridge, coefs, change, work, gram,
            np.empty((width, BLOCK + LINE)), _POLISH_STEPS, _SETTLED,
        )  # fmt: skip
    if best == values.shape[0] - 1 or (step > 1 and not gain > _CLEAR_GAIN):
        return 0.0, 0
    take(residuals, rows, entries, change, coefs)
    return gain, 1
