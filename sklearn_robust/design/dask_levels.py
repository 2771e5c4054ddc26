"""Level columns of rows in blocks elsewhere: the rows of rare levels are brought here, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from dask import delayed

from .base import added
from .dask_parts import apart, chained, taken_apart

if TYPE_CHECKING:
    from .dask import DaskDesign

_RARE = 4096
"""Rows that a rare level has at the most: those of others show well enough in a sample."""
_MOST = 200_000
"""Rows of rare levels that are brought here at the most, the rarest first."""


def rows_of_rare_levels(design: DaskDesign, columns, base):
    """Return all rows of the levels that few rows have, as X, targets and case weights.

    Parameters
    ----------
    design : DaskDesign
    columns, base : ndarray
        The numbers of likely level columns, and the values that most rows share in them.

    Returns
    -------
    tuple
        The rows, the numbers of the columns of rare levels, and their shared values; empty where
        no level is rare.
    """
    if len(columns) == 0:
        return ()
    counts = design.read([delayed(apart)(part, columns, base) for part in design.parts], added)[0]
    order = np.argsort(counts, kind="stable")
    order = order[(counts[order] > 0) & (counts[order] <= _RARE)]
    rare = np.sort(order[np.cumsum(counts[order]) <= _MOST])
    if len(rare) == 0:
        return ()
    columns, base = columns[rare], base[rare]
    parts = [delayed(taken_apart)(part, columns, base) for part in design.parts]
    return design.together(design.read(parts, chained)), columns, base
