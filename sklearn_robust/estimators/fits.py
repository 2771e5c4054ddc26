"""The fits that the estimators run; importing this module loads the compiled code.

The functions read the public parameters of an estimator, and do not change it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from ..design import divided_designs, make_design, serial_algebra
from ..design.level_columns import mostly_rejected_levels
from ..design.residuals import final_weights, residuals, robust_weights
from ..losses import NAMED, check_loss, resolve
from ..penalties import ElasticNet
from ..problem import Likelihood, Objective, Problem
from ..procedures import (
    SCALES,
    STARTS,
    GrowingScale,
    MaximumLikelihood,
    Regression,
    SharedStarts,
    automatic,
    grid,
    largest_l1,
    s_estimates_along,
    starts_along,
)
from ..procedures.intervals import leverage_root, places_for_leverages
from ..procedures.reweighting import Reweighted, Weighing, reweight
from ..scales import scale_floor
from ..solvers import LIKELIHOOD_SOLVERS, SOLVERS
from .base import check_finite
from .progress import silent
from .targets import Growth, Initial, PathFit, TargetFit

__all__ = [
    "LIKELIHOOD_SOLVERS",
    "NAMED",
    "SCALES",
    "SOLVERS",
    "STARTS",
    "check_loss",
    "designs",
    "fit_growing",
    "fit_likelihood",
    "fit_regression",
    "grid",
    "largest_penalty",
    "path_fits",
    "regression_fit",
    "reweighted",
    "s_estimates_of_path",
    "serial_algebra",
    "shared_starts",
]

_INACCURATE = 1e6
"""Times the rounding of y to which a regressor of any kind may solve: scikit-learn's iterative ones
have a tolerance of about 1e-6 of y."""

_HARDEST = 1e200
"""An absolute penalty under which all penalised coefficients are zero."""
_EXACT, _SLACK = 1e-12, 4.0
"""Relative rounding of the largest penalty of a path, and its error in ``tol`` where the scale of
the fit without slopes, found to ``tol``, decides it."""
_FEW_BELIEVED = 1.0 / 3.0
"""Mean robust weight below which a fit that selects columns rests on few rows."""


def designs(estimator, X, y, sample_weight, error_scale=None):
    """Yield the design with each target, or raise an error if X holds NaN or infinity.

    With sizes of the errors, shape (n_samples,), rows are divided by them.
    """
    targets = np.ascontiguousarray(y.reshape(len(y), -1).T)
    if sample_weight is not None or error_scale is not None:
        check_finite(estimator, X)
    if error_scale is not None:
        yield from divided_designs(
            X, targets, sample_weight, error_scale, fit_intercept=estimator.fit_intercept
        )
        return
    try:
        design = make_design(X, targets[0], sample_weight, fit_intercept=estimator.fit_intercept)
    except ValueError:  # sums that are not finite may come from values that are not
        check_finite(estimator, X)
        raise
    yield design
    yield from map(design.with_target, targets[1:])


def shared_starts(estimator, design, near=(), neighbour=None, *, part=False) -> SharedStarts:
    """Return the starts that all fits of these rows with this penalty share.

    Parameters
    ----------
    estimator : RobustRegressor
    design : Design
    near : tuple of Initial
        The S-estimates of a table that has these rows, empty if none are known.
    neighbour : SharedStarts or None
        Those for the next larger penalty.
    part : bool
        Whether that table has other rows too. Then these rows may have other minima.
    """
    shared = SharedStarts(
        Problem(design, ElasticNet.of(estimator, design.columns)),
        solver=estimator.solver,
        random_state=check_random_state(estimator.random_state),
        max_iter=estimator.max_iter,
        tol=estimator.tol,
        neighbour=neighbour,
    )
    if not near:
        return shared
    params = (design.from_original(of.coef, of.intercept) for of in near)
    return shared.beginning_at(*params, fresh=part and not shared.selects)


def fit_regression(estimator, shared: SharedStarts, initial, neighbour=None, *, report):
    """Fit a :class:`RobustRegressor` to one target; return the result, in standardised columns.

    Parameters
    ----------
    estimator : RobustRegressor
    shared : SharedStarts
    initial : Initial or None
    neighbour : RegressionResult, optional
        The result for another loss, at which the search may begin.
    report : callable
        Called with the objective at the beginning of each iteration.
    """
    loss = resolve(estimator.loss, estimator.alpha)
    return _regression(estimator, shared, loss, initial).fit(report, neighbour)


def regression_fit(estimator, shared: SharedStarts, result) -> TargetFit:
    """Return what is stored of a result of :func:`fit_regression`."""
    objective = shared.problem.objective(resolve(estimator.loss, estimator.alpha), result.scale)
    fit = _target_fit(
        objective, result, objective.design, sigma=result.sigma, vanished=result.vanished,
        exact=result.exact, unbelieved=result.unbelieved,
        selects=shared.problem.standardised_penalty.selects, root=shared.least_squares_root,
    )  # fmt: skip
    design, weights = objective.design, fit.weights
    if not objective.loss.redescending or not design.levels_known:
        return fit
    if not isinstance(weights, np.ndarray):  # a collection, whose few rows are in this process
        weights = robust_weights(design, result.params, objective.loss, result.scale)
    return replace(fit, mostly_rejected=mostly_rejected_levels(design, weights))


def _regression(estimator, shared, loss, initial=None) -> Regression:
    """Return the regression that the parameters of an estimator ask for."""
    init, scale = automatic(loss, estimator.init, estimator.scale)
    previous = None
    if initial is not None:
        design = shared.problem.design
        init, previous = design.from_original(initial.coef, initial.intercept), initial.scale
    objective = shared.problem.objective(loss, float(scale) if isinstance(scale, Real) else 1.0)
    return Regression(shared, objective, init, scale, estimator.efficiency, previous)


def largest_penalty(estimator, design) -> float:
    """Return the least absolute penalty at which all penalised coefficients are zero."""
    penalty = ElasticNet.of(estimator, design.columns)
    loss = resolve(estimator.loss, estimator.alpha)
    shared = shared_starts(estimator, design)
    shared = shared.following(replace(penalty, l1_regularization=_HARDEST))
    result = _regression(estimator, shared, loss).fit(silent)
    slack = _EXACT if loss.alpha == 2.0 else _SLACK * estimator.tol
    return (1.0 + slack) * largest_l1(shared.problem, result, loss)


def s_estimates(estimator, design) -> tuple[Initial, ...]:
    """Return the S-estimate and its rival, if it has one, in the user's units."""
    estimate = shared_starts(estimator, design).s_estimate
    both = estimate, estimate.rival
    return tuple(Initial(*design.to_original(of.params)) for of in both if of is not None)


