"""Starts of the likelihood, which has several minima: some looked at, the best gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..losses import regression_constant, resolve
from .joint import MadScale, minimise_with_scale
from .lbfgs import lbfgs
from .likelihood import Likelihood, joint
from .result import AdaptiveStart, Start, quiet
from .s_estimate import rejected_far_rows, s_estimate

_SAMPLE = 2000
"""Rows on which starts are compared, at the most."""
_LOOSE = {"tol": 1e-3, "max_iter": 100, "report": quiet}
"""Options of the searches that only rank the starts."""
_GRADUATION = (1.0, 0.5, 0.0)
"""Shapes on the way from a convex loss to the heaviest tails."""


def at_params(likelihood: Likelihood, start: Start, alpha=1.0) -> AdaptiveStart:
    """Start at given parameters, the MAD for scale and the shape nearest to ``alpha``."""
    rows = likelihood.rows
    scale = max(rows.deviation(start.params, 0.5), rows.scale_floor())
    scale = float(np.clip(scale, *likelihood.scale_bounds))
    return AdaptiveStart(
        start.params, start.root, scale, float(np.clip(alpha, *likelihood.alpha_bounds))
    )


@dataclass(frozen=True)
class Outset:
    """A likelihood and where its search begins.

    Attributes
    ----------
    likelihood : Likelihood
        Of the rows that are taken in.
    start : AdaptiveStart or None
    left_out : ndarray of int
        The numbers of the rows that are not.
    """

    likelihood: Likelihood
    start: AdaptiveStart | None
    left_out: np.ndarray


_NONE = np.empty(0, dtype=np.intp)


def _ols(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> Outset:
    """Start from least squares, which ``start`` is."""
    return Outset(likelihood, at_params(likelihood, start), _NONE)


def _gnc(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> Outset:
    """Start from a convex fit, its shape lowered step by step, c held."""
    start, scale = _charbonnier(likelihood, start)
    for alpha in _GRADUATION[1:]:
        found = minimise(likelihood.objective(scale, alpha), start, **_LOOSE)
        start = replace(start, params=found.params)
    return Outset(likelihood, at_params(likelihood, start, alpha=_GRADUATION[-1]), _NONE)


def _s(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> Outset:
    """Start from the best of the S-estimate, least squares and a convex fit.

    Rows that the S-estimate rejects and that are far off in X are left out. The starts are
    searched loosely on a sample of the others; of what these searches find and the starts
    themselves, the most likely on all rows taken in is returned.
    """
    estimate = s_estimate(
        likelihood.objective(1.0, 2.0), start, minimise, random_state,
        tol=_LOOSE["tol"], max_iter=_LOOSE["max_iter"],
    )  # fmt: skip
    left_out = rejected_far_rows(likelihood.rows, estimate, random_state)
    if len(left_out):
        likelihood = likelihood.on(likelihood.rows.without(left_out))
    sampled = likelihood.on(likelihood.rows.sample(_SAMPLE, random_state))
    robust = Start(estimate.params, estimate.root)
    if estimate.exact:
        return Outset(likelihood, at_params(likelihood, robust), left_out)
    seeds = [robust, replace(robust, params=start.params), _charbonnier(sampled, robust)[0]]
    starts = [
        min((at_params(sampled, seed, alpha) for alpha in _GRADUATION), key=sampled.value_at)
        for seed in seeds
    ]
    found = []
    for first in starts:
        result = joint(sampled, first, **_LOOSE)
        found.append(replace(first, params=result.params, scale=result.scale, alpha=result.alpha))
    return Outset(likelihood, min([*found, *starts], key=likelihood.value_at), left_out)


STARTS = {"ols": _ols, "gnc": _gnc, "s": _s}
"""Every start of the likelihood that has a name."""


def _charbonnier(likelihood, start):
    """Return the convex fit and its scale c."""
    loss = resolve(alpha=_GRADUATION[0])
    mad = MadScale(likelihood.rows, regression_constant(loss, 0.95))
    objective = likelihood.objective(1.0, _GRADUATION[0])
    result = minimise_with_scale(lbfgs, objective, start, mad, **_LOOSE)
    return replace(start, params=result.params), result.scale
