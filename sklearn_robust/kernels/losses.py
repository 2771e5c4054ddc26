"""The losses of one residual, and of a block of residuals."""

import math

import numpy as np

from .compiled import SUM, compiled, entry
from .elementary import exponential, log1p

GENERAL, HUBER, TUKEY, BALANCED_L1 = range(4)
"""The branches of ``rho_influence_weight``."""
NOTHING, GRAM, SHAPE, SIZES = range(4)
"""What a pass may return beside the loss and its gradient."""
BLOCK = 256
"""Rows whose residuals are held at once, in the first-level cache."""

_NEAR_ZERO = 1e-19
"""Below this |alpha| the formulas of alpha = 0 are exact to the last bit."""
_NEAR_INFINITY = 1e20
"""Above this |alpha| the formulas of alpha = ±infinity are exact to the last bit."""
_FAR = 1e280
"""Above this (r/c)², (r/c)²/|alpha - 2| may overflow: only its logarithm is formed."""
_LEAST = 1e-290
"""Below this, and above its inverse, products lose digits: they are formed in logarithms."""
_NEAREST_TWO = 1e-12
"""At alpha = 2 the slope in alpha is logarithmically infinite; this far below it is taken."""
_FAR_SIZE = 1e140
"""Root of ``_FAR``: a residual over c below this is an ordinary one."""
_LOG_FAR = 700.0
"""Above this, exp overflows or nearly so: only products of it are formed."""

_S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10, _S11 = (
    1.0 / math.factorial(k) / (k + 2.0) for k in range(1, 12)
)


# ---- one residual --------------------------------------------------------------------


@compiled()
def _charbonnier(z):
    root = math.sqrt(1.0 + z)
    return z / (1.0 + root), 1.0 / root


@compiled()
def _exponential_loss(sign, z):
    """Return rho and weight at alpha = ±infinity, by the sign."""
    power, difference = exponential(sign * 0.5 * z)
    return abs(difference), power


@compiled()
def _cauchy(z):
    return log1p(0.5 * z), 1.0 / (1.0 + 0.5 * z)


@compiled()
def _power_law(alpha, z, growth):
    b = abs(alpha - 2.0)
    power, difference = exponential(0.5 * alpha * growth)
    return abs(b / alpha * difference), power / (1.0 + z / b)


@compiled()
def _ordinary(alpha, z):
    """Return rho and weight of z = (r/c)² below ``_FAR``.

    A weight below the least normal double is 0, a rho beyond the largest one infinite.
    """
    if alpha == 2.0:
        return 0.5 * z, 1.0
    if alpha == 1.0:
        return _charbonnier(z)
    if abs(alpha) >= _NEAR_INFINITY:
        return _exponential_loss(math.copysign(1.0, alpha), z)
    if abs(alpha) < _NEAR_ZERO:
        return _cauchy(z)
    return _power_law(alpha, z, log1p(z / abs(alpha - 2.0)))


@compiled()
def _growth(size, c, b):
    """Return log(1 + (r/c)²/b), also where the square does not fit a double."""
    z = (size / c) ** 2
    if z < _FAR:
        return math.log1p(z / b)
    return 2.0 * (math.log(size) - math.log(c)) - math.log(b)


@compiled()
def _extreme(alpha, size, c):
    """Return rho, c·|psi| and weight of a size for which one of them nearly leaves doubles."""
    u = size / c
    if alpha == 2.0:
        return 0.5 * u * u, u, 1.0
    if abs(alpha) >= _NEAR_INFINITY:
        sign = math.copysign(1.0, alpha)
        weight = math.exp(sign * 0.5 * u * u)
        return sign * math.expm1(sign * 0.5 * u * u), (u * weight if weight > 0.0 else 0.0), weight
    b = abs(alpha - 2.0)
    rho = growth = _growth(size, c, b)
    exponent = 0.5 * alpha * growth
    if exponent > _LOG_FAR:
        rho = math.exp(exponent + math.log(b / alpha))
    elif abs(alpha) >= _NEAR_ZERO:
        rho = b / alpha * math.expm1(exponent)
    slope = (0.5 * alpha - 1.0) * growth
    return rho, math.exp(math.log(size) - math.log(c) + slope), math.exp(slope)


