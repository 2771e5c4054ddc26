"""Rows of a compressed sparse row matrix."""

from __future__ import annotations

import numpy as np

from .. import kernels
from .base import Rows, read_only


class SparseRows(Rows):
    """Rows of a CSR matrix; only its stored entries are read, and it is not made dense.

    A column can be centred without storing its zeros only where it has none to store. The
    others keep their zero; the intercept takes up their means.
    """

    def _hold(self, X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        self._X = X
        self._entries = read_only(X.data), read_only(X.indices), read_only(X.indptr)

    def _n_stored(self):
        return self._X.nnz

    def _centrable(self):
        return np.bincount(self._X.indices, minlength=self.n_features) == self.n_rows

    def _moments_range(self, centre, start, stop):
        return kernels.csr_moments(*self._entries, self._cases, centre, start, stop)

    def _pass_range(self, coef, intercept, loss, scale, gram_too, start, stop):
        centre, unit = self.columns.centre, self.columns.unit
        return kernels.csr_pass(
            *self._entries, self.y, self._cases, centre, unit, coef, intercept,
            loss.code, loss.alpha, scale, gram_too, start, stop,
        )  # fmt: skip

    def _residuals_range(self, coef, intercept, start, stop, out):
        centre = self.columns.centre
        kernels.csr_residuals(
            *self._entries, self.y, centre, coef, intercept, start, stop, out[start:stop]
        )

    def _dense_range(self, start, stop):
        block = self._X[start:stop].astype(np.float64).toarray()
        return (block - self.columns.centre) / self.columns.unit
