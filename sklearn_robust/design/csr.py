"""Rows of a compressed sparse row matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .. import kernels
from .local import LocalDesign, read_only
from .working_set import SparseColumns


class CsrDesign(LocalDesign):
    """Rows of a CSR matrix, of which only stored entries are read.

    Only columns without zeros are centred, because centred zeros would have to be stored. The
    intercept absorbs the means of the others.
    """

    def held(self, X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        self._entries = read_only(X.data), read_only(X.indices), read_only(X.indptr)
        return X

    @property
    def n_stored(self):
        return self.X.nnz

    def centrable(self):
        present = self.X if self.sample_weight is None else self.X[self.present()]
        return np.bincount(present.indices, minlength=self.n_features) == present.shape[0]

    def moments_range(self, centre, start, stop):
        begin, end = self.X.indptr[start], self.X.indptr[stop]
        columns = self.X.indices[begin:end]
        x = self.X.data[begin:end] - centre[columns]
        counts = np.diff(self.X.indptr[start : stop + 1])
        weighted = x
        if self.sample_weight is not None:
            cases = np.repeat(self.cases[start:stop], counts)
            x = np.where(cases > 0.0, x, 0.0)
            weighted = cases * x
        return [
            np.bincount(columns, weights=moment, minlength=self.n_features)
            for moment in (weighted, weighted * x)
        ]

    def loss_pass(self, wanted, start, stop):
        centre, unit, loss = self.columns.centre, self.columns.unit, wanted.loss
        left = np.empty(stop - start)
        kernels.csr_residuals(
            *self._entries, self.y, self.origin, centre, wanted.coef, wanted.intercept,
            start, stop, left,
        )  # fmt: skip
        sums, influence, weights, sizes, cases = kernels.range_loss(
            loss.code, loss.alpha, wanted.scale, *wanted.options, left, self.cases_of(start, stop)
        )
        gram = np.zeros((0, 0))
        if wanted.extra == kernels.GRAM:
            gram = kernels.csr_gram(*self._entries, centre, unit, weights, start, stop)
        gradient = self.gradient_range(influence, start, stop)
        return sums, gradient, gram, sizes, cases

    def gradient_range(self, influence, start, stop):
        return kernels.csr_gradient(*self._entries, self.columns.centre, influence, start, stop)

    def write_residuals(self, coef, intercept, start, stop, out):
        centre = self.columns.centre
        kernels.csr_residuals(
            *self._entries, self.y, self.origin, centre, coef, intercept, start, stop, out
        )
        if self.sample_weight is None:
            return
        # A row of weight zero may lack entries of a centred column.
        absent = start + np.flatnonzero(self.sample_weight[start:stop] == 0.0)
        at_zero = intercept - float(np.dot(centre, coef))
        out[absent - start] = self.y[absent] - self.origin - at_zero - self.X[absent] @ coef

    def dense_rows(self, which, columns=slice(None)):
        return self.X[which][:, columns].astype(np.float64).toarray()

    def held_columns(self, rows):
        return SparseColumns(self, rows)

    def filled_columns(self, which):
        counts = np.bincount(self.X[which].indices, minlength=self.n_features)
        return np.flatnonzero(2 * counts >= len(which))

    def apart(self, columns, base):
        X = self.X if self.sample_weight is None else self.X[self.present()]
        apart = sparse.csc_array(X[:, columns])
        filled = np.flatnonzero(base)
        if len(filled):  # here at least the rows with the shared value are stored
            others = np.flatnonzero(base == 0.0)
            less = sparse.csc_array(apart[:, filled].toarray() - base[filled])
            order = np.argsort(np.concatenate([others, filled]))
            apart = sparse.csc_array(sparse.hstack([apart[:, others], less]).tocsc()[:, order])
        apart.eliminate_zeros()
        return apart
