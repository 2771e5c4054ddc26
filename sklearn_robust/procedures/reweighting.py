"""Reweighted fits of any regressor: from residuals to weights, round by round."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import minimize

from ..design import make_design
from ..losses import Loss, regression_constant, resolve
from ..partition import log_partition
from ..penalties import ElasticNet
from ..problem import Problem
from ..scales import (
    WIDER,
    WINDOW,
    abs_residual_quantile,
    m_scale,
    normal_scaled_quantile,
    truncated_deviation,
)
from .shared_starts import SharedStarts

BELIEVED = (0.02, 0.2)
"""Rows that are held out are left out below the first robust weight and fully believed above the
second: for Welsch's loss at an efficiency of 0.95 beyond 5.9 and within 3.8 standard deviations."""
_FIRST_WINDOWS = ((0.5, 0.9), (0.3, 0.8))
"""Those of the first rounds, which have to get away from a fit that bad rows have drawn near:
beyond 2.5 and within 1, then beyond 3.3 and within 1.4 standard deviations."""
_FIRST_SHAPES = (0.0, -2.0)
"""Shapes of the first rounds by training residuals, before a loss that redescends further."""
_N_FIRST = 2
"""Least number of first rounds. Their residuals are centred, because one-sided outliers shift the
whole fit."""
_FALLING = 0.9
"""They go on as long as the scale falls below this share of that of the round before: bad rows are
still leaving the fit."""
_SMALL_CHANGE = 0.01
"""The weights have converged if their mean change is below this and has stopped shrinking: those of
trees change in jumps."""
_NO_LESS = 0.7
"""A change is no longer less than the one before above this share of it."""
_NO_WEIGHT = 1e-12
"""Where no row has a larger weight, none is believed."""
_FAR = 1e150
"""The largest residual, in units of the scale, that a user's function is given: it has a square."""
_SHAPES = (1.0, 0.0)
"""Shapes from which the likelihood is maximised; the better end counts."""


@dataclass(frozen=True)
class Weighing:
    """How residuals become weights.

    Attributes
    ----------
    loss : Loss or None
        None where shape and scale are those of the greatest likelihood.
    scale : str or float
        The name of a residual scale, or the scale c.
    efficiency : float
        That for which a residual scale is multiplied to get c.
    held_out : bool
        Whether the residuals are those of rows that their fit has not seen.
    floor : float
        The least residual scale.
    weighting : callable or None
        The user's function of the residuals in units of the scale and the case weights, in place
        of a loss. Its weights are taken as they are.
    """

    loss: Loss | None
    scale: str | float
    efficiency: float
    held_out: bool
    floor: float
    weighting: Callable | None = None

    @property
    def leads(self) -> bool:
        """Whether there are first rounds, which only lead to a start."""
        return self.weighting is None and (self.loss is None or self.loss.redescending)

    def weigh(self, residuals, cases, first: int | None = None, last=math.inf) -> Weighed:
        """Return the weights of residuals.

        ``first`` is the number of a first round, from 0; ``last`` the residual scale of the round
        before, which a falling one does not exceed.
        """
        if first is not None:
            first = min(first, _N_FIRST - 1)
            residuals = residuals - s_location(residuals, cases)
        loss, sigma = self.loss, None
        if self.weighting is not None:
            sigma = self._sigma(residuals, cases, last)
            c = float(self.scale) if sigma is None else sigma
            with np.errstate(over="ignore"):
                scaled = np.clip(residuals / c, -_FAR, _FAR)
            return Weighed(weights_by(self.weighting, scaled, cases), c, sigma, math.nan)
        if loss is None:
            loss, c = most_likely(residuals, cases, self.floor)
        else:
            if first is not None and not self.held_out and not _FIRST_SHAPES[first] <= loss.alpha:
                loss = resolve(alpha=_FIRST_SHAPES[first])
            c, sigma = self._scale(loss, residuals, cases, last)
        weights = loss.rho_psi_weight(residuals, c)[2] / loss.weight_at_zero
        if self.held_out:
            low, high = BELIEVED if first is None else _FIRST_WINDOWS[first]
            weights = np.clip((weights - low) / (high - low), 0.0, 1.0)
        return Weighed(weights, c, sigma, loss.alpha)

    def _scale(self, loss, residuals, cases, last):
        """Return the scale c and the residual scale that it is made from, None for a given c."""
        sigma = self._sigma(residuals, cases, last)
        if sigma is None:
            return float(self.scale), None
        return regression_constant(loss, self.efficiency) * sigma, sigma

    def _sigma(self, residuals, cases, last):
        """Return the residual scale, None for a given c."""
        if not isinstance(self.scale, str):
            return None
        return max(SIGMAS[self.scale](residuals, cases, self.floor, last), self.floor)


@dataclass(frozen=True)
class Weighed:
    """Weights of rows, and the scale c, residual scale and shape that they are from."""

    weights: np.ndarray
    scale: float
    sigma: float | None
    alpha: float


@dataclass(frozen=True)
class Reweighted:
    """The last weights of all.

    Attributes
    ----------
    weighed : Weighed
    residuals : ndarray of shape (n_rows,)
        Those that were weighed last.
    n_iter : int
        Rounds.
    converged : bool
        Whether the weights have come to rest.
    believed : bool
        Whether any row has a weight; where none has, the weights are those of the round before.
    """

    weighed: Weighed
    residuals: np.ndarray
    n_iter: int
    converged: bool
    believed: bool


