"""Directions of the coefficients that only rejected rows determine.

A redescending loss gives these rows no weight, so the coefficients would be wherever the search
happened to end. A convex fit to the rejected rows determines them instead.
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
"""Share of the least-squares curvature below which no believed row determines a direction."""
_ROUNDING = 1e-7
"""Change of a fitted value, relative to the largest one, that is rounding error."""
_ROUNDS = 3
"""Most rounds of finding these directions, fitting them, and searching again."""
_STEPS = 50
"""Steps of reweighted least squares of the convex fit."""
_LEAST_SIZE = 1e-6
"""Least size of a residual in the weights of the convex fit, in scales."""
_LOADING = 0.1
"""Coefficient of a direction, relative to the largest, above which its column is named."""
_NOT_ABOVE = 1.0 + 1e-9
"""Ratio of two values of the objective that may be rounding."""


def fit_unbelieved(
    search: Callable,
    result: RegressionResult,
    objective: Objective,
    start: Start,
    root: InverseRoot,
) -> RegressionResult:
    """Fit the directions that only rejected rows determine by a convex loss, the others fixed.

    If this lowers the objective, some of these rows are believed after all, and the search
    continues from there.

    Parameters
    ----------
    search : callable
        Takes a start, returns a result.
    result : RegressionResult
    objective : Objective
        Without a penalty, which would determine every direction.
    start : Start
        The start of the search.
    root : InverseRoot
        Inverse root of the curvature of least squares.

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
    # A row far off can also make the share of the others small, so the fitted values of believed
    # rows are tested for any change.
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
    """Move parameters along directions to approximately the least sum of absolute residuals."""
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
