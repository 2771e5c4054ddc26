"""Directions of the coefficients of which only rejected rows tell.

A redescending loss gives such rows no weight, so that nothing holds the coefficients there: they
are where the search happened to leave them. A convex fit to those rows gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.linalg import lapack

from ..design import LocalDesign, passes
from ..design.residuals import residuals as residuals_of
from ..design.residuals import robust_weights
from ..linear_algebra import InverseRoot
from ..problem import Objective
from ..solvers.result import RegressionResult, Start

_NOTHING = 1e-8
"""Share of its curvature under least squares below which a direction rests on no believed row."""
_ROUNDING = 1e-7
"""Change of a fitted value, relative to the largest, that is rounding of the direction."""
_ROUNDS = 3
"""Times that such directions are looked for, fitted, and the search goes on from there."""
_STEPS = 50
"""Steps of reweighted least squares of the convex fit."""
_LEAST_SIZE = 1e-6
"""Residuals below this many scales count as if they were as large in the convex fit."""
_LOADING = 0.1
"""Share of the largest coefficient of a direction above which a column is named."""
_NOT_ABOVE = 1.0 + 1e-9
"""Ratio of two values of the objective that may be rounding."""


def hold_unbelieved(
    search: Callable,
    result: RegressionResult,
    objective: Objective,
    start: Start,
    root: InverseRoot,
) -> RegressionResult:
    """Fit the directions that only rejected rows tell of by a convex loss, the others held.

    Where that lowers the objective, some of the rows are believed after all: the search goes on
    from there.

    Parameters
    ----------
    search : callable
        Takes a start, returns a result.
    result : RegressionResult
    objective : Objective
        Without penalty, which would hold every direction.
    start : Start
        That of the search.
    root : InverseRoot
        Of the curvature of least squares.

    Returns
    -------
    RegressionResult
        Its ``unbelieved`` are the numbers of the columns whose coefficients still rest on rejected
        rows.
    """
    for _ in range(_ROUNDS):
        directions = _unbelieved(objective.at(result.scale), result.params, root)
        if directions.shape[1] == 0:
            return result
        at = objective.at(result.scale)
        before, params = at.value(result.params), _convex_fit(at, result.params, directions)
        after = at.value(params)
        if after <= _NOT_ABOVE * before:
            result = replace(result, params=params)
        if not after * _NOT_ABOVE < before:
            break
        result = search(replace(start, params=params))
    return replace(result, unbelieved=_columns_of(directions, objective))


def _unbelieved(objective, params, root):
    """Return the directions without believed rows, shape (n_parameters, n_directions)."""
    gram = passes.curvature(objective.design, params, objective.loss, objective.scale)[2]
    believed = root.root.T @ gram @ root.root
    upper, info = lapack.dpotrf(believed)
    if info == 0 and lapack.dpocon(upper, np.abs(believed).sum(axis=0).max())[0] > _NOTHING:
        return np.empty((len(params), 0))
    values, vectors = np.linalg.eigh(believed)
    directions = root.root @ vectors[:, values < _NOTHING * objective.loss.weight_at_zero]
    # A row far off makes the others' share of the curvature small, too: what counts is whether
    # the fitted values of believed rows change at all.
    design = objective.design
    changes = np.abs(_changes(design, params, directions)[1])
    weights = robust_weights(design, params, objective.loss, objective.scale)
    doubted = weights[design.present()] <= _NOTHING
    largest = changes.max(axis=0, initial=0.0, where=~doubted[:, None])
    return directions[:, largest <= _ROUNDING * changes.max(axis=0, initial=0.0)]


def _changes(design: LocalDesign, params, directions):
    """Return the residuals of the rows present, and how fitted values change along directions."""
    residuals = residuals_of(design, params)
    changes = np.empty((len(residuals), directions.shape[1]))
    for place, along in enumerate(directions.T):
        changes[:, place] = residuals - residuals_of(design, params + along)
    return residuals[design.present()], changes[design.present()]


def _convex_fit(objective, params, directions):
    """Return parameters moved along directions to the least sum of absolute residuals, nearly."""
    design = objective.design
    residuals, changes = _changes(design, params, directions)
    shares, move = design.shares(), np.zeros(directions.shape[1])
    weights = shares
    for _ in range(_STEPS):
        roots = np.sqrt(weights)
        move = np.linalg.lstsq(roots[:, None] * changes, roots * residuals)[0]
        sizes = np.abs(residuals - changes @ move)
        weights = shares / np.maximum(sizes, _LEAST_SIZE * objective.scale)
    return params + directions @ move


def _columns_of(directions, objective):
    sizes = np.max(np.abs(directions[: len(objective.design.columns.unit)]), axis=1, initial=0.0)
    return tuple(np.flatnonzero(sizes > _LOADING * sizes.max(initial=0.0)).tolist())
