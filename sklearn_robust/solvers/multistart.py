"""Starts of the likelihood, which has several minima: many looked at, a few searched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..losses import resolve
from .joint import MadScale, minimise_with_scale
from .lbfgs import lbfgs
from .likelihood import Likelihood, joint
from .result import AdaptiveStart, Start, quiet

_SAMPLE = 2000
"""Rows on which starts are compared, at the most."""
_SUBSETS = 60
"""Planes through as few rows as determine one, drawn at random and looked at."""
_SEARCHED = 5
"""The best of them, from which a search goes on."""
_LOOSE = {"tol": 1e-3, "max_iter": 100, "report": quiet}
"""Options of the searches that only rank the starts."""


def at_params(likelihood: Likelihood, start: Start, alpha=1.0) -> AdaptiveStart:
    """Start at given parameters, the MAD for scale and the shape nearest to ``alpha``."""
    rows = likelihood.rows
    scale = np.clip(max(rows.mad(start.params), rows.scale_floor()), *likelihood.scale_bounds)
    alpha = np.clip(alpha, *likelihood.alpha_bounds)
    return AdaptiveStart(start.params, start.root, float(scale), float(alpha))


def least_squares_alone(likelihood: Likelihood, start: Start, random_state) -> AdaptiveStart:
    """Start from least squares, which ``start`` is."""
    return at_params(likelihood, start)


def several(likelihood: Likelihood, start: Start, random_state) -> AdaptiveStart:
    """Start from the best of least squares, a convex fit, and planes through few rows.

    They are compared, and the best searched loosely, on a sample of the rows; of what these
    searches find and the starts themselves, the most likely on all rows is returned.
    """
    sampled = likelihood.on(likelihood.rows.sample(_SAMPLE, random_state))
    seeds = [start, replace(start, params=_charbonnier(sampled, start))]
    starts = [at_params(sampled, seed) for seed in seeds]
    starts += _through_few_rows(sampled, start, random_state)
    found = []
    for first in starts:
        result = joint(sampled, first, **_LOOSE)
        found.append(replace(first, params=result.params, scale=result.scale, alpha=result.alpha))
    return min([*found, *starts], key=likelihood.value_at)


STARTS = {"auto": several, "ols": least_squares_alone}
"""Every start of the likelihood that has a name."""


def _charbonnier(likelihood, start):
    residual_scale = MadScale(likelihood.rows, resolve("charbonnier"), 0.95)
    objective = likelihood.objective(1.0, 1.0)
    return minimise_with_scale(lbfgs, objective, start, residual_scale, **_LOOSE).params


def _through_few_rows(likelihood, start, random_state):
    rows = likelihood.rows
    present = rows.present()
    size = rows.columns.n_parameters
    if len(present) <= size:
        return []
    drawn = (random_state.choice(present, size, replace=False) for _ in range(_SUBSETS))
    planes = [rows.interpolate(which) for which in drawn]
    # The heaviest tails: the other rows may lie anywhere from a plane through so few.
    starts = [
        at_params(likelihood, replace(start, params=plane), alpha=0.0)
        for plane in planes
        if plane is not None
    ]
    return sorted(starts, key=likelihood.value_at)[:_SEARCHED]
