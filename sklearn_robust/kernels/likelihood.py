"""Coefficients, scale and shape of a block of rows together, without leaving compiled code."""

import math

import numpy as np

from .algebra import LINE, dot
from .compiled import compiled, entry
from .losses import GENERAL, NEAREST_TWO
from .packed import (
    LONGEST,
    SETTLED,
    TINY,
    curvature_share,
    factor_weighted,
    penalty_of,
    relative_size,
    still_owed,
    weighted_step,
    write_downhill,
)
from .partition import log_normaliser
from .planes import residuals_of
from .residuals import BLOCK, block_shapes

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


@compiled()
def _slopes(residuals, cases, total, penalty, at, normaliser, work, influence, weights):
    """Return the likelihood, its slopes in log c and alpha and its curvature in log c.

    Influence and weights are filled. The penalty is given times c²; ``at`` is log c and alpha,
    ``normaliser`` the tables and p/n of ``log_normaliser``; ``work`` holds four blocks.
    """
    (log_c, alpha), (tables, fitted) = at, normaliser
    c, b = math.exp(log_c), 2.0 - alpha
    sums, curvature = np.zeros(6), 0.0
    for first in range(0, residuals.shape[0], BLOCK):
        n = min(BLOCK, residuals.shape[0] - first)
        last = first + n
        push, own = influence[first:last], residuals[first:last]
        block_shapes(
            GENERAL, alpha, c, own, cases[first:last], n, work, push, weights[first:last], sums
        )
        for i in range(n):
            r = own[i] / c
            # With z = r², weight w: d²rho/d(log c)² = w·z·(2 - z/(1 + z/b)), and push is w·r.
            z = r * r + TINY
            work[i] = r * (2.0 - b * z / (b + z))
        curvature += dot(push, work[:n])
    penalty /= c * c
    value = sums[0] / total + (1.0 - fitted) * log_c + penalty
    value += log_normaliser(alpha, tables, fitted)[0]
    slope = 1.0 - fitted - sums[1] / total - 2.0 * penalty
    near = min(alpha, 2.0 - NEAREST_TWO)
    shape_slope = sums[2] / total + log_normaliser(near, tables, fitted)[1]
    return value, (slope, shape_slope), curvature / total + 4.0 * penalty


@compiled()
def _within(step, at, bounds):
    return min(max(step, -_FARTHEST, bounds[0] - at), _FARTHEST, bounds[1] - at)


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
    total = 0.0
    for i in range(n):
        total += cases[i]
    residuals, influence, weights = np.empty(n), np.empty(n), np.empty(n)
    unused, unwanted, work = np.empty(n), np.empty(n), np.empty(4 * BLOCK)
    packed, lower, downhill = np.empty((q, BLOCK + LINE)), np.empty((q, q)), np.empty(q)
    step, last, size, moved = np.empty(q), np.zeros(q), math.inf, 0.0
    length, n_iter, n_halves, previous, last_c = 1.0, 0, 0, TINY, 1.0
    rise, turn, mixed, own, converged = 0.0, 0.0, 0.0, 0.0, False
    while not converged and n_iter < max_iter and n_halves < _MOST_HALVES:
        residuals_of(Z, y, params, residuals)
        penalty, c = penalty_of(ridge, params), math.exp(log_c)
        value, slopes, curvature = _slopes(
            residuals, cases, total, penalty, (log_c, alpha), normaliser, work, influence, weights
        )
        if n_iter > 0 and not value <= history[n_iter - 1] + _UPHILL:
            n_halves, length, rise, turn = n_halves + 1, 0.5 * length, 0.5 * rise, 0.5 * turn
            log_c, alpha = log_c - rise, alpha - turn
            for j in range(q):
                params[j] -= last_c * length * last[j]
            continue
        history[n_iter] = value
        n_iter += 1
        if not max(size, moved) <= SETTLED:
            if not factor_weighted(Z, total, weights, ridge, packed, lower):
                break
            ahead = _TRIAL if alpha < 1.0 else -_TRIAL
            there = log_c, alpha + ahead
            turned = _slopes(
                residuals, cases, total, penalty, there, normaliser, work, unused, unwanted
            )[1]
            mixed, own = (turned[0] - slopes[0]) / ahead, (turned[1] - slopes[1]) / ahead
        rise, turn = _newton_step((log_c, alpha), slopes, (curvature, mixed, own), bounds)
        write_downhill(Z, total, influence, ridge, params, c, downhill)
        fitted = weighted_step(lower, downhill, total, step)
        size = relative_size(step, params, c, fitted, n_slopes, rounding)
        share = curvature_share(step, last, length)
        length = min(1.0 / share, LONGEST) if n_iter > 1 else 1.0
        change = max(abs(rise), abs(turn))
        moved = max(change, abs(turn) / (2.0 - alpha))  # near 2 the curvature changes fast
        converged = size <= tol * share and still_owed(change, previous) <= tol
        previous, last_c = max(change, TINY), c
        for j in range(q):
            params[j] += c * length * step[j]
            last[j] = step[j]
        log_c, alpha = log_c + rise, alpha + turn
    return n_iter, log_c, alpha, converged
