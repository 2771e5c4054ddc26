"""Searches under redescending losses with moves of level coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..design.level_columns import move_levels
from ..limits import LIMITS
from ..problem import Likelihood, Objective
from ..solvers.result import Start

_ROUNDS = 5
"""Most rounds of moving levels and searching again."""


def minimise_with_level_moves(
    minimise: Callable, target: Objective | Likelihood, start: Start, **options
):
    """Minimise; move coefficients of levels if that leads to a lower minimum.

    The rows of a rejected level have weight zero, so no gradient brings it back. The coefficient
    of every level is therefore compared with coefficients that fit some of its rows. Where a level
    has only two rows and they contradict each other, either can be believed: the level then gets
    the smaller coefficient, whatever the order of the rows. The comparison does not know a penalty
    on absolute values; the search after it does. With very many columns nothing is moved under such
    a penalty, because that search would begin with most of them in use.

    Parameters
    ----------
    minimise : callable
        A solver; it takes the other parameters.
    target : Objective or Likelihood
    start, options
        As for a solver.
    """
    result = minimise(target, start, **options)
    selects = target.problem.standardised_penalty.selects
    if selects and target.design.n_features > LIMITS.widest:  # moves would use all columns
        return result
    max_iter = options.pop("max_iter")
    for _ in range(_ROUNDS):
        objective, left = target.objective_at(result), max_iter - result.n_iter
        if not objective.loss.redescending or left <= 0:
            break
        params, _, moved = move_levels(
            objective.design, result.params, objective.loss, objective.scale,
            objective.problem.standardised_penalty.curvature,
        )  # fmt: skip
        if not moved or not _are_lower(objective, params, result.params):
            break
        after = minimise(target, start.moved(params, result), max_iter=left, **options)
        if target.is_above(after.objective, result.objective):
            break
        history = result.history + after.history
        result = replace(after, history=history, n_iter=len(history))
    return result


def _are_lower(objective: Objective, params, before) -> bool:
    """Return whether moves lower the objective although they do not know an absolute penalty."""
    if not objective.problem.standardised_penalty.selects:
        return True
    return objective.value(params) < objective.value(before)
