"""The losses of one residual."""

import math

import numpy as np

from .compiled import compiled, entry
from .elementary import exponential, log1p

GENERAL, HUBER, TUKEY, BALANCED_L1, OPTIMAL = range(5)
"""The branches of ``rho_influence_weight``."""
NEAR_ZERO = 1e-19
"""Below this |alpha| the formulas of alpha = 0 are exact to the last bit."""
NEAR_INFINITY = 1e20
"""Above this |alpha| the formulas of alpha = ±infinity are exact to the last bit."""
FAR = 1e280
"""Above this (r/c)², (r/c)²/|alpha - 2| may overflow: only its logarithm is formed."""
_LEAST = 1e-290
"""Below this, and above its inverse, products lose digits: they are formed in logarithms."""
NEAREST_TWO = 1e-12
"""At alpha = 2 the slope in alpha is logarithmically infinite; this far below it is taken."""
_LOG_FAR = 700.0
"""Above this, exp overflows or nearly so: only products of it are formed."""

_BALANCE, _GAMMA = 0.5, 1.5
"""The alpha and gamma of balanced_l1: Pang et al. (2019), eq. 5-7."""
_GROWTH = math.expm1(_GAMMA / _BALANCE)
"""Its b, which makes the gradient continuous at the threshold."""

OPTIMAL_END = 3.003743142493020
"""The size from which the weight of the optimal loss is 0, in c."""
_BIAS = 0.01316339060967624
"""The a of the optimal loss at which its efficiency is 0.95 for c = 1, by root-finding."""
_ROOT_2_PI = math.sqrt(2.0 * math.pi)
_BIAS_OVER_DENSITY = _BIAS * _ROOT_2_PI
_STRETCH = 1.0 / (1.0 - _BIAS_OVER_DENSITY * math.exp(0.5))
"""The factor that makes the influence of the optimal loss continuous at 1."""
_ERFI = np.array([1.0 / (math.factorial(k) * (2.0 * k + 1.0)) for k in range(36)])
"""The integral of exp(s²/2) from 0 to t is t times the power series in t²/2 of these terms, here
up to one that is below rounding at ``OPTIMAL_END``."""

_S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10, _S11 = (
    1.0 / math.factorial(k) / (k + 2.0) for k in range(1, 12)
)


@compiled()
def charbonnier(z):
    """Return rho and weight at alpha = 1."""
    root = math.sqrt(1.0 + z)
    return z / (1.0 + root), 1.0 / root


@compiled()
def exponential_loss(sign, z):
    """Return rho and weight at alpha = ±infinity, by the sign."""
    power, difference = exponential(sign * 0.5 * z)
    return abs(difference), power


@compiled()
def cauchy(z):
    """Return rho and weight at alpha = 0."""
    return log1p(0.5 * z), 1.0 / (1.0 + 0.5 * z)


@compiled()
def power_law(alpha, ratio, power, difference):
    """Return rho and weight at ratio = z/b.

    ``power`` is (1 + z/b)^(alpha/2), ``difference`` that less 1.
    """
    return abs(abs(alpha - 2.0) / alpha) * abs(difference), power / (1.0 + ratio)


@compiled()
def _ordinary(alpha, z):
    """Return rho and weight of z = (r/c)² below ``FAR``.

    A weight below the least normal double is 0, a rho beyond the largest one infinite.
    """
    if alpha == 2.0:
        return 0.5 * z, 1.0
    if alpha == 1.0:
        return charbonnier(z)
    if abs(alpha) >= NEAR_INFINITY:
        return exponential_loss(math.copysign(1.0, alpha), z)
    if abs(alpha) < NEAR_ZERO:
        return cauchy(z)
    ratio = z / abs(alpha - 2.0)
    power, difference = exponential(0.5 * alpha * log1p(ratio))
    return power_law(alpha, ratio, power, difference)


@compiled()
def log_growth(size, c, b):
    """Return log(1 + (r/c)²/b), also where the square does not fit a double."""
    z = (size / c) ** 2
    if z < FAR:
        return math.log1p(z / b)
    return 2.0 * (math.log(size) - math.log(c)) - math.log(b)


@compiled()
def _extreme(alpha, size, c):
    """Return rho, c·|psi| and weight of a size for which one of them nearly leaves doubles."""
    u = size / c
    if alpha == 2.0:
        return 0.5 * u * u, u, 1.0
    if abs(alpha) >= NEAR_INFINITY:
        sign = math.copysign(1.0, alpha)
        weight = math.exp(sign * 0.5 * u * u)
        return sign * math.expm1(sign * 0.5 * u * u), (u * weight if weight > 0.0 else 0.0), weight
    b = abs(alpha - 2.0)
    rho = growth = log_growth(size, c, b)
    exponent = 0.5 * alpha * growth
    if exponent > _LOG_FAR:
        rho = math.exp(exponent + math.log(b / alpha))
    elif abs(alpha) >= NEAR_ZERO:
        rho = b / alpha * math.expm1(exponent)
    slope = (0.5 * alpha - 1.0) * growth
    return rho, math.exp(math.log(size) - math.log(c) + slope), math.exp(slope)


