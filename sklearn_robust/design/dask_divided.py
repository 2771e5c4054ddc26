"""Blocks of Dask collections whose rows are divided by the sizes of their errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import scales
from .dask_parts import Part
from .divided import (
    DividedColumns,
    columns_of_divided,
    divided_rows,
    least_floor,
    medians,
)
from .standardisation import Standardisation


@dataclass(frozen=True)
class BlockDivision:
    """How the rows of every block are divided, as :class:`~.divided.Division` does.

    What is subtracted before the division is found from the rows that are kept in this process.

    Attributes
    ----------
    shift : ndarray of shape (n_features,)
        What is subtracted from X; 0 without an intercept.
    level : ndarray of shape (n_targets,)
        What is subtracted from the targets; 0 without an intercept.
    least_floors : ndarray of shape (n_targets,)
        The rounding of the targets that divided values no longer show.
    with_intercept : bool
        Whether a column of 1/size is appended to X.
    """

    shift: np.ndarray
    level: np.ndarray
    least_floors: np.ndarray
    with_intercept: bool

    @classmethod
    def of(cls, kept: Part, *, fit_intercept) -> BlockDivision:
        """Return the division of blocks, some of whose rows with a weight are given."""
        shift, level = np.zeros(kept.X.shape[1]), np.zeros(kept.y.shape[1])
        if fit_intercept:
            shift = medians(kept.X, kept.cases)
            level = np.array([scales.middle(y, kept.cases) for y in kept.y.T])
        floors = np.array([least_floor(of, kept.sizes) for of in level])
        return cls(shift, level, floors, fit_intercept)

    def __call__(self, part: Part) -> Part:
        """Return a block of divided rows, from one that holds the sizes of their errors."""
        sizes = np.asarray(part.sizes)
        with np.errstate(over="ignore", invalid="ignore"):  # checked once they are standardised
            X = divided_rows(part.X, sizes, self.shift, self.with_intercept)
            y = (part.y - self.level) / sizes[:, None]
        return replace(part, X=X, y=y)

    def columns(self, columns: Standardisation, target) -> DividedColumns:
        """Return the standardisation of the divided rows with one of the targets."""
        level = float(self.level[target])
        return columns_of_divided(columns, self.shift, level, self.with_intercept)


def divided(division: BlockDivision, part: Part) -> Part:
    """Return a block of divided rows."""
    return division(part)
