"""Rows of a dense array, in memory or memory-mapped, row- or column-major."""

from __future__ import annotations

import numpy as np

from .. import kernels
from .local import LocalDesign, read_only


class DenseDesign(LocalDesign):
    """Rows of a float32 or float64 array with any strides; X is never copied as a whole."""

    def held(self, X):
        return read_only(X)

    def _window(self, start, stop):
        """Return (X, by_column, y, case_weights, first, last) for the kernels."""
        if self.X.flags.c_contiguous:
            return self.X, False, self.y, self.cases, start, stop
        if self.X.flags.f_contiguous:
            return self.X.T, True, self.y, self.cases, start, stop
        chunk = read_only(np.ascontiguousarray(self.X[start:stop]))
        return chunk, False, self.y[start:stop], self.cases[start:stop], 0, stop - start

    def moments_range(self, centre, start, stop):
        X, by_column, _, cases, first, last = self._window(start, stop)
        return kernels.dense_moments(X, by_column, cases, centre, first, last)

    def loss_pass(self, wanted, start, stop):
        X, by_column, y, cases, first, last = self._window(start, stop)
        columns, loss = self.columns, wanted.loss
        return kernels.dense_pass(
            X, by_column, y, self.origin, cases, columns.centre, columns.unit, wanted.coef,
            wanted.intercept, loss.code, loss.alpha, wanted.scale, *wanted.options, first, last,
        )  # fmt: skip

    def gradient_range(self, influence, start, stop):
        X, by_column, _, _, first, last = self._window(start, stop)
        return kernels.dense_gradient(X, by_column, self.columns.centre, influence, first, last)

    def write_residuals(self, coef, intercept, start, stop, out):
        X, by_column, y, _, first, last = self._window(start, stop)
        kernels.dense_residuals(
            X, by_column, y, self.origin, self.columns.centre, coef, intercept, first, last, out
        )

    def dense_rows(self, which, columns=slice(None)):
        return self.X[which][:, columns].astype(np.float64, order="C", copy=False)
