"""Coordinate descent on a quadratic with an absolute penalty, and products with its columns."""

import numpy as np

from .compiled import SUM, compiled, entry


@compiled(SUM)
def _product(column, values):
    total = 0.0
    for i in range(values.shape[0]):
        total += column[i] * values[i]
    return total


@entry
def column_products(columns, values):
    """Return the product of every row of ``columns`` with values."""
    out = np.empty(columns.shape[0])
    for j in range(columns.shape[0]):
        out[j] = _product(columns[j], values)
    return out


@entry
def less_combination(columns, coefs, values):
    """Return values less the sum of the rows of ``columns``, each times its coefficient."""
    out = values.copy()
    for j in range(coefs.shape[0]):
        coef, column = coefs[j], columns[j]
        if coef != 0.0:
            for i in range(out.shape[0]):
                out[i] -= coef * column[i]
    return out


@compiled()
def _descend(gram, thresholds, params, gradient, j):
    """Minimise over one parameter; return the root mean square change of the fitted values."""
    curvature, before = gram[j, j], params[j]
    after = 0.0
    if curvature > 0.0:
        free = before - gradient[j] / curvature
        threshold = thresholds[j] / curvature
        if free > threshold:
            after = free - threshold
        elif free < -threshold:
            after = free + threshold
    elif thresholds[j] == 0.0:
        after = before
    change = after - before
    if change == 0.0:
        return 0.0
    params[j] = after
    for k in range(gradient.shape[0]):
        gradient[k] += gram[j, k] * change
    return abs(change) * curvature**0.5


@entry
def descend_coordinates(gram, thresholds, params, gradient, tol, max_sweeps):
    """Minimise a quadratic and thresholds times absolute parameters, in place.

    Sweeps over all parameters alternate with sweeps over those that are not zero, as in Friedman,
    Hastie & Tibshirani (2010), section 2.6.

    Parameters
    ----------
    gram : ndarray of shape (n_parameters, n_parameters)
        Symmetric.
    thresholds : ndarray of shape (n_parameters,)
    params : ndarray of shape (n_parameters,)
        Where the descent begins, and then where it ends.
    gradient : ndarray of shape (n_parameters,)
        Of the quadratic at ``params``, and then at the end.
    tol : float
        Bound on the change of a parameter in the last sweep, times the root of its curvature.
    max_sweeps : int

    Returns
    -------
    bool
        Whether the last sweep over all parameters changed none by more than ``tol``.
    """
    n_sweeps = 0
    while n_sweeps < max_sweeps:
        largest = 0.0
        for j in range(params.shape[0]):
            largest = max(largest, _descend(gram, thresholds, params, gradient, j))
        n_sweeps += 1
        if largest <= tol:
            return True
        while largest > tol and n_sweeps < max_sweeps:
            largest = 0.0
            for j in range(params.shape[0]):
                if params[j] != 0.0:
                    largest = max(largest, _descend(gram, thresholds, params, gradient, j))
            n_sweeps += 1
    return False
