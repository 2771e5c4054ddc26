"""The regression at a given shape: starts, residual scales, the fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast

import numpy as np

from ..design.residuals import most_are_exact, normal_scaled_quantile
from ..limits import LIMITS
from ..linear_algebra import minimum_norm
from ..losses import regression_constant, resolve
from ..problem import Objective
from ..scale_rules import MadScale, falling_scale
from ..scales import WINDOW, normal_quantile
from ..solvers.result import (
    RegressionResult,
    SolverResult,
    Start,
    Status,
    first_usable,
    quiet,
    unusable,
)
from .grown_rows import has_few_rows, rounding_step
from .level_moves import minimise_with_level_moves
from .plan import Plan, minimise_by
from .residual_scales import (
    minimise_with_falling_scale,
    minimise_with_scale,
    near_with_mad,
    packed_with_mad,
    selecting_with_mad,
)
from .shared_starts import SharedStarts
from .starts import from_params, refined
from .subsample import start_from_subsample
from .unbelieved import fit_unbelieved

LOOSE: dict[str, Any] = {"tol": 1e-3, "max_iter": 100, "report": quiet}
"""Options of the searches for a start."""
_GRADUATION = (1.0, 0.5, 0.0, -1.0, -2.0, -5.0, -20.0)
"""Shapes of graduated non-convexity, from a convex loss to redescending ones."""
_FEW = 5
"""Most iterations in which a previous fit may be confirmed."""
_CLOSE = 5.0
"""Difference of two fits, in ``tol``, up to which they count as the same."""


@dataclass(frozen=True)
class Regression:
    """A fit at a given shape.

    With many rows, a subsample is fitted first in the same way, and the fit of all rows begins at
    its result.

    Attributes
    ----------
    shared : SharedStarts
        Starts for the same rows and penalty.
    objective : Objective
        Its scale is the given c; if c is estimated it can be any.
    init : str or ndarray of shape (n_parameters,)
        The name of a start, or parameters.
    scale : str or float
        The name of a residual scale, or the given c.
    efficiency : float
        Asymptotic efficiency, from which the ratio of c to a residual scale follows.
    previous : float or None
        The scale c of the previous fit, if ``init`` holds the parameters of that fit.
    """

    shared: SharedStarts
    objective: Objective
    init: Any
    scale: str | float
    efficiency: float
    previous: float | None = None

    @cached_property
    def plan(self) -> Plan:
        """The plan of the fit."""
        init = self.init if isinstance(self.init, str) else "given"
        scale = self.scale if isinstance(self.scale, str) else "given"
        subsampled = self.objective.loss.alpha != 2.0 and not self._compiled
        return self.shared.plan(init, scale, subsampled=subsampled)

    @property
    def _compiled(self) -> bool:
        """Whether the whole fit starts from least squares and runs in compiled code."""
        if not isinstance(self.init, str) or self.init != "ols" or self.shared.solver == "lbfgs":
            return False
        packed = self.objective.design.packed()
        return packed is not None and (self.scale_given or (self.scale == "mad" and packed.equal))

    @cached_property
    def sample(self) -> Regression | None:
        """The same fit for the subsample, to a larger ``tol``; None if the plan has none."""
        if self.plan.n_first == 0:
            return None
        shared = cast(SharedStarts, self.shared.sample)
        objective = replace(self.objective, problem=shared.problem)
        return replace(self, shared=shared, objective=objective)

    @property
    def scale_given(self) -> bool:
        """Whether c is given."""
        return not isinstance(self.scale, str)

    @cached_property
    def constant(self) -> float:
        """The ratio of c to the residual scale."""
        return regression_constant(self.objective.loss, self.efficiency)

    def minimise(self, objective: Objective, start: Start, **options) -> SolverResult:
        """Minimise at a fixed scale."""
        minimise = partial(minimise_by, self.plan.solvers)
        return minimise_with_level_moves(minimise, objective, start, **options)

    def fit(self, report, neighbour: RegressionResult | None = None) -> RegressionResult:
        """Minimise.

        Parameters
        ----------
        report : callable
            Called with the objective at the beginning of each iteration.
        neighbour : RegressionResult, optional
            The fit of another loss or penalty with the same rows and residual scale. The search
            begins there if the objective is lower than at the start, and if the start does not
            decide which minimum is found.
        """
        start = self._start(neighbour)
        at_scale = SCALES[self.scale] if isinstance(self.scale, str) else _given
        search = partial(at_scale, self, options=self.shared.options(report))
        result = search(start)
        if self._may_have_unbelieved_directions and not result.vanished:
            root = self.shared.least_squares.root
            result = fit_unbelieved(search, result, self.objective, start, root)
        params, problem = result.params, self.objective.problem
        if self.objective.loss.alpha == 2.0 and not problem.standardised_penalty.selects:
            params = refined(problem, params, self.shared.least_squares.root)
        params = minimum_norm(params, self.objective.design.columns.unit, start.root.null)
        exact = result.vanished and most_are_exact(self.objective.design, params)
        return replace(result, params=params, exact=exact)

    @property
    def _may_have_unbelieved_directions(self) -> bool:
        """Whether only rejected rows may determine a coefficient."""
        problem = self.objective.problem
        return (
            self.objective.loss.redescending
            and problem.standardised_penalty.is_zero
            and problem.design.columns.n_parameters <= LIMITS.widest
            and problem.design.levels() is not None
        )

    def _start(self, neighbour) -> Start:
        if not isinstance(self.init, str):
            return from_params(self.objective.problem, self.init)
        selects = self.objective.problem.standardised_penalty.selects
        if neighbour is not None and selects and not self.objective.loss.redescending:
            return self.shared.start_at(neighbour.params)
        if neighbour is not None and self._leads_to_one and not selects:
            start = self.named_start
            c = self.objective.scale if self.scale_given else self.constant * neighbour.sigma
            objective = (self.sample or self).objective.at(c)
            if objective.value(neighbour.params) < objective.value(start.params):
                if self.sample is not None:
                    return start_from_subsample(objective, neighbour.params)
                return replace(start, params=neighbour.params)
        if self.sample is not None:
            found = self.sample.fit(quiet)
            return start_from_subsample(self.sample.objective.at(found.scale), found.params)
        return self.named_start

    @cached_property
    def named_start(self) -> Start:
        """The start on all rows named ``init``."""
        return STARTS[self.init](self)

    @property
    def _leads_to_one(self) -> bool:
        """Whether searches from likely starts end in the same minimum.

        They do if there is only one, or if c follows from the S-estimate, since other minima are
        then shallow.
        """
        return not self.objective.loss.redescending or self.scale in ("s", "reweighted")


# ---- starts --------------------------------------------------------------------------


def _ols_start(regression: Regression) -> Start:
    return regression.shared.least_squares


def _s_start(regression: Regression) -> Start:
    estimate = regression.shared.s_estimate
    if regression.scale != "s":
        estimate = estimate.least_biased
    return Start(estimate.params, estimate.root)


def _gnc_start(regression: Regression) -> Start:
    """Graduated non-convexity (Blake & Zisserman 1987): from convex to the target, at a fixed c."""
    objective, start = regression.objective, regression.shared.least_squares
    target = objective.loss.alpha
    if not regression.scale_given:
        convex = replace(objective, loss=resolve(alpha=_GRADUATION[0]))
        mad = MadScale(objective.design, regression.constant)
        result = minimise_with_scale(regression.minimise, convex, start, mad, **LOOSE)
        start, objective = (
            replace(start, params=result.params),
            objective.at(mad.c_at(result.params)),
        )
    for alpha in _GRADUATION:
        if math.isnan(target) or alpha > target:
            graduated = replace(objective, loss=resolve(alpha=alpha))
            start = replace(start, params=regression.minimise(graduated, start, **LOOSE).params)
    return start


STARTS = {"ols": _ols_start, "gnc": _gnc_start, "s": _s_start}
"""Every named start."""


# ---- scales --------------------------------------------------------------------------


def _given(regression: Regression, start: Start, options) -> RegressionResult:
    result = regression.minimise(regression.objective, start, **options)
    return RegressionResult(**vars(result), sigma=None, vanished=False)


def _mad(regression: Regression, start: Start, options) -> RegressionResult:
    objective = regression.objective
    mad = MadScale(objective.design, regression.constant)
    together: dict[str, Callable] = {
        "near": near_with_mad, "packed": packed_with_mad, "selecting": selecting_with_mad
    }  # fmt: skip
    searches = [together[name] for name in regression.plan.solvers if name in together]
    searches.append(partial(minimise_with_scale, regression.minimise))
    result = first_usable(*(partial(of, objective, start, mad, **options) for of in searches))
    return RegressionResult(**vars(result), sigma=mad.sigma_of(result.scale), vanished=mad.vanished)


def _s(regression: Regression, start: Start, options) -> RegressionResult:
    estimate = regression.shared.s_estimate
    objective = regression.objective.at(regression.constant * estimate.sigma)
    if estimate.exact:  # at the floor, rows have no influence if the start is off their plane
        starts = [start, replace(start, params=estimate.params)]
        start = min(starts, key=lambda one: objective.value(one.params))
    result = regression.minimise(objective, start, **options)
    return RegressionResult(**vars(result), sigma=estimate.sigma, vanished=estimate.exact)


def _reweighted(regression: Regression, start: Start, options) -> RegressionResult:
    searches = _same_fit_again, _grown, _rounded, _falling
    return first_usable(*(partial(search, regression, start, options) for search in searches))


def _grown(regression: Regression, start: Start, options) -> RegressionResult:
    """Return the fit at the scale of the rows that grow from the S-estimate, if rows are few."""
    grown = regression.shared.grown_rows
    if grown is None:
        status = Status.NOT_APPLICABLE
        return unusable(RegressionResult, start, status, sigma=None, vanished=False)
    objective = regression.objective.at(regression.constant * grown.sigma)
    if isinstance(regression.init, str) and regression.init == "s":
        start = replace(start, params=grown.params)
    result = regression.minimise(objective, start, **options)
    return RegressionResult(**vars(result), sigma=grown.sigma, vanished=False)


def _rounded(regression: Regression, start: Start, options) -> RegressionResult:
    """Return the fit at half a step of rounded targets, if most of few rows lie on one plane.

    They lie there because y is rounded, and how far the others are off says nothing about the
    errors, except that half a step is rounding. Other planes may hold as many rows, so a convex fit
    is another start, and the lower minimum is returned.
    """
    estimate, step = regression.shared.s_estimate.least_biased, 0.0
    if estimate.exact:
        step = rounding_step(regression.objective.design, estimate.n_parameters)
    if step == 0.0:
        status = Status.NOT_APPLICABLE
        return unusable(RegressionResult, start, status, sigma=None, vanished=False)
    sigma = 0.5 * step
    objective = regression.objective.at(regression.constant * sigma)
    convex = replace(objective, loss=resolve(alpha=_GRADUATION[0]))
    begin = regression.shared.least_squares
    convex_fit = regression.minimise(convex, begin, **options | {"report": quiet})
    results = [
        regression.minimise(objective, replace(start, params=of.params), **options)
        for of in (estimate, convex_fit)
    ]
    result = min(results, key=lambda one: one.objective)
    return RegressionResult(**vars(result), sigma=sigma, vanished=False)


def _falling(regression: Regression, start: Start, options) -> RegressionResult:
    estimate = regression.shared.s_estimate.least_biased
    if estimate.exact:
        return _s(regression, start, options)
    minimise, objective = regression.minimise, regression.objective
    sigma = regression.shared.truncated_sigma
    truncated = falling_scale(objective.problem, regression.constant, estimate.n_parameters, sigma)
    objective = objective.at(truncated.c_of(sigma))
    result = minimise_with_falling_scale(minimise, objective, start, truncated, **options)
    sigma, vanished = truncated.sigma_of(result.scale), truncated.is_floor(result.scale)
    return RegressionResult(**vars(result), sigma=sigma, vanished=vanished)


def _same_fit_again(regression: Regression, start: Start, options) -> RegressionResult:
    """Return the previous fit, confirmed in few steps; it stalls if these rows have another fit.

    No S-estimate is needed if coefficients and scale hardly change and half of the rows are within
    the window of the scale, because it would only lead to the same fit.
    """
    previous, problem = regression.previous, regression.objective.problem
    design = problem.design
    nothing = partial(unusable, RegressionResult, start, sigma=None, vanished=False)
    if previous is None or len(start.params) > LIMITS.widest:
        return nothing(Status.NOT_APPLICABLE)
    sigma, floor = previous / regression.constant, design.floor
    n_parameters = problem.free_parameters(start.root)
    few = has_few_rows(problem, lambda: start.root, n_parameters)
    if few or not floor < sigma or design.half_of_cases(n_parameters) <= 0.0:
        return nothing(Status.NOT_APPLICABLE)

    def change(params):
        if normal_scaled_quantile(design, params, 0.5) * normal_quantile(0.5) > WINDOW * sigma:
            return math.inf
        found = falling_scale(problem, 1.0, n_parameters, sigma).sigma_at(params)
        return math.log(sigma / max(found, floor))

    objective = regression.objective.at(previous)
    allowed = max(options["tol"], objective.rounding(start.params, start.root))
    if change(start.params) > _CLOSE * allowed:
        return nothing(Status.STALLED)
    short = {"max_iter": min(options["max_iter"], _FEW), "report": quiet}
    result = regression.minimise(objective, start, **options | short)
    moved = np.abs(result.params - start.params) / (previous + np.abs(start.params))
    same = max(moved.max(), change(result.params)) <= _CLOSE * allowed
    if not (result.converged and same):
        return nothing(Status.STALLED)
    for value in result.history:
        options["report"](value)
    return RegressionResult(**vars(result), sigma=sigma, vanished=False)


SCALES = {"mad": _mad, "s": _s, "reweighted": _reweighted}
"""The fit at every named residual scale."""


def automatic(loss, init, scale):
    """Return ``init`` and ``scale`` with "auto" replaced.

    A redescending loss starts from the S-estimate. After an S-estimate the scale is "reweighted".
    """
    if isinstance(init, str) and init == "auto":
        init = "s" if loss.redescending else "ols"
    if isinstance(scale, str) and scale == "auto":
        scale = "reweighted" if isinstance(init, str) and init == "s" else "mad"
    return init, scale
