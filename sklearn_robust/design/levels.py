"""Level columns: those in which most rows share one value, as dummies, flags and their products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .. import kernels

MOST_APART = 0.6
"""Share of the rows that have another value than most in a level column, at most."""
_WIDEST = 4
"""Level columns of the same rows that form one block, at most."""


_CONVEX_SWEEPS = 20
"""Sweeps over all levels in a convex fit."""


@dataclass(frozen=True)
class Blocks:
    """Level columns in blocks of the same rows, as ``kernels.levels`` reads them.

    Attributes
    ----------
    firsts, members, widths, starts, entries : ndarray
        As there; entries are those of standardised columns.
    directions : sparse array of shape (n_parameters, n_moves)
        How the parameters change with a coefficient of a block.
    columns : ndarray of int
        The numbers of the level columns, block after block: a move belongs to each. The moves
        after them belong to base levels.
    """

    firsts: np.ndarray
    members: np.ndarray
    widths: np.ndarray
    starts: np.ndarray
    entries: np.ndarray
    directions: sparse.csc_array
    columns: np.ndarray

    @property
    def arrays(self):
        """The arrays that the kernels take, in their order."""
        return self.firsts, self.members, self.widths, self.starts, self.entries

    @property
    def n_moves(self) -> int:
        """The number of coefficients of all blocks."""
        return self.directions.shape[1]

    def with_constant(self, n_rows):
        """Return the arrays with a block before the others, of all rows, that holds ones."""
        return (
            np.concatenate([[0, n_rows], n_rows + self.firsts[1:]]),
            np.concatenate([np.arange(n_rows), self.members]),
            np.concatenate([[1], self.widths]),
            np.concatenate([[0, n_rows], n_rows + self.starts[1:]]),
            np.concatenate([np.ones(n_rows), self.entries]),
        )


@dataclass(frozen=True)
class Levels:
    """Level columns and where their rows differ from the value that most share.

    Attributes
    ----------
    columns : ndarray of shape (n_levels,)
        Their numbers.
    base : ndarray of shape (n_levels,)
        The shared values.
    apart : sparse.csc_array of shape (n_rows, n_levels)
        Values less the shared one, where they differ.
    """

    columns: np.ndarray
    base: np.ndarray
    apart: sparse.csc_array

    @cached_property
    def _groups(self):
        """Lists of level columns, by place, that have the same rows; their widths are bounded."""
        groups: dict = {}
        for k in range(len(self.columns)):
            rows = self._rows(k)
            if len(rows):
                groups.setdefault((len(rows), rows.tobytes()), []).append(k)
        return [
            group[i : i + _WIDEST]
            for group in groups.values()
            for i in range(0, len(group), _WIDEST)
        ]

    def _rows(self, k):
        return self.apart.indices[self.apart.indptr[k] : self.apart.indptr[k + 1]]

    def _values(self, k):
        return self.apart.data[self.apart.indptr[k] : self.apart.indptr[k + 1]]

    def _factors(self):
        """Return lists of columns, by place, that hold one value each in rows of their own.

        They are the dummies of a factor, or serve as if they were.
        """
        constant = [k for k in range(len(self.columns)) if self._is_flag(k)]
        taken: list = []
        for k in constant:
            rows = self._rows(k)
            for members, mask in reversed(taken):
                if not mask[rows].any():
                    members.append(k)
                    mask[rows] = True
                    break
            else:
                mask = np.zeros(self.apart.shape[0], dtype=bool)
                mask[rows] = True
                taken.append(([k], mask))
        return taken

    def flags(self) -> Levels | None:
        """Return the columns that hold two values only, or None where there are none."""
        flags = [k for k in range(len(self.columns)) if self._is_flag(k)]
        if not flags:
            return None
        return Levels(self.columns[flags], self.base[flags], sparse.csc_array(self.apart[:, flags]))

    def squares(self, columns, blocks) -> np.ndarray:
        """Return the squared entry of every flag's rows, in the order of its blocks."""
        values = {self.columns[k]: self._values(k)[0] for k in range(len(self.columns))}
        own = np.array([values[column] for column in blocks.columns])
        return (own / columns.unit[blocks.columns]) ** 2

    def _is_flag(self, k):
        return len(self._rows(k)) > 0 and np.ptp(self._values(k)) == 0.0

    def blocks(self, columns, *, bases=True) -> Blocks:
        """Return the blocks in units of standardised columns.

        Parameters
        ----------
        columns : Standardisation
        bases : bool
            Whether the rows that have none of the levels of a factor form a block too.
        """
        unit = columns.unit[self.columns]
        shift = (columns.centre[self.columns] - self.base) / unit
        n_parameters, intercept = columns.n_parameters, columns.n_parameters - 1
        members: list[np.ndarray] = []
        entries: list[np.ndarray] = []
        widths: list[int] = []
        order: list[int] = []
        places: list = []
        for group in self._groups:
            members.append(self._rows(group[0]))
            widths.append(len(group))
            entries.extend(self._values(k) / unit[k] for k in group)
            for k in group:
                column = [(self.columns[k], 1.0)]
                if columns.fit_intercept:
                    column.append((intercept, shift[k]))
                places.append(column)
                order.append(self.columns[k])
        if bases and columns.fit_intercept:
            for factor, mask in self._factors():
                rows = np.flatnonzero(~mask)
                if len(factor) < 2 or not len(rows):
                    continue
                members.append(rows.astype(members[0].dtype))
                widths.append(1)
                entries.append(np.ones(len(rows)))
                steps = np.array([unit[k] / self._values(k)[0] for k in factor])
                column = [(self.columns[k], -s) for k, s in zip(factor, steps, strict=True)]
                column.append((intercept, 1.0 - float(steps @ shift[factor])))
                places.append(column)
        sizes = np.array([len(rows) for rows in members])
        lines = [(i, j, v) for j, column in enumerate(places) for i, v in column]
        i, j, v = (np.array(of) for of in zip(*lines, strict=True))
        return Blocks(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.concatenate(members).astype(np.int64),
            np.array(widths, dtype=np.int64),
            np.concatenate([[0], np.cumsum(sizes * np.array(widths))]).astype(np.int64),
            np.concatenate(entries),
            sparse.csc_array((v, (i, j)), shape=(n_parameters, len(places))),
            np.array(order),
        )


