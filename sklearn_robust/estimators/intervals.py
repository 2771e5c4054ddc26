"""Intervals of predictions; importing this module loads the compiled code."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.utils.validation import validate_data

from ..callers import level_of_caller
from ..losses import resolve
from ..procedures.intervals import Errors, leverages, undetermined_columns
from ..validation import check_choice, check_error_scale, check_number, check_unmasked
from .messages import columns_named

KINDS = ("prediction", "mean")
"""What an interval holds: a new observation, or the value of the plane."""
_NO_FREEDOM = 1e-6
"""Rows beyond the free parameters below which residuals say nothing about the size of errors."""
ROWS = ("good", "all")
"""The new observations that prediction intervals are about."""


def check_interval(coverage, kind, rows, kinds=KINDS):
    """Raise unless the parameters of an interval are among those accepted."""
    check_number("coverage", coverage, 0.0, 1.0, "()")
    check_choice("kind", kind, kinds)
    check_choice("rows", rows, ROWS)


def intervals_of_linear(model, X, coverage, kind, rows, error_scale=None):
    """Return the intervals of a fitted linear estimator, as its ``predict_interval`` does."""
    check_interval(coverage, kind, rows)
    if kind == "mean" and model._plain().l1_regularization > 0.0:
        raise ValueError(
            "kind must be 'prediction' for a fit with l1_regularization, whose selection of "
            "columns has no standard errors, got 'mean'."
        )
    middle = model.predict(X)
    X = validate_data(
        model, check_unmasked("X", X), reset=False, accept_sparse="csr",
        dtype=[np.float64, np.float32],
    )  # fmt: skip
    known = check_error_scale(error_scale, X.shape[0])
    sizes = model._sizes_of_errors(X, np.ones(X.shape[0]) if known is None else known)
    half = np.stack(
        [
            _half_widths(errors, loss, scale, root, X, of, coverage, kind, rows)
            for (errors, loss, scale, root), of in zip(_of_targets(model), sizes, strict=True)
        ],
        axis=-1,
    ).reshape(middle.shape)
    if np.any(np.isinf(half)):
        warnings.warn(_about_infinite(model, X, half), UserWarning, stacklevel=level_of_caller())
    return np.stack([middle - half, middle + half], axis=-1)


def _about_infinite(model, X, half):
    """Return what to warn of where half-widths are infinite."""
    message = f"{np.count_nonzero(np.isinf(half))} of {half.size} intervals are infinite: "
    freedom = np.atleast_1d(model.n_cases_) - np.atleast_1d(model.n_parameters_)
    if np.any(freedom < _NO_FREEDOM):
        return message + (
            f"the fit has as many coefficients as rows ({float(np.min(model.n_cases_)):.10g}), so "
            "that its residuals do not show how large errors are."
        )
    rows = np.flatnonzero(np.any(np.isinf(half.reshape(len(half), -1)), axis=1))
    columns = sorted({k for root in model._leverage_ for k in undetermined_columns(root, X[rows])})
    message += "no believed row of the fit determines the plane there."
    if not columns:
        return message
    message += (
        f" The new rows combine values of {columns_named(model, columns)} as no believed row does."
    )
    if len(columns) > 1:
        message += (
            " Where these are all levels of a category, the level of the new row is unknown; with "
            'OneHotEncoder(drop="first") it counts as the first level.'
        )
    return message


def _of_targets(model):
    """Yield errors, loss, scale and root of the leverages of every target."""
    name = getattr(model, "loss", "general")
    parts = map(np.atleast_1d, (model.n_cases_, model.n_parameters_, model.alpha_, model.scale_))
    for sizes, n, p, alpha, scale, root in zip(
        np.atleast_2d(model.residual_sizes_), *parts, model._leverage_, strict=True
    ):
        yield Errors(sizes, float(n), float(p)), resolve(name, alpha), float(scale), root


def _half_widths(errors, loss, scale, root, X, sizes, coverage, kind, rows):
    """Return the half-widths of the intervals of one target, shape (n_rows,).

    ``sizes`` are those of the errors of the rows, by which residuals of the fit were divided.
    """
    if root is None:  # too many columns
        found = np.full(X.shape[0], errors.n_fitted)
    else:
        found = leverages(root, X)
    if errors.n_cases - errors.n_parameters < _NO_FREEDOM:
        return np.full(X.shape[0], np.inf)
    of_mean = errors.half_width_of_mean(loss, scale, coverage, found)
    if kind == "mean":
        return of_mean
    return np.hypot(of_mean, sizes * errors.half_width(coverage, rows))
