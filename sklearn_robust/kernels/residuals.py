"""Losses, weights and sums of a block of residuals, and of a range of them."""

import math

from .algebra import zeros
from .compiled import SUM, compiled, entry
from .elementary import exponential, larger, log1p, smaller
from .linked import COUNT, NUMBER, OUT, OUT_MATRIX, ROW, VOID, linked
from .losses import (
    FAR,
    GENERAL,
    NEAR_INFINITY,
    NEAR_ZERO,
    NEAREST_TWO,
    cauchy,
    charbonnier,
    exponential_loss,
    log_growth,
    power_law,
    psi_slope,
    relative_slope,
    rho_influence_weight,
    shape_slope,
)

NOTHING, GRAM, SHAPE, SIZES = range(4)
"""What a pass may return beside the loss and its gradient."""
BLOCK = 256
"""Rows whose residuals are held at once, in the first-level cache."""
_FAR_SIZE = 1e140
"""Root of ``FAR``: a residual over c below this is an ordinary one."""


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, COUNT, OUT, OUT, OUT)
def any_residuals(code, alpha, c, residuals, n, rho, influence, weights):
    """Do what ``any_block`` does, one residual after the other."""
    for i in range(n):
        rho[i], size, weights[i] = rho_influence_weight(code, alpha, residuals[i], c)
        influence[i] = math.copysign(size, residuals[i])


@linked(VOID, NUMBER, COUNT, OUT, OUT)
def power_laws(alpha, n, rho, weights):
    """Replace squared residuals over c², in ``weights``, by the weights, and fill rho."""
    ratios, b = weights, abs(alpha - 2.0)
    for i in range(n):
        ratios[i] /= b
    for i in range(n):
        rho[i] = log1p(ratios[i])
    for i in range(n):
        power, difference = exponential(0.5 * alpha * rho[i])
        rho[i], weights[i] = power_law(alpha, ratios[i], power, difference)


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, COUNT, OUT, OUT, OUT)
def any_block(code, alpha, c, residuals, n, rho, influence, weights):
    """Fill rho, the influence c·psi and the weight of any loss and any residuals.

    Of the general loss and residuals that are not huge, as ``_ordinary`` does it, the branches on
    alpha outside the loops.
    """
    if not (code == GENERAL and _total_size(residuals, n) < c * _FAR_SIZE):
        any_residuals(code, alpha, c, residuals, n, rho, influence, weights)
        return
    squares = weights
    for i in range(n):
        squares[i] = (residuals[i] / c) ** 2
    if alpha == 1.0:
        for i in range(n):
            rho[i], weights[i] = charbonnier(squares[i])
    elif alpha <= -NEAR_INFINITY:
        for i in range(n):
            rho[i], weights[i] = exponential_loss(-1.0, squares[i])
    elif alpha == 0.0:
        for i in range(n):
            rho[i], weights[i] = cauchy(squares[i])
    elif alpha == 2.0:
        for i in range(n):
            rho[i], weights[i] = 0.5 * squares[i], 1.0
    else:
        power_laws(alpha, n, rho, weights)
    for i in range(n):
        influence[i] = weights[i] * (residuals[i] / c)


@compiled(SUM)
def _total_size(residuals, n):
    total = 0.0
    for i in range(n):
        total += abs(residuals[i])
    return total


@linked(VOID, NUMBER, NUMBER, ROW, COUNT, OUT)
def any_slopes(alpha, c, residuals, n, slopes):
    """Fill the derivatives of rho in alpha of any residuals."""
    for i in range(n):
        growth = log_growth(abs(residuals[i]), c, 2.0 - alpha)
        power, difference = exponential(0.5 * alpha * growth)
        ratio = smaller((residuals[i] / c) ** 2, FAR) / (2.0 - alpha)
        slopes[i] = shape_slope(alpha, ratio, growth, power, difference)


