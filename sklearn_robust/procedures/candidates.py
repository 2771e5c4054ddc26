"""Candidates for the S-estimate on a sample of rows."""

from __future__ import annotations

from typing import cast

import numpy as np

from ..design import LocalDesign, serial_algebra
from ..problem import Problem
from . import s_search
from .level_search import LevelSearch

_JOINT_WORK = 20_000_000
"""Multiplications in a Gram matrix up to which planes of all columns are searched too, besides the
search that treats level columns separately."""


def candidates(problem: Problem, n_parameters, *, floor, given, random_state) -> np.ndarray:
    """Return different parameters of small M-scale, the best first, at most four.

    Parameters
    ----------
    problem : Problem
        Its rows are in this process.
    n_parameters : float
        The number of free parameters, fewer than there are rows.
    floor : float
        The least scale.
    given : ndarray of shape (n_given, n_parameters)
        Further parameters to start from.
    random_state : RandomState
    """
    design = cast(LocalDesign, problem.design)
    options = {
        "half": design.half_of_cases(n_parameters), "floor": floor,
        "penalty": problem.standardised_penalty.curvature,
    }  # fmt: skip
    with serial_algebra():
        if design.level_blocks(bases=True) is None:
            return _among_all_columns(design, given, random_state, options)
        return _with_levels_apart(problem, given, random_state, options)


def may_have_several_minima(design: LocalDesign) -> bool:
    """Return whether rows are few, are far off in X or have levels."""
    if design.level_blocks(bases=True) is not None:
        return True
    return s_search.may_have_several_minima(_rows_of(design))


def _rows_of(design):
    return design.packed() or design.packed_columns(slice(None))


def _among_all_columns(design, given, random_state, options):
    return s_search.search(_rows_of(design), given=given, random_state=random_state, **options)


def _with_levels_apart(problem, given, random_state, options):
    design, found = problem.design, given
    if design.n_present * design.columns.n_parameters**2 <= _JOINT_WORK:
        found = np.vstack([given, _among_all_columns(design, given, random_state, options)])
    levels = design.level_blocks(bases=problem.standardised_penalty.is_zero)
    numeric = np.setdiff1d(np.arange(design.columns.n_parameters), levels.columns)
    rows = design.packed_columns(numeric[numeric < design.n_features])
    return LevelSearch(numeric, rows, levels, **options).best(found, random_state)
