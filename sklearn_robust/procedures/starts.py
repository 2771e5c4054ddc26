"""Starts from least squares and from given parameters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..design.algebra import least_squares_gradient
from ..limits import LIMITS
from ..linear_algebra import InverseRoot, minimum_norm
from ..problem import Problem
from ..solvers.lbfgs import lbfgs
from ..solvers.result import Start, quiet
from ..solvers.selecting import irls_selecting

_MOST = 1000
"""Iterations that least squares with a selecting penalty are allowed at least."""


def from_params(problem: Problem, params) -> Start:
    """Start from given parameters of the standardised columns."""
    return Start(np.asarray(params, dtype=np.float64), least_squares_root(problem, params))


def least_squares(problem: Problem, *, max_iter, tol=1e-6, begin=None) -> Start:
    """Start from (penalised) least squares, of least norm if it is not unique.

    If the penalty selects columns, the search begins at ``begin``, or at zero.
    """
    squares = problem.least_squares()
    params = np.zeros(problem.design.columns.n_parameters)
    if problem.standardised_penalty.selects:
        scale = math.sqrt(2.0 * squares.value(params)) or 1.0
        begin = params if begin is None else begin
        start = Start(begin, least_squares_root(problem, begin))
        found = irls_selecting(
            squares.at(scale), start, tol=tol, max_iter=max(max_iter, _MOST), report=quiet
        )
        return replace(start, params=found.params)
    if len(params) > LIMITS.widest:
        start = Start(params, least_squares_root(problem, params))
        found = lbfgs(squares, start, tol=tol, max_iter=max_iter, report=quiet)
        return replace(start, params=found.params)
    _, gradient, root = squares.curvature(params)
    params = params - root.solve(gradient)
    if not root.well_conditioned:  # correct the rounding of the first step
        params = params - root.solve(squares.value_gradient(params)[1])
    return Start(minimum_norm(params, problem.design.columns.unit, root.null), root)


def refined(problem: Problem, params, root: InverseRoot):
    """Return least-squares parameters without the rounding errors that dependent columns magnify.

    ``root`` is the inverse root of the curvature of least squares.
    """
    if root.well_conditioned:
        return params
    squares = problem.least_squares()
    for _ in range(2):
        gradient = least_squares_gradient(problem.design, params)
        params = params - root.solve(squares.with_penalty(params, 0.0, gradient)[1])
    return params


def least_squares_root(problem, params):
    """Return the inverse root of the curvature of least squares, the identity of many columns."""
    if len(params) > LIMITS.widest or problem.standardised_penalty.selects:
        return InverseRoot.identity(len(params))
    return problem.least_squares().curvature(params)[-1]
