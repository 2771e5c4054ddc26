"""The regression at a given shape: the tables of its starts and scales, and the fit by them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..design.residuals import most_are_exact, normal_scaled_quantile, truncated_deviation
from ..limits import LIMITS
from ..linear_algebra import minimum_norm
from ..losses import regression_constant, resolve
from ..problem import Objective
from ..scales import WINDOW, normal_quantile
from ..solvers.anderson import minimise_near
from ..solvers.irls import irls
from ..solvers.result import RegressionResult, SolverResult, Start, quiet
from ..solvers.solver import choose
from .level_moves import minimise_with_level_moves
from .residual_scales import (
    MadScale,
    TruncatedScale,
    minimise_with_falling_scale,
    minimise_with_scale,
    packed_with_mad,
)
from .shared_starts import SharedStarts
from .starts import from_params, refined
from .subsample import start_from_subsample
from .unbelieved import hold_unbelieved

_LOOSE = {"tol": 1e-3, "max_iter": 100, "report": quiet}
"""Options of the searches that only lead to a start."""
_FEW = 5
"""Iterations within which a fit to the same rows is found again."""
_CLOSE = 5.0
"""Times ``tol`` within which it is the same fit: both may err by it."""
_GRADUATION = (1.0, 0.5, 0.0, -1.0, -2.0, -5.0, -20.0)
"""Shapes on the way from a convex loss to one that redescends."""


@dataclass(frozen=True)
class Regression:
    """A fit at a given shape, and what its start and scale may ask of it.

    Where there are many rows, all of it is first done on a sample of them, and what that finds
    is followed on all rows.

    Attributes
    ----------
    ground : SharedStarts
        Of the same rows and penalty.
    objective : Objective
        At the scale c that is given, or any.
    init : str or ndarray of shape (n_parameters,)
        The name of a start, or parameters.
    scale : str or float
        The name of a residual scale; a number where c is given.
    efficiency : float
        That for which a residual scale is multiplied to get c.
    previous : float or None
        The scale c of the fit before, where ``init`` holds what it found.
    """

    ground: SharedStarts
    objective: Objective
    init: Any
    scale: str | float
    efficiency: float
    previous: float | None = None

    @cached_property
    def sample(self) -> Regression | None:
        """The same fit of a sample, loosely; None where that would not help."""
        if self.objective.loss.alpha == 2.0 or self._compiled or self.ground.sample is None:
            return None
        ground = self.ground.sample
        objective = replace(self.objective, problem=ground.problem)
        return replace(self, ground=ground, objective=objective)

    @property
    def _compiled(self) -> bool:
        """Whether all is found from least squares without leaving compiled code."""
        if not isinstance(self.init, str) or self.init != "ols" or self.ground.solver == "lbfgs":
            return False
        packed = self.objective.design.packed()
        return packed is not None and (self.scale_given or (self.scale == "mad" and packed.equal))

    @property
    def scale_given(self) -> bool:
        """Whether c is given."""
        return not isinstance(self.scale, str)

    @cached_property
    def constant(self) -> float:
        """The scale c over the residual scale."""
        return regression_constant(self.objective.loss, self.efficiency)

    @property
    def followed(self) -> bool:
        """Whether searches begin close to their ends, as they do on this ground."""
        return self.sample is not None and self.ground.followed

    def minimise(self, objective: Objective, start: Start, **options) -> SolverResult:
        """Minimise at a fixed scale."""
        if self.followed:
            return self.ground.minimise(objective, start, **options)
        solver = choose(self.ground.solver, objective.design)
        return minimise_with_level_moves(solver, objective, start, **options)

    def fit(self, report, neighbour: RegressionResult | None = None) -> RegressionResult:
        """Minimise.

        Parameters
        ----------
        report : callable
            Called with the objective at the beginning of each iteration.
        neighbour : RegressionResult, optional
            The fit of another loss with the same rows, penalty and rule for the scale: the
            search begins there if the objective is lower than at the start, and it must not
            matter where it does.
        """
        start = self._start(neighbour)
        options = self.ground.options(report)
        result, sigma, vanished = self._search(start, options)
        unbelieved: tuple[int, ...] = ()
        if self._may_believe_no_row and not vanished:
            result, unbelieved = hold_unbelieved(
                lambda start: self._search(start, options)[0], result, self.objective, start,
                self.ground.least_squares.root,
            )  # fmt: skip
        params = result.params
        if self.objective.loss.alpha == 2.0:
            params = refined(self.objective.problem, params, self.ground.least_squares.root)
        params = minimum_norm(params, self.objective.design.columns.unit, start.root.null)
        return RegressionResult(
            **{**vars(result), "params": params}, sigma=sigma, vanished=vanished,
            exact=vanished and most_are_exact(self.objective.design, params), unbelieved=unbelieved,
        )  # fmt: skip

    @property
    def _may_believe_no_row(self) -> bool:
        """Whether a coefficient may rest on rejected rows alone."""
        problem = self.objective.problem
        return (
            self.objective.loss.redescending
            and problem.ridge.is_zero
            and problem.design.columns.n_parameters <= LIMITS.widest
            and problem.design.levels() is not None
        )

    def _start(self, neighbour) -> Start:
        if not isinstance(self.init, str):
            return from_params(self.objective.problem, self.init)
        if neighbour is not None and self._leads_to_one:
            start = self._named_start
            c = self.objective.scale if self.scale_given else self.constant * neighbour.sigma
            objective = (self.sample or self).objective.at(c)
            if objective.value(neighbour.params) < objective.value(start.params):
                if self.sample is not None:
                    return start_from_subsample(objective, neighbour.params)
                return replace(start, params=neighbour.params)
        if self.sample is not None:
            found = self.sample.fit(quiet)
            return start_from_subsample(self.sample.objective.at(found.scale), found.params)
        return self._named_start

    @cached_property
    def _named_start(self) -> Start:
        return STARTS[self.init](self)

    @property
    def _leads_to_one(self) -> bool:
        """Whether searches from places that are likely end in the same minimum.

        It is the only one, or c is that of the S-estimate, beside which others are shallow.
        """
        return not self.objective.loss.redescending or self.scale in ("s", "reweighted")

    def _search(self, start, options):
        if isinstance(self.scale, str):
            return SCALES[self.scale](self, start, options)
        return self.minimise(self.objective, start, **options), None, False


# ---- starts --------------------------------------------------------------------------


def _ols_start(regression: Regression) -> Start:
    return regression.ground.least_squares


def _s_start(regression: Regression) -> Start:
    estimate = regression.ground.s_estimate
    if regression.scale != "s":
        estimate = estimate.least_biased
    return Start(estimate.params, estimate.root)


def _gnc_start(regression: Regression) -> Start:
    """Graduated non-convexity (Blake & Zisserman 1987): from convex to the target, c held."""
    objective, start = regression.objective, regression.ground.least_squares
    target = objective.loss.alpha
    if not regression.scale_given:
        convex = replace(objective, loss=resolve(alpha=_GRADUATION[0]))
        mad = MadScale(objective.design, regression.constant)
        result = minimise_with_scale(regression.minimise, convex, start, mad, **_LOOSE)
        start, objective = replace(start, params=result.params), objective.at(mad(result.params))
    for alpha in _GRADUATION:
        if math.isnan(target) or alpha > target:
            graduated = replace(objective, loss=resolve(alpha=alpha))
            start = replace(start, params=regression.minimise(graduated, start, **_LOOSE).params)
    return start


STARTS = {"ols": _ols_start, "gnc": _gnc_start, "s": _s_start}
"""Every start that has a name."""


# ---- scales --------------------------------------------------------------------------


def _mad(regression: Regression, start: Start, options):
    mad = MadScale(regression.objective.design, regression.constant)
    minimise, objective = regression.minimise, regression.objective
    result = None
    if regression.followed and start.scale is not None:
        result = minimise_near(objective.at(start.scale), start, mad, **options)
    elif choose(regression.ground.solver, objective.design) is irls:
        result = packed_with_mad(objective, start, mad, **options)
    if result is None:
        result = minimise_with_scale(minimise, objective, start, mad, **options)
    return result, mad.sigma(result.scale), mad.vanished


def _s(regression: Regression, start: Start, options):
    estimate = regression.ground.s_estimate
    objective = regression.objective.at(regression.constant * estimate.sigma)
    if estimate.exact:  # from elsewhere no row is near enough at the floor to be of influence
        starts = [start, replace(start, params=estimate.params)]
        start = min(starts, key=lambda one: objective.value(one.params))
    result = regression.minimise(objective, start, **options)
    return result, estimate.sigma, estimate.exact


def _reweighted(regression: Regression, start: Start, options):
    unmoved = _unmoved(regression, start, options)
    if unmoved is not None:
        return unmoved
    estimate = regression.ground.s_estimate.least_biased
    if estimate.exact:
        return _s(regression, start, options)
    minimise, objective = regression.minimise, regression.objective
    sigma = regression.ground.truncated_sigma
    truncated = TruncatedScale(objective.design, regression.constant, estimate.n_parameters, sigma)
    objective = objective.at(truncated.scale(sigma))
    result = minimise_with_falling_scale(minimise, objective, start, truncated, **options)
    return result, truncated.sigma(result.scale), truncated.is_floor(result.scale)


def _unmoved(regression: Regression, start: Start, options):
    """Return the fit before, found again in few steps, or None where these rows ask for another.

    No S-estimate is needed where coefficients and scale are still at rest, and half of the rows
    within the window of the scale: it would only lead to them again.
    """
    previous, design = regression.previous, regression.objective.design
    if previous is None or len(start.params) > LIMITS.widest:
        return None
    sigma, floor = previous / regression.constant, design.floor
    n_parameters = regression.objective.problem.free_parameters(start.root)
    if not floor < sigma or design.half_of_cases(n_parameters) <= 0.0:
        return None

    def change(params):
        if normal_scaled_quantile(design, params, 0.5) * normal_quantile(0.5) > WINDOW * sigma:
            return math.inf
        found = truncated_deviation(design, params, sigma, n_parameters)
        return math.log(sigma / max(found, floor))

    objective = regression.objective.at(previous)
    allowed = max(options["tol"], objective.rounding(start.params, start.root))
    if change(start.params) > _CLOSE * allowed:
        return None
    few = {"max_iter": min(options["max_iter"], _FEW), "report": quiet}
    result = regression.minimise(objective, start, **options | few)
    moved = np.abs(result.params - start.params) / (previous + np.abs(start.params))
    same = max(moved.max(), change(result.params)) <= _CLOSE * allowed
    if not (result.converged and same):
        return None
    for value in result.history:
        options["report"](value)
    return result, sigma, False


SCALES = {"mad": _mad, "s": _s, "reweighted": _reweighted}
"""Every residual scale that has a name."""


def automatic(loss, init, scale):
    """Return the names that "auto" stands for, in the place of it; others as they are.

    A loss that redescends starts from the S-estimate, and where that is the start its scale,
    reweighted, is the scale.
    """
    if isinstance(init, str) and init == "auto":
        init = "s" if loss.redescending else "ols"
    if isinstance(scale, str) and scale == "auto":
        scale = "reweighted" if isinstance(init, str) and init == "s" else "mad"
    return init, scale
