"""Which rows are outliers."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..estimators.reweighted import ReweightedRegressor
from ..pipelines import unwrapped
from ..scales import mad, scale_floor
from ..validation import check_error_scale, check_number
from .fitted import (
    index_of,
    is_adaptive,
    model_of,
    one_column_as,
    sizes_of_errors,
    target_of_fit,
)

_NORMAL_QUARTILE = float(ndtri(0.75))


def outlier_mask(estimator, X, y, *, level=0.99, error_scale=None):
    r"""Flag the rows to check: those whose residual is larger than a normal one would be.

    These are the rows with
    :math:`|r_i| > \hat\sigma\,\Phi^{-1}\bigl((1 + \mathrm{level})/2\bigr)`. The residual scale
    :math:`\hat\sigma` is robust, and for normal errors it estimates the standard deviation.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline, search or ``TransformedTargetRegressor``
        around one. Residuals are in the units in which the estimator was fitted, those of the
        transformed target. Those of a ``ReweightedRegressor`` are its ``residuals_``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows of the fit, or others. For a ``ReweightedRegressor``, the rows of the fit in their
        order.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Rows of X and y are matched by their places. If both have an index of pandas and these
        differ, a UserWarning says so.
    level : float in (0, 1), default=0.99
        The share of rows with normal errors that are not flagged; ``1 - 1/n`` flags about one good
        row of n. With heavy-tailed or skewed errors more good rows are flagged.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors of these rows, by which residuals are divided. None for a
        ``ReweightedRegressor``.

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
        the fit. For a ``ReweightedRegressor``, if X or y has another number of rows than the fit,
        or ``error_scale`` is given.

    Notes
    -----
    A flagged row need not be rejected: in the default fit, a row just flagged at level 0.99, 2.58
    sigma off, has the weight 0.47. A row counts as rejected if its weight is under 0.1, which is so
    from 4.5 sigma on.

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
    last = unwrapped(estimator).last
    if isinstance(last, ReweightedRegressor):
        check_is_fitted(last)
        sizes = _held_out_sizes(last, X, y, error_scale)
    else:
        model, seen = model_of(estimator, X)
        seen, values, residuals = residuals_of(model, seen, y)
        model._error_scale = check_error_scale(error_scale, len(values))
        divisors = sizes_of_errors(model, seen, values)
        values, residuals = values / divisors, residuals / divisors
        sizes = np.abs(residuals) / sigma_of(model, values, residuals)
    mask = (sizes > ndtri(0.5 + 0.5 * level)).reshape(np.shape(y))
    index = index_of(X, y)
    if index is None:
        return mask
    import pandas as pd

    if mask.ndim == 1:
        return pd.Series(mask, index=index, name="outlier")
    return pd.DataFrame(mask, index=index, columns=getattr(y, "columns", None))


def _held_out_sizes(model, X, y, error_scale):
    """Return the absolute residuals of a fitted ``ReweightedRegressor``, over their scale."""
    n_rows = len(model.residuals_)
    for name, of in (("X", X), ("y", y)):
        if _num_samples(of) != n_rows:
            raise ValueError(
                f"{name} must hold the {n_rows} rows of the fit in their order, because a "
                f"ReweightedRegressor has residuals of these alone, got {_num_samples(of)} rows."
            )
    if error_scale is not None:
        raise ValueError(
            f"error_scale must be None for a ReweightedRegressor, got {type(error_scale).__name__}."
        )
    sigma = getattr(model, "sigma_", None)
    sigma = mad(model.residuals_) if sigma is None else sigma
    return np.abs(model.residuals_) / max(sigma, np.finfo(np.float64).tiny)


def residuals_of(model, X, y):
    """Return validated X and y, and the residuals, of the shape of y."""
    predicted = model.predict(X)
    X, y, _ = model._validated(X, target_of_fit(model, y), None, reset=False)
    y = one_column_as(predicted.shape, y)
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