def s_estimates_of_path(estimator, design, l1_regularizations) -> list[Initial]:
    """Return the S-estimates at falling absolute penalties, in the user's units."""
    starts = _starts_of_path(estimator, design, l1_regularizations)
    return [Initial(*design.to_original(params)) for params in s_estimates_along(starts)]


def _starts_of_path(estimator, design, l1_regularizations) -> list[SharedStarts]:
    penalty, first = ElasticNet.of(estimator, design.columns), shared_starts(estimator, design)
    return starts_along(
        first, (replace(penalty, l1_regularization=float(l1)) for l1 in l1_regularizations)
    )


def path_fits(estimator, design, l1_regularizations, *, report) -> Iterator[PathFit]:
    """Yield the fits of a :class:`RobustRegressor` to one target at falling absolute penalties."""
    loss = resolve(estimator.loss, estimator.alpha)
    starts = _starts_of_path(estimator, design, l1_regularizations)
    if _starts_from_s(estimator, loss):
        selecting = [shared for shared in starts if shared.selects]
        found = s_estimates_along(selecting)
        starts[: len(found)] = map(SharedStarts.beginning_at, selecting, found)
    result = None
    for shared in starts:
        result = _regression(estimator, shared, loss).fit(report, result)
        weights = np.ones(1)
        if loss.redescending and shared.selects:
            weights = robust_weights(design, result.params, loss, result.scale)
        coef, intercept = design.to_original(result.params)
        yield PathFit(
            coef, intercept, result.scale, result.n_iter, result.converged or result.exact,
            bool(weights.mean() < _FEW_BELIEVED),
        )  # fmt: skip