@compiled()
def _general(alpha, r, c):
    u = abs(r) / c
    if u * u < _FAR:
        rho, weight = _ordinary(alpha, u * u)
        if weight > _LEAST and rho < 1.0 / _LEAST:
            return rho, u * weight, weight
    return _extreme(alpha, abs(r), c)


@compiled()
def _log_psi(alpha, size, c):
    """Return log psi of a residual of this size > 0, where c·psi does not fit a double."""
    log_u = math.log(size) - math.log(c)
    fall = 0.0
    if abs(alpha) >= _NEAR_INFINITY:
        fall = math.copysign(0.5, alpha) * math.exp(2.0 * log_u)
    elif alpha != 2.0:
        fall = (0.5 * alpha - 1.0) * _growth(size, c, abs(alpha - 2.0))
    return log_u + fall - math.log(c)


@compiled()
def _huber(u):
    if u <= 1.0:
        return 0.5 * u * u, u, 1.0
    return u - 0.5, 1.0, 1.0 / u


@compiled()
def _tukey(u):
    if u >= 1.0:
        return 1.0 / 6.0, 0.0, 0.0
    z = u * u
    root = 1.0 - z
    return z * (3.0 - z * (3.0 - z)) / 6.0, u * root * root, root * root


@compiled()
def _balanced_l1(u):
    # Pang et al. (2019), eq. 5-7; b makes the gradient continuous at the threshold u = 1.
    a, gamma = 0.5, 1.5
    b = math.expm1(gamma / a)
    if u >= 1.0:
        return gamma * u + gamma / b - a, gamma, gamma / u
    v = b * u
    if v > 0.01:
        log_v = math.log1p(v)
        return a / b * ((1.0 + v) * log_v - v), a * log_v, a * log_v / u
    # (1 + v)·log(1 + v) - v cancels to v²/2: its series has no cancellation, nor 0/0.
    entropy = 0.0
    for k in range(9, 1, -1):
        entropy = 1.0 / (k * (k - 1.0)) - v * entropy
    ratio = math.log1p(v) / v if v > 0.0 else 1.0
    return a / b * v * v * entropy, a * v * ratio, a * b * ratio


@entry
def rho_influence_weight(code, alpha, r, c):
    """Return rho, c·|psi| and weight of one residual ``r`` at the scale ``c``.

    Of Barron (2019), eq. 8, and the named losses; finite where the true value fits a double.
    """
    if code == HUBER:
        return _huber(abs(r) / c)
    if code == TUKEY:
        return _tukey(abs(r) / c)
    if code == BALANCED_L1:
        return _balanced_l1(abs(r) / c)
    return _general(alpha, r, c)


@entry
def rho_psi_weights(code, alpha, residuals, c):
    """Return rho, psi and weight of every residual."""
    n = residuals.shape[0]
    rho, psi, weights = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        r = residuals[i]
        rho[i], influence, weights[i] = rho_influence_weight(code, alpha, r, c)
        if code == GENERAL and r != 0.0 and not _LEAST < influence < 1.0 / _LEAST:
            psi[i] = math.copysign(math.exp(_log_psi(alpha, abs(r), c)), r)
        else:
            psi[i] = math.copysign(influence, r) / c
    return rho, psi, weights


