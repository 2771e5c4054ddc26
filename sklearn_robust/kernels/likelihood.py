"""Coefficients, scale and shape of a block of rows together, without leaving compiled code."""

import math

from numba import types

from .algebra import LINE, dot, zeros
from .compiled import compiled, entry
from .elementary import larger, smaller
from .linked import MATRIX, NUMBER, OUT, OUT_MATRIX, ROW, linked
from .losses import GENERAL, NEAREST_TWO
from .packed import (
    LONGEST,
    SETTLED,
    TINY,
    factor_weighted,
    penalty_of,
    relative_size,
    share_of_curvature,
    still_owed,
    weighted_step,
    write_downhill,
)
from .partition import normaliser_and_slope
from .planes import residuals_of
from .residuals import BLOCK, block_shapes

_FOUR = types.UniTuple(NUMBER, 4)
_TRIAL = 1e-4
"""Change of alpha over which curvature is seen."""
_FARTHEST = 0.5
"""The longest step in log c and in alpha."""
_HELD = 1e-12
"""A step of log c that is no longer than this, though it should be, is held by a bound."""
_UPHILL = 1e-9
"""Increase of the likelihood that may be rounding."""
_MOST_HALVES = 20
"""Halvings of steps that led up, all iterations together."""


@linked(
    types.UniTuple(NUMBER, 4),
    ROW,
    ROW,
    NUMBER,
    NUMBER,
    NUMBER,
    NUMBER,
    MATRIX,
    MATRIX,
    NUMBER,
    OUT_MATRIX,
    OUT,
    OUT,
    OUT,
)
def likelihood_slopes(
    residuals, cases, total, penalty, log_c, alpha, partition, information, estimated, work, sums,
    influence, weights,
):  # fmt: skip
    """Return the likelihood, its slopes in log c and alpha and its curvature in log c.

    Influence and weights are filled. The penalty is given times c². The tables and p/n,
    ``estimated``, are those of ``normaliser_and_slope``; ``work`` holds four blocks.
    """
    c, b, curvature = math.exp(log_c), 2.0 - alpha, 0.0
    for j in range(sums.shape[0]):
        sums[j] = 0.0
    for first in range(0, residuals.shape[0], BLOCK):
        n = smaller(BLOCK, residuals.shape[0] - first)
        last = first + n
        push, own = influence[first:last], residuals[first:last]
        block_shapes(
            GENERAL, alpha, c, own, cases[first:last], n, work, push, weights[first:last], sums
        )
        for i in range(n):
            r = own[i] / c
            # With z = r², weight w: d²rho/d(log c)² = w·z·(2 - z/(1 + z/b)), and push is w·r.
            z = r * r + TINY
            work[0, i] = r * (2.0 - b * z / (b + z))
        curvature += dot(push, work[0, :n])
    penalty /= c * c
    value = sums[0] / total + (1.0 - estimated) * log_c + penalty
    value += normaliser_and_slope(alpha, partition, information, estimated)[0]
    slope = 1.0 - estimated - sums[1] / total - 2.0 * penalty
    near = smaller(alpha, 2.0 - NEAREST_TWO)
    shape_slope = normaliser_and_slope(near, partition, information, estimated)[1]
    return value, slope, sums[2] / total + shape_slope, curvature / total + 4.0 * penalty


@compiled()
def _within(step, at, bounds):
    low, high = larger(-_FARTHEST, bounds[0] - at), smaller(_FARTHEST, bounds[1] - at)
    return smaller(larger(step, low), high)


@compiled()
def _newton_step(at, slopes, curvatures, bounds):
    """Return a step in log c and alpha; the first is what follows from the second.

    The curvature in alpha, c following, counts by its size, so that the step leads down. With c
    following, what is infinite at alpha = 2 cancels. Where a bound holds c, it does not follow.

    Parameters
    ----------
    at, slopes : (float, float)
        In log c and alpha.
    curvatures : (float, float, float)
        In log c, in both, in alpha.
    bounds : ((float, float), (float, float))
    """
    curvature, mixed, own = curvatures
    rest = abs(own - mixed * mixed / curvature) + TINY
    turn = _within(-(slopes[1] - mixed * slopes[0] / curvature) / rest, at[1], bounds[1])
    rise = _within(-(slopes[0] + mixed * turn) / curvature, at[0], bounds[0])
    if abs(rise) <= _HELD and abs(slopes[0] + mixed * turn) > _HELD * curvature:
        turn = _within(-slopes[1] / (abs(own) + TINY), at[1], bounds[1])
    return rise, turn


