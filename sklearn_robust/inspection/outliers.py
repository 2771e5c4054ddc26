"""Which rows are outliers."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from ..scales import mad, scale_floor
from ..validation import check_error_scale, check_number
from .fitted import index_of, is_adaptive, model_of, sizes_of_errors, target_of_fit

_NORMAL_QUARTILE = float(ndtri(0.75))


def outlier_mask(estimator, X, y, *, level=0.99, error_scale=None):
    r"""Rows whose residual is larger than a normal one would be.

    These are the rows with
    :math:`|r_i| > \hat\sigma\,\Phi^{-1}\bigl((1 + \mathrm{level})/2\bigr)`. The residual scale
    :math:`\hat\sigma` is robust, and for normal errors it estimates the standard deviation.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline, search or
        ``TransformedTargetRegressor`` around one. Residuals are in the units in which the
        estimator was fitted, those of the transformed target.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows of the fit, or others.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Rows of X and y are matched by their places. If both have an index of pandas and these
        differ, a UserWarning says so.
    level : float in (0, 1), default=0.99
        The share of rows with normal errors that are not flagged.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors of these rows, by which residuals are divided.

    Returns
    -------
    ndarray of bool of the shape of ``y``
        If y or X is a data frame or series of pandas, a Series or DataFrame with its index.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If ``level`` is out of range, or X or y hold NaN, infinity or masked values or do not match
        the fit.

    Notes
    -----
    The scale is ``sigma_`` if it was estimated, and the MAD of the training residuals for an
    ``AdaptiveRobustRegressor``. If c was given, the scale is the MAD of the residuals of the rows
    in X, which is inaccurate for few rows. It is at least the floor that rounding in y allows. A
    good leverage point, which is far off in X but on the plane, is not an outlier.

    References
    ----------
    Rousseeuw, P. J. & Leroy, A. M. (1987). Robust Regression and Outlier Detection. Wiley,
    section 3.3.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_phones
    >>> from sklearn_robust.inspection import outlier_mask
    >>> X, y = load_phones(return_X_y=True)
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> X[outlier_mask(model, X, y)].ravel()
    array([63., 64., 65., 66., 67., 68., 69., 70.])
    """
    check_number("level", level, 0.0, 1.0, "()")
    model, seen = model_of(estimator, X)
    seen, values, residuals = residuals_of(model, seen, y)
    model._error_scale = check_error_scale(error_scale, len(values))
    sizes = sizes_of_errors(model, seen, values)
    values, residuals = values / sizes, residuals / sizes
    mask = np.abs(residuals) > ndtri(0.5 + 0.5 * level) * sigma_of(model, values, residuals)
    index = index_of(X, y)
    if index is None:
        return mask
    import pandas as pd

    if mask.ndim == 1:
        return pd.Series(mask, index=index, name="outlier")
    return pd.DataFrame(mask, index=index, columns=getattr(y, "columns", None))


def residuals_of(model, X, y):
    """Return validated X and y, and the residuals, of the shape of y."""
    predicted = model.predict(X)
    X, y, _ = model._validated(X, target_of_fit(model, y), None, reset=False)
    if y.shape != predicted.shape:
        raise ValueError(f"y must be of shape {predicted.shape}, as in the fit, got {y.shape}.")
    return X, y, y - predicted


def sigma_of(model, y, residuals):
    """Return the residual scale of every target, comparable to a standard deviation."""
    if is_adaptive(model):
        middle = model.residual_sizes_.shape[-1] // 2
        sigma = model.residual_sizes_[..., middle] / _NORMAL_QUARTILE
    elif hasattr(model, "sigma_"):
        sigma = model.sigma_
    else:
        sigma = np.array([mad(r) for r in np.atleast_2d(residuals.T)]).reshape(
            np.shape(model.scale_)
        )
    floors = np.array([scale_floor(target) for target in np.atleast_2d(y.T)])
    return np.maximum(sigma, floors.reshape(np.shape(sigma)))