def _starts_from_s(estimator, loss) -> bool:
    init, _ = automatic(loss, estimator.init, estimator.scale)
    return isinstance(init, str) and init == "s"


def fit_likelihood(estimator, design, initial, *, report) -> TargetFit:
    """Return the fit of an :class:`AdaptiveRobustRegressor` to one target.

    Parameters
    ----------
    estimator : AdaptiveRobustRegressor
    design : Design
    initial : Initial or None
    report : callable
        Called with the likelihood at the beginning of each iteration.
    """
    named, given = _start_of(estimator, design, initial)
    result = MaximumLikelihood(
        _likelihood(estimator, design), named, estimator.solver,
        check_random_state(estimator.random_state), estimator.max_iter, estimator.tol, given,
    ).fit(report)  # fmt: skip
    likelihood = result.likelihood
    return _target_fit(
        likelihood.objective_at(result), result, design, result.left_out,
        selects=likelihood.problem.standardised_penalty.selects,
        sigma=None, vanished=result.exact, exact=result.exact,
        nll=likelihood.unpenalised(result) + likelihood.design.mean_log_error_scale,
        n_parameters=result.n_parameters,
    )  # fmt: skip


def _start_of(estimator, design, initial):
    """Return the name of the start of a likelihood and the given values, or None for either."""
    named = "s" if isinstance(estimator.init, str) and estimator.init == "auto" else estimator.init
    if initial is None:
        return named, None
    params = design.from_original(initial.coef, initial.intercept)
    # A warm start also leaves out bad leverage points, to solve the same problem as a cold one.
    named = "s" if isinstance(named, str) and named == "s" else None
    return named, (params, initial.scale, initial.alpha)


def fit_growing(estimator, design, columns, initial, *, report) -> TargetFit:
    """Return the fit of an estimator whose scale depends on columns of X, to one target.

    Parameters
    ----------
    estimator : AdaptiveRobustRegressor
    design : LocalDesign
    columns : ndarray of int
        The numbers of the columns.
    initial : Initial or None
    report : callable
        Called with the likelihood at the beginning of each iteration.
    """
    X = design.X if design.undivided is None else design.undivided[0]
    given = X if np.array_equal(columns, np.arange(X.shape[1])) else X[:, columns]
    named, start = _start_of(estimator, design, initial)
    procedure = GrowingScale(
        _likelihood(estimator, design), given, float(estimator.scale_l2_regularization), named,
        estimator.solver, check_random_state(estimator.random_state), estimator.max_iter,
        estimator.tol, start,
    )  # fmt: skip
    if procedure.exact:
        fit = fit_likelihood(estimator, design, initial, report=report)
        return replace(fit, growth=Growth(np.zeros(len(columns)), math.log(fit.scale), 0.0))
    result = procedure.fit(report)
    standard, log_c = result.growing.scale_design.columns, math.log(result.scale)
    slopes = result.slopes / standard.unit
    intercept = log_c - float(standard.centre @ slopes)
    sizes = np.exp(result.growing.log_scales(result.slopes, log_c) - log_c)
    return _target_fit(
        _divided_objective(estimator, design, result, sizes), result, design, result.left_out,
        sizes=sizes, selects=False, sigma=None, vanished=False, exact=False,
        nll=result.growing.unpenalised(result) + result.growing.design.mean_log_error_scale,
        growth=Growth(slopes, intercept, design.floor, result.growing.n_at_floor(result)),
    )  # fmt: skip