def shared_values(few):
    """Return which columns of a few rows may be level columns, and the values that most share.

    Parameters
    ----------
    few : ndarray of shape (n_few, n_features)
    """
    middle = np.partition(few, len(few) // 2, axis=0)[len(few) // 2]
    return np.mean(few != middle, axis=0) <= MOST_APART, middle


def levels_of(apart, columns, base, most=MOST_APART) -> Levels | None:
    """Return the level columns among candidates, or None where there are none.

    Parameters
    ----------
    apart : sparse.csc_array of shape (n_rows, n_candidates)
        Of the rows present: their values less the shared ones.
    columns, base : ndarray of shape (n_candidates,)
        Their numbers and the shared values.
    most : float
        The share of the rows that may differ.
    """
    counts = np.diff(apart.indptr)
    kept = (counts <= most * apart.shape[0]) & (counts > 0)
    if not np.any(kept):
        return None
    return Levels(columns[kept], base[kept], sparse.csc_array(apart[:, kept]))


def fit_levels(values, cases, levels: Blocks, ridge=None, *, constant=True):
    """Fit levels, and a constant if so said, to values by a convex loss that outliers do not lead.

    Returns
    -------
    left : ndarray of shape (n_rows,)
        What the fit leaves.
    constant : float
    coefs : ndarray of shape (n_moves,)
    """
    left, coefs = np.array(values), np.zeros(constant + levels.n_moves)
    arrays = levels.with_constant(len(left)) if constant else levels.arrays
    ridges = np.zeros(len(coefs))
    if ridge is not None:
        ridges[int(constant) :] = ridge
    kernels.fit_blocks(left, cases, *arrays, ridges, _CONVEX_SWEEPS, coefs)
    return left, coefs[0] if constant else 0.0, coefs[int(constant) :]
