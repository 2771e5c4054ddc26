"""Level columns of rows in blocks elsewhere: the rows of rare levels are brought here, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from dask import delayed

from ..losses import Loss
from .level_rows import LevelRows
from .parts import apart, chained, taken_apart
from .statistics import added

_RARE = 4096
"""Rows that a rare level has at the most: those of others show well enough in a sample."""
_MOST = 200_000
"""Rows of rare levels that are brought here at the most, the rarest first."""


class LevelsInBlocks(ABC):
    """Rows in blocks some of whose columns may be level columns."""

    _parts: list
    _rare_levels: tuple | None = None

    @property
    @abstractmethod
    def _few(self) -> Any:
        """The rows that are kept here."""

    @abstractmethod
    def _read(self, results, combine) -> Any:
        """Return results of all blocks, brought together."""

    @abstractmethod
    def _together(self, parts) -> tuple:
        """Return what was taken of several blocks as one."""

    @abstractmethod
    def _seen(self, taken) -> Any:
        """Return what was taken as rows in this process."""

    def move_levels(self, params, loss: Loss, scale: float, ridge):
        """Return parameters with rare levels moved, the gain, and whether any moved."""
        rows = self._rows_of_rare_levels()
        if rows is None:
            return params, 0.0, False
        return rows.move_levels(params, loss, scale, ridge)

    def _rows_of_rare_levels(self) -> LevelRows | None:
        """Return all rows of the levels that few rows have, or None where there is no such level.

        What is kept here shows which columns are level columns, but too little of their rows.
        """
        if self._rare_levels is None:
            columns, base = self._few.level_columns()
            self._rare_levels = self._found(columns, base) if len(columns) else ()
        if not self._rare_levels:
            return None
        together, columns, base = self._rare_levels
        rows = self._seen(together)
        rows.set_level_columns(columns, base, most=1.0)
        return rows

    def _found(self, columns, base) -> tuple:
        counts = self._read([delayed(apart)(part, columns, base) for part in self._parts], added)[0]
        order = np.argsort(counts, kind="stable")
        order = order[(counts[order] > 0) & (counts[order] <= _RARE)]
        rare = np.sort(order[np.cumsum(counts[order]) <= _MOST])
        if len(rare) == 0:
            return ()
        columns, base = columns[rare], base[rare]
        parts = [delayed(taken_apart)(part, columns, base) for part in self._parts]
        return self._together(self._read(parts, chained)), columns, base