def _divided_objective(estimator, design, result, sizes) -> Objective:
    """Return the objective of rows divided by the sizes of their errors, of a sample of many."""
    X, y = design.undivided or (design.X, design.y)
    counted = design.without(result.left_out) if len(result.left_out) else design
    places = places_for_leverages(counted)
    which = counted.present() if places is None else counted.present()[places]
    known = 1.0 if design.error_scale is None else design.error_scale[which]
    cases = None if design.sample_weight is None else design.sample_weight[which]
    [rows] = divided_designs(
        X[which], [y[which]], cases, known * sizes[which], fit_intercept=estimator.fit_intercept
    )
    problem = Problem(rows, ElasticNet.of(estimator, rows.columns))
    return problem.objective(resolve(alpha=result.alpha), result.scale)


def reweighted(estimator, sources, y, cases, *, report) -> Reweighted:
    """Return the last weights of a :class:`ReweightedRegressor`.

    Parameters
    ----------
    estimator : ReweightedRegressor
    sources : tuple of callable
        As of :func:`~sklearn_robust.procedures.reweighting.reweight`.
    y : ndarray of shape (n_samples,)
    cases : ndarray of shape (n_samples,) or None
    report : callable
        Called with the weights and their change after each round.
    """
    weighting = deepcopy(estimator.weighting)  # it may keep something from round to round
    learned = isinstance(estimator.alpha, str) or weighting is not None
    loss = None if learned else resolve(estimator.loss, estimator.alpha)
    scale = estimator.scale
    if isinstance(scale, str) and scale == "auto":
        falls = weighting is None and (loss is None or loss.redescending)
        scale = "reweighted" if falls else "mad"
    held_out, floor = estimator.residuals == "cv", _INACCURATE * scale_floor(y, cases)
    weighing = Weighing(loss, scale, estimator.efficiency, held_out, floor, weighting)
    cases = np.ones(len(y)) if cases is None else cases
    options = {"max_iter": estimator.max_iter, "tol": estimator.tol, "report": report}
    return reweight(sources, cases, weighing, **options)


def _likelihood(estimator, design) -> Likelihood:
    floor = design.floor
    low, high = estimator.scale_bounds or (floor, math.inf)
    stops = low <= floor <= high
    least, most = estimator.alpha_bounds
    problem = Problem(design, ElasticNet.of(estimator, design.columns))
    return Likelihood(
        problem,
        alpha_bounds=(float(least), float(most)),
        scale_bounds=(floor if stops else float(low), float(high)),
        floor=floor if stops else None,
        n_parameters=problem.n_adjusted,
    )


def _target_fit(
    objective, result, design, left_out=(), *, sizes=None, selects, n_parameters=None, root=None,
    **more,
) -> TargetFit:  # fmt: skip
    """Return the fit of one target.

    ``design`` has all rows and the parameters of ``result``. ``objective`` is that of the rows not
    left out; if rows have errors of learned sizes, it is that of rows divided by these. ``root`` is
    that of least squares, if it is known.
    """
    loss, params, counted = objective.loss, result.params, objective.design
    coef, intercept = design.to_original(params)
    at = params if sizes is None else objective.design.from_original(coef, intercept)
    root, free = leverage_root(objective, at, root)
    if sizes is not None:  # all else is about the divided residuals
        divided = residuals(design, params) / sizes
        none = np.empty((len(sizes), 0))
        design = make_design(none, divided, design.sample_weight, fit_intercept=False)
        params, counted = np.empty(0), design.without(left_out) if len(left_out) else design
    weights, largest_weight, quantiles = final_weights(
        design, counted, params, loss, result.scale, left_out
    )
    few = (
        selects
        and loss.redescending
        and (np.average(weights, weights=design.sample_weight) < _FEW_BELIEVED)
    )
    return TargetFit(
        coef=coef, intercept=intercept, scale=result.scale,
        alpha=loss.alpha, weights=weights, largest_weight=largest_weight, n_iter=result.n_iter,
        converged=result.converged, few_believed=bool(few),
        sizes=quantiles, n_cases=counted.n_cases,
        n_parameters=free if n_parameters is None else n_parameters, leverage=root, **more,
    )  # fmt: skip
