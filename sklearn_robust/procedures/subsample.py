"""The sample of many rows on which their fit begins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..design import Design, LocalDesign
from ..limits import LIMITS
from ..problem import Likelihood, Objective
from ..solvers.likelihood import Joint
from ..solvers.result import AdaptiveResult, AdaptiveStart, Start

_SHARE = 8
"""Rows for one in the sample,"""
_LEAST, _MOST = 2_048, 32_768
"""which has at least and at most so many,"""
_PER_PARAMETER = 40
"""and at least so many for every parameter."""
_ROUGH = 0.3
"""Accuracy of the fit of a sample, in units of how well it knows the coefficients."""
_TRIAL = 1e-4
"""Length of the step, in units of the scale, over which curvature is seen."""
_LIKELIHOOD_TRIAL = 1e-4
"""Change of scale or shape over which their curvature is seen."""
_LEAST_SHARE = 0.02
"""Bound on the share of the quadratic's curvature that the objective is taken to have."""


def sample_of(design: Design) -> LocalDesign | None:
    """Return a sample of the rows, always the same one, or None where they are not many."""
    least = max(_LEAST, _PER_PARAMETER * design.columns.n_parameters)
    size = int(np.clip(design.n_rows // _SHARE, least, max(_MOST, least)))
    if design.n_rows < LIMITS.subsampled * size:
        return None
    return design.sample(size, np.random.default_rng(0))


def accuracy_of(design: Design) -> float:
    """Return the ``tol`` to which a fit of a sample is worth while."""
    return _ROUGH * math.sqrt(design.columns.n_parameters / design.n_rows)


def start_from_subsample(objective: Objective, params) -> Start:
    """Return a start at what was found on a sample, with the curvature there.

    That of :meth:`Objective.curvature`, less the share that the objective does not have: it is
    seen in how the gradient changes over a small step in all coordinates.
    """
    _, gradient, root = objective.curvature(params)
    size = root.root.shape[1]
    step = np.full(size, _TRIAL / np.sqrt(max(size, 1)))
    ahead = objective.value_gradient(params + objective.scale * (root.root @ step))[1]
    share = float(np.dot(root.root.T @ (ahead - gradient), step)) / _TRIAL**2
    share = min(max(share, _LEAST_SHARE), 1.0)
    return Start(params, replace(root, root=root.root / np.sqrt(share)), objective.scale)


def likelihood_start_from_subsample(
    likelihood: Likelihood, found: AdaptiveResult
) -> AdaptiveStart | None:
    """Return a start at what was found on a sample, or None where curvature says it is none."""
    start = start_from_subsample(likelihood.objective(found.scale, found.alpha), found.params)
    start = AdaptiveStart(start.params, start.root, found.scale, found.alpha)
    problem = Joint(likelihood, start)
    gradient = problem.value_gradient(problem.x)[1][-2:]
    curvature = np.empty((2, 2))
    for k, place in enumerate((-2, -1)):
        ahead = problem.x.copy()
        middle = np.mean(problem.bounds[place])
        ahead[place] += -_LIKELIHOOD_TRIAL if ahead[place] > middle else _LIKELIHOOD_TRIAL
        change = problem.value_gradient(ahead)[1][-2:] - gradient
        curvature[:, k] = change / (ahead[place] - problem.x[place])
    curvature = 0.5 * (curvature + curvature.T)
    if not (start.root.well_conditioned and np.linalg.eigvalsh(curvature)[0] > 0.0):
        return None
    return replace(start, curvature=curvature)
