"""Computations with level columns: moves of their coefficients, rare levels, locations."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..losses import REJECTED, Loss
from .base import Design
from .levels import fit_levels
from .local import LocalDesign
from .residuals import residuals

_SHRUNK_BY = 10.0
"""Number of rows with which the common location counts in that of a level. Otherwise a rare level
would be located at its bad rows, which would seem ordinary."""
_HARDEST = 1e200
"""Bound on the penalty of a level, in units of its scale, far above one that makes it zero."""
_RARE = 64
"""Most rows of a rare level."""
_TOLD = 5.0
"""Least case weight of a level of which a fit says that most of its rows are rejected."""


def move_levels(design: Design, params, loss: Loss, scale: float, ridge):
    """Return parameters with the best coefficient of every level, given all others.

    Of equally good coefficients a level gets the smallest. If the rows are not in this process,
    only rare levels are moved.

    Parameters
    ----------
    design : Design
    params : ndarray of shape (n_parameters,)
    loss : Loss
    scale : float
    ridge : ndarray of shape (n_parameters,)
        Factor of half the squared parameters, which are added to c² times the mean loss.

    Returns
    -------
    params : ndarray of shape (n_parameters,)
    gain : float
        The decrease of the sum of rho and the penalty divided by c².
    moved : bool
        Whether any level moved; it may do so without a gain, to an equally good coefficient.
    """
    rows = design.rows_with_levels()
    blocks = None if rows is None else rows.level_blocks(bases=not np.any(ridge))
    if rows is None or blocks is None:
        return params, 0.0, False
    present, n_levels = rows.present(), len(blocks.columns)
    left, cases = residuals(rows, params)[present], rows.own_cases()[present]
    before, level_ridge = np.zeros((2, blocks.n_moves))
    before[:n_levels] = params[blocks.columns]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        shares = ridge[blocks.columns] * rows.total_weight / scale / scale
    level_ridge[:n_levels] = np.nan_to_num(shares, posinf=_HARDEST)
    coefs, sloped = before.copy(), blocks.directions[: rows.n_features]
    gain, n_moved = kernels.move_blocks(
        left, cases, loss.code, loss.alpha, scale, *blocks.arrays, level_ridge, coefs,
        sloped.power(2).sum(axis=0), sloped.T @ params[: rows.n_features],
    )  # fmt: skip
    return params + blocks.directions @ (coefs - before), gain, n_moved > 0


def rare_level_rows(design: LocalDesign) -> np.ndarray:
    """Return the numbers of the rows that have a rare level."""
    blocks = design.level_blocks(bases=True)
    if blocks is None:
        return np.empty(0, dtype=np.intp)
    sizes = np.diff(blocks.firsts)
    rare = np.repeat(sizes <= _RARE, sizes)
    return design.present()[np.unique(blocks.members[rare])]


def mostly_rejected_levels(design: Design, weights) -> tuple[tuple[int, float, float], ...]:
    """Return the level columns most of whose rows are rejected.

    Parameters
    ----------
    design : Design
        With rows in this process.
    weights : ndarray of shape (n_rows,)
        The robust weights.

    Returns
    -------
    tuple of (int, float, float)
        The number of the column, and the case weight of its rejected and of all its rows.
    """
    rows, levels = design.rows_with_levels(), design.levels()
    if rows is None or levels is None:
        return ()
    which = rows.present()
    rejected = weights[which] < REJECTED
    if not np.any(rejected):
        return ()
    rejected_cases, cases = levels.case_weights(rows.own_cases()[which], rejected)
    told = (cases >= _TOLD) & (rejected_cases > 0.5 * cases)
    columns = levels.columns[told].tolist()
    return tuple(zip(columns, rejected_cases[told].tolist(), cases[told].tolist(), strict=True))


def numeric_given_levels(design: LocalDesign) -> np.ndarray:
    """Return the combinations that give numeric columns minus their location in each level.

    There is one for each numeric column, and the last is the intercept, if any.

    Returns
    -------
    ndarray of shape (n_parameters, n_combinations)
    """
    levels, n_parameters = design.levels(), design.columns.n_parameters
    if levels is None:
        return np.eye(n_parameters)
    numeric = np.setdiff1d(np.arange(n_parameters), levels.columns)
    combinations = np.zeros((n_parameters, len(numeric)))
    combinations[numeric, np.arange(len(numeric))] = 1.0
    flags = levels.flags()
    if flags is None:
        return combinations
    block = design.packed_columns(numeric[numeric < design.n_features])
    blocks = flags.blocks(design.columns, bases=False)
    ridge = _SHRUNK_BY * flags.squares(design.columns, blocks)
    for place in range(block.n_features):
        _, constant, coefs = fit_levels(
            block.columns[place], block.cases, blocks, ridge,
            constant=design.columns.fit_intercept,
        )  # fmt: skip
        combinations[:, place] -= blocks.directions @ coefs
        combinations[-1, place] -= constant
    return combinations
