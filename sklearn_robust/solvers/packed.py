"""Solvers for small tables that run entirely in compiled code."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..design.packed import PackedRows
from ..partition import TABLE
from ..problem import ROUNDING, Likelihood, Objective
from .result import AdaptiveStart, Start


def irls_packed(
    rows: PackedRows, objective: Objective, start: Start, *, constant, newton, tol, max_iter
):
    """Run iteratively reweighted least squares; return None where its result is not usable.

    Parameters
    ----------
    rows : PackedRows
    objective, start
        As in :func:`sklearn_robust.solvers.irls.irls`.
    constant, newton, tol, max_iter
        As in ``kernels.irls_packed``.

    Returns
    -------
    params : ndarray of shape (n_parameters,)
    scale : float
    converged : bool
    history : ndarray of shape (n_iter,)
        The mean loss and the penalty, both over c², at the beginning of each iteration.
    """
    params, history, loss = start.params.copy(), np.empty(max_iter), objective.loss
    n_iter, scale, converged, found = kernels.irls_packed(
        rows.columns, rows.y, rows.cases, objective.problem.ridge.curvature, rows.n_features,
        loss.code, loss.alpha, objective.scale, constant, newton, tol, max_iter,
        (ROUNDING, start.root.norm), params, history,
    )  # fmt: skip
    return (params, scale, converged, history[:n_iter]) if found else None


def fit_likelihood_packed(
    rows: PackedRows, likelihood: Likelihood, start: AdaptiveStart, bounds, *, tol, max_iter
):
    """Maximise the likelihood; return None if that does not converge.

    Parameters
    ----------
    rows : PackedRows
    likelihood, start
        As in :func:`sklearn_robust.solvers.likelihood.joint`.
    bounds, tol, max_iter
        As in ``kernels.fit_likelihood_packed``.

    Returns
    -------
    params : ndarray of shape (n_parameters,)
    scale, alpha : float
    history : ndarray of shape (n_iter,)
        The mean likelihood, with the penalty, at the beginning of each iteration.
    """
    params, history = start.params.copy(), np.empty(max_iter)
    n_iter, log_scale, alpha, converged = kernels.fit_likelihood_packed(
        rows.columns, rows.y, rows.cases, likelihood.problem.ridge.curvature, rows.n_features,
        TABLE, bounds, tol, max_iter, (ROUNDING, start.root.norm), math.log(start.scale),
        start.alpha, params, history,
    )  # fmt: skip
    return (params, math.exp(log_scale), alpha, history[:n_iter]) if converged else None
