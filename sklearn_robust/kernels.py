"""All compiled code: the losses of one residual, and passes over a range of rows.

A pass reads rows ``start`` to ``stop`` once and returns a few sums. It holds no lock and starts
no thread, so that callers may run several ranges side by side and add the sums in order.

Dense data come as a C-contiguous array and a flag: ``by_column`` is False for ``X`` of shape
(n_rows, n_features), True for the transposed view of column-major data. Every pass works on
``x - centre``, subtracted entry by entry: far from zero that keeps the digits which a sum of
products would lose.
"""

import math

import numpy as np
from numba import njit

GENERAL, HUBER, TUKEY, BALANCED_L1 = range(4)
"""The branches of ``rho_influence_weight``."""
NOTHING, GRAM, SHAPE = range(3)
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
_LOG_FAR = 700.0
"""Above this, exp overflows or nearly so: only products of it are formed."""

_SUM = {"reassoc", "contract", "arcp", "nsz"}
"""What a sum may do for speed; ``fastmath=True`` would also drop tests for NaN."""


def _compiled(fastmath=False):
    """Return ``njit`` with an on-disk cache, or without one where no place is writable."""

    def decorate(function):
        try:
            return njit(cache=True, nogil=True, fastmath=fastmath)(function)
        except RuntimeError:
            return njit(nogil=True, fastmath=fastmath)(function)

    return decorate


# ---- one residual --------------------------------------------------------------------


@_compiled()
def _growth(size, c, b):
    """Return log(1 + (r/c)²/b), also where the square does not fit a double."""
    z = (size / c) ** 2
    if z < _FAR:
        return math.log1p(z / b)
    return 2.0 * (math.log(size) - math.log(c)) - math.log(b)


@_compiled()
def _general(alpha, r, c):
    u = abs(r) / c
    z = u * u
    if alpha == 2.0:
        return 0.5 * z, u, 1.0
    if alpha <= -_NEAR_INFINITY:
        weight = math.exp(-0.5 * z)
        return -math.expm1(-0.5 * z), (u * weight if weight > 0.0 else 0.0), weight
    if alpha >= _NEAR_INFINITY:
        weight = math.exp(0.5 * z)
        return math.expm1(0.5 * z), u * weight, weight
    if alpha == 1.0 and z < _FAR:
        root = math.sqrt(1.0 + z)
        return z / (1.0 + root), u / root, 1.0 / root
    if alpha == -2.0 and z < _FAR:
        weight = 1.0 / (1.0 + 0.25 * z)
        return 0.5 * z * weight, u * weight * weight, weight * weight

    b = abs(alpha - 2.0)
    growth = _growth(abs(r), c, b)
    if abs(alpha) < _NEAR_ZERO:
        rho, exponent, power = growth, 0.0, 1.0
    else:
        exponent = 0.5 * alpha * growth
        if exponent > _LOG_FAR:
            rho, power = math.exp(exponent + math.log(b / alpha)), 1.0
        elif exponent > -0.7:
            # One exponential serves both; which form keeps the digits depends on its size.
            difference = math.expm1(exponent)
            rho, power = b / alpha * difference, 1.0 + difference
        else:
            power = math.exp(exponent)
            rho = b / alpha * (power - 1.0)
    if z < _FAR and exponent <= _LOG_FAR:
        weight = power / (1.0 + z / b)
        return rho, u * weight, weight
    slope = (0.5 * alpha - 1.0) * growth
    return rho, math.exp(math.log(abs(r)) - math.log(c) + slope), math.exp(slope)


@_compiled()
def _log_psi(alpha, size, c):
    """Return log psi of a residual of this size > 0, where c·psi does not fit a double."""
    log_u = math.log(size) - math.log(c)
    fall = 0.0
    if abs(alpha) >= _NEAR_INFINITY:
        fall = math.copysign(0.5, alpha) * math.exp(2.0 * log_u)
    elif alpha != 2.0:
        fall = (0.5 * alpha - 1.0) * _growth(size, c, abs(alpha - 2.0))
    return log_u + fall - math.log(c)


@_compiled()
def _huber(u):
    if u <= 1.0:
        return 0.5 * u * u, u, 1.0
    return u - 0.5, 1.0, 1.0 / u


@_compiled()
def _tukey(u):
    if u >= 1.0:
        return 1.0 / 6.0, 0.0, 0.0
    z = u * u
    root = 1.0 - z
    return z * (3.0 - z * (3.0 - z)) / 6.0, u * root * root, root * root


@_compiled()
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


@_compiled()
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


@_compiled()
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


