"""Linear algebra of the rows: Gram matrices, robust distances, QR factors."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from .. import kernels
from ..losses import Loss
from .base import Design
from .local import LocalDesign
from .residuals import residuals, robust_weights
from .threads import serial_algebra

_AT_ONCE = 4096
"""Number of rows that are standardised and copied at once."""
_VANISHES = 1e-10
"""A smaller root mean square change of fitted values, along a unit vector, is rounding."""


def gram(design: LocalDesign, root, weights) -> np.ndarray:
    """Return the mean Gram matrix of combinations of the standardised columns.

    Parameters
    ----------
    design : LocalDesign
    root : ndarray of shape (n_parameters, n_combinations)
    weights : ndarray of shape (n_present,)
        Weights of the rows present, in addition to case weights; they may be negative.

    Returns
    -------
    ndarray of shape (n_combinations, n_combinations)
    """
    total: np.ndarray = np.zeros((root.shape[1], root.shape[1]))
    weights = weights * design.shares()
    n_parts = -(-len(weights) // _AT_ONCE)
    with serial_algebra():
        for which, of in zip(
            np.array_split(design.present(), n_parts),
            np.array_split(weights, n_parts),
            strict=True,
        ):
            combined = root.T @ design.standardised(which)
            total += (combined * of) @ combined.T
    return total


def sums_by_group(design: LocalDesign, root, weights, groups, n_groups) -> np.ndarray:
    """Return the sums of combinations of the standardised columns over groups of rows.

    Parameters
    ----------
    design : LocalDesign
    root : ndarray of shape (n_parameters, n_combinations)
    weights : ndarray of shape (n_present,)
        Weights of the rows present, case weights included; they may be negative.
    groups : ndarray of int of shape (n_present,)
        The number of every row's group.
    n_groups : int

    Returns
    -------
    ndarray of shape (n_combinations, n_groups)
    """
    total: np.ndarray = np.zeros((root.shape[1], n_groups))
    present = design.present()
    with serial_algebra():
        for start in range(0, len(present), _AT_ONCE):
            few = slice(start, start + _AT_ONCE)
            combined = (root.T @ design.standardised(present[few])) * weights[few]
            size = combined.shape[1]
            member = sparse.csr_array(
                (np.ones(size), (groups[few], np.arange(size))), shape=(n_groups, size)
            )
            total += (member @ combined.T).T
    return total


def sums_of_resamples(design: LocalDesign, root, counts, weights, influence):
    """Return Gram matrices and right-hand sides of combinations of columns for many resamples.

    Parameters
    ----------
    design : LocalDesign
    root : ndarray of shape (n_parameters, n_combinations)
    counts : ndarray of shape (n_resamples, n_present)
        The weight of every row present in every resample; they may be negative.
    weights, influence : ndarray of shape (n_present,)
        The weight of a row in the Gram matrices, and in place of y.

    Returns
    -------
    grams : ndarray of shape (n_resamples, n_combinations, n_combinations)
    right : ndarray of shape (n_resamples, n_combinations)
    """
    present, size = design.present(), root.shape[1]
    upper = np.triu_indices(size)
    products: np.ndarray = np.zeros((len(counts), len(upper[0])))
    right: np.ndarray = np.zeros((len(counts), size))
    with serial_algebra():
        for start in range(0, len(present), _AT_ONCE):
            few = slice(start, start + _AT_ONCE)
            combined = root.T @ design.standardised(present[few])
            products += counts[:, few] @ (combined[upper[0]] * combined[upper[1]] * weights[few]).T
            right += counts[:, few] @ (combined * influence[few]).T
    grams: np.ndarray = np.empty((len(counts), size, size))
    grams[:, upper[0], upper[1]] = products
    grams[:, upper[1], upper[0]] = products
    return grams, right


def high_leverage(design: Design, which, root, distance):
    """Return the selected rows whose squared robust distance exceeds ``distance``.

    The robust distance is the length of the row's standardised columns times ``root``.
    """

    def task(rows, numbers):
        return squared_lengths(rows, numbers, root) > distance

    return design.select_among(which, task)


def squared_lengths(rows: LocalDesign, numbers, root) -> np.ndarray:
    """Return the squared lengths of the standardised columns of some rows, times ``root``."""
    lengths = np.empty(len(numbers))
    with serial_algebra():
        for start in range(0, len(numbers), _AT_ONCE):
            few = root.T @ rows.standardised(numbers[start : start + _AT_ONCE])
            lengths[start : start + _AT_ONCE] = np.einsum("ij,ij->j", few, few)
    return lengths


def triangular(design: Design, params, loss: Loss, scale: float, majorant=1.0) -> np.ndarray:
    """Return R with RᵀR the Gram matrix of ``passes.curvature``, without forming that matrix.

    It is computed by QR, a few rows at a time, and keeps the digits that a Gram matrix loses if
    columns are nearly dependent.

    Returns
    -------
    ndarray of shape (at most n_parameters, n_parameters)
    """
    coef, intercept = design.columns.split(params)
    size, total = design.columns.n_parameters, design.total_weight
    step = max(size, kernels.BLOCK)

    def weights_of(rows, start, stop):
        left = rows.residuals_of_range(coef, intercept, start, stop)
        weights = loss.rho_psi_weight(left, scale)[2]
        if majorant < 1.0:
            slopes = np.maximum(loss.slopes(left, scale), 0.0)
            weights = slopes + majorant * np.maximum(weights - slopes, 0.0)
        cases = rows.own_cases()[start:stop]
        return np.where(cases > 0.0, weights, 0.0) * cases

    def task(rows, start, stop):
        upper: np.ndarray = np.empty((0, size))
        for first in range(start, stop, step):
            last = min(first + step, stop)
            roots = np.sqrt(weights_of(rows, first, last) / total)
            block = (rows.standardised(slice(first, last)) * roots).T
            upper = np.asarray(np.linalg.qr(np.vstack([upper, block]), mode="r"))
        return upper

    return design.reduce(task, _triangular_of)


def _triangular_of(parts):
    """Return R of several triangular matrices stacked."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else np.linalg.qr(np.vstack(parts), mode="r")


