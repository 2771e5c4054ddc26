"""Search of a plane that fits more than half of the rows exactly."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..design import Design
from ..design.packed import PackedRows
from ..design.residuals import normal_scaled_quantile

_ALL_SEEN = 1000
"""Up to this many rows no plane is searched here, because the S-estimate finds it."""
_MOST_PARAMETERS = 6
"""Most parameters for which the plane is searched; more would need too many subsets."""
_SEEN = 100
"""Number of rows from which elemental subsets are drawn."""
_LEAST_SHARE = 0.35
"""Share of these rows that must lie on the plane: one half, less three standard errors."""
_SURE = 5.0
"""Expected number of subsets from the exact half of the rows; with probability exp(-5) none is."""
_ROUNDING = 1e3
"""Rounding error of a plane through an elemental subset, in floors of the residual scale."""


def exact_plane(design: Design) -> np.ndarray | None:
    """Return the parameters of a plane that fits more than half of the rows exactly.

    None if none is found, or if there are many parameters or few rows.
    """
    if design.n_present <= _ALL_SEEN or design.columns.n_parameters > _MOST_PARAMETERS:
        return None
    few = design.thinned(_SEEN).packed()
    params = None if few is None else plane_of_few(few, design.floor)
    exact = params is not None and normal_scaled_quantile(design, params, 0.5) <= design.floor
    return params if exact else None


def plane_of_few(block: PackedRows, floor: float) -> np.ndarray | None:
    """Return the parameters of a plane through about half of the rows, or None if none is found.

    Planes through elemental subsets are drawn, always the same. The plane with the most rows is
    fitted to these rows by least squares.

    Parameters
    ----------
    block : PackedRows
        Its columns are not dependent.
    floor : float
        The least residual scale, in the unit of y.
    """
    Z, y = block.columns, block.y
    q, n = Z.shape
    shape = math.ceil(_SURE * 2.0**q), 3 * q + 10
    planes = kernels.planes_through(Z, y, np.random.default_rng(0).integers(n, size=shape))
    on = np.abs(y - planes @ Z) <= _ROUNDING * floor
    counts = np.count_nonzero(on, axis=1)
    if np.max(counts, initial=0) < _LEAST_SHARE * n:
        return None
    best = on[np.argmax(counts)]
    return np.linalg.lstsq(Z[:, best].T, y[best])[0]
