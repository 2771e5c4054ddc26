"""Sums over the columns of dense rows."""

import numpy as np

from .compiled import SUM, compiled, entry


@compiled()
def _add_rows(X, centre, start, stop, first, second):
    most = stop - (stop - start) % 4
    for i in range(start, most, 4):
        for j in range(centre.shape[0]):
            m = centre[j]
            a, b, c, d = X[i, j] - m, X[i + 1, j] - m, X[i + 2, j] - m, X[i + 3, j] - m
            first[j] += (a + b) + (c + d)
            second[j] += (a * a + b * b) + (c * c + d * d)
    for i in range(most, stop):
        for j in range(centre.shape[0]):
            apart = X[i, j] - centre[j]
            first[j] += apart
            second[j] += apart * apart


@compiled()
def _add_weighted_rows(X, case_weights, centre, start, stop, first, second):
    for i in range(start, stop):
        case = case_weights[i]
        if case > 0.0:
            for j in range(centre.shape[0]):
                apart = X[i, j] - centre[j]
                first[j] += case * apart
                second[j] += case * apart * apart


@compiled(SUM)
def _column_sums(column, centre, cases):
    first, second = 0.0, 0.0
    for i in range(column.shape[0]):
        case = cases[i] if cases.shape[0] > 0 else 1.0
        apart = column[i] - centre if case > 0.0 else 0.0
        first += case * apart
        second += case * apart * apart
    return first, second


@entry
def dense_moments(X, by_column, case_weights, centre, start, stop):
    """Return the case-weighted sums of x - centre and of its square over the rows.

    ``X`` is as the passes of :mod:`sklearn_robust.kernels.dense` take it.
    """
    p = centre.shape[0]
    first, second = np.zeros(p), np.zeros(p)
    weighted = case_weights.shape[0] > 0
    if by_column:
        cases = case_weights[start:stop] if weighted else case_weights
        for j in range(p):
            first[j], second[j] = _column_sums(X[j, start:stop], centre[j], cases)
        return first, second
    if weighted:
        _add_weighted_rows(X, case_weights, centre, start, stop, first, second)
    else:
        _add_rows(X, centre, start, stop, first, second)
    return first, second
