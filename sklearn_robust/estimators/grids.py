"""Grids of penalties made from the data, and weights of a penalty made from a fit."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from ..validation import check_integer, check_number, listed
from .base import fits

_RATIO, _RATIO_IF_WIDE = 1e-3, 1e-2
"""The least absolute penalty of a grid over the largest; the same with more columns than rows."""
_SQUARED_RATIO = 1e-6
"""The least squared penalty of a grid over the largest."""
_LEAST = 1e-6
"""Least standardised coefficient, relative to the mean one, in the weights of a penalty."""


def is_number(penalties) -> bool:
    """Return whether a parameter asks for a grid of so many penalties."""
    return isinstance(penalties, Integral) and not isinstance(penalties, bool)


def check_grid(name: str, penalties) -> None:
    """Raise unless penalties are a number of them, or at least one number in [0, inf)."""
    if is_number(penalties):
        check_integer(name, penalties, 1)
        return
    for penalty in listed(name, penalties):
        check_number(f"every one of {name}", penalty, 0.0, np.inf, "[)")


def l1_grid(template, penalties, designs, eps=None) -> np.ndarray:
    """Return falling absolute penalties: those given, or a grid made from the data.

    Parameters
    ----------
    template : RobustRegressor
        With all parameters but the penalty.
    penalties : int or array-like
        As checked by :func:`check_grid`.
    designs : list of LocalDesign
        One for each target.
    eps : float or None
        The least over the largest.
    """
    if not is_number(penalties):
        return np.sort(np.asarray(penalties, dtype=np.float64))[::-1]
    n_rows, n_features = designs[0].n_rows, designs[0].columns.n_slopes
    ratio = eps or (_RATIO if n_features <= n_rows else _RATIO_IF_WIDE)
    largest = max(fits().largest_penalty(template, design) for design in designs)
    return fits().grid(largest, int(penalties), ratio)


def l2_grid(penalties, design, penalty_weights) -> list:
    """Return squared penalties: those given, or a falling grid made from the data.

    The largest of the grid is the sum of the columns' mean squares about their means. Under it
    every direction of the coefficients shrinks by at least half.
    """
    if not is_number(penalties):
        return list(penalties)
    squares = design.columns.unit[: design.columns.n_slopes] ** 2
    if penalty_weights is not None:
        penalised = np.asarray(penalty_weights) > 0.0
        squares = squares[penalised] / np.asarray(penalty_weights)[penalised]
    return fits().grid(float(squares.sum()), int(penalties), _SQUARED_RATIO).tolist()


def adaptive_weights(estimator, design) -> np.ndarray | None:
    """Return the weights of the penalty for a second search, from the fit of the first.

    A weight is the mean absolute standardised coefficient that is not zero, over that of the column
    (Zou 2006), times the weight it had. Columns whose coefficients are zero get a weight that keeps
    them out. None if all coefficients are zero.
    """
    coefs = np.atleast_2d(estimator.coef_) / np.atleast_1d(estimator.scale_)[:, None]
    sizes = np.max(np.abs(coefs), axis=0) * design.columns.unit[: design.columns.n_slopes]
    if not np.any(sizes):
        return None
    sizes /= sizes[sizes > 0.0].mean()
    before = estimator.penalty_weights_
    return (1.0 if before is None else np.asarray(before)) / np.maximum(sizes, _LEAST)
