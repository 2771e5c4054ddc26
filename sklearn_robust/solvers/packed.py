"""Solvers for small tables that run entirely in compiled code."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..partition import TABLES
from ..problem import ROUNDING, Likelihood, Objective
from .irls import newton_share
from .result import AdaptiveResult, AdaptiveStart, SolverResult, Start, Status, unusable

GIVEN = 0.0, 0.0, 0.0
"""The scale is given, not learned."""
LARGEST_LOG = 352.0
"""Bound on log c; the square of a larger c would overflow."""


def irls_packed(
    objective: Objective, start: Start, *, tol, max_iter, report, learned=GIVEN
) -> SolverResult:
    """Take the steps of :func:`sklearn_robust.solvers.irls.irls` in compiled code.

    The method applies to few rows whose columns are far from dependent.

    Parameters
    ----------
    objective, start, tol, max_iter, report
        As in :func:`sklearn_robust.solvers.irls.irls`.
    learned : tuple of float
        Three numbers k, half and floor. If k is 0, c is given. Otherwise c is k times a residual
        scale, which is computed at every iteration. That is the median absolute residual if half is
        0; the method then applies only if all case weights are 1. Otherwise it is the M-scale: the
        case-weighted sum of rho there is half, and it is at least floor.

    Returns
    -------
    SolverResult
        Stalled if a curvature was singular, or if the iterations were used up and the objective
        has risen or the scale still changes.
    """
    rows, (constant, half, _) = _packed(objective, start), learned
    if rows is None or (constant > 0.0 and half == 0.0 and not rows.equal):
        return unusable(SolverResult, start, Status.NOT_APPLICABLE)
    penalty = objective.problem.standardised_penalty
    params, history, loss = start.params.copy(), np.empty(max_iter), objective.loss
    n_iter, scale, converged, found = kernels.irls_packed(
        rows.columns, rows.y, rows.cases, penalty.curvature, rows.n_features,
        loss.code, loss.alpha, objective.scale, learned, newton_share(loss), tol, max_iter,
        (ROUNDING, start.root.norm), params, history,
    )  # fmt: skip
    history = history[:n_iter]
    if not (found and (converged or (constant == 0.0 and objective.value(params) <= history[-1]))):
        return unusable(SolverResult, start, Status.STALLED)
    values = tuple(map(objective.at(scale).reported, history))
    for value in values:
        report(value)
    return SolverResult(params, scale, values[-1], n_iter, Status.of(converged), values)


def likelihood_packed(
    likelihood: Likelihood, start: AdaptiveStart, *, tol, max_iter, report
) -> AdaptiveResult:
    """Minimise the negative log-likelihood in compiled code; it stalls if it does not converge.

    Parameters and result are those of :func:`sklearn_robust.solvers.likelihood.joint`.
    """
    rows = _packed(likelihood, start)
    if rows is None:
        return unusable(AdaptiveResult, start, Status.NOT_APPLICABLE, alpha=math.nan)
    bounds = tuple(np.clip(np.log(likelihood.scale_bounds), -LARGEST_LOG, LARGEST_LOG).tolist())
    penalty = likelihood.problem.standardised_penalty
    params, history = start.params.copy(), np.empty(max_iter)
    n_iter, log_scale, alpha, converged = kernels.fit_likelihood_packed(
        rows.columns, rows.y, rows.cases, penalty.curvature, rows.n_features,
        (TABLES, likelihood.fitted), (bounds, likelihood.alpha_bounds), tol, max_iter,
        (ROUNDING, start.root.norm), math.log(start.scale), start.alpha, params, history,
    )  # fmt: skip
    if not converged:
        return unusable(AdaptiveResult, start, Status.STALLED, alpha=math.nan)
    values = tuple(history[:n_iter].tolist())
    for value in values:
        report(value)
    return AdaptiveResult(
        params, math.exp(log_scale), values[-1], n_iter, Status.CONVERGED, values, alpha
    )


def _packed(target: Objective | Likelihood, start):
    """Return the packed rows, or None if they are many or their columns nearly dependent."""
    return target.design.packed() if start.root.well_conditioned else None
