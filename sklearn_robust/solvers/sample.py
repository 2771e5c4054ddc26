"""The sample of many rows on which their fit begins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..rows import Rows
from .objective import Objective
from .result import Start

_SHARE = 8
"""Rows for one in the sample,"""
_LEAST, _MOST = 2_048, 32_768
"""which has at least and at most so many,"""
_PER_PARAMETER = 40
"""and at least so many for every parameter."""
_WORTH = 3
"""Rows for one in the sample from which it is worth while."""
_ROUGH = 0.3
"""Accuracy of the fit of a sample, in units of how well it knows the coefficients."""
_TRIAL = 1e-4
"""Length of the step, in units of the scale, over which curvature is seen."""
_LEAST_SHARE = 0.02
"""Bound on the share of the quadratic's curvature that the objective is taken to have."""


def sample_of(rows: Rows) -> Rows | None:
    """Return a sample of the rows, always the same one, or None where they are not many."""
    least = max(_LEAST, _PER_PARAMETER * rows.columns.n_parameters)
    size = int(np.clip(rows.n_rows // _SHARE, least, max(_MOST, least)))
    if rows.n_rows < _WORTH * size:
        return None
    return rows.sample(size, np.random.default_rng(0))


def accuracy_of(rows: Rows) -> float:
    """Return the ``tol`` to which a fit of a sample is worth while."""
    return _ROUGH * math.sqrt(rows.columns.n_parameters / rows.n_rows)


def near(objective: Objective, params) -> Start:
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
