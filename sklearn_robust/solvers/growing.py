"""The likelihood whose scale grows with columns of X, and its search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from .. import kernels
from ..design import LocalDesign
from ..design.algebra import gram
from ..design.base import added
from ..design.residuals import residuals
from ..limits import LIMITS
from ..linear_algebra import InverseRoot, pseudo_inverse_root
from ..losses import resolve
from ..partition import log_normaliser
from ..problem import BELOW_TWO, Likelihood
from ..scales import ENOUGH
from .anderson import accelerated
from .lbfgs import MAJORANT, Search
from .likelihood import Joint, JointSystem
from .packed import LARGEST_LOG
from .result import AdaptiveResult, AdaptiveStart, Status, unusable

_TRIAL = 1e-4
"""Length of the finite difference in log scale and shape that gives their curvature."""
_UPHILL = 1e-9
"""Increase of the likelihood, relative to its size or 1, that may be rounding."""
_STRETCH = 16
"""Number of iterations after which the curvature is computed again."""
_AT_ONCE = 2048
"""Rows between two readings of which they stay in the cache."""


@dataclass(frozen=True)
class GrowingLikelihood:
    r"""Mean negative log-likelihood in which every row has a scale of its own, and penalties.

    .. math:: \frac{\sum_i s_i\,[\rho(r_i/c_i; \alpha) + \log c_i + \log Z(\alpha)]}{\sum_i s_i}
              - \frac{p}{n} \log\frac{c}{\sqrt{I(\alpha)}}
              + \frac{\lambda}{2 c^2} \lVert\beta\rVert^2 + \frac{\lambda_u}{2} \lVert g \rVert^2,
              \qquad \log c_i = \log c + u_i g

    The second part is the adjustment of :class:`~sklearn_robust.problem.Likelihood`, as if every
    row had the same leverage. It does not count g, as it does not count c and :math:`\alpha`.

    A row whose scale would be below the floor has the floor, and no influence on g and c.

    Attributes
    ----------
    plain : Likelihood
        The same with g = 0.
    scale_design : LocalDesign
        The same rows with the columns u, which it standardises, and a target of zeros.
    penalty : float
        The strength of the penalty on g.
    """

    plain: Likelihood
    scale_design: LocalDesign
    penalty: float

    @property
    def design(self) -> LocalDesign:
        """The rows, which are in this process."""
        return cast(LocalDesign, self.plain.design)

    def thinned(self, most) -> GrowingLikelihood:
        """Return the likelihood of at most so many evenly spaced rows with a weight alone."""
        places = np.arange(0, self.design.n_present, -(-self.design.n_present // most))
        return replace(
            self, plain=self.plain.on(self.design.take(places)),
            scale_design=self.scale_design.take(places),
        )  # fmt: skip

    def log_scales(self, slopes, log_c) -> np.ndarray:
        """Return log c of every row, not below the floor."""
        units = self.scale_design.columns.unit
        logs = self.scale_design.map_rows(
            lambda rows, start, stop: rows.residuals_of_range(-slopes / units, -log_c, start, stop)
        )
        return np.clip(logs, self._least, LARGEST_LOG)

    @property
    def _least(self) -> float:
        return math.log(self.design.floor)

    def n_at_floor(self, start) -> int:
        """Return how many rows with a weight have the least scale."""
        at = self.log_scales(start.slopes, math.log(start.scale)) <= self._least
        return int(np.count_nonzero(at[self.design.present()]))

    def value_at(self, start) -> float:
        """Return the value at a start."""
        return self.value_gradients(start.params, start.slopes, math.log(start.scale), start.alpha)[
            0
        ]

    def unpenalised(self, result) -> float:
        """Return the mean negative log-likelihood of a result, without the penalties."""
        alone = replace(self.plain, problem=self.plain.problem.unpenalised(), n_parameters=0.0)
        return replace(self, plain=alone, penalty=0.0).value_at(result)

    def value_gradients(self, params, slopes, log_c, alpha):
        """Return the value and its slopes; the rows are read twice.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
            c times the derivative in the parameters.
        growth : ndarray of shape (n_columns,)
            The derivatives in g.
        others : ndarray of shape (2,)
            The derivatives in log c and in alpha.
        """
        design, sizes, least = self.design, self.scale_design, self._least
        coef, intercept = design.columns.split(params)
        growing = -slopes / sizes.columns.unit  # rows of zeros minus this are log c

        def part(rows, start, stop):
            value, shape, influence, pull = kernels.growing_loss(
                alpha, rows.residuals_of_range(coef, intercept, start, stop),
                sizes.residuals_of_range(growing, -log_c, start, stop), log_c, least, LARGEST_LOG,
                rows.cases_of(start, stop),
            )  # fmt: skip
            gradient = rows.gradient_range(influence, start, stop)
            return value, shape, gradient, sizes.gradient_range(pull, start, stop)

        def task(rows, start, stop):
            edges = range(start, stop, _AT_ONCE)
            return added(part(rows, first, min(first + _AT_ONCE, stop)) for first in edges)

        value, shape, gradient, growth = design.reduce(task)
        total, penalty = design.total_weight, self.plain.problem.standardised_penalty
        gradient = gradient / total
        gradient[:-1] /= design.columns.unit
        gradient = gradient[: design.columns.n_parameters]
        rest, slope = penalty.value_gradient(params, math.exp(log_c))
        fitted = self.plain.fitted
        normaliser = log_normaliser(alpha, fitted)[0] - fitted * log_c
        normaliser_slope = log_normaliser(min(alpha, BELOW_TWO), fitted)[1]
        value = value / total + normaliser + rest + 0.5 * self.penalty * float(slopes @ slopes)
        pull = -growth[-1] / total - fitted - 2.0 * rest
        others = np.array([pull, shape / total + normaliser_slope])
        growth = self.penalty * slopes - growth[:-1] / (total * sizes.columns.unit)
        return value, gradient + slope, growth, others


@dataclass(frozen=True)
class GrowingStart(AdaptiveStart):
    """Where a search of the likelihood begins.

    Attributes
    ----------
    slopes : ndarray of shape (n_columns,)
        The coefficients g of the standardised columns in log c.
    slopes_root : ndarray of shape (n_columns, rank)
        Inverse root of the curvature in them.
    """

    slopes: np.ndarray = field(default_factory=lambda: np.empty(0))
    slopes_root: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    def at(self, result: GrowingResult) -> GrowingStart:
        """Return the start at a result."""
        return replace(
            self, params=result.params, scale=result.scale, alpha=result.alpha,
            slopes=result.slopes,
        )  # fmt: skip


@dataclass(frozen=True)
class GrowingResult(AdaptiveResult):
    """Where a search for coefficients, scale, its growth and shape ended.

    Attributes
    ----------
    slopes : ndarray of shape (n_columns,)
    """

    slopes: np.ndarray


class _GrowingJoint(Joint):
    """The likelihood as a function of x, as in Joint, with coordinates of g before the last two."""

    def __init__(self, growing, start):
        super().__init__(growing.plain, start)
        self._growing, self._slopes = growing, start.slopes
        self._slopes_root = start.slopes_root
        free = start.slopes_root.shape[1]
        self._n = len(self.x) - 2
        self.x = np.insert(self.x, [self._n] * free, 0.0)
        unbounded = np.tile([-np.inf, np.inf], (free, 1))
        self.bounds = np.vstack([self.bounds[: self._n], unbounded, self.bounds[self._n :]])

    def _without(self, x):
        return np.append(x[: self._n], x[-2:])

    def growth(self, x):
        """Return g."""
        return self._slopes + self._slopes_root @ x[self._n : -2]

    def start_at(self, start, x):
        """Return a start at x."""
        params, scale, alpha = self.split(self._without(x))
        return replace(start, params=params, scale=scale, alpha=alpha, slopes=self.growth(x))

    def value_gradient(self, x):
        params, scale, alpha = self.split(self._without(x))
        value, gradient, growth, (scale_slope, shape_slope) = self._growing.value_gradients(
            params, self.growth(x), math.log(scale), alpha
        )
        shape_slope -= self._shift(alpha)[1] * scale_slope
        free = self._root.root.T @ gradient * (self._unit / scale)
        turned = self._slopes_root.T @ growth
        return value, np.concatenate([free, turned, [scale_slope, 2.0 * shape_slope]])

    def size(self, x, step, decrease):
        plain = super().size(self._without(x), self._without(step), decrease)
        moved = np.abs(self._slopes_root @ step[self._n : -2])
        return max(plain, float(np.max(moved, initial=0.0)))


def conditioned(growing: GrowingLikelihood, start: GrowingStart) -> GrowingStart:
    """Return the same start with the curvature there.

    At given coefficients the likelihood is convex in log c and g. In the coefficients the curvature
    keeps a share of the majorant, so it is positive. It is that of at most 20 000 evenly spaced
    rows.
    """
    growing, loss = growing.thinned(ENOUGH), resolve(alpha=start.alpha)
    design = growing.design
    columns = growing.scale_design.standardised(slice(None))[:-1].T
    logs = growing.log_scales(start.slopes, math.log(start.scale))
    scaled = residuals(design, start.params) * np.exp(-logs)
    weights, slopes = loss.rho_psi_weight(scaled, 1.0)[2], loss.slopes(scaled, 1.0)
    z = np.minimum(np.abs(scaled), 1e150) ** 2
    bent = columns.T @ (columns * (design.shares() * z * (weights + slopes))[:, None])
    bent += growing.penalty * np.eye(len(bent))
    start = replace(start, slopes_root=pseudo_inverse_root(bent))
    if design.columns.n_parameters > LIMITS.widest:
        return start
    slopes = np.maximum(slopes, 0.0)
    slopes += MAJORANT * np.maximum(weights - slopes, 0.0)
    sizes = slopes * np.exp(2.0 * (math.log(start.scale) - logs))
    found = gram(design, np.eye(design.columns.n_parameters), sizes)
    found += np.diag(growing.plain.problem.standardised_penalty.curvature)
    return replace(start, root=InverseRoot(pseudo_inverse_root(found), start.root.null))


def grow_near(growing: GrowingLikelihood, start: GrowingStart, *, tol, max_iter, report):
    """Minimise near a start by Newton's method with the curvature there, Anderson-accelerated.

    Parameters and result are those of :func:`grow`. Steps may lead uphill; the search has then
    stalled.
    """
    start = conditioned(growing, start)
    curvature = _scale_and_shape_curvature(_GrowingJoint(growing.thinned(ENOUGH), start))
    problem = _GrowingJoint(growing, start)
    stalled = unusable(GrowingResult, start, Status.STALLED, alpha=start.alpha, slopes=start.slopes)
    if not np.linalg.eigvalsh(curvature)[0] > 0.0:
        return stalled
    system = JointSystem(problem, curvature)
    x, history, converged = accelerated(system, tol=tol, max_iter=max_iter, report=report)
    if not converged or history[-1] > history[0] + _UPHILL * max(abs(history[0]), 1.0):
        return stalled
    return _result(problem.start_at(start, x), history, Status.CONVERGED)


def _scale_and_shape_curvature(problem: _GrowingJoint) -> np.ndarray:
    """Return the curvature in the last two coordinates, log scale and shape, by differences."""
    gradient = problem.value_gradient(problem.x)[1][-2:]
    curvature = np.empty((2, 2))
    for k, place in enumerate((-2, -1)):
        ahead = problem.x.copy()
        ahead[place] += -_TRIAL if ahead[place] > np.mean(problem.bounds[place]) else _TRIAL
        change = problem.value_gradient(ahead)[1][-2:] - gradient
        curvature[:, k] = change / (ahead[place] - problem.x[place])
    return 0.5 * (curvature + curvature.T)


def grow(growing: GrowingLikelihood, start: GrowingStart, *, tol, max_iter, report):
    """Minimise the negative log-likelihood in all its arguments together, by L-BFGS-B.

    The coordinates are those of the curvature, which is computed again after some iterations.

    Parameters
    ----------
    growing : GrowingLikelihood
    start : GrowingStart
        Within the bounds.
    tol, max_iter, report
        As in :func:`sklearn_robust.solvers.likelihood.joint`; ``tol`` also bounds the remaining
        steps of g.

    Returns
    -------
    GrowingResult
    """
    history: list[float] = []
    while True:
        start = conditioned(growing, start)
        problem = _GrowingJoint(growing, start)
        most = min(_STRETCH, max_iter - len(history))
        search = Search(problem, tol=tol, max_iter=most, report=report)
        history += search.history
        start = problem.start_at(start, search.end)
        if search.converged or len(history) >= max_iter:
            break
    return _result(start, history, Status.of(search.converged))


def _result(end: GrowingStart, history, status) -> GrowingResult:
    return GrowingResult(
        params=end.params, scale=end.scale, objective=history[-1], n_iter=len(history),
        status=status, history=tuple(history), alpha=end.alpha, slopes=end.slopes,
    )  # fmt: skip
