"""Searches under redescending losses in which no start can reject a whole level of a category."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..design.level_columns import move_levels
from ..problem import Likelihood, Objective
from ..solvers.result import AdaptiveResult, AdaptiveStart, SolverResult, Start

_ROUNDS = 5
"""Most rounds of moving levels and searching again."""
_HIGHER = 1.0 + 1e-7
"""Ratio of two values of the objective above which they differ by more than rounding."""
_LESS_LIKELY = 1e-7
"""Difference of two likelihoods above which it is more than rounding."""


def minimise_with_level_moves(
    minimise: Callable, objective: Objective, start: Start, **options
) -> SolverResult:
    """Minimise at a fixed scale; move the levels of categories where that leads lower.

    The rows of a rejected level have weight zero, so no gradient brings it back. The coefficient
    of every level is therefore compared with coefficients that fit some of its rows. Where a level
    has only two rows and they contradict each other, either can be believed: the level then gets
    the smaller coefficient, whatever the order of the rows.

    Parameters
    ----------
    minimise : callable
        A solver for a fixed scale.
    objective, start, options
        As for the solver.
    """
    result = minimise(objective, start, **options)
    if not objective.loss.redescending:
        return result
    ridge, max_iter = objective.problem.ridge.curvature, options.pop("max_iter")
    for _ in range(_ROUNDS):
        params, _, moved = move_levels(
            objective.design, result.params, objective.loss, objective.scale, ridge
        )
        left = max_iter - result.n_iter
        if not moved or left <= 0:
            break
        after = minimise(objective, replace(start, params=params), max_iter=left, **options)
        history = result.history + after.history
        after = replace(after, history=history, n_iter=len(history))
        if after.objective > _HIGHER * result.objective:
            break
        result = after
    return result


def most_likely_with_level_moves(
    minimise: Callable, likelihood: Likelihood, start: AdaptiveStart, **options
) -> AdaptiveResult:
    """Minimise the negative log-likelihood; move levels where that leads lower, as above."""
    result = minimise(likelihood, start, **options)
    max_iter = options.pop("max_iter")
    for _ in range(_ROUNDS):
        objective, left = likelihood.objective(result.scale, result.alpha), max_iter - result.n_iter
        if not objective.loss.redescending or left <= 0:
            break
        params, _, moved = move_levels(
            objective.design, result.params, objective.loss, objective.scale,
            objective.problem.ridge.curvature,
        )  # fmt: skip
        if not moved:
            break
        again = replace(
            start, params=params, scale=result.scale, alpha=result.alpha, curvature=None
        )
        after = minimise(likelihood, again, max_iter=left, **options)
        history = result.history + after.history
        if after.objective > result.objective + _LESS_LIKELY:
            break
        result = replace(after, history=history, n_iter=len(history))
    return result
