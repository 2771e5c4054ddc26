"""The probability model: the distribution whose negative log-density is the loss."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from . import kernels, partition

__all__ = ["general_robust", "log_partition"]


def _composite_legendre(panels, degree):
    """Return nodes in [0, 1] and weights of a composite Gauss-Legendre rule."""
    nodes, weights = np.polynomial.legendre.leggauss(degree)
    edges = np.arange(panels) / panels
    points = edges[:, None] + 0.5 * (1.0 + nodes) / panels
    return points.ravel(), np.tile(0.5 * weights / panels, panels)


_NEGLIGIBLE = 45.0
"""A tail is cut where the log-density has fallen by this much."""
_POINTS, _SHARES = _composite_legendre(panels=16, degree=16)
_MOMENT_POINTS, _MOMENT_SHARES = _composite_legendre(panels=64, degree=16)
_NEWTON_STEPS = 100
_NEAR_ZERO = 1e-19
"""Below this, alpha is treated as 0 in divisions."""
_NEAREST_TWO = 1e-14
"""If alpha is this near to 2, it is treated as 2: the densities differ by less than 1e-13."""


# SciPy calls these functions with shapes out of range too. The result must then be NaN, without the
# floating point error of an order comparison with NaN. Arrays of shapes may be empty.


def _each(function):
    """Make a function of one shape take arrays."""
    return np.vectorize(function, otypes=[np.float64])


def _is_shape(alpha):
    return math.isfinite(alpha) and alpha >= 0.0


@_each
def _log_partition(alpha):
    return math.nan if math.isnan(alpha) or alpha < 0.0 else partition.log_partition(alpha)[0]


def log_partition(alpha):
    """Logarithm of the partition function, the integral of exp(-rho(x; alpha)) over x.

    Parameters
    ----------
    alpha : float or array-like in [0, inf]

    Returns
    -------
    float or ndarray of the shape of ``alpha``
        Within 1e-12, absolutely.

    Raises
    ------
    ValueError
        If an ``alpha`` is negative, where the integral is infinite, or NaN.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, eq. 16-17.

    Examples
    --------
    >>> from sklearn_robust.distribution import log_partition
    >>> log_partition([0.0, 2.0]).round(6)
    array([1.491303, 0.918939])
    """
    alpha = np.asarray(alpha, dtype=np.float64)
    if not np.all(alpha >= 0.0):
        raise ValueError(f"alpha must be in [0, inf], got {alpha!r}.")
    return _log_partition(alpha)[()] if alpha.size else alpha


# In the coordinate w with x = √B·sinh w, B = |alpha - 2|, the loss is
# (B/alpha)·(cosh(w)^alpha - 1): smooth, and explicit in log cosh w both ways.


def _loss(alpha, b, log_cosh):
    """Return rho from log cosh w."""
    small = np.abs(alpha * log_cosh) < 1e-12
    safe = np.where(alpha > _NEAR_ZERO, alpha, 1.0)
    return np.where(small, b * log_cosh, b / safe * np.expm1(alpha * log_cosh))


def _log_cosh_at(alpha, b, rho):
    """Return log cosh w at which the loss is rho."""
    safe = np.where(alpha > _NEAR_ZERO, alpha, 1.0)
    return np.where(alpha * rho < 1e-12 * b, rho / b, np.log1p(alpha / b * rho) / safe)


def _tail_mass(x, alpha):
    """Return log of the integral of exp(-rho) from x >= 0 to infinity; arrays of one shape."""
    b = np.abs(alpha - 2.0)
    w = np.arcsinh(x / np.sqrt(b))
    log_cosh = _log_cosh(w)
    rho = _loss(alpha, b, log_cosh)
    # In w the density also has the factor cosh w. If rho grows like 2·log cosh w (alpha = 0), the
    # log-density falls half as fast as rho grows.
    end = _log_cosh_at(alpha, b, rho + 2.0 * _NEGLIGIBLE)
    last = np.maximum(_arccosh_exp(end), w)
    nodes = w[..., None] + (last - w)[..., None] * _POINTS
    at = _log_cosh(nodes)
    # The loss increases, but above 1e15 its rounded values may not.
    fall = np.maximum(_loss(alpha[..., None], b[..., None], at) - rho[..., None], 0.0)
    mass = np.exp(at - log_cosh[..., None] - fall) @ _SHARES
    with np.errstate(divide="ignore"):  # the width is 0 if the tail is below exp(-1e15)
        return np.log(mass * (last - w)) + log_cosh - rho + 0.5 * np.log(b)


def _arccosh_exp(log_cosh):
    """Return w from log cosh w."""
    return log_cosh + np.log1p(np.sqrt(-np.expm1(-2.0 * log_cosh)))


def _log_cosh(w):
    near = np.log1p(2.0 * np.sinh(np.minimum(w, 1.0) / 2.0) ** 2)
    return np.where(w < 1.0, near, w + np.log1p(np.exp(-2.0 * w)) - math.log(2.0))


class _GeneralRobust(stats.rv_continuous):
    r"""Barron's general robust distribution.

    .. math:: p(x) = \exp(-\rho(x; \alpha)) / Z(\alpha), \quad \alpha \ge 0

    with the loss :math:`\rho` of :func:`sklearn_robust.losses.rho` at scale 1. At ``alpha`` = 0
    this is the Cauchy distribution of scale √2, at 1 a generalised hyperbolic distribution, at 2
    the standard normal. The tails fall faster for larger ``alpha``. ``loc`` and ``scale`` are in
    the unit of x. As for every distribution of scipy.stats, methods take ``alpha``, ``loc`` and
    ``scale``, or these are frozen; ``scipy.stats.fit`` and ``scipy.stats.make_distribution``
    accept it.

    For ``alpha`` > 0 all moments exist, but for small ``alpha`` the even ones overflow and are
    returned as infinite. For ``alpha`` = 0, as for ``scipy.stats.cauchy``, no moment exists: mean,
    variance, skewness, kurtosis and all moments are NaN. For a shape out of range all results are
    NaN.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, section 3.

    Examples
    --------
    >>> from sklearn_robust.distribution import general_robust
    >>> heavy = general_robust(0.5, loc=1.0, scale=2.0)
    >>> float(heavy.cdf(1.0))
    0.5
    >>> float(heavy.ppf(0.975).round(4))
    10.7234
    """

    def _argcheck(self, alpha):
        return np.isfinite(alpha) & (alpha >= 0.0)

    def _shape_info(self):
        # SciPy requires this class, but has no public name for it.
        from scipy.stats._distn_infrastructure import _ShapeInfo

        return [_ShapeInfo("alpha", False, (0.0, np.inf), (True, False))]

    def _logpdf(self, x, alpha):
        x, alpha = np.broadcast_arrays(x, alpha)
        values = np.full(x.shape, np.nan)
        for shape in np.unique(alpha[alpha >= 0.0]):
            at = alpha == shape
            rho = kernels.rho_psi_weights(kernels.GENERAL, shape, np.ascontiguousarray(x[at]), 1.0)
            values[at] = -rho[0] - _log_partition(shape)
        return values

    def _pdf(self, x, alpha):
        return np.exp(self._logpdf(x, alpha))

    def _logsf(self, x, alpha):
        x, alpha = np.broadcast_arrays(np.asarray(x, dtype=np.float64), alpha)
        normal = np.abs(alpha - 2.0) < _NEAREST_TWO
        shape = np.where(normal, 1.0, alpha)
        tail = _tail_mass(np.abs(x), shape) - _log_partition(shape)
        tail = np.where(x == 0.0, -math.log(2.0), np.minimum(tail, -math.log(2.0)))
        upper = np.where(normal, stats.norm.logsf(np.abs(x)), tail)
        with np.errstate(divide="ignore"):
            return np.where(x >= 0.0, upper, np.log1p(-np.exp(upper)))

    def _sf(self, x, alpha):
        return np.exp(self._logsf(x, alpha))

    def _logcdf(self, x, alpha):
        return self._logsf(-x, alpha)

    def _cdf(self, x, alpha):
        return np.exp(self._logsf(-x, alpha))

    def _isf(self, q, alpha):
        q, alpha = np.broadcast_arrays(np.asarray(q, dtype=np.float64), alpha)
        upper = self._upper_quantile(np.minimum(q, 1.0 - q), alpha)
        return np.where(q <= 0.5, upper, -upper)

    def _ppf(self, q, alpha):
        return -self._isf(q, alpha)

    def _upper_quantile(self, q, alpha):
        """Return x >= 0 with tail probability q <= 1/2, by safeguarded Newton steps in w.

        log sf is nearly linear in w for heavy tails and concave for light ones, so the steps
        converge from either side. A step that leaves the bracket is replaced by bisection.
        """
        normal = np.abs(alpha - 2.0) < _NEAREST_TWO
        shape = np.where(normal, 1.0, alpha)
        b = np.abs(shape - 2.0)
        target = np.log(q)
        low, high = np.zeros(q.shape), np.full(q.shape, np.inf)
        w = _arccosh_exp(_log_cosh_at(shape, b, -target - math.log(2.0)))
        for _ in range(_NEWTON_STEPS):
            x = np.sqrt(b) * np.sinh(w)
            log_sf = self._logsf(x, shape)
            excess = log_sf - target
            low, high = np.where(excess > 0.0, w, low), np.where(excess < 0.0, w, high)
            slope = np.exp(self._logpdf(x, shape) - log_sf) * np.sqrt(b) * np.cosh(w)
            step = w + excess / slope
            inside = (step > low) & (step < high)
            change = np.where(inside, step, 0.5 * (low + np.minimum(high, 2.0 * w + 1.0))) - w
            w = w + np.where(excess == 0.0, 0.0, change)
            if np.all(np.abs(change) <= 4.0 * np.finfo(np.float64).eps * w):
                break
        return np.where(normal, stats.norm.isf(q), np.sqrt(b) * np.sinh(w))

    def _rvs(self, alpha, size=None, random_state=None):
        # Rejection from the Cauchy distribution of scale √2. rho increases in alpha, so exp(-rho)
        # at alpha = 0 lies above that of every alpha > 0 (Barron 2019, appendix).
        alpha = np.broadcast_to(alpha, size).ravel()
        values = np.empty(alpha.shape)
        wanting = np.arange(alpha.size)
        while wanting.size:
            x = math.sqrt(2.0) * random_state.standard_cauchy(wanting.size)
            gain = np.log1p(0.5 * x**2) + self._logpdf(x, alpha[wanting])
            chance = np.exp(gain + _log_partition(alpha[wanting]))
            taken = random_state.uniform(size=wanting.size) < chance
            values[wanting[taken]] = x[taken]
            wanting = wanting[~taken]
        return values.reshape(size)

    def _munp(self, n, alpha):
        return _each(_moment)(n, alpha)

    def _entropy(self, alpha):
        return _each(_entropy)(alpha)

    def _stats(self, alpha):
        # If the variance is None, SciPy takes moments from _munp. From skewness and variance, the
        # third moment would be NaN if the variance overflows.
        zero = np.where(alpha > 0.0, 0.0, np.nan)
        return zero, None, zero, _each(_kurtosis)(alpha)

    def _fitstart(self, data, args=None):
        centre = np.median(data)
        return 1.0, centre, np.median(np.abs(data - centre)) or 1.0


def _moment(n, alpha):
    """Return E xⁿ: infinite if it overflows, NaN if it does not exist."""
    if not _is_shape(alpha):
        return math.nan
    if n == 0:
        return 1.0
    if alpha == 0.0:
        return math.nan
    if n % 2:
        return 0.0
    if abs(alpha - 2.0) < _NEAREST_TWO:
        return float(stats.norm.moment(n))
    return _exp(_log_moment(n, alpha))


def _kurtosis(alpha):
    """Return the excess kurtosis."""
    if not _is_shape(alpha) or alpha == 0.0:
        return math.nan
    if abs(alpha - 2.0) < _NEAREST_TWO:
        return 0.0
    return _exp(_log_moment(4, alpha) - 2.0 * _log_moment(2, alpha)) - 3.0


def _entropy(alpha):
    """Return the mean of minus the logarithm of the density, E rho + log Z."""
    if not _is_shape(alpha):
        return math.nan
    if abs(alpha - 2.0) < _NEAREST_TWO:
        return 0.5 + float(_log_partition(2.0))
    mean_loss = math.exp(_log_mean(lambda log_x, rho: np.log(rho), 0, alpha))
    return mean_loss + float(_log_partition(alpha))


def _log_moment(n, alpha):
    """Return log of E xⁿ for an even n > 0, at an alpha > 0 other than 2."""
    return _log_mean(lambda log_x, rho: n * log_x, n, alpha)


def _log_mean(log_factor, power, alpha):
    """Return log of E f(abs(x)), at an alpha other than 2.

    ``log_factor`` returns log f from log abs(x) and the loss. f grows no faster than
    abs(x)**power times a power of the loss.
    """
    b = abs(alpha - 2.0)
    # The integrand is negligible once rho exceeds (power + 1)·w by a margin.
    rho = 2.0 * _NEGLIGIBLE
    for _ in range(100):
        last = float(_arccosh_exp(_log_cosh_at(alpha, b, rho)))
        if not math.isfinite(last) or rho >= (power + 1.0) * last + 2.0 * _NEGLIGIBLE:
            break
        rho = (power + 1.0) * last + 2.0 * _NEGLIGIBLE
    w = last * _MOMENT_POINTS
    log_cosh = _log_cosh(w)
    log_x = 0.5 * math.log(b) + log_cosh + np.log(np.tanh(w))
    rho = _loss(alpha, b, log_cosh)
    exponent = log_factor(log_x, rho) + 0.5 * math.log(b) + log_cosh - rho
    peak = exponent.max()
    logarithm = peak + math.log(2.0 * last * float(np.exp(exponent - peak) @ _MOMENT_SHARES))
    return logarithm - float(_log_partition(alpha))


def _exp(logarithm):
    """Return the exponential, infinite if it overflows."""
    return math.exp(logarithm) if logarithm < 709.0 else math.inf


general_robust = _GeneralRobust(name="general_robust", shapes="alpha")