def least_squares_gradient(design: Design, params) -> np.ndarray:
    """Return the gradient of the mean of r²/2, computed in twice double precision."""
    coef, intercept = design.columns.split(params)
    # Division by powers of two is exact, and keeps products within range.
    unit = np.exp2(np.round(np.log2(design.columns.unit)))
    mean = 2.0 ** round(math.log2(design.total_weight))

    def task(rows, start, stop):
        sums, errors = np.zeros((2, rows.n_features + 1))
        cases = rows.own_cases()
        present = start + np.flatnonzero(cases[start:stop])
        for first in range(0, len(present), _AT_ONCE):
            which = present[first : first + _AT_ONCE]
            kernels.add_gradient(
                rows.dense_rows(which), rows.y[which], rows.origin, cases[which] / mean,
                rows.columns.centre, unit, coef * unit, intercept, sums, errors,
            )  # fmt: skip
        return sums, errors

    sums, errors = design.reduce(task, _added_twofold)
    gradient = -(sums + errors) / (design.total_weight / mean)
    gradient[:-1] *= unit / design.columns.unit
    return gradient[: design.columns.n_parameters]


def _added_twofold(parts):
    """Add pairs of a sum and its error, and add the errors of these additions."""
    results = iter(parts)
    total, error = next(results)
    for added, its_error in results:
        new = total + added
        back = new - total
        error = error + its_error + ((total - (new - back)) + (added - back))
        total = new
    return total, error


def changes_nothing(design: Design, directions, params, loss: Loss, scale: float) -> bool:
    """Return whether directions of the parameters change no fitted value, to rounding.

    It returns False if the rows are not in this process.
    """
    if not isinstance(design, LocalDesign):
        return False
    weights = robust_weights(design, params, loss, scale)[design.present()] * design.shares()
    zero = design.with_target(np.zeros(design.n_rows))
    changes = (residuals(zero, direction)[design.present()] for direction in directions.T)
    return all(np.dot(weights, change * change) <= _VANISHES**2 for change in changes)
