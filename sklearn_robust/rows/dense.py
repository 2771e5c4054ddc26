"""Rows of a dense array, in memory or memory-mapped, row- or column-major."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .. import kernels
from .local import LocalRows, read_only


class DenseRows(LocalRows):
    """Rows of a float32 or float64 array; X is never copied whole, whatever its strides."""

    def _hold(self, X):
        self._X = read_only(X)

    def _n_stored(self):
        return self._X.size

    def _centrable(self):
        return np.ones(self.n_features, dtype=bool)

    def _window(self, start, stop):
        """Return (X, by_column, y, case_weights, first, last) as the kernels read them."""
        if self._X.flags.c_contiguous:
            return self._X, False, self.y, self._cases, start, stop
        if self._X.flags.f_contiguous:
            return self._X.T, True, self.y, self._cases, start, stop
        chunk = read_only(np.ascontiguousarray(self._X[start:stop]))
        return chunk, False, self.y[start:stop], self._cases[start:stop], 0, stop - start

    def _moments_range(self, centre, start, stop):
        X, by_column, _, cases, first, last = self._window(start, stop)
        return kernels.dense_moments(X, by_column, cases, centre, first, last)

    def _pass_range(self, coef, intercept, loss, scale, wanted, start, stop):
        X, by_column, y, cases, first, last = self._window(start, stop)
        centre, unit = self.columns.centre, self.columns.unit
        return kernels.dense_pass(
            X, by_column, y, self._origin, cases, centre, unit, coef, intercept,
            loss.code, loss.alpha, scale, *wanted, first, last,
        )  # fmt: skip

    def _residuals_range(self, coef, intercept, start, stop, out):
        X, by_column, y, _, first, last = self._window(start, stop)
        kernels.dense_residuals(
            X, by_column, y, self._origin, self.columns.centre, coef, intercept, first, last,
            out,
        )  # fmt: skip

    def _rows_of(self, which):
        return self._X[which]

    def _raw_rows(self, which, columns=slice(None)):
        return self._X[which][:, columns].astype(np.float64, order="C", copy=False)

    def _apart(self, columns, base):
        which = slice(None) if self.sample_weight is None else self.present()
        return sparse.csc_array(self._X[which][:, columns] - base)
