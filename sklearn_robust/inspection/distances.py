"""Robust distances of rows in X."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy.sparse import issparse
from scipy.stats import chi2
from sklearn.covariance import MinCovDet

from ..scales import ENOUGH

_SAME = 1e-9
"""Singular value, relative to the largest, below which standardised columns are dependent."""
_LEAST_ROWS = 5
"""Least rows for each column of which a covariance is estimated, as Rousseeuw & van Zomeren (1990)
advise."""


def robust_distances(design, X, random_state) -> tuple[np.ndarray, int]:
    """Return robust Mahalanobis distances in the numeric columns, and the rank of these.

    Location and covariance are those of the minimum covariance determinant, of at most 20 000
    evenly spaced rows. Level columns, most of whose rows share a value, take no part: the
    covariance of ordinary rows is singular there. Columns that are dependent on others do not
    change the distance. With fewer than five rows for each column, correlations are ignored.
    """
    levels = design.levels()
    numeric = np.setdiff1d(np.arange(X.shape[1]), () if levels is None else levels.columns)
    of = X[:, numeric]
    of = np.asarray(of.toarray() if issparse(of) else of, dtype=np.float64)
    present = design.present()
    chosen = present[:: -(-len(present) // ENOUGH)]
    centre = np.median(of[chosen], axis=0)
    unit = np.median(np.abs(of[chosen] - centre), axis=0) / 0.6745
    wide = np.std(of[chosen], axis=0)
    unit = np.where(unit > 0.0, unit, np.where(wide > 0.0, wide, 1.0))
    of = (of - centre) / unit
    _, singular, directions = np.linalg.svd(of[chosen], full_matrices=False)
    directions = directions[singular > _SAME * np.max(singular, initial=0.0)]
    rank = len(directions)
    if rank == 0:
        return np.zeros(len(of)), 0
    if len(chosen) < _LEAST_ROWS * rank:
        return np.sqrt(np.sum(of**2, axis=1)), of.shape[1]
    scores = of @ directions.T
    with warnings.catch_warnings():
        # Steps of its search may raise the determinant by rounding; the search goes on.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = MinCovDet(random_state=random_state).fit(scores[chosen])
    return np.sqrt(np.maximum(found.mahalanobis(scores), 0.0)), rank


def cutoff(rank, level) -> float:
    """Return the distance that a normal row in ``rank`` columns exceeds with chance 1 - level."""
    return math.sqrt(float(chi2.ppf(level, rank))) if rank else math.inf