@compiled()
def _any_shapes(code, alpha, c, residuals, n, rho, influence, weights, work):
    """Do what ``any_block`` does and fill the derivatives of rho in alpha.

    One logarithm and one exponential serve both. ``work`` is that of ``block_shapes``.
    """
    below_two = smaller(alpha, 2.0 - NEAREST_TWO)
    slopes, powers, differences = work[1], work[2], work[3]
    if not (code == GENERAL and _total_size(residuals, n) < c * _FAR_SIZE):
        any_block(code, alpha, c, residuals, n, rho, influence, weights)
        any_slopes(below_two, c, residuals, n, slopes)
        return
    ratios = weights
    for i in range(n):
        ratios[i] = (residuals[i] / c) ** 2 / (2.0 - below_two)
    for i in range(n):
        rho[i] = log1p(ratios[i])
    for i in range(n):
        powers[i], differences[i] = exponential(0.5 * below_two * rho[i])
    for i in range(n):
        slopes[i] = shape_slope(below_two, ratios[i], rho[i], powers[i], differences[i])
    if abs(alpha) < NEAR_ZERO or alpha > below_two:
        any_block(code, alpha, c, residuals, n, rho, influence, weights)
        return
    for i in range(n):
        rho[i], weights[i] = power_law(alpha, ratios[i], powers[i], differences[i])
        influence[i] = weights[i] * (residuals[i] / c)


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, ROW, COUNT, OUT, OUT, OUT, OUT)
def block_weights(code, alpha, c, residuals, case_weights, n, rho, influence, weights, sums):
    """Fill the case-weighted influence and weight of a block; add its sums to ``sums``.

    The sums are of rho, of r·psi, and in the last place of the influence. ``rho`` is
    overwritten; ``case_weights`` may be empty where all are 1.
    """
    any_block(code, alpha, c, residuals, n, rho, influence, weights)
    _add_block(c, residuals, case_weights, n, rho, influence, weights, sums)


@compiled()
def _add_block(c, residuals, case_weights, n, rho, influence, weights, sums):
    """Multiply by the case weights, if there are any, and add the sums of a block."""
    if case_weights.shape[0] > 0:
        for i in range(n):
            case = case_weights[i]
            # Not 0·rho: rho may be infinite, or not a number, where the row is absent.
            rho[i] = case * rho[i] if case > 0.0 else 0.0
            influence[i] = case * influence[i] if case > 0.0 else 0.0
            weights[i] = case * weights[i] if case > 0.0 else 0.0
    _add_sums(c, residuals, n, rho, influence, sums)


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, ROW, COUNT, OUT_MATRIX, OUT, OUT, OUT)
def block_shapes(code, alpha, c, residuals, case_weights, n, work, influence, weights, sums):
    """Do what ``block_weights`` does, and add drho/dalpha to the third sum.

    ``work`` holds four rows as long as a block.
    """
    rho, slopes = work[0], work[1]
    _any_shapes(code, alpha, c, residuals, n, rho, influence, weights, work)
    _add_block(c, residuals, case_weights, n, rho, influence, weights, sums)
    if case_weights.shape[0] > 0:
        for i in range(n):
            slopes[i] = case_weights[i] * slopes[i] if case_weights[i] > 0.0 else 0.0
    sums[2] += _total(slopes, n)


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, ROW, COUNT, NUMBER, OUT)
def block_curvatures(code, alpha, c, residuals, case_weights, n, majorant, weights):
    """Replace weights by psi', where that is positive, and this share of what they exceed it by.

    The weights are case-weighted. At 1 they stay: the quadratic lies above the loss. At 0 it is
    Newton's, without negative curvature.
    """
    if code != GENERAL:
        named_curvatures(code, alpha, c, residuals, case_weights, n, majorant, weights)
        return
    for i in range(n):
        if weights[i] > 0.0:
            slope = weights[i] * larger(relative_slope(alpha, residuals[i], c), 0.0)
            weights[i] = slope + majorant * larger(weights[i] - slope, 0.0)


@linked(VOID, COUNT, NUMBER, NUMBER, ROW, ROW, COUNT, NUMBER, OUT)
def named_curvatures(code, alpha, c, residuals, case_weights, n, majorant, weights):
    """Do what ``block_curvatures`` does, for any loss."""
    for i in range(n):
        case = case_weights[i] if case_weights.shape[0] > 0 else 1.0
        if weights[i] > 0.0:
            slope = case * larger(psi_slope(code, alpha, residuals[i], c), 0.0)
            weights[i] = slope + majorant * larger(weights[i] - slope, 0.0)


