"""The subsample on which a fit of many rows begins."""

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
"""Rows of the table for every row of the subsample."""
_LEAST, _MOST = 2_048, 32_768
"""Least and largest number of rows of a subsample."""
_PER_PARAMETER = 40
"""Least number of rows of a subsample for every parameter."""
_ROUGH = 0.3
"""Tolerance of the fit of a subsample, in units of the standard error of its coefficients."""
_TRIAL = 1e-4
"""Length of the finite difference, in units of the scale, that gives the curvature."""
_LIKELIHOOD_TRIAL = 1e-4
"""Length of the finite difference in log scale and shape that gives their curvature."""
_LEAST_SHARE = 0.02
"""Lower bound on the curvature of the objective relative to that of IRLS."""


def subsample_size(design: Design) -> int:
    """Return the size of the subsample, or 0 if there are too few rows for one."""
    least = max(_LEAST, _PER_PARAMETER * design.columns.n_parameters)
    size = int(np.clip(design.n_rows // _SHARE, least, max(_MOST, least)))
    return 0 if design.n_rows < LIMITS.subsampled * size else size


def sample_of(design: Design, size: int) -> LocalDesign:
    """Return a subsample of the rows, always the same one."""
    return design.sample(size, np.random.default_rng(0))


def accuracy_of(design: Design) -> float:
    """Return the ``tol`` of the fit of a subsample, a fraction of its sampling error."""
    return _ROUGH * math.sqrt(design.columns.n_parameters / design.n_rows)


def start_from_subsample(objective: Objective, params) -> Start:
    """Return a start at the parameters fitted to a subsample, with the curvature there.

    The curvature of the objective is a share of that of :meth:`Objective.curvature`. A finite
    difference of the gradient along all coordinates gives this share.
    """
    _, gradient, root = objective.curvature(params)
    size = root.root.shape[1]
    step = np.full(size, _TRIAL / np.sqrt(max(size, 1)))
    ahead = objective.value_gradient(params + objective.scale * (root.root @ step))[1]
    share = float(np.dot(root.root.T @ (ahead - gradient), step)) / _TRIAL**2
    share = min(max(share, _LEAST_SHARE), 1.0)
    return Start(params, replace(root, root=root.root / np.sqrt(share)), objective.scale)


def likelihood_start_from_subsample(likelihood: Likelihood, found: AdaptiveResult) -> AdaptiveStart:
    """Return a start at the fit of a subsample, with the curvature there if it is positive."""
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
    positive = start.root.well_conditioned and np.linalg.eigvalsh(curvature)[0] > 0.0
    return replace(start, curvature=curvature) if positive else start
