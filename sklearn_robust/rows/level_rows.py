"""What rows in this process know of their level columns."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .. import kernels
from ..losses import Loss
from . import planes
from .block import Block
from .level_search import LevelSearch, fit_levels
from .levels import MOST_APART, Blocks, Levels, levels_of, shared_values
from .standardisation import Standardisation

_FEW = 400
"""Evenly spaced rows that show which columns may be level columns."""
_JOINT_WORK = 20_000_000
"""Multiplications in a Gram matrix of all columns up to which planes through rows are tried too."""


_SHRUNK_BY = 10.0
"""Rows for which the location of all levels counts in that of one: a rare level has no location of
its own, else its bad rows would be taken for ordinary ones."""

_HARDEST = 1e200
"""Bound on the penalty of a level in units of its scale: the level is held at zero long before."""
_RARE = 64
"""Rows that a rare level has at the most."""


class LevelRows(ABC):
    """Rows some of whose columns may be level columns."""

    n_features: int
    total_weight: float
    columns: Standardisation
    _level_columns: tuple | None
    _level_blocks: dict

    @abstractmethod
    def _some_rows(self, most, columns) -> np.ndarray:
        """Return some columns of at most so many rows with a weight, evenly spaced, as float64."""

    @abstractmethod
    def _apart(self, columns, base):
        """Return some columns of the rows present less a value each, as a sparse CSC array."""

    @abstractmethod
    def _block_of(self, columns) -> Block:
        """Return some standardised columns of all rows present, and the ones of an intercept."""

    @property
    @abstractmethod
    def n_present(self) -> int:
        """The number of rows whose case weight is not zero."""

    @abstractmethod
    def present(self) -> np.ndarray:
        """Return the numbers of these rows."""

    @abstractmethod
    def residuals(self, params) -> np.ndarray:
        """Return y minus the fitted values, shape (n_rows,)."""

    @abstractmethod
    def _own_cases(self) -> np.ndarray:
        """Return the case weight of every row."""

    def _forget_levels(self, columns=None):
        """Forget which rows have which level, and the columns if they are not given."""
        self._level_columns, self._level_blocks = columns, {}
        self._most_apart = MOST_APART

    def set_level_columns(self, columns, base, *, most):
        """Take given columns for level columns, of whose rows at most a share differs from base."""
        self._forget_levels((columns, base))
        self._most_apart = most

    def level_columns(self):
        """Return the numbers of likely level columns, and the values that most rows share."""
        if self._level_columns is None:
            likely, base = shared_values(self._some_rows(_FEW, slice(None)))
            if not self.columns.fit_intercept:  # nothing else takes up a value that is not zero
                likely &= base == 0.0
            self._level_columns = np.flatnonzero(likely), base[likely]
        return self._level_columns

    def levels(self) -> Levels | None:
        """Return the level columns of the rows present, or None where there are none."""
        if "levels" not in self._level_blocks:
            columns, base = self.level_columns()
            found = None
            if len(columns):
                found = levels_of(self._apart(columns, base), columns, base, self._most_apart)
            self._level_blocks["levels"] = found
        return self._level_blocks["levels"]

    def has_levels(self) -> bool:
        """Return whether any column is a level column."""
        return self.levels() is not None

    @property
    def n_numeric_parameters(self) -> int:
        """The number of parameters that do not belong to a level column."""
        levels = self.levels()
        return self.columns.n_parameters - (0 if levels is None else len(levels.columns))

    def level_blocks(self, *, bases) -> Blocks | None:
        """Return the level columns in blocks, or None where there are none.

        With ``bases``, the rows that have none of the levels of a factor form a block too.
        """
        if bases not in self._level_blocks:
            levels = self.levels()
            self._level_blocks[bases] = levels and levels.blocks(self.columns, bases=bases)
        return self._level_blocks[bases]

    def _planes_with_levels(self, given, random_state, options):
        """Return different parameters of small M-scale, the best first."""
        found = given
        if self.n_present * self.columns.n_parameters**2 <= _JOINT_WORK:
            found = np.vstack([given, planes.search(
                self._block_of(slice(None)), given=given, random_state=random_state, **options
            )])  # fmt: skip
        levels = self.level_blocks(bases=not np.any(options["penalty"]))
        assert levels is not None
        numeric = np.setdiff1d(np.arange(self.columns.n_parameters), levels.columns)
        block = self._block_of(numeric[numeric < self.n_features])
        return LevelSearch(numeric, block, levels, **options).best(found, random_state)

    def move_levels(self, params, loss: Loss, scale, ridge):
        """Return parameters with the level columns at what their rows want, and the gain.

        Of coefficients that serve the rows equally well a level is given the least.

        Parameters
        ----------
        params : ndarray of shape (n_parameters,)
        loss : Loss
        scale : float
        ridge : ndarray of shape (n_parameters,)
            What multiplies half the squared parameters beside c² times the mean loss.

        Returns
        -------
        params : ndarray of shape (n_parameters,)
        gain : float
            By how much the sum of rho and penalty over c² fell.
        moved : bool
            Whether any level did; it may without a gain, where others serve as well.
        """
        blocks = self.level_blocks(bases=not np.any(ridge))
        if blocks is None:
            return params, 0.0, False
        present, n_levels = self.present(), len(blocks.columns)
        residuals, cases = self.residuals(params)[present], self._own_cases()[present]
        before, level_ridge = np.zeros((2, blocks.n_moves))
        before[:n_levels] = params[blocks.columns]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            shares = ridge[blocks.columns] * self.total_weight / scale / scale
        level_ridge[:n_levels] = np.nan_to_num(shares, posinf=_HARDEST)
        coefs, sloped = before.copy(), blocks.directions[: self.n_features]
        gain, n_moved = kernels.move_blocks(
            residuals, cases, loss.code, loss.alpha, scale, *blocks.arrays, level_ridge, coefs,
            sloped.power(2).sum(axis=0), sloped.T @ params[: self.n_features],
        )  # fmt: skip
        return params + blocks.directions @ (coefs - before), gain, n_moved > 0

    def rare_level_rows(self) -> np.ndarray:
        """Return the numbers of the rows that have a level which few others have."""
        blocks = self.level_blocks(bases=True)
        if blocks is None:
            return np.empty(0, dtype=np.intp)
        sizes = np.diff(blocks.firsts)
        rare = np.repeat(sizes <= _RARE, sizes)
        return self.present()[np.unique(blocks.members[rare])]

    def numeric_given_levels(self) -> np.ndarray:
        """Return the combinations of columns that hold numbers less their location in each level.

        Level columns themselves are in none of them; the intercept, if any, is the last.

        Returns
        -------
        ndarray of shape (n_parameters, n_combinations)
        """
        levels, n_parameters = self.levels(), self.columns.n_parameters
        if levels is None:
            return np.eye(n_parameters)
        numeric = np.setdiff1d(np.arange(n_parameters), levels.columns)
        combinations = np.zeros((n_parameters, len(numeric)))
        combinations[numeric, np.arange(len(numeric))] = 1.0
        flags = levels.flags()
        if flags is None:
            return combinations
        block = self._block_of(numeric[numeric < self.n_features])
        blocks = flags.blocks(self.columns, bases=False)
        ridge = _SHRUNK_BY * flags.squares(self.columns, blocks)
        for place in range(block.n_features):
            _, constant, coefs = fit_levels(
                block.columns[place], block.cases, blocks, ridge,
                constant=self.columns.fit_intercept,
            )  # fmt: skip
            combinations[:, place] -= blocks.directions @ coefs
            combinations[-1, place] -= constant
        return combinations
