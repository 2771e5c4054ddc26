"""Intervals of predictions, through what stands around an estimator."""

from __future__ import annotations

import warnings
from copy import copy
from functools import partial

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..callers import level_of_caller
from ..pipelines import unwrapped
from ..validation import check_unmasked
from .names import column_names


def predict_interval(estimator, X, coverage=0.9, *, kind="prediction", rows=None, error_scale=None):
    """Predict intervals, through pipelines, searches and transformations of the target.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline, search or ``TransformedTargetRegressor``
        around one; these may be nested.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        As the outermost estimator takes it.
    coverage : float in (0, 1), default=0.9
        The probability that an interval contains the new observation or the value of the plane.
    kind : {"prediction", "mean"}, default="prediction"
        Whether intervals are for new observations, or for the values of the plane. A
        ``ReweightedRegressor`` has only the first.
    rows : {"good", "all"} or None, default=None
        Whether intervals are for good new rows, or for all new rows, bad ones included. None means
        the default of the estimator: "all" for ``AdaptiveRobustRegressor``, else "good".
    error_scale : array-like of shape (n_samples,) or None, default=None
        Sizes of the errors of the new observations, if the fit had them, in the same unit.

    Returns
    -------
    ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
        Lower and upper ends, in the unit of y as it was given to the outermost estimator.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` has no intervals.
    ValueError
        If a parameter is out of range, or X is one that ``predict`` does not accept.

    Warns
    -----
    UserWarning
        If intervals are infinite, because no believed row determines the plane there or the
        inverse of the transformation of the target is not defined at an end.

    See Also
    --------
    sklearn_robust.RobustRegressor.predict_interval : How the intervals are calibrated.

    Notes
    -----
    The ends are transformed back one by one. This keeps the coverage if the transformation of the
    target is monotone. With a logarithm, ``kind="mean"`` gives an interval for the geometric mean
    of y, which is its median where errors are symmetric, not for the mean of y.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.compose import TransformedTargetRegressor
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_computer_hardware
    >>> from sklearn_robust.inspection import predict_interval
    >>> X, y = load_computer_hardware(return_X_y=True)
    >>> X = np.log1p(X[:, -6:].astype(float))
    >>> model = TransformedTargetRegressor(
    ...     RobustRegressor(random_state=0), func=np.log, inverse_func=np.exp
    ... ).fit(X, y)
    >>> low, high = predict_interval(model, X, 0.9).T
    >>> bool(np.all(low > 0.0)), bool(0.85 < np.mean((low <= y) & (y <= high)) < 0.95)
    (True, True)
    """
    within = unwrapped(estimator)
    if not hasattr(within.last, "predict_interval"):
        if hasattr(within.last, "estimator") or hasattr(within.last, "regressor"):
            check_is_fitted(within.last)  # a search or a TransformedTargetRegressor
        raise TypeError(
            "estimator must be an estimator of sklearn_robust, or a pipeline, search or "
            f"TransformedTargetRegressor around one, got {type(within.last).__name__}, which has "
            "no predict_interval."
        )
    check_is_fitted(within.last)
    options = {"kind": kind} | ({} if rows is None else {"rows": rows})
    options |= {} if error_scale is None else {"error_scale": error_scale}
    last = copy(within.last)
    if within.steps:  # a warning has the names of columns that these steps give
        last._column_names = partial(column_names, last, within.steps, tell=False)
    ends = last.predict_interval(within.transform(check_unmasked("X", X)), coverage, **options)
    for transformer in reversed(within.of_target):
        ends = _transformed_back(transformer, ends)
    return ends


def _transformed_back(transformer, ends):
    """Return intervals in the units before a transformation; its inverse may reverse them."""
    sides = [_inverse(transformer, side) for side in np.moveaxis(ends, -1, 0)]
    # An end may be beyond the values of the transformation: the others say which end it is.
    both = np.isfinite(sides[0]) & np.isfinite(sides[1])
    falling = np.any(both) and np.median(sides[1][both] - sides[0][both]) < 0.0
    lower, upper = sides[::-1] if falling else sides
    low = np.where(np.isnan(lower), -np.inf, np.fmin(lower, upper))
    high = np.where(np.isnan(upper), np.inf, np.fmax(lower, upper))
    n_beyond = np.count_nonzero(np.isnan(np.stack(sides)) & np.isfinite(np.moveaxis(ends, -1, 0)))
    if n_beyond:
        warnings.warn(
            f"{n_beyond} ends of intervals are infinite: {type(transformer).__name__} has no "
            "inverse there.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    return np.stack([low, high], axis=-1)


def _inverse(transformer, side):
    """Return ends of intervals transformed back; NaN where the inverse is not defined."""
    columns = side.reshape(len(side), -1)
    function = getattr(transformer, "inverse_func", None)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*inverse-transformed data are NaN")
        if function is not None:  # of a FunctionTransformer, which refuses infinity: exp(-inf) is 0
            back = function(columns, **(transformer.inv_kw_args or {}))
        elif np.all(np.isfinite(columns)):
            back = transformer.inverse_transform(columns)
        else:
            back = transformer.inverse_transform(np.where(np.isfinite(columns), columns, 0.0))
            back = np.where(np.isfinite(columns), back, np.nan)
    return np.asarray(back, dtype=np.float64).reshape(side.shape)
