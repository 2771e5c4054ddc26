"""Searches of redescending losses that reject no level of a category by their start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .likelihood import Likelihood
from .objective import Objective
from .result import AdaptiveResult, AdaptiveStart, SolverResult, Start

_ROUNDS = 5
"""Times that the levels are moved and the search goes on from there."""
_LOWER = 1.0 - 1e-9
"""Ratio of two values of the objective that is not rounding,"""
_LESS_LIKELY = 1e-9
"""and difference of two likelihoods that is not."""


def minimise_with_level_moves(
    minimise: Callable, objective: Objective, start: Start, **options
) -> SolverResult:
    """Minimise at a fixed scale; move the levels of categories where that leads lower.

    A level whose rows are all rejected has weight zero, and no gradient brings it back: the
    coefficient of every level is held against those that fit some of its rows.

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
    ridge, max_iter = objective.ridge(), options.pop("max_iter")
    for _ in range(_ROUNDS):
        params, gain = objective.rows.move_levels(
            result.params, objective.loss, objective.scale, ridge
        )
        left = max_iter - result.n_iter
        if gain <= 0.0 or left <= 0:
            break
        after = minimise(objective, replace(start, params=params), max_iter=left, **options)
        history = result.history + after.history
        after = replace(after, history=history, n_iter=len(history))
        if not after.objective < _LOWER * result.objective:
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
        params, gain = objective.rows.move_levels(
            result.params, objective.loss, objective.scale, objective.ridge()
        )
        if gain <= 0.0:
            break
        moved = replace(
            start, params=params, scale=result.scale, alpha=result.alpha, curvature=None
        )
        after = minimise(likelihood, moved, max_iter=left, **options)
        history = result.history + after.history
        if not after.objective < result.objective - _LESS_LIKELY:
            break
        result = replace(after, history=history, n_iter=len(history))
    return result
