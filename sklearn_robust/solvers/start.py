"""Least squares and given parameters: the starts that need no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .lbfgs import lbfgs
from .linear import InverseRoot, minimum_norm
from .objective import Objective
from .result import Start, quiet

WIDEST = 2000
"""Columns beyond which a Gram matrix costs more than the iterations that it saves."""


def from_params(objective: Objective, params) -> Start:
    """Start from given parameters of the standardised columns."""
    return Start(np.asarray(params, dtype=np.float64), _root(objective, params))


def least_squares(objective: Objective, *, max_iter) -> Start:
    """Start from (penalised) least squares, of least norm where that is not unique."""
    squares = objective.least_squares()
    params = np.zeros(objective.rows.columns.n_parameters)
    if len(params) > WIDEST:
        start = Start(params, _root(objective, params))
        found = lbfgs(squares, start, tol=1e-6, max_iter=max_iter, report=quiet)
        return replace(start, params=found.params)
    _, gradient, root = squares.curvature(params)
    params = params - root.solve(gradient)
    if not root.well_conditioned:  # take back the rounding of the first step
        params = params - root.solve(squares.value_gradient(params)[1])
    return Start(minimum_norm(params, objective.rows.columns.unit, root.null), root)


def refined(objective: Objective, params, root: InverseRoot):
    """Return least-squares parameters without the rounding that dependent columns magnify.

    ``root`` is that of the curvature of least squares.
    """
    if root.well_conditioned:
        return params
    squares = objective.least_squares()
    for _ in range(2):
        gradient = objective.rows.least_squares_gradient(params)
        params = params - root.solve(squares.with_penalty(params, 0.0, gradient)[1])
    return params


def _root(objective, params):
    if len(params) > WIDEST:
        return InverseRoot.identity(len(params))
    return objective.least_squares().curvature(params)[-1]