@_compiled()
def rho_shape_slope(alpha, r, c):
    """Return the derivative of rho in alpha, in [0, 2]; at 2, the one a hair below."""
    b = max(2.0 - alpha, _NEAREST_TWO)
    growth = _growth(abs(r), c, b)
    share = -math.expm1(-growth)
    half = 0.5 * b
    exponent = (1.0 - half) * growth
    power = math.exp(exponent)
    if abs(exponent) < 0.1:
        # ((t - 1)·e^t + 1)/t² by its series: the closed form is 0/0 at t = 0.
        curvature, term = 0.5, 1.0
        for k in range(1, 12):
            term *= exponent / k
            curvature += term / (k + 2.0)
        rest = growth * growth * curvature
        return 0.5 * (rest - power * (growth - share))
    if alpha < 1.0:
        rest = (exponent * power - math.expm1(exponent)) / (1.0 - half) ** 2
        return 0.5 * (rest - power * (growth - share))
    # Towards alpha = 2 the power grows without bound, and all of it but half·power cancels.
    excess = half * (2.0 - half) / (1.0 - half) ** 2
    rest = 1.0 + excess - math.exp(-half * growth)
    return 0.5 * (power * (half * growth / (1.0 - half) - excess) + rest)


@_compiled()
def log_partition(alpha, table):
    """Return log Z(alpha) and its derivative, alpha >= 0; each to 1e-13.

    A row of ``table`` is a piece: its ends in the coordinate t, then two Chebyshev series.
    """
    if alpha == 2.0:
        return 0.5 * math.log(2.0 * math.pi), -math.inf
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


@_compiled()
def _clenshaw(series, x):
    value, before = 0.0, 0.0
    for j in range(series.shape[0] - 1, 0, -1):
        value, before = 2.0 * x * value - before + series[j], value
    return x * value - before + series[0]


# ---- one block of rows ---------------------------------------------------------------


@_compiled()
def _block_loss(
    code, alpha, c, shape_too, residuals, case_weights, first, n, influence, weights, sums
):
    """Fill the case-weighted influence and weight of a block; add its sums to ``sums``.

    The sums are of rho, of the influence, and where ``shape_too`` of r·psi and drho/dalpha.
    """
    weighted = case_weights.shape[0] > 0
    for i in range(n):
        case = case_weights[first + i] if weighted else 1.0
        influence[i] = weights[i] = 0.0
        if case == 0.0:  # not 0·rho: rho may be infinite where the row is absent
            continue
        r = residuals[i]
        rho, size, weight = rho_influence_weight(code, alpha, r, c)
        influence[i] = case * math.copysign(size, r)
        weights[i] = case * weight
        sums[0] += case * rho
        sums[1] += influence[i]
        if shape_too:
            sums[2] += influence[i] * (r / c) if size > 0.0 else 0.0
            sums[3] += case * rho_shape_slope(alpha, r, c)


