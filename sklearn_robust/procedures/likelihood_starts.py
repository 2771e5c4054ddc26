"""Starts of the likelihood, which has several minima: some looked at, the best gone on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..losses import regression_constant, resolve
from ..problem import Likelihood
from ..solvers.lbfgs import lbfgs
from ..solvers.likelihood import fastest
from ..solvers.result import AdaptiveStart, Start, quiet
from ..solvers.solver import choose
from .exact_plane import exact_plane
from .residual_scales import MadScale, minimise_with_scale, packed_with_mad
from .s_estimate import SEstimate, bad_leverage, efficient, s_estimate
from .starts import least_squares
from .subsample import accuracy_of, likelihood_start_from_subsample, sample_of

_SAMPLE = 2000
"""Rows on which starts are compared, at the most."""
_LOOSE = {"tol": 1e-3, "max_iter": 100, "report": quiet}
"""Options of the searches that only rank the starts."""
_SHARP = _LOOSE | {"tol": 1e-6}
"""Options of the search that tells which rows are bad: its end is not gone on from."""
_RANKING = 1e-2
"""Accuracy of the searches that are only compared: their values then have that of its square."""
_GRADUATION = (1.0, 0.5, 0.0)
"""Shapes on the way from a convex loss to the heaviest tails."""


def at_params(likelihood: Likelihood, start: Start, alpha=1.0) -> AdaptiveStart:
    """Start at given parameters and the shape nearest to ``alpha``.

    The scale is the MAD, or the first wider quantile of the residuals that is not zero.
    """
    mad = MadScale(likelihood.design, 1.0)
    scale = float(np.clip(mad(start.params), *likelihood.scale_bounds))
    alpha = float(np.clip(alpha, *likelihood.alpha_bounds))
    return AdaptiveStart(start.params, start.root, scale, alpha, exact=mad.vanished)


@dataclass(frozen=True)
class LikelihoodStart:
    """A likelihood and where its search begins.

    Attributes
    ----------
    likelihood : Likelihood
        Of the rows that are taken in.
    start : AdaptiveStart or None
    left_out : ndarray of int
        The numbers of the rows that are not.
    estimate, believed : SEstimate or None
        What tell them, where they were made.
    """

    likelihood: Likelihood
    start: AdaptiveStart | None
    left_out: np.ndarray
    estimate: SEstimate | None = None
    believed: SEstimate | None = None


_NONE = np.empty(0, dtype=np.intp)


def choose_start(
    name, likelihood: Likelihood, solver, random_state, *, max_iter
) -> LikelihoodStart:
    """Return the named start.

    Of many rows it is where the search of a sample ends.

    Parameters
    ----------
    name : str
        Of a start.
    likelihood : Likelihood
        Of all rows.
    solver : str
        The name of a solver.
    random_state : RandomState
    max_iter : int
    """
    compiled = name == "ols" and solver == "auto" and likelihood.design.packed() is not None
    exact = name == "s" and exact_plane(likelihood.design) is not None
    rows = None if compiled or exact else sample_of(likelihood.design)
    if rows is not None:
        few = choose_start(name, likelihood.on(rows), solver, random_state, max_iter=max_iter)
        refined = _refined_from_subsample(likelihood, few, random_state)
        if refined is not None:
            return refined
    squares = least_squares(likelihood.problem, max_iter=max_iter)
    return STARTS[name](likelihood, squares, choose(solver, likelihood.design), random_state)


def _refined_from_subsample(likelihood, few, random_state):
    """Return the start of all rows that follows from that of a sample, or None."""
    if few.start.exact:
        return None
    tol = accuracy_of(few.likelihood.design)
    start = likelihood_start_from_subsample(
        few.likelihood, fastest(few.likelihood, few.start, **_LOOSE | {"tol": tol})
    )
    if start is None:
        return None
    left_out = _NONE
    if few.estimate is not None:
        left_out, _ = bad_leverage(likelihood.design, few.estimate, few.believed, random_state)
    if len(left_out):
        likelihood = likelihood.on(likelihood.design.without(left_out))
    return LikelihoodStart(likelihood, start, left_out, few.estimate, few.believed)


def _ols(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> LikelihoodStart:
    """Start from least squares, which ``start`` is."""
    return LikelihoodStart(likelihood, at_params(likelihood, start), _NONE)


def _gnc(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> LikelihoodStart:
    """Start from a convex fit, its shape lowered step by step, c held."""
    start, scale = _charbonnier(likelihood, start)
    for alpha in _GRADUATION[1:]:
        found = minimise(likelihood.objective(scale, alpha), start, **_LOOSE)
        start = replace(start, params=found.params)
    return LikelihoodStart(likelihood, at_params(likelihood, start, alpha=_GRADUATION[-1]), _NONE)


def _s(likelihood: Likelihood, start: Start, minimise: Callable, random_state) -> LikelihoodStart:
    """Start from the best of the S-estimate, least squares and a convex fit.

    Rows that the S-estimate rejects and that are far off in X are left out. The starts are
    searched loosely on a sample of the others; of what these searches find and the starts
    themselves, the most likely on all rows taken in is returned.
    """
    estimate = s_estimate(
        likelihood.problem, start, minimise, random_state,
        tol=_LOOSE["tol"], max_iter=_LOOSE["max_iter"],
    )  # fmt: skip
    believed = efficient(likelihood.problem, estimate, minimise, **_SHARP)
    left_out, params = bad_leverage(likelihood.design, estimate, believed, random_state)
    if len(left_out):
        likelihood = likelihood.on(likelihood.design.without(left_out))
    sampled = likelihood.on(likelihood.design.sample(_SAMPLE, random_state))
    robust = Start(estimate.params, estimate.root)
    if estimate.exact:
        exact = at_params(likelihood, robust)
        if likelihood.unbounded_at(exact):
            return LikelihoodStart(likelihood, exact, left_out, estimate, believed)
    seeds = [
        replace(robust, params=params),
        replace(robust, params=start.params),
        _charbonnier(sampled, robust)[0],
    ]
    starts = [
        min((at_params(sampled, seed, alpha) for alpha in _GRADUATION), key=sampled.value_at)
        for seed in seeds
    ]
    found = []
    for first in starts:
        result = fastest(sampled, first, **_LOOSE | {"tol": _RANKING})
        found.append(replace(first, params=result.params, scale=result.scale, alpha=result.alpha))
    exact = _exact_of(likelihood, [*found, *starts])
    best = exact or replace(min([*found, *starts], key=likelihood.value_at), exact=False)
    return LikelihoodStart(likelihood, best, left_out, estimate, believed)


def _exact_of(likelihood, starts):
    """Return the first start at which the likelihood of all rows has no bound, or None."""
    for start in starts:
        if start.exact or likelihood.is_near_floor(start.scale):
            exact = at_params(likelihood, start)
            if likelihood.unbounded_at(exact):
                return exact
    return None


STARTS = {"ols": _ols, "gnc": _gnc, "s": _s}
"""Every start of the likelihood that has a name."""


def _charbonnier(likelihood, start):
    """Return the convex fit and its scale c."""
    loss = resolve(alpha=_GRADUATION[0])
    mad = MadScale(likelihood.design, regression_constant(loss, 0.95))
    objective = likelihood.objective(1.0, _GRADUATION[0])
    result = packed_with_mad(objective, start, mad, **_LOOSE)
    if result is None:
        result = minimise_with_scale(lbfgs, objective, start, mad, **_LOOSE)
    return replace(start, params=result.params), result.scale
