"""A packed, standardised copy of few rows, for searches that stay in compiled code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class PackedRows:
    """A copy of a few rows.

    Attributes
    ----------
    columns : ndarray of shape (n_parameters, n_rows)
        Standardised columns, and ones if there is an intercept.
    y : ndarray of shape (n_rows,)
        Target minus the origin of the design.
    cases : ndarray of shape (n_rows,)
        Case weights, positive.
    n_features : int
    """

    columns: np.ndarray
    y: np.ndarray
    cases: np.ndarray
    n_features: int

    def among(self, which) -> PackedRows:
        """Return the rows that a mask selects."""
        columns, cases = np.ascontiguousarray(self.columns[:, which]), self.cases[which]
        cases.flags.writeable = False
        return PackedRows(columns, self.y[which], cases, self.n_features)

    def residuals(self, params):
        """Return y minus the fitted values, shape (n_rows,)."""
        return self.y - params @ self.columns

    @cached_property
    def total(self) -> float:
        """The sum of the case weights."""
        return float(self.cases.sum())

    @cached_property
    def equal(self) -> bool:
        """Whether every row counts once."""
        return bool(np.all(self.cases == 1.0))
