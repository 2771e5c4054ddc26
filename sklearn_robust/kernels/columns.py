"""Sums over the columns of dense rows."""

import numpy as np

from .compiled import SUM, compiled, entry


@entry
def _add_rows(X, centre, start, stop, first, second):
    """Add the sums of row-major data, every row once."""
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


@entry
def _add_weighted_rows(X, case_weights, centre, start, stop, first, second):
    """Add the sums of row-major data, case weights counted."""
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
def _add_columns(X, case_weights, centre, start, stop, first, second):
    """Add the sums of column-major data."""
    cases = case_weights[start:stop] if case_weights.shape[0] > 0 else case_weights
    for j in range(centre.shape[0]):
        one, other = _column_sums(X[j, start:stop], centre[j], cases)
        first[j] += one
        second[j] += other


def dense_moments(X, by_column, case_weights, centre, start, stop):
    """Return the case-weighted sums of x - centre and of its square over the rows.

    ``X`` is as the passes of :mod:`sklearn_robust.kernels.dense` take it.
    """
    first, second = np.zeros(len(centre)), np.zeros(len(centre))
    if by_column:
        _add_columns(X, case_weights, centre, start, stop, first, second)
    elif len(case_weights) > 0:
        _add_weighted_rows(X, case_weights, centre, start, stop, first, second)
    else:
        _add_rows(X, centre, start, stop, first, second)
    return first, second