@compiled()
def block_loss(
    code, alpha, c, extra, majorant, residuals, case_weights, n, work, influence, weights, sums
):
    """Do what ``block_shapes`` does for SHAPE, otherwise what ``block_weights`` does.

    For GRAM the weights are then those of ``block_curvatures``.
    """
    if extra == SHAPE:
        block_shapes(code, alpha, c, residuals, case_weights, n, work, influence, weights, sums)
        return
    block_weights(code, alpha, c, residuals, case_weights, n, work[0], influence, weights, sums)
    if extra == GRAM and majorant < 1.0:
        block_curvatures(code, alpha, c, residuals, case_weights, n, majorant, weights)


@compiled(SUM)
def _total(values, n):
    total = 0.0
    for i in range(n):
        total += values[i]
    return total


@compiled(SUM)
def _add_sums(c, residuals, n, rho, influence, sums):
    total, push, pull = 0.0, 0.0, 0.0
    for i in range(n):
        total += rho[i]
        push += influence[i]
        pull += influence[i] * (residuals[i] / c) if influence[i] != 0.0 else 0.0
    sums[0] += total
    sums[1] += pull
    sums[5] += push


@linked(COUNT, ROW, ROW, COUNT, NUMBER, NUMBER, OUT, OUT, OUT)
def block_sizes(residuals, case_weights, n, low, high, sizes, cases, sums):
    """Add the case weights of sizes below ``low``, and their squares, to two of the sums.

    The squares are in units of ``high``. Sizes from ``low`` to ``high`` are written to ``sizes``,
    their case weights to ``cases``; their number is returned.
    """
    found, weighted = 0, case_weights.shape[0] > 0
    _add_below(residuals, case_weights, n, low, high, sums)
    for i in range(n):
        size = abs(residuals[i])
        if low <= size <= high and not (weighted and case_weights[i] == 0.0):
            sizes[found] = size
            cases[found] = case_weights[i] if weighted else 1.0
            found += 1
    return found


@compiled(SUM)
def _add_below(residuals, case_weights, n, low, high, sums):
    count, squares, weighted = 0.0, 0.0, case_weights.shape[0] > 0
    for i in range(n):
        size = abs(residuals[i])
        case = case_weights[i] if weighted else 1.0
        case = case if size < low else 0.0
        share = size / high if size < low else 0.0
        count += case
        squares += case * (share * share)
    sums[3] += count
    sums[4] += squares


@entry
def range_loss(code, alpha, c, extra, low, high, majorant, residuals, case_weights):
    """Return what ``dense_pass`` sums of residuals, and their case-weighted parts.

    Returns
    -------
    sums, influence, weights, sizes, cases
    """
    rows = residuals.shape[0]
    blocks, parts = zeros(5, BLOCK), zeros(2, rows)
    work, sums = blocks[:4], blocks[4, :6]
    listed = zeros(2, rows if extra == SIZES else 0)
    influence, weights, sizes, cases = parts[0], parts[1], listed[0], listed[1]
    found = 0
    for first in range(0, residuals.shape[0], BLOCK):
        n = smaller(BLOCK, residuals.shape[0] - first)
        last = first + n
        part, own = residuals[first:last], case_weights[first:last]
        block_loss(
            code, alpha, c, extra, majorant, part, own, n, work, influence[first:last],
            weights[first:last], sums,
        )  # fmt: skip
        if extra == SIZES:
            found += block_sizes(part, own, n, low, high, sizes[found:], cases[found:], sums)
    return sums, influence, weights, sizes[:found], cases[:found]


@entry
def sizes_between(residuals, case_weights, low, high):
    """Return the two sums of ``block_sizes``, and the sizes between and their case weights."""
    sums, listed = zeros(1, 6)[0], zeros(2, residuals.shape[0])
    sizes, cases = listed[0], listed[1]
    found = block_sizes(residuals, case_weights, residuals.shape[0], low, high, sizes, cases, sums)
    return sums[3], sums[4], sizes[:found], cases[:found]


@entry
def residuals_to_weights(code, alpha, c, largest, residuals):
    """Overwrite residuals with their weights over the largest there is."""
    blocks = zeros(3, BLOCK)
    rho, influence, weights = blocks[0], blocks[1], blocks[2]
    for first in range(0, residuals.shape[0], BLOCK):
        n = smaller(BLOCK, residuals.shape[0] - first)
        part = residuals[first : first + n]
        any_block(code, alpha, c, part, n, rho, influence, weights)
        for i in range(n):
            part[i] = weights[i] / largest
