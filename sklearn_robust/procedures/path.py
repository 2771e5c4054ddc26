"""Fits along a path of absolute penalties, from the one at which all coefficients are zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..design import LocalDesign
from ..design.residuals import residuals
from ..losses import Loss
from ..penalties import ElasticNet
from ..problem import Problem
from ..scales import normal_quantile
from ..solvers.result import RegressionResult
from .shared_starts import SharedStarts

_EVERY = 5
"""S-estimates are searched from fresh candidates at every so many penalties of a path."""
_FEW = 1000
"""Number of evenly spaced rows that show the middle and the spread of columns."""
_FAR = 5.0
"""Values further than this from the median of a column, in robust deviations, are clipped."""
_AT_ONCE = 256
"""Columns that are clipped at once."""


def starts_along(first: SharedStarts, penalties: Iterable[ElasticNet]) -> list[SharedStarts]:
    """Return the starts of the same rows for every penalty of a path.

    Parameters
    ----------
    first : SharedStarts
        With any penalty.
    penalties : iterable of ElasticNet
        Falling.
    """
    found: list[SharedStarts] = []
    for penalty in penalties:
        found.append((found[-1] if found else first).following(penalty))
    return found


def s_estimates_along(starts: Sequence[SharedStarts]) -> list[np.ndarray]:
    """Return the parameters of the S-estimates along a path.

    From large penalties to small ones, each search begins at the S-estimate before; fresh
    candidates are searched at some penalties. Then every search is repeated from its own result
    and that at the next smaller penalty.
    """
    params: list[np.ndarray] = []
    for place, shared in enumerate(starts):
        near = params[-1:]
        params.append(shared.selecting_s_estimate(near, fresh=place % _EVERY == 0).params)
    for place in range(len(starts) - 2, -1, -1):
        near = [params[place], params[place + 1]]
        params[place] = starts[place].selecting_s_estimate(near, fresh=False).params
    return params


def largest_l1(problem: Problem, result: RegressionResult, loss: Loss) -> float:
    """Return the least absolute penalty at which all penalised coefficients are zero.

    Under a loss that redescends, values of X far from the others of their column count as if they
    were nearer, because rows with such values are rejected once coefficients are not zero.

    Parameters
    ----------
    problem : Problem
        Its penalty may have any strength.
    result : RegressionResult
        The fit in which the penalised coefficients are zero.
    loss : Loss
    """
    alone = Problem(problem.design, ElasticNet(1.0, 0.0, problem.penalty.weights))
    thresholds = alone.standardised_penalty.thresholds[: problem.design.n_features]
    objective = problem.unpenalised().objective(loss, result.scale)
    gradient = objective.value_gradient(result.params)[1][: len(thresholds)]
    if loss.redescending:
        gradient = _with_clipped_columns(objective, result.params, gradient)
    penalised = thresholds > 0.0
    with np.errstate(over="ignore"):
        return float(
            np.max(result.scale * np.abs(gradient[penalised]) / thresholds[penalised], initial=0.0)
        )


def _with_clipped_columns(objective, params, gradient):
    """Return the gradient if the columns with values far from their median had these clipped."""
    design: LocalDesign = objective.design
    rows = design.present()
    few = _undivided(design, rows[:: max(-(-len(rows) // _FEW), 1)])
    middle = np.median(few, axis=0)
    spread = _FAR / normal_quantile(0.5) * np.median(np.abs(few - middle), axis=0)
    columns = np.flatnonzero(spread > 0.0)
    influence = objective.loss.rho_psi_weight(residuals(design, params)[rows], objective.scale)[1]
    influence = objective.scale * influence * design.shares()
    if design.error_scale is not None:
        influence /= design.error_scale[rows]
    gradient = gradient.copy()
    for first in range(0, len(columns), _AT_ONCE):
        which = columns[first : first + _AT_ONCE]
        x = _undivided(design, rows, which)
        low, high = middle[which] - spread[which], middle[which] + spread[which]
        clipped = np.clip(x, low, high)
        change = influence @ (x - clipped)
        gradient[which] += change / design.columns.unit[which]
    return gradient


def _undivided(design, rows, columns=slice(None)):
    """Return columns of some rows, times the sizes of the errors by which these are divided.

    A small error does not make a row one that is far off.
    """
    x = design.dense_rows(rows, columns)
    return x if design.error_scale is None else x * design.error_scale[rows, None]


def grid(largest: float, n_points: int, ratio: float) -> np.ndarray:
    """Return a falling geometric grid from the largest value to ``ratio`` times it."""
    if not largest > 0.0:
        largest = math.sqrt(np.finfo(np.float64).tiny)
    return np.geomspace(largest, ratio * largest, n_points) if n_points > 1 else np.array([largest])
