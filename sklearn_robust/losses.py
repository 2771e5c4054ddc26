"""The losses on arrays (rho, psi, weight), their names, and tuning constants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from . import kernels
from .kernels import losses as branches
from .validation import check_choice, check_unmasked

__all__ = ["psi", "psi_prime", "rho", "tuning_constant", "weight"]

REJECTED = 0.1
"""A row with a smaller robust weight counts as rejected, where nothing else is asked for."""


@dataclass(frozen=True)
class Loss:
    """One loss: the integer code of its branch in the kernels, and its shape.

    Attributes
    ----------
    code : int
        The branch in :mod:`sklearn_robust.kernels`.
    alpha : float
        The shape in the general family; NaN for a loss outside it.
    redescending : bool
        Whether psi falls back towards zero, so that the objective may have several minima.
    kinks : tuple of float
        Sizes, in c, at which psi or one of its derivatives jumps, in ascending order.
    """

    code: int
    alpha: float
    redescending: bool
    kinks: tuple[float, ...] = (1.0,)

    @property
    def weight_at_zero(self) -> float:
        """The weight of a zero residual, the largest there is."""
        at_zero = np.zeros(1)
        kernels.residuals_to_weights(self.code, self.alpha, 1.0, 1.0, at_zero)
        return float(at_zero[0])

    def rho_psi_weight(self, residuals: np.ndarray, scale: float):
        """Return rho, psi and weight of every residual, each of shape (n_residuals,)."""
        return kernels.rho_psi_weights(self.code, self.alpha, residuals, scale)

    def slopes(self, residuals: np.ndarray, scale: float) -> np.ndarray:
        """Return c² times the derivative of psi at every residual, shape (n_residuals,)."""
        return kernels.psi_slopes(self.code, self.alpha, residuals, scale)


def _member(alpha: float) -> Loss:
    return Loss(branches.GENERAL, alpha, redescending=alpha < 1.0)


NAMED = {
    "l2": _member(2.0),
    "charbonnier": _member(1.0),
    "cauchy": _member(0.0),
    "geman_mcclure": _member(-2.0),
    "welsch": _member(-math.inf),
    "huber": Loss(branches.HUBER, math.nan, redescending=False),
    "tukey": Loss(branches.TUKEY, math.nan, redescending=True),
    "balanced_l1": Loss(branches.BALANCED_L1, math.nan, redescending=False),
    "optimal": Loss(
        branches.OPTIMAL, math.nan, redescending=True, kinks=(1.0, branches.OPTIMAL_END)
    ),
}
"""Every named loss; "general" is the family."""
_ELSEWHERE = {
    "bisquare": "tukey", "biweight": "tukey", "tukey_biweight": "tukey", "squared_error": "l2",
    "pseudo_huber": "charbonnier", "lorentzian": "cauchy", "leclerc": "welsch",
}  # fmt: skip
"""Other names of these losses."""


def resolve(loss: str = "general", alpha: float = -math.inf) -> Loss:
    """Return a loss by its name; only "general" uses ``alpha``."""
    if loss == "general":
        alpha = float(alpha)
        if math.isnan(alpha):
            raise ValueError("alpha must be a number in [-inf, inf], got nan.")
        return _member(alpha)
    check_loss(loss)
    return NAMED[loss]


def check_loss(loss) -> None:
    """Raise unless ``loss`` is "general" or the name of a loss."""
    if isinstance(loss, str) and loss in _ELSEWHERE:
        raise ValueError(
            f"loss must be one of {['general', *NAMED]}, got {loss!r}, which is called "
            f"{_ELSEWHERE[loss]!r} here."
        )
    check_choice("loss", loss, ["general", *NAMED])


def _on_array(quantity, r, alpha, scale, loss):
    family = resolve(loss, alpha)
    scale = float(scale)
    if not 0.0 < scale < math.inf:
        raise ValueError(f"scale must be a positive finite number, got {scale!r}.")
    residuals = np.asarray(check_unmasked("r", r), dtype=np.float64)
    flat = np.ascontiguousarray(residuals).ravel()
    values = quantity(family, flat, scale)
    return values.reshape(residuals.shape)[()]


def rho(r, alpha=-math.inf, scale=1.0, *, loss="general"):
    r"""Loss of a residual, rho(r).

    For the general family, with :math:`z = (r/c)^2` and :math:`B = |\alpha - 2|`,

    .. math:: \rho(r) = \frac{B}{\alpha}
              \left[\left(1 + \frac{z}{B}\right)^{\alpha/2} - 1\right]

    and its limits at :math:`\alpha` = 2, 0 and :math:`\pm\infty`.

    Parameters
    ----------
    r : array-like of any shape
        Residuals, in the unit of ``scale``.
    alpha : float, default=-inf
        Shape, anywhere in [-inf, inf]: 2 is half the squared error, 1 Charbonnier
        (pseudo-Huber), 0 Cauchy, -2 Geman-McClure, -inf Welsch. Named losses ignore it.
    scale : float, default=1.0
        The scale c > 0, in the unit of ``r``.
    loss : str, default="general"
        "general" for the family, or a named loss: "huber", "tukey", "balanced_l1" with threshold c,
        "optimal", or "l2", "charbonnier", "cauchy", "geman_mcclure", "welsch". "optimal" is squared
        error up to c and constant from 3.0037 c on. At an efficiency of 0.95, where c is 1 standard
        deviation, this loss has nearly the least bias under contamination.

    Returns
    -------
    ndarray of the shape of ``r``, or float
        At least 0, and 0 at r = 0; without unit. The relative accuracy is 1e-12. The result is
        finite unless the loss overflows.

    Raises
    ------
    ValueError
        If ``loss`` is not a known name, ``alpha`` is NaN, ``scale`` is not positive, or ``r``
        holds masked values.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, eq. 8.
    For balanced_l1: Pang, J. et al. (2019). Libra R-CNN. CVPR, eq. 5-7.
    For optimal: Yohai, V. J. & Zamar, R. H. (1997). Optimal locally robust M-estimates of
    regression. Journal of Statistical Planning and Inference 64. Konis, K. & Martin, R. D. (2021).
    Optimal bias robust regression psi and rho revisited, for the part up to c.

    Examples
    --------
    >>> from sklearn_robust.losses import rho
    >>> rho([0.0, 1.0, 100.0], alpha=-2.0).round(4)
    array([0.    , 0.4   , 1.9992])
    """
    return _on_array(lambda *of: Loss.rho_psi_weight(*of)[0], r, alpha, scale, loss)


def psi(r, alpha=-math.inf, scale=1.0, *, loss="general"):
    """Influence of a residual, the derivative of :func:`rho` in r.

    Parameters
    ----------
    r, alpha, scale, loss
        As in :func:`rho`.

    Returns
    -------
    ndarray of the shape of ``r``, or float
        ``r * weight(r) / scale**2``, in units of 1/r.

    Raises
    ------
    ValueError
        As :func:`rho` does.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, eq. 9.

    Examples
    --------
    >>> from sklearn_robust.losses import psi
    >>> psi([-1.0, 0.0, 100.0], alpha=-2.0).round(4)
    array([-0.64,  0.  ,  0.  ])
    """
    return _on_array(lambda *of: Loss.rho_psi_weight(*of)[1], r, alpha, scale, loss)


def psi_prime(r, alpha=-math.inf, scale=1.0, *, loss="general"):
    r"""Slope of the influence, the second derivative of :func:`rho` in r.

    For the general family below alpha = 2, with :math:`z = (r/c)^2` and :math:`B = 2 - \alpha`,

    .. math:: \psi'(r) = \frac{w(r)}{c^2}\,\frac{1 + (\alpha - 1)\,z/B}{1 + z/B}

    Its mean over the residuals is the curvature of the objective, which divides the standard
    errors of M-estimates.

    Parameters
    ----------
    r, alpha, scale, loss
        As in :func:`rho`.

    Returns
    -------
    ndarray of the shape of ``r``, or float
        In units of 1/r². Negative where the influence falls. The influence of "huber" has a kink
        at the threshold, where the slope below it is returned.

    Raises
    ------
    ValueError
        As :func:`rho` does.

    References
    ----------
    The derivative of eq. 9 of Barron, J. T. (2019). A general and adaptive robust loss function.
    CVPR.

    Examples
    --------
    >>> from sklearn_robust.losses import psi_prime
    >>> psi_prime([0.0, 1.0, 2.0], alpha=0.0).round(4)
    array([ 1.    ,  0.2222, -0.1111])
    """
    return _on_array(Loss.slopes, r, alpha, scale, loss) / scale / scale


def weight(r, alpha=-math.inf, scale=1.0, *, loss="general"):
    """Weight of a residual in iteratively reweighted least squares, psi(r)·c²/r.

    Parameters
    ----------
    r, alpha, scale, loss
        As in :func:`rho`.

    Returns
    -------
    ndarray of the shape of ``r``, or float
        1 at r = 0 (9.54 for balanced_l1, which is steeper there). For alpha <= 2 and the
        named losses it falls as abs(r) grows.

    Raises
    ------
    ValueError
        As :func:`rho` does.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, appendix.

    Examples
    --------
    >>> from sklearn_robust.losses import weight
    >>> weight([0.0, 1.0, 100.0], alpha=-2.0).round(4)
    array([1.  , 0.64, 0.  ])
    """
    return _on_array(lambda *of: Loss.rho_psi_weight(*of)[2], r, alpha, scale, loss)


# ---- tuning constants ----------------------------------------------------------------

_CONSTANTS = (1e-100, 1e6)
"""Range in which a tuning constant is searched, in standard deviations."""
_LEGENDRE = np.polynomial.legendre.leggauss(16)


def tuning_constant(alpha=-math.inf, *, efficiency=None, breakdown=None, loss="general"):
    r"""Scale c, in standard deviations, for a given efficiency or breakdown point.

    With ``efficiency``, c is the scale at which the M-estimate of regression has this asymptotic
    efficiency at normal errors, :math:`(E\,\psi')^2 / E\,\psi^2`. With ``breakdown``, c is the
    scale at which the M-scale, consistent for normal data, has this breakdown point:
    :math:`E\,\rho(Z/c) = \mathrm{breakdown}\cdot\sup\rho`. It is computed by quadrature and
    root-finding, to about 1e-12.

    Parameters
    ----------
    alpha : float, default=-inf
        Shape, in [-inf, 2]; named losses ignore it.
    efficiency : float in (0, 1), optional
    breakdown : float in (0, 0.5], optional
        Exactly one of the two must be given.
    loss : str, default="general"
        As in :func:`rho`.

    Returns
    -------
    float
        The constant, without unit.

    Raises
    ------
    ValueError
        If a parameter is out of range, or if no constant exists. Either every c is more efficient
        (at alpha = 1 than 0.64, at every alpha above 1.58 than 0.95), or the loss is unbounded
        (alpha >= 0, huber, balanced_l1) and has no breakdown point.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35. Maronna, R. A. et al. (2019). Robust Statistics, 2nd ed., sections 2.2
    and 5.5.

    Examples
    --------
    >>> from sklearn_robust.losses import tuning_constant
    >>> round(tuning_constant(loss="huber", efficiency=0.95), 4)
    1.345
    >>> round(tuning_constant(-float("inf"), breakdown=0.5), 5)
    0.57735
    """
    family = resolve(loss, alpha)
    if family.alpha > 2.0:
        raise ValueError(f"alpha must be in [-inf, 2], got {alpha!r}.")
    if (efficiency is None) == (breakdown is None):
        raise ValueError(
            "exactly one of efficiency and breakdown must be given, "
            f"got efficiency={efficiency!r} and breakdown={breakdown!r}."
        )
    if efficiency is not None:
        if not 0.0 < efficiency < 1.0:
            raise ValueError(f"efficiency must be in (0, 1), got {efficiency!r}.")
        return _constant_of_efficiency(family, float(efficiency))
    if not 0.0 < breakdown <= 0.5:
        raise ValueError(f"breakdown must be in (0, 0.5], got {breakdown!r}.")
    return _constant_of_breakdown(family, float(breakdown))


@lru_cache(maxsize=256)
def regression_constant(family: Loss, efficiency: float) -> float:
    """Return the constant that an estimator uses for an efficiency; it is at least 0.5.

    Below 0.5 a loss is already nearly abs(r)**alpha, and rounding would begin to matter.
    """
    if _efficiency(family, 0.5) >= efficiency:
        return 0.5
    return _constant_of_efficiency(family, efficiency)


def _half_normal(family, c):
    """Return nodes and weights for E f(|Z|/c), Z standard normal, f smooth but at the kinks."""
    edges = np.union1d(np.arange(0.0, 13.0), c * 2.0 ** np.arange(-2, 340))
    edges = np.union1d(edges, c * np.array(family.kinks))
    edges = edges[edges <= 12.0]
    half = np.diff(edges)[:, None] / 2.0
    x = (edges[:-1, None] + half * (1.0 + _LEGENDRE[0])).ravel()
    return x, (half * _LEGENDRE[1]).ravel() * np.exp(-0.5 * x * x) * math.sqrt(2.0 / math.pi)


def _root(excess):
    """Return the c in ``_CONSTANTS`` at which the function, increasing or not, is 0."""
    low, high = (math.log(c) for c in _CONSTANTS)
    return math.exp(brentq(lambda t: excess(math.exp(t)), low, high, xtol=1e-13, rtol=1e-14))


def _efficiency(family, c):
    # For normal Z, E psi' = E Z·psi (Stein), so only weights are needed.
    x, density = _half_normal(family, c)
    influence = x.copy()
    kernels.residuals_to_weights(family.code, family.alpha, c, 1.0, influence)
    influence *= x
    return float(np.dot(density, x * influence) ** 2 / np.dot(density, influence**2))


@lru_cache(maxsize=256)
def _constant_of_efficiency(family, efficiency):
    least, most = (_efficiency(family, c) for c in _CONSTANTS)
    if not least < efficiency < most:
        raise ValueError(
            f"efficiency must be in ({least:.4g}, {most:.4g}) for this loss, got {efficiency!r}: "
            "no scale reaches it."
        )
    return _root(lambda c: _efficiency(family, c) - efficiency)


@lru_cache(maxsize=256)
def _constant_of_breakdown(family, breakdown):
    if family == NAMED["welsch"] and 0.0 < breakdown < 1.0:  # E rho(Z/c) = 1 - 1/sqrt(1 + 1/c²)
        return 1.0 / math.sqrt((1.0 - breakdown) ** -2 - 1.0)
    supremum = float(family.rho_psi_weight(np.array([math.inf]), 1.0)[0][0])
    if not math.isfinite(supremum):
        raise ValueError(
            f"breakdown must be None for an unbounded loss, got {breakdown!r}: only losses "
            "with a finite supremum (alpha < 0, tukey, optimal) have a breakdown point."
        )

    def excess(c):
        x, density = _half_normal(family, c)
        mean = np.dot(density, kernels.rho_psi_weights(family.code, family.alpha, x, c)[0])
        return breakdown * supremum - float(mean)

    if excess(_CONSTANTS[0]) >= 0.0:
        raise ValueError(
            f"breakdown must be None for alpha={family.alpha!r}, got {breakdown!r}: the constant "
            f"would be below {_CONSTANTS[0]:g}; take an alpha further from 0."
        )
    return _root(excess)