@compiled()
def _shape_slope(alpha, z, growth, power, difference):
    """Return the derivative of rho in alpha, in [0, 2].

    ``growth`` is log(1 + z/b) with b = 2 - alpha > 0, ``power`` exp(alpha·growth/2), and
    ``difference`` that less 1.
    """
    half = 0.5 * (2.0 - alpha)
    rest = 1.0 / (1.0 + 0.5 * z / half)
    exponent = (1.0 - half) * growth
    tail = power * (growth - 0.5 * z / half * rest)
    light = (exponent * power - difference) / (1.0 - half) ** 2 - tail
    # Towards alpha = 2 the power grows without bound, and all of it but half·power cancels.
    excess = half * (2.0 - half) / (1.0 - half) ** 2
    heavy = power * (half * growth / (1.0 - half) - excess) + (1.0 + excess - power * rest)
    slope = light if alpha < 1.0 else heavy
    # ((t - 1)·e^t + 1)/t² by its series: the closed form is 0/0 at t = 0.
    t = exponent if exponent < 0.1 else 0.1
    series = t * (_S5 + t * (_S6 + t * (_S7 + t * (_S8 + t * (_S9 + t * (_S10 + t * _S11))))))
    series = 0.5 + t * (_S1 + t * (_S2 + t * (_S3 + t * (_S4 + series))))
    return 0.5 * (growth * growth * series - tail if exponent < 0.1 else slope)


# ---- one block of rows ---------------------------------------------------------------


@compiled()
def _ordinary_block(alpha, c, residuals, n, rho, weights):
    """Do what ``_ordinary`` does, the branches on alpha outside the loops."""
    squares = weights
    for i in range(n):
        squares[i] = (residuals[i] / c) ** 2
    if alpha == 1.0:
        for i in range(n):
            rho[i], weights[i] = _charbonnier(squares[i])
    elif alpha <= -_NEAR_INFINITY:
        for i in range(n):
            rho[i], weights[i] = _exponential_loss(-1.0, squares[i])
    elif alpha == 0.0:
        for i in range(n):
            rho[i], weights[i] = _cauchy(squares[i])
    elif alpha == 2.0:
        for i in range(n):
            rho[i], weights[i] = 0.5 * squares[i], 1.0
    else:
        b = abs(alpha - 2.0)
        for i in range(n):
            rho[i] = log1p(squares[i] / b)
        for i in range(n):
            rho[i], weights[i] = _power_law(alpha, squares[i], rho[i])


@compiled()
def _ordinary_slopes(alpha, c, residuals, n, slopes, powers, differences):
    """Fill the derivatives of rho in alpha; the last two arrays are overwritten."""
    alpha = min(alpha, 2.0 - _NEAREST_TWO)
    for i in range(n):
        slopes[i] = log1p((residuals[i] / c) ** 2 / (2.0 - alpha))
    for i in range(n):
        powers[i], differences[i] = exponential(0.5 * alpha * slopes[i])
    for i in range(n):
        z = (residuals[i] / c) ** 2
        slopes[i] = _shape_slope(alpha, z, slopes[i], powers[i], differences[i])


@compiled(SUM)
def _total_size(residuals, n):
    total = 0.0
    for i in range(n):
        total += abs(residuals[i])
    return total


@compiled()
def _any_block(code, alpha, c, residuals, n, rho, influence, weights):
    """Fill rho, the influence c·psi and the weight of any loss and any residuals."""
    if code == GENERAL and _total_size(residuals, n) < c * _FAR_SIZE:
        _ordinary_block(alpha, c, residuals, n, rho, weights)
        for i in range(n):
            influence[i] = weights[i] * (residuals[i] / c)
        return
    for i in range(n):
        rho[i], size, weights[i] = rho_influence_weight(code, alpha, residuals[i], c)
        influence[i] = math.copysign(size, residuals[i])


@compiled()
def _any_slopes(alpha, c, residuals, n, slopes, powers, differences):
    """Fill the derivatives of rho in alpha for any residuals."""
    if _total_size(residuals, n) < c * _FAR_SIZE:
        _ordinary_slopes(alpha, c, residuals, n, slopes, powers, differences)
        return
    alpha = min(alpha, 2.0 - _NEAREST_TWO)
    for i in range(n):
        growth = _growth(abs(residuals[i]), c, 2.0 - alpha)
        power, difference = exponential(0.5 * alpha * growth)
        z = min((residuals[i] / c) ** 2, _FAR)
        slopes[i] = _shape_slope(alpha, z, growth, power, difference)