def reweight(
    sources: tuple[Callable, Callable | None], cases, weighing: Weighing, *, max_iter, tol, report
) -> Reweighted:
    """Weigh the residuals of fits to the weights of the round before, until these are at rest.

    Parameters
    ----------
    sources : (callable, callable or None)
        Both take a robust weight for every row and return residuals: of a fit to these weights, and
        of fits to few rows each, from which the search may begin.
    cases : ndarray of shape (n_rows,)
        Case weights.
    weighing : Weighing
    max_iter : int
    tol : float
        Bound on the mean change of a weight in the last round, relative to the mean weight.
    report : callable
        Called with the weights and their change after each round.
    """
    residuals_of, of_few = sources
    weights, residuals = np.ones(len(cases)), np.zeros(len(cases))
    before, share, first, size, sigma = math.inf, 1.0, weighing.leads, math.inf, math.inf
    for number in range(max_iter):
        residuals = (1.0 - share) * residuals + share * residuals_of(weights)
        if first and number == 0 and of_few is not None:
            residuals = min(residuals, of_few(weights), key=partial(_scale_about_centre, cases))
        weighed = weighing.weigh(residuals, cases, number if first else None, sigma)
        believed = bool(np.max(weighed.weights, initial=0.0, where=cases > 0.0) > _NO_WEIGHT)
        if not believed:
            weighed = Weighed(weights, weighed.scale, weighed.sigma, weighed.alpha)
            break
        change = float(cases @ np.abs(weighed.weights - weights) / (cases @ weighed.weights))
        weights = weighed.weights
        report(weighed, change)
        circles = weighing.held_out and not first and change > _NO_LESS * before
        if not first and (change <= tol or (circles and change < _SMALL_CHANGE)):
            return Reweighted(weighed, residuals, number + 1, True, True)
        if circles:  # residuals become means over the rounds, which come to rest
            share /= 1.0 + share
        sigma = weighed.sigma or math.inf
        before, last, size = change, size, weighed.sigma or weighed.scale
        first = first and (number + 1 < _N_FIRST or size < _FALLING * last)
    return Reweighted(weighed, residuals, number + 1, False, believed)


def weights_by(weighting: Callable, residuals, cases) -> np.ndarray:
    """Return the weights of a user's function; raise unless there is a usable one for each row."""
    weights = np.asarray(weighting(residuals, cases), dtype=np.float64)
    if weights.shape != residuals.shape:
        raise ValueError(
            f"weighting must return an array of shape {residuals.shape}, got one of shape "
            f"{weights.shape}."
        )
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0.0)):
        at_fault = weights[~(np.isfinite(weights) & (weights >= 0.0))][0]
        raise ValueError(f"weighting must return finite numbers of at least 0, got {at_fault!r}.")
    return weights


def _scale_about_centre(cases, residuals) -> float:
    return m_scale(residuals - s_location(residuals, cases), cases)


def s_location(residuals, cases) -> float:
    """Return the centre about which the M-scale of the residuals is least."""
    design = make_design(np.empty((len(residuals), 0)), residuals, cases, fit_intercept=True)
    starts = SharedStarts(
        Problem(design, ElasticNet()), solver="auto", random_state=np.random.RandomState(0),
        max_iter=100, tol=1e-9,
    )  # fmt: skip
    return float(design.to_original(starts.s_estimate.least_biased.params)[1])


# ---- residual scales -----------------------------------------------------------------


def _mad(residuals, cases, floor, last=math.inf):
    for share in (0.5, *WIDER):
        sigma = normal_scaled_quantile(residuals, share, cases)
        if sigma > floor:
            return sigma
    return floor


def _m(residuals, cases, floor, last):
    return m_scale(residuals, cases, floor=floor)


def _reweighted(residuals, cases, floor, last):
    # If the scale could rise, each bad row that it takes in would raise it further. Half of the
    # rows always stay in the window, even after a round whose fit was exact.
    least = abs_residual_quantile(residuals, 0.5, cases) / WINDOW
    largest = min(m_scale(residuals, cases, floor=floor), max(last, least))
    return truncated_deviation(residuals, largest, cases)


SIGMAS = {"mad": _mad, "s": _m, "reweighted": _reweighted}
"""The residual scales about zero that have a name."""


def most_likely(residuals, cases, floor) -> tuple[Loss, float]:
    """Return the shape in [0, 2] and the scale c of the greatest likelihood about zero.

    The density is that of Barron (2019), exp(-rho(r/c))/(c·Z(alpha)).
    """
    unit, total = _mad(residuals, cases, floor), cases.sum()

    def nll(params):
        alpha, log_scale = float(params[0]), float(params[1])
        rho = resolve(alpha=alpha).rho_psi_weight(residuals, unit * math.exp(log_scale))[0]
        return float(cases @ rho) / total + log_scale + log_partition(alpha)[0]

    least = math.log(floor / unit)
    bounds = [(0.0, 2.0), (min(least, -1.0), max(20.0, least + 1.0))]
    ends = [minimize(nll, (alpha, 0.0), method="L-BFGS-B", bounds=bounds) for alpha in _SHAPES]
    alpha, log_scale = min(ends, key=lambda end: end.fun).x
    return resolve(alpha=float(alpha)), unit * math.exp(log_scale)
