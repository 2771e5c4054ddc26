"""Solvers of the likelihood in coefficients, scale and shape together."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from ..linear_algebra import InverseRoot
from ..problem import BELOW_TWO, Likelihood
from .anderson import System, accelerated
from .irls import irls
from .lbfgs import MAJORANT, Search, is_cheap
from .packed import LARGEST_LOG, irls_packed
from .result import AdaptiveResult, AdaptiveStart, Status, first_usable, quiet, unusable
from .selecting import irls_selecting

_LARGEST_SHIFT = 0.25 / math.e
"""The largest value of eta - log c."""
_SHARPER = 0.03
"""Tolerance of the coefficients relative to the remaining change of scale and shape."""
_UPHILL = 1e-9
"""Increase of the likelihood, relative to its size or 1, that may be rounding."""
_SHAPE_UNIT = 2.0
"""Change of alpha that changes the likelihood about as much as a change of log c by 1."""


class Joint:
    """The likelihood as a function of x: root coordinates, eta, and alpha in its unit.

    At a fixed c the slope in alpha is logarithmically infinite at 2, unless c is the optimal
    one. Where c is free, eta = log c + (b/4)·log(1/b), b = 2 - alpha, takes its place: at a
    fixed eta the infinite parts cancel. Where c is bounded, eta is log c.
    """

    def __init__(self, likelihood, start):
        self._likelihood = likelihood
        self._origin = start.params
        self._root = start.root
        self._unit = start.scale
        self.rounding = likelihood.objective(start.scale, start.alpha).rounding(
            start.params, start.root
        )
        self._free = not math.isfinite(likelihood.scale_bounds[1])
        eta_bounds = np.minimum(np.log(likelihood.scale_bounds), LARGEST_LOG)
        eta_bounds[0] += _LARGEST_SHIFT if self._free else 0.0
        eta = max(math.log(start.scale) + self._shift(start.alpha)[0], eta_bounds[0])
        none = np.zeros(start.root.root.shape[1])
        self.x = np.concatenate([none, [eta, start.alpha / _SHAPE_UNIT]])
        self.bounds = np.vstack([
            np.tile([-np.inf, np.inf], (len(none), 1)),
            eta_bounds,
            np.array(likelihood.alpha_bounds) / _SHAPE_UNIT,
        ])  # fmt: skip

    def _shift(self, alpha):
        """Return eta - log c and its derivative in alpha."""
        if not self._free:
            return 0.0, 0.0
        b = max(2.0 - alpha, 2.0 - BELOW_TWO)
        return -0.25 * b * math.log(b), 0.25 * (1.0 + math.log(b))

    def split(self, x):
        """Return parameters, scale and shape."""
        params = self._origin + self._unit * (self._root.root @ x[:-2])
        alpha = float(x[-1] * _SHAPE_UNIT)
        return params, math.exp(x[-2] - self._shift(alpha)[0]), alpha

    def value_gradient(self, x):
        params, scale, alpha = self.split(x)
        value, gradient, (scale_slope, shape_slope) = self._likelihood.value_gradients(
            params, scale, alpha
        )
        shape_slope -= self._shift(alpha)[1] * scale_slope
        free = self._root.root.T @ gradient * (self._unit / scale)
        return value, np.concatenate([free, [scale_slope, shape_slope * _SHAPE_UNIT]])

    def size(self, x, step, decrease):
        params, scale, alpha = self.split(x)
        objective = self._likelihood.objective(scale, alpha)
        change = self._unit * (self._root.root @ step[:-2])
        coefficients = objective.relative_size(change, params, decrease, self._root)
        return max(coefficients, abs(step[-2]), abs(step[-1] * _SHAPE_UNIT))

    def reported(self, value):
        return value


def joint(likelihood: Likelihood, start: AdaptiveStart, *, tol, max_iter, report) -> AdaptiveResult:
    """Minimise the negative log-likelihood in all its arguments together, by L-BFGS-B.

    In tables that are not large, a search that gives up is continued with the curvature at its last
    point: near shape 0 few rows count, and the curvature is far from that of least squares.

    Parameters
    ----------
    likelihood : Likelihood
    start : AdaptiveStart
        Within the bounds.
    tol, max_iter, report
        As in :func:`sklearn_robust.solvers.irls.irls`; ``tol`` also bounds the remaining steps of
        log c and alpha.

    Returns
    -------
    AdaptiveResult
    """
    history: list[float] = []
    while True:
        problem = Joint(likelihood, start)
        most = max_iter - len(history)
        search = Search(problem, tol=tol, max_iter=most, report=report)
        history += search.history
        where = problem.split(search.end)
        before = start
        if not search.converged and len(history) < max_iter and is_cheap(likelihood.design):
            start = _reconditioned(likelihood, start, *where)
        if start is before:
            return _result(where, history, search.converged)


def _reconditioned(likelihood, start, params, scale, alpha):
    """Return a start at a point with its curvature, or the same start if its rank differs."""
    root = likelihood.objective(scale, alpha).curvature(params, MAJORANT)[-1]
    if root.root.shape[1] != start.root.root.shape[1]:
        return start
    return replace(start, params=params, scale=scale, alpha=alpha, root=root)


def likelihood_near(
    likelihood: Likelihood, start: AdaptiveStart, *, tol, max_iter, report
) -> AdaptiveResult:
    """Minimise near a start from a subsample, with the curvature of the start.

    Without a line search the steps may lead uphill; the search has then stalled. Parameters and
    result are those of :func:`joint`.
    """
    if start.curvature is None:
        return unusable(AdaptiveResult, start, Status.NOT_APPLICABLE, alpha=math.nan)
    problem = Joint(likelihood, start)
    system = JointSystem(problem, start.curvature)
    x, history, converged = accelerated(system, tol=tol, max_iter=max_iter, report=report)
    if not converged or history[-1] > history[0] + _UPHILL * max(abs(history[0]), 1.0):
        return unusable(AdaptiveResult, start, Status.STALLED, alpha=math.nan)
    return _result(problem.split(x), history, converged)


def _result(where, history, converged):
    params, scale, alpha = where
    return AdaptiveResult(
        params=params,
        scale=scale,
        objective=history[-1],
        n_iter=len(history),
        status=Status.of(converged),
        history=tuple(history),
        alpha=alpha,
    )


class JointSystem(System):
    """The likelihood as a system of equations: its gradient is zero."""

    def __init__(self, problem, curvature):
        self._problem, self._curvature = problem, curvature
        self._low, self._high = problem.bounds.T
        self.x = problem.x

    def read(self, x):
        value, gradient = self._problem.value_gradient(x)
        low, high = self._low, self._high
        held = ((x <= low) & (gradient > 0.0)) | ((x >= high) & (gradient < 0.0))
        step = np.where(held, 0.0, -gradient)
        inner = np.where(held[-2:] | held[-2:, None], np.eye(2), self._curvature)
        step[-2:] = np.linalg.solve(inner, step[-2:])
        return value, step, self._problem.size(x, step, float(np.dot(gradient, step)))

    def within(self, x):
        return np.clip(x, self._low, self._high)


def coefficients_held(start: AdaptiveStart) -> AdaptiveStart:
    """Return the start of a search of scale and shape alone."""
    none = np.empty((len(start.params), 0))
    return replace(start, root=InverseRoot(none, none))


def alternating(
    likelihood: Likelihood, start: AdaptiveStart, *, tol, max_iter, report
) -> AdaptiveResult:
    """Alternate between coefficients, by IRLS, and scale and shape.

    Parameters and result are those of :func:`joint`. The remaining distance is extrapolated from
    the last change of log c and alpha and the rate at which changes shrink.
    """
    history: tuple[float, ...] = ()
    previous, accuracy = math.inf, max(tol, _SHARPER)
    while True:
        objective = likelihood.objective(start.scale, start.alpha)
        options = {"tol": accuracy, "max_iter": max_iter - len(history), "report": quiet}
        selects = objective.problem.standardised_penalty.selects
        ways = (irls_selecting,) if selects else (irls_packed, irls)
        coefficients = first_usable(*(partial(way, objective, start, **options) for way in ways))
        shape = joint(
            likelihood, coefficients_held(replace(start, params=coefficients.params)),
            tol=_SHARPER * tol, max_iter=max_iter, report=quiet,
        )  # fmt: skip
        history += (shape.objective,) * coefficients.n_iter
        for value in history[-coefficients.n_iter :]:
            report(value)
        change = max(abs(math.log(shape.scale / start.scale)), abs(shape.alpha - start.alpha))
        rate = min(change / previous, 0.99) if previous > 0.0 else 0.0
        converged = coefficients.converged and accuracy <= tol
        converged = converged and change * rate / (1.0 - rate) <= tol
        start = replace(start, params=shape.params, scale=shape.scale, alpha=shape.alpha)
        if converged or len(history) >= max_iter:
            return replace(shape, n_iter=len(history), status=Status.of(converged), history=history)
        previous, accuracy = change, max(tol, _SHARPER * min(change, 1.0))


LIKELIHOOD_SOLVERS = {"lbfgs": joint, "irls": alternating}
"""Every solver of the likelihood that users can name."""
