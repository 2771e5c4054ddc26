"""All compiled code: the losses of one residual, and passes over a range of rows.

A pass reads rows ``start`` to ``stop`` once and returns a few sums. It holds no lock,
starts no thread and allocates only small buffers, so that callers may run several ranges
side by side and add the sums in a fixed order.

Dense data come as a C-contiguous array and a flag: ``by_column`` is False for ``X`` of
shape (n_rows, n_features), True for the transposed view of column-major data, shape
(n_features, n_rows). Every pass works on ``x - centre``, subtracted entry by entry: for
columns far from zero that keeps the digits which a sum of products would lose.
"""

import math

import numpy as np
from numba import njit

GENERAL = 0
HUBER = 1
TUKEY = 2
BALANCED_L1 = 3

BLOCK = 256
"""Rows whose residuals are held at once; they stay in the first-level cache."""

_NEAR_ZERO = 1e-19
"""Below this |alpha| the formulas of alpha = 0 are exact to the last bit."""
_NEAR_INFINITY = 1e20
"""Above this |alpha| the formulas of alpha = ±infinity are exact to the last bit."""
_FAR = 1e280
"""Above this (r/c)², (r/c)²/|alpha - 2| may overflow: only its logarithm is formed."""
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
    if z < _FAR:
        growth = math.log1p(z / b)
    else:
        growth = 2.0 * (math.log(abs(r)) - math.log(c)) - math.log(b)
    if abs(alpha) < _NEAR_ZERO:
        rho, exponent, power = growth, 0.0, 1.0
    else:
        exponent = 0.5 * alpha * growth
        if exponent > _LOG_FAR:
            rho, power = math.exp(exponent + math.log(b / alpha)), 1.0
        elif exponent > -0.7:
            # One exponential serves rho and weight; which form keeps the digits of both
            # depends on whether the power is near 1.
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
    # Pang et al. (2019), eq. 5-7, with their a = 0.5 and gamma = 1.5; b makes the gradient
    # continuous at the threshold u = 1.
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

    rho(r), psi = drho/dr and weight = psi·c²/r of Barron (2019), eq. 8, and of the named
    losses; finite wherever the true value fits a double, never NaN for finite arguments.
    """
    if code == HUBER:
        return _huber(abs(r) / c)
    if code == TUKEY:
        return _tukey(abs(r) / c)
    if code == BALANCED_L1:
        return _balanced_l1(abs(r) / c)
    return _general(alpha, r, c)


@_compiled()
def rho_values(code, alpha, residuals, c):
    """Return rho of every residual."""
    values = np.empty(residuals.shape[0])
    for i in range(residuals.shape[0]):
        values[i] = rho_influence_weight(code, alpha, residuals[i], c)[0]
    return values


@_compiled()
def psi_values(code, alpha, residuals, c):
    """Return psi = drho/dr of every residual."""
    values = np.empty(residuals.shape[0])
    for i in range(residuals.shape[0]):
        influence = rho_influence_weight(code, alpha, residuals[i], c)[1]
        values[i] = math.copysign(influence, residuals[i]) / c
    return values


@_compiled()
def weight_values(code, alpha, residuals, c):
    """Return weight = psi·c²/r of every residual."""
    values = np.empty(residuals.shape[0])
    for i in range(residuals.shape[0]):
        values[i] = rho_influence_weight(code, alpha, residuals[i], c)[2]
    return values


# ---- one block of rows ---------------------------------------------------------------


@_compiled()
def _block_loss(code, alpha, c, residuals, case_weights, first, n, influence, weights):
    """Fill the case-weighted influence and weight of a block; return its summed rho."""
    weighted = case_weights.shape[0] > 0
    total = 0.0
    for i in range(n):
        case = case_weights[first + i] if weighted else 1.0
        r = residuals[i]
        rho, size, weight = rho_influence_weight(code, alpha, r, c)
        if case > 0.0:
            total += case * rho
            influence[i] = case * math.copysign(size, r)
            weights[i] = case * weight
        else:  # not 0·rho: rho may be infinite where the row is absent
            influence[i] = 0.0
            weights[i] = 0.0
    return total


@_compiled(_SUM)
def _sum(values, n):
    total = 0.0
    for i in range(n):
        total += values[i]
    return total


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
def _dense_block_residuals(X, by_column, y, centre, coef, intercept, first, n, residuals):
    # y - intercept comes first and outside the fast sums: both may be huge, and near.
    if by_column:
        for i in range(n):
            residuals[i] = y[first + i] - intercept
        for j in range(X.shape[0]):
            column = X[j, first : first + n]
            for i in range(n):
                residuals[i] -= (column[i] - centre[j]) * coef[j]
    else:
        for i in range(n):
            fitted = _centred_dot(X[first + i], centre, coef)
            residuals[i] = (y[first + i] - intercept) - fitted


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
def _dense_block_pack(X, by_column, centre, unit, first, n, packed):
    """Write the centred columns, in their units, as the rows of ``packed``."""
    p = centre.shape[0]
    if by_column:
        for j in range(p):
            for i in range(n):
                packed[j, i] = (X[j, first + i] - centre[j]) / unit[j]
    else:
        for i in range(n):
            for j in range(p):
                packed[j, i] = (X[first + i, j] - centre[j]) / unit[j]
    for i in range(n):
        packed[p, i] = 1.0


@_compiled()
def _block_gram(packed, weights, n, gram):
    """Add the lower triangle of ``packed·diag(weights)·packedᵀ`` to ``gram``."""
    for i in range(n):
        root = math.sqrt(weights[i])
        for j in range(packed.shape[0]):
            packed[j, i] *= root
    for j in range(packed.shape[0]):
        for k in range(j + 1):
            gram[j, k] += _dot(packed[j, :n], packed[k, :n])


# ---- passes over dense rows ----------------------------------------------------------


@_compiled()
def dense_moments(X, by_column, case_weights, centre, start, stop):
    """Return the case-weighted sums of x - centre and of (x - centre)², each (n_features,)."""
    weighted = case_weights.shape[0] > 0
    p = centre.shape[0]
    first, second = np.zeros(p), np.zeros(p)
    if by_column:
        for j in range(p):
            for i in range(start, stop):
                case = case_weights[i] if weighted else 1.0
                x = X[j, i] - centre[j]
                first[j] += case * x
                second[j] += case * (x * x)
    else:
        for i in range(start, stop):
            case = case_weights[i] if weighted else 1.0
            for j in range(p):
                x = X[i, j] - centre[j]
                first[j] += case * x
                second[j] += case * (x * x)
    return first, second


@_compiled()
def dense_residuals(X, by_column, y, centre, coef, intercept, start, stop, out):
    """Write y - intercept - (x - centre)·coef of the rows to ``out``, from its beginning."""
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        block = out[first - start : first - start + n]
        _dense_block_residuals(X, by_column, y, centre, coef, intercept, first, n, block)


@_compiled()
def dense_pass(
    X, by_column, y, case_weights, centre, unit, coef, intercept, code, alpha, c, gram_too,
    start, stop,
):  # fmt: skip
    """Return the summed rho, c times its gradient, and where asked the weighted Gram matrix.

    The gradient is in (coef, intercept); the Gram matrix, lower triangle, is that of
    ((x - centre)/unit, 1), and empty where it is not asked for.
    """
    p = coef.shape[0]
    size = p + 1 if gram_too else 0
    gradient, gram = np.zeros(p + 1), np.zeros((size, size))
    packed = np.empty((size, BLOCK))
    residuals, influence, weights = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    total = 0.0
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        _dense_block_residuals(X, by_column, y, centre, coef, intercept, first, n, residuals)
        total += _block_loss(code, alpha, c, residuals, case_weights, first, n, influence, weights)
        _dense_block_gradient(X, by_column, centre, influence, first, n, gradient)
        gradient[p] -= _sum(influence, n)
        if gram_too:
            _dense_block_pack(X, by_column, centre, unit, first, n, packed)
            _block_gram(packed, weights, n, gram)
    return total, gradient, gram


# ---- passes over sparse rows ---------------------------------------------------------


@_compiled()
def csr_moments(data, indices, indptr, case_weights, centre, start, stop):
    """Return the sums of ``dense_moments`` over the stored entries."""
    weighted = case_weights.shape[0] > 0
    p = centre.shape[0]
    first, second = np.zeros(p), np.zeros(p)
    for i in range(start, stop):
        case = case_weights[i] if weighted else 1.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            x = data[k] - centre[j]
            first[j] += case * x
            second[j] += case * (x * x)
    return first, second


@_compiled()
def csr_residuals(data, indices, indptr, y, centre, coef, intercept, start, stop, out):
    """Write y - intercept - (x - centre)·coef of the rows to ``out``, from its beginning."""
    for i in range(start, stop):
        fitted = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            fitted += (data[k] - centre[j]) * coef[j]
        out[i - start] = (y[i] - intercept) - fitted


@_compiled()
def _csr_block_gradient(data, indices, indptr, centre, influence, first, n, gradient):
    for i in range(n):
        for k in range(indptr[first + i], indptr[first + i + 1]):
            j = indices[k]
            gradient[j] -= (data[k] - centre[j]) * influence[i]
        gradient[-1] -= influence[i]


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
    data, indices, indptr, y, case_weights, centre, unit, coef, intercept, code, alpha, c,
    gram_too, start, stop,
):  # fmt: skip
    """Return what ``dense_pass`` does; the indices of a row must be sorted and distinct."""
    p = coef.shape[0]
    size = p + 1 if gram_too else 0
    gradient, gram = np.zeros(p + 1), np.zeros((size, size))
    residuals, influence, weights = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    total = 0.0
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        csr_residuals(
            data, indices, indptr, y, centre, coef, intercept, first, first + n, residuals
        )
        total += _block_loss(code, alpha, c, residuals, case_weights, first, n, influence, weights)
        _csr_block_gradient(data, indices, indptr, centre, influence, first, n, gradient)
        if gram_too:
            _csr_block_gram(data, indices, indptr, centre, unit, weights, first, n, gram)
    return total, gradient, gram