@entry
def fit_likelihood_packed(
    Z, y, cases, ridge, n_slopes, normaliser, bounds, tol, max_iter, rounding, log_c, alpha,
    params, history,
):  # fmt: skip
    """Minimise the likelihood in place: steps of reweighted least squares, and of Newton's method.

    The former in the parameters, lengthened as in ``irls_packed``, the latter in log c and
    alpha; both are halved where they lead up.

    Parameters
    ----------
    Z, y, cases, ridge, n_slopes, tol, rounding, params
        As for ``irls_packed``.
    normaliser
        The tables and p/n, as for ``log_normaliser``.
    bounds : ((float, float), (float, float))
        Of log c and alpha.
    max_iter : int
        At most the size of ``history``, which is given the likelihood at every iteration.

    Returns
    -------
    n_iter : int
    log_c, alpha : float
    converged : bool
    """
    q, n = Z.shape
    (partition, information), estimated = normaliser
    total = 0.0
    for i in range(n):
        total += cases[i]
    rows, vectors, lower = zeros(5, n), zeros(3, q), zeros(q, q)
    packed, blocks = zeros(q, BLOCK + LINE), zeros(5, BLOCK)
    work, sums = blocks[:4], blocks[4, :6]
    residuals, influence, weights, unused, unwanted = rows[0], rows[1], rows[2], rows[3], rows[4]
    step, last, downhill, size, moved = vectors[0], vectors[1], vectors[2], math.inf, 0.0
    length, n_iter, n_halves, previous, last_c = 1.0, 0, 0, TINY, 1.0
    rise, turn, mixed, own, converged = 0.0, 0.0, 0.0, 0.0, False
    while not converged and n_iter < max_iter and n_halves < _MOST_HALVES:
        residuals_of(Z, y, params, residuals)
        penalty, c = penalty_of(ridge, params), math.exp(log_c)
        value, fall, lean, curvature = likelihood_slopes(
            residuals, cases, total, penalty, log_c, alpha, partition, information, estimated, work,
            sums, influence, weights,
        )  # fmt: skip
        if n_iter > 0 and not value <= history[n_iter - 1] + _UPHILL:
            n_halves, length, rise, turn = n_halves + 1, 0.5 * length, 0.5 * rise, 0.5 * turn
            log_c, alpha = log_c - rise, alpha - turn
            for j in range(q):
                params[j] -= last_c * length * last[j]
            continue
        history[n_iter] = value
        n_iter += 1
        if not larger(size, moved) <= SETTLED:
            if not factor_weighted(Z, total, weights, ridge, packed, lower):
                break
            ahead = _TRIAL if alpha < 1.0 else -_TRIAL
            _, fell, leant, _ = likelihood_slopes(
                residuals, cases, total, penalty, log_c, alpha + ahead, partition, information,
                estimated, work, sums, unused, unwanted,
            )  # fmt: skip
            mixed, own = (fell - fall) / ahead, (leant - lean) / ahead
        rise, turn = _newton_step((log_c, alpha), (fall, lean), (curvature, mixed, own), bounds)
        write_downhill(Z, total, influence, ridge, params, c, downhill)
        fitted = weighted_step(lower, downhill, total, step)
        size = relative_size(step, params, c, fitted, n_slopes, rounding)
        share = share_of_curvature(dot(last, last), dot(step, last), length)
        length = smaller(1.0 / share, LONGEST) if n_iter > 1 else 1.0
        change = larger(abs(rise), abs(turn))
        moved = larger(change, abs(turn) / (2.0 - alpha))  # near 2 the curvature changes fast
        converged = size <= tol * share and still_owed(change, previous) <= tol
        previous, last_c = larger(change, TINY), c
        for j in range(q):
            params[j] += c * length * step[j]
            last[j] = step[j]
        log_c, alpha = log_c + rise, alpha + turn
    return n_iter, log_c, alpha, converged
