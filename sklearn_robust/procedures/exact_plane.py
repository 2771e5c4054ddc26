"""The plane on which half of the rows lie or more, seen from a few of them."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..design import Design
from ..design.packed import PackedRows
from ..design.residuals import normal_scaled_quantile

_ALL_SEEN = 1000
"""Rows up to which the search for the S-estimate draws no sample."""
_MOST_PARAMETERS = 6
"""Of more, too many planes through as few rows as determine one would have to be looked at."""
_SEEN = 100
"""Rows that are looked at,"""
_LEAST_SHARE = 0.35
"""of which so many have to lie on the plane: half of all rows, less three standard errors."""
_SURE = 5.0
"""Planes expected to go through rows of one half of the table alone: none does in exp(-5)."""
_ROUNDING = 1e3
"""Floors of the residual scale that rounding moves a plane through few rows, at the most."""


def exact_plane(design: Design) -> np.ndarray | None:
    """Return the parameters of a plane that fits more than half of the rows exactly.

    None where there is none, or many parameters, or so few rows that any search sees them all.
    """
    if design.n_present <= _ALL_SEEN or design.columns.n_parameters > _MOST_PARAMETERS:
        return None
    few = design.thinned(_SEEN).packed()
    params = None if few is None else plane_of_few(few, design.floor)
    exact = params is not None and normal_scaled_quantile(design, params, 0.5) <= design.floor
    return params if exact else None


def plane_of_few(block: PackedRows, floor: float) -> np.ndarray | None:
    """Return the parameters of a plane through about half of the rows, or None if none is found.

    Planes through as few rows as determine one are drawn, always the same; that with the most
    rows is fitted to these by least squares.

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
