"""Level columns of Dask collections: the rows of rare levels are fetched once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from dask import delayed

from .base import added
from .dask_parts import apart, chained, taken_apart, together

if TYPE_CHECKING:
    from .dask import DaskDesign

_RARE = 4096
"""Most rows of a rare level; a sample has enough rows of other levels."""
_MOST = 200_000
"""Most rows of rare levels that are fetched, the rarest first."""


def rows_of_rare_levels(design: DaskDesign, columns, base):
    """Return all rows of rare levels, as one block.

    Parameters
    ----------
    design : DaskDesign
    columns, base : ndarray
        The numbers of likely level columns, and their shared values.

    Returns
    -------
    tuple
        The rows, the numbers of the columns of rare levels, and their shared values; empty if no
        level is rare.
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
    return together(design.read(parts, chained)), columns, base
