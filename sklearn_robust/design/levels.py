"""Level columns, in which many rows share one value: dummies, flags and their products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from .. import kernels

MOST_APART = 0.6
"""Largest share of rows of a level column that differ from the shared value."""
_WIDEST = 4
"""Most level columns, with the same rows, in one block."""


_CONVEX_SWEEPS = 20
"""Number of sweeps over all levels in a convex fit."""


@dataclass(frozen=True)
class Blocks:
    """Level columns in blocks with the same rows, in the form of ``kernels.levels``.

    Attributes
    ----------
    firsts, members, widths, starts, entries : ndarray
        As in ``kernels.levels``; the entries are of standardised columns.
    directions : sparse array of shape (n_parameters, n_moves)
        The change of the parameters with each coefficient of a block.
    columns : ndarray of int
        The numbers of the level columns in the order of the first moves. Further moves are those
        of base levels.
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
        """Return the arrays with a first block of ones in all rows."""
        return (
            np.concatenate([[0, n_rows], n_rows + self.firsts[1:]]),
            np.concatenate([np.arange(n_rows), self.members]),
            np.concatenate([[1], self.widths]),
            np.concatenate([[0, n_rows], n_rows + self.starts[1:]]),
            np.concatenate([np.ones(n_rows), self.entries]),
        )


@dataclass(frozen=True)
class Levels:
    """Level columns, and the rows that differ from the shared values.

    Attributes
    ----------
    columns : ndarray of shape (n_levels,)
        The numbers of the columns.
    base : ndarray of shape (n_levels,)
        The shared values.
    apart : sparse.csc_array of shape (n_rows, n_levels)
        Values minus the shared value, where these differ.
    """

    columns: np.ndarray
    base: np.ndarray
    apart: sparse.csc_array

    @cached_property
    def _groups(self):
        """Lists of indices of level columns that have the same rows, at most ``_WIDEST`` each."""
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

    def case_weights(self, cases, among):
        """Return, for every level, the case weight of its rows that are among some, and of all.

        Parameters
        ----------
        cases : ndarray of shape (n_rows,)
        among : ndarray of bool of shape (n_rows,)
        """
        belongs = (self.apart != 0).astype(np.float64)
        return (cases * among) @ belongs, cases @ belongs

    def _rows(self, k):
        return self.apart.indices[self.apart.indptr[k] : self.apart.indptr[k + 1]]

    def _values(self, k):
        return self.apart.data[self.apart.indptr[k] : self.apart.indptr[k + 1]]

    def _factors(self):
        """Return lists of indices of flags that have no row in common, with the mask of all rows.

        They are the dummies of a factor, or can be treated as dummies.
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
        """Return the columns that hold two values only, or None if there are none."""
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
    """Return which columns of a few rows may be level columns, and their shared values.

    Parameters
    ----------
    few : ndarray of shape (n_few, n_features)
    """
    middle = np.partition(few, len(few) // 2, axis=0)[len(few) // 2]
    return np.mean(few != middle, axis=0) <= MOST_APART, middle


def levels_of(apart, columns, base, most=MOST_APART) -> Levels | None:
    """Return the level columns among candidates, or None if there are none.

    Parameters
    ----------
    apart : sparse.csc_array of shape (n_rows, n_candidates)
        The values of the rows present minus the shared ones.
    columns, base : ndarray of shape (n_candidates,)
        The numbers and the shared values of the candidates.
    most : float
        The largest share of rows that may differ.
    """
    counts = np.diff(apart.indptr)
    kept = (counts <= most * apart.shape[0]) & (counts > 0)
    if not np.any(kept):
        return None
    return Levels(columns[kept], base[kept], sparse.csc_array(apart[:, kept]))


def fit_levels(values, cases, levels: Blocks, ridge=None, *, constant=True):
    """Fit levels, and optionally a constant, to values by a convex loss that resists outliers.

    Returns
    -------
    left : ndarray of shape (n_rows,)
        The residuals.
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