@compiled()
def _general(alpha, r, c):
    u = abs(r) / c
    if u * u < FAR:
        rho, weight = _ordinary(alpha, u * u)
        if weight > _LEAST and rho < 1.0 / _LEAST:
            return rho, u * weight, weight
    return _extreme(alpha, abs(r), c)


@compiled()
def _log_psi(alpha, size, c):
    """Return log psi of a residual of this size > 0, where c·psi does not fit a double."""
    log_u = math.log(size) - math.log(c)
    fall = 0.0
    if abs(alpha) >= NEAR_INFINITY:
        fall = math.copysign(0.5, alpha) * math.exp(2.0 * log_u)
    elif alpha != 2.0:
        fall = (0.5 * alpha - 1.0) * log_growth(size, c, abs(alpha - 2.0))
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
    a, b = _BALANCE, _GROWTH
    if u >= 1.0:
        return _GAMMA * u + _GAMMA / b - a, _GAMMA, _GAMMA / u
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


@compiled()
def _integral(t):
    """Return the integral of exp(s²/2) over s from 0 to t, t at most ``OPTIMAL_END``."""
    z, total = 0.5 * t * t, 0.0
    for k in range(_ERFI.shape[0] - 1, -1, -1):
        total = _ERFI[k] + z * total
    return t * total


@compiled()
def _optimal_tail(t):
    """Return rho of the optimal loss at a size between 1 and ``OPTIMAL_END``."""
    growth = _BIAS_OVER_DENSITY * (_integral(t) - _integral(1.0))
    return 0.5 + _STRETCH * (0.5 * (t - 1.0) * (t + 1.0) - growth)


@compiled()
def _optimal(u):
    if u <= 1.0:
        return 0.5 * u * u, u, 1.0
    if u >= OPTIMAL_END:
        return _optimal_tail(OPTIMAL_END), 0.0, 0.0
    influence = max(_STRETCH * (u - _BIAS_OVER_DENSITY * math.exp(0.5 * u * u)), 0.0)
    return _optimal_tail(u), influence, influence / u


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
    if code == OPTIMAL:
        return _optimal(abs(r) / c)
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
def relative_slope(alpha, r, c):
    """Return c²·psi' over the weight, of a residual of the general loss whose weight is not 0."""
    if alpha == 2.0:
        return 1.0
    z = (r / c) ** 2
    if abs(alpha) >= NEAR_INFINITY:
        return 1.0 + math.copysign(z, alpha)
    b = abs(alpha - 2.0)
    if z >= FAR * b:
        return alpha - 1.0
    return (1.0 + z / b * (alpha - 1.0)) / (1.0 + z / b)


@compiled()
def psi_slope(code, alpha, r, c):
    """Return c² times the derivative of psi at a residual."""
    u = abs(r) / c
    if code == HUBER:
        return 1.0 if u <= 1.0 else 0.0
    if code == TUKEY:
        return (1.0 - u * u) * (1.0 - 5.0 * u * u) if u < 1.0 else 0.0
    if code == BALANCED_L1:
        return _BALANCE * _GROWTH / (1.0 + _GROWTH * u) if u < 1.0 else 0.0
    if code == OPTIMAL:
        if u <= 1.0:
            return 1.0
        fall = _BIAS_OVER_DENSITY * u * math.exp(0.5 * u * u) if u < OPTIMAL_END else 1.0
        return _STRETCH * (1.0 - fall)
    weight = _general(alpha, r, c)[2]
    return weight * relative_slope(alpha, r, c) if weight > 0.0 else 0.0


@entry
def psi_slopes(code, alpha, residuals, c):
    """Return c² times the derivative of psi at every residual."""
    slopes = np.empty(residuals.shape[0])
    for i in range(residuals.shape[0]):
        slopes[i] = psi_slope(code, alpha, residuals[i], c)
    return slopes


@compiled()
def shape_slope(alpha, ratio, growth, power, difference):
    """Return the derivative of rho in alpha, in [0, 2], at ratio = z/b, b = 2 - alpha > 0.

    ``growth`` is log(1 + ratio), ``power`` exp(alpha·growth/2), and ``difference`` that less 1.
    """
    half = 0.5 * (2.0 - alpha)
    inverse = 1.0 / (1.0 - half)  # no division where rows differ: it costs more than the rest
    rest = 1.0 / (1.0 + ratio)
    exponent = (1.0 - half) * growth
    tail = power * (growth - ratio * rest)
    light = (exponent * power - difference) * (inverse * inverse) - tail
    # Towards alpha = 2 the power grows without bound, and all of it but half·power cancels.
    excess = half * (2.0 - half) * (inverse * inverse)
    heavy = power * (half * inverse * growth - excess) + (1.0 + excess - power * rest)
    slope = light if alpha < 1.0 else heavy
    # ((t - 1)·e^t + 1)/t² by its series: the closed form is 0/0 at t = 0.
    t = exponent if exponent < 0.1 else 0.1
    series = t * (_S5 + t * (_S6 + t * (_S7 + t * (_S8 + t * (_S9 + t * (_S10 + t * _S11))))))
    series = 0.5 + t * (_S1 + t * (_S2 + t * (_S3 + t * (_S4 + series))))
    return 0.5 * (growth * growth * series - tail if exponent < 0.1 else slope)
