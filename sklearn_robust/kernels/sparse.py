"""Passes over a range of rows of a compressed sparse row matrix.

The indices of a row must be sorted and distinct.
"""

import numpy as np

from .algebra import mirror
from .compiled import entry


@entry
def csr_residuals(data, indices, indptr, y, origin, centre, coef, intercept, start, stop, out):
    """Write (y - origin) - intercept - (x - centre)·coef of the rows to ``out``."""
    for i in range(start, stop):
        fitted = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            fitted += (data[k] - centre[j]) * coef[j]
        out[i - start] = ((y[i] - origin) - intercept) - fitted


@entry
def csr_gradient(data, indices, indptr, centre, influence, start, stop):
    """Return minus the sums over the rows of influence·(x - centre, 1)."""
    p = centre.shape[0]
    gradient = np.zeros(p + 1)
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            gradient[j] -= (data[k] - centre[j]) * influence[i - start]
        gradient[p] -= influence[i - start]
    return gradient


@entry
def csr_gram(data, indices, indptr, centre, unit, weights, start, stop):
    """Return the weighted Gram matrix of ((x - centre)/unit, 1)."""
    p = centre.shape[0]
    gram = np.zeros((p + 1, p + 1))
    for i in range(start, stop):
        weight = weights[i - start]
        begin, end = indptr[i], indptr[i + 1]
        for k in range(begin, end):
            j = indices[k]
            scaled = weight * ((data[k] - centre[j]) / unit[j])
            for other in range(begin, k + 1):
                m = indices[other]
                gram[j, m] += scaled * ((data[other] - centre[m]) / unit[m])
            gram[p, j] += scaled
        gram[p, p] += weight
    mirror(gram)
    return gram