@compiled()
def block_weights(code, alpha, c, residuals, case_weights, n, rho, influence, weights, sums):
    """Fill the case-weighted influence and weight of a block; add its sums to ``sums``.

    The sums are of rho, of r·psi, and in the last place of the influence. ``rho`` is
    overwritten; ``case_weights`` may be empty where all are 1.
    """
    _any_block(code, alpha, c, residuals, n, rho, influence, weights)
    if case_weights.shape[0] > 0:
        for i in range(n):
            case = case_weights[i]
            # Not 0·rho: rho may be infinite, or not a number, where the row is absent.
            rho[i] = case * rho[i] if case > 0.0 else 0.0
            influence[i] = case * influence[i] if case > 0.0 else 0.0
            weights[i] = case * weights[i] if case > 0.0 else 0.0
    _add_sums(c, residuals, n, rho, influence, sums)


@compiled()
def block_loss(code, alpha, c, extra, residuals, case_weights, n, rho, influence, weights, sums):
    """Do what ``block_weights`` does, and for SHAPE add drho/dalpha to the third sum.

    ``rho`` holds three times as many numbers as a block has rows.
    """
    block_weights(code, alpha, c, residuals, case_weights, n, rho, influence, weights, sums)
    if extra == SHAPE:
        size = rho.shape[0] // 3
        slopes = rho[:size]
        _any_slopes(alpha, c, residuals, n, slopes, rho[size : 2 * size], rho[2 * size :])
        for i in range(n):
            case = case_weights[i] if case_weights.shape[0] > 0 else 1.0
            sums[2] += case * slopes[i] if case > 0.0 else 0.0


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


@compiled()
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
def range_loss(code, alpha, c, extra, low, high, residuals, case_weights):
    """Return what ``dense_pass`` sums of residuals, and their case-weighted parts.

    Returns
    -------
    sums, influence, weights, sizes, cases
    """
    rows = residuals.shape[0]
    sums, rho = np.zeros(6), np.empty(3 * BLOCK)
    influence, weights = np.empty(rows), np.empty(rows)
    sizes = np.empty(rows if extra == SIZES else 0)
    cases, found = np.empty(sizes.shape[0]), 0
    for first in range(0, rows, BLOCK):
        n = min(BLOCK, rows - first)
        last = first + n
        part, own = residuals[first:last], case_weights[first:last]
        block_loss(
            code, alpha, c, extra, part, own, n, rho, influence[first:last], weights[first:last],
            sums,
        )  # fmt: skip
        if extra == SIZES:
            found += block_sizes(part, own, n, low, high, sizes[found:], cases[found:], sums)
    return sums, influence, weights, sizes[:found], cases[:found]


@entry
def sizes_between(residuals, case_weights, low, high):
    """Return the two sums of ``block_sizes``, and the sizes between and their case weights."""
    rows = residuals.shape[0]
    sums, sizes, cases = np.zeros(6), np.empty(rows), np.empty(rows)
    found = block_sizes(residuals, case_weights, rows, low, high, sizes, cases, sums)
    return sums[3], sums[4], sizes[:found], cases[:found]


@entry
def residuals_to_weights(code, alpha, c, largest, residuals):
    """Overwrite residuals with their weights over the largest there is."""
    rho, influence = np.empty(BLOCK), np.empty(BLOCK)
    for first in range(0, residuals.shape[0], BLOCK):
        n = min(BLOCK, residuals.shape[0] - first)
        part = residuals[first : first + n]
        weights = np.empty(n)
        _any_block(code, alpha, c, part, n, rho, influence, weights)
        for i in range(n):
            part[i] = weights[i] / largest