@_compiled(_SUM)
def _dot(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@_compiled(_SUM)
def _centred_dot(x, centre, coef):
    total = 0.0
    for j in range(x.shape[0]):
        total += (x[j] - centre[j]) * coef[j]
    return total


@_compiled(_SUM)
def _centred_column_dot(column, centre, values, n):
    total = 0.0
    for i in range(n):
        total += (column[i] - centre) * values[i]
    return total


@_compiled()
def _dense_block_residuals(X, by_column, y, origin, centre, coef, intercept, first, n, residuals):
    # y - origin comes first and outside the fast sums: both may be huge, and near.
    if by_column:
        for i in range(n):
            residuals[i] = (y[first + i] - origin) - intercept
        for j in range(X.shape[0]):
            column = X[j, first : first + n]
            for i in range(n):
                residuals[i] -= (column[i] - centre[j]) * coef[j]
    else:
        for i in range(n):
            fitted = _centred_dot(X[first + i], centre, coef)
            residuals[i] = ((y[first + i] - origin) - intercept) - fitted


@_compiled()
def _dense_block_gradient(X, by_column, centre, influence, first, n, gradient):
    if by_column:
        for j in range(X.shape[0]):
            column = X[j, first : first + n]
            gradient[j] -= _centred_column_dot(column, centre[j], influence, n)
    else:
        for i in range(n):
            for j in range(X.shape[1]):
                gradient[j] -= (X[first + i, j] - centre[j]) * influence[i]


@_compiled()
def _dense_block_pack(X, by_column, centre, unit, weights, first, n, packed):
    """Write the centred columns and ones, times roots of weights, as the rows of ``packed``."""
    p = centre.shape[0]
    for i in range(n):
        packed[p, i] = math.sqrt(weights[i])
    if by_column:
        for j in range(p):
            for i in range(n):
                root = packed[p, i]
                packed[j, i] = (X[j, first + i] - centre[j]) / unit[j] * root if root > 0.0 else 0.0
    else:
        for i in range(n):
            root = packed[p, i]
            for j in range(p):
                packed[j, i] = (X[first + i, j] - centre[j]) / unit[j] * root if root > 0.0 else 0.0


@_compiled()
def _block_gram(packed, n, gram):
    """Add the lower triangle of ``packed·packedᵀ`` to ``gram``."""
    for j in range(packed.shape[0]):
        for k in range(j + 1):
            gram[j, k] += _dot(packed[j, :n], packed[k, :n])


# ---- passes over a range of rows -----------------------------------------------------


@_compiled()
def dense_residuals(X, by_column, y, origin, centre, coef, intercept, start, stop, out):
    """Write (y - origin) - intercept - (x - centre)·coef of the rows to ``out``."""
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        block = out[first - start : first - start + n]
        _dense_block_residuals(X, by_column, y, origin, centre, coef, intercept, first, n, block)


@_compiled()
def dense_pass(
    X, by_column, y, origin, case_weights, centre, unit, coef, intercept, code, alpha, c, extra,
    start, stop,
):  # fmt: skip
    """Return sums, c times the gradient, and the weighted Gram matrix of the rows.

    The gradient is in (coef, intercept); the matrix, for GRAM, is the lower triangle of that of
    ((x - centre)/unit, 1). The sums are of rho, and for SHAPE of r·psi and of drho/dalpha.
    """
    p = coef.shape[0]
    size = p + 1 if extra == GRAM else 0
    sums, gradient, gram = np.zeros(4), np.zeros(p + 1), np.zeros((size, size))
    packed = np.empty((size, BLOCK))
    residuals, influence, weights = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        _dense_block_residuals(
            X, by_column, y, origin, centre, coef, intercept, first, n, residuals
        )
        _block_loss(
            code, alpha, c, extra == SHAPE, residuals, case_weights, first, n,
            influence, weights, sums,
        )  # fmt: skip
        _dense_block_gradient(X, by_column, centre, influence, first, n, gradient)
        if extra == GRAM:
            _dense_block_pack(X, by_column, centre, unit, weights, first, n, packed)
            _block_gram(packed, n, gram)
    gradient[p] = -sums[1]
    return sums[np.array([0, 2, 3])], gradient, gram


@_compiled()
def csr_residuals(data, indices, indptr, y, origin, centre, coef, intercept, start, stop, out):
    """Write (y - origin) - intercept - (x - centre)·coef of the rows to ``out``."""
    for i in range(start, stop):
        fitted = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            fitted += (data[k] - centre[j]) * coef[j]
        out[i - start] = ((y[i] - origin) - intercept) - fitted


@_compiled()
def _csr_block_gradient(data, indices, indptr, centre, influence, first, n, gradient):
    for i in range(n):
        for k in range(indptr[first + i], indptr[first + i + 1]):
            j = indices[k]
            gradient[j] -= (data[k] - centre[j]) * influence[i]


@_compiled()
def _csr_block_gram(data, indices, indptr, centre, unit, weights, first, n, gram):
    p = gram.shape[0] - 1
    for i in range(n):
        begin, end = indptr[first + i], indptr[first + i + 1]
        for k in range(begin, end):
            j = indices[k]
            scaled = weights[i] * ((data[k] - centre[j]) / unit[j])
            for other in range(begin, k + 1):
                m = indices[other]
                gram[j, m] += scaled * ((data[other] - centre[m]) / unit[m])
            gram[p, j] += scaled
        gram[p, p] += weights[i]


@_compiled()
def csr_pass(
    data, indices, indptr, y, origin, case_weights, centre, unit, coef, intercept, code, alpha, c,
    extra, start, stop,
):  # fmt: skip
    """Return what ``dense_pass`` does; the indices of a row must be sorted and distinct."""
    p = coef.shape[0]
    size = p + 1 if extra == GRAM else 0
    sums, gradient, gram = np.zeros(4), np.zeros(p + 1), np.zeros((size, size))
    residuals, influence, weights = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        csr_residuals(
            data, indices, indptr, y, origin, centre, coef, intercept, first, first + n, residuals
        )
        _block_loss(
            code, alpha, c, extra == SHAPE, residuals, case_weights, first, n,
            influence, weights, sums,
        )  # fmt: skip
        _csr_block_gradient(data, indices, indptr, centre, influence, first, n, gradient)
        if extra == GRAM:
            _csr_block_gram(data, indices, indptr, centre, unit, weights, first, n, gram)
    gradient[p] = -sums[1]
    return sums[np.array([0, 2, 3])], gradient, gram
