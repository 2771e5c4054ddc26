"""The levels of categories whose rows a fit rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

from ..losses import REJECTED
from ..validation import check_error_scale, check_number
from .fitted import feature_names, model_of
from .tables import Table


@dataclass(frozen=True, repr=False, eq=False)
class RejectedLevels(Table):
    """Level columns and the rejected share of their rows, the result of :func:`rejected_levels`.

    It prints as a table, worst level first. Levels with equal shares are in the order of their mean
    weights. With 2-D y, arrays have a leading axis of targets, and levels are ordered by the target
    in which they are worst.

    Attributes
    ----------
    names : tuple of str
        Names of the level columns.
    targets : tuple of str or None
        Names of the targets, such as "y0"; None if y was 1-D.
    threshold : float
        A row with a smaller robust weight is rejected.
    n_rows : int or float
        Number of all rows; with ``sample_weight``, their case weight.
    n_rejected : int, float or ndarray of shape (n_targets,)
        Number of rejected rows among all rows.
    rows : ndarray of shape (n_levels,) or (n_targets, n_levels)
        Number of rows of a level: those that do not have the shared value.
    rejected : ndarray of the same shape
        Number of rejected rows of a level.
    share : ndarray of the same shape
        ``rejected`` divided by ``rows``.
    mean_weight : ndarray of the same shape
        The mean robust weight of the rows of the level.
    """

    _columns: ClassVar = {
        "rows": "{:.10g}", "rejected": "{:.10g}", "share": "{:.3f}", "mean_weight": "{:.3f}",
    }  # fmt: skip
    _label: ClassVar = "level"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    threshold: float
    n_rows: float
    n_rejected: float | np.ndarray
    rows: np.ndarray
    rejected: np.ndarray
    share: np.ndarray
    mean_weight: np.ndarray

    @property
    def _caption(self):
        counts = [f"{count:.10g}" for count in np.atleast_1d(self.n_rejected)]
        if self.targets is not None:
            pairs = zip(counts, self.targets, strict=True)
            counts = [f"{count} ({target})" for count, target in pairs]
        all_rows = f"of all {self.n_rows:.10g} rows {', '.join(counts)}"
        return f"rejected: weight under {self.threshold:g}; {all_rows}"


def rejected_levels(
    estimator, X, y=None, *, threshold=REJECTED, sample_weight=None, error_scale=None
):
    """Levels of categories with the share of their rows that the fit rejected, worst first.

    In a level column at least two fifths of the rows share one value; the other rows are the rows
    of the level. Dummies, flags, indicators of missing values, and products of these with other
    columns are level columns. They are recognised from X, as in the fit. If a level is rejected as
    a whole, its data may be wrong, or the model may not apply to it; do not rely on its
    coefficient.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline, search or
        ``TransformedTargetRegressor`` around one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows of the fit, in their order, because ``weights_`` are in this order.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), optional
        Not needed; it may be given as to the other functions.
    threshold : float in (0, 1], default=0.1
        A row is rejected if its robust weight, in ``weights_``, is less.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit. Rows are counted with these weights: 2 is the row written
        twice, 0 the row absent.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had any. Levels are then those of the divided rows.

    Returns
    -------
    RejectedLevels

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If ``threshold`` is out of range, X differs in shape from that of the fit or holds NaN or
        infinity, or ``error_scale`` is not a positive number for every row.

    See Also
    --------
    outlier_mask : Which rows are outliers.
    coef_table : Coefficients with standard errors; infinite if no row of a level is believed.

    Notes
    -----
    Every level column of X has a line. The base level, which ``OneHotEncoder(drop="first")`` or
    ``pandas.get_dummies(drop_first=True)`` drops, is not a column of X, so its rows are in no line
    of that factor. If a flag is set in most rows, its line is about the rows in which it is not.

    With an ``AdaptiveRobustRegressor``, rows that the fit left out have weight 0, and the others
    rarely have a small weight; a larger ``threshold`` is then more informative.

    ``outlierStats`` of R's robustbase does the same for the factors of a fit of ``lmrob``.

    References
    ----------
    Maronna, R. A. & Yohai, V. J. (2000). Robust regression with both continuous and categorical
    predictors. Journal of Statistical Planning and Inference 89.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.inspection import rejected_levels
    >>> rng = np.random.default_rng(0)
    >>> shop, price = rng.integers(4, size=200), rng.normal(size=200)
    >>> X = np.column_stack([price, np.eye(4)[shop]])
    >>> y = price + shop + 0.1 * rng.normal(size=200)
    >>> y[np.flatnonzero(shop == 2)[:12]] += 30.0
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> table = rejected_levels(model, X)
    >>> table.names[0], table.rows[0], table.rejected[0]
    ('x3', np.int64(52), np.int64(12))
    """
    check_number("threshold", threshold, 0.0, 1.0, "(]")
    model, seen = model_of(estimator, X)
    if y is not None and _num_samples(y) != _num_samples(X):
        raise ValueError(
            f"y must hold a row for each of the {_num_samples(X)} rows of X, got {_num_samples(y)}."
        )
    names = feature_names(model, estimator)
    rows = _rows_of_fit(model, seen, sample_weight, error_scale)
    weights = np.atleast_2d(np.asarray(model.weights_).T)[:, rows.present()]
    cases = np.ones(rows.n_present, dtype=np.int64)
    if sample_weight is not None:
        cases = rows.sample_weight[rows.present()]
    rejected = (weights < threshold) * cases
    which, belongs = _levels(rows)
    counts, lost, weighted = (of @ belongs for of in (cases, rejected, weights * cases))
    share, mean_weight = lost / counts, weighted / counts
    order = np.lexsort((mean_weight.min(axis=0), -share.max(axis=0)))
    several, total = model.coef_.ndim > 1, rejected.sum(axis=1)
    columns = (np.tile(counts, (len(weights), 1)), lost, share, mean_weight)
    return RejectedLevels(
        tuple(names[k] for k in which[order]),
        tuple(f"y{k}" for k in range(len(weights))) if several else None,
        float(threshold), cases.sum(), total if several else total[0],
        *(of[:, order] if several else of[0, order] for of in columns),
    )  # fmt: skip


def _levels(rows):
    """Return the numbers of the level columns, and a 0-1 matrix of rows present by levels."""
    levels = rows.levels()
    if levels is None:
        return np.empty(0, dtype=np.intp), sparse.csc_array((rows.n_present, 0), dtype=np.int64)
    return levels.columns, (levels.apart != 0).astype(np.int64)


def _rows_of_fit(model, X, sample_weight, error_scale):
    """Return the rows that a model was fitted to, with a target of zeros, or raise."""
    if not hasattr(model, "weights_"):
        raise ValueError(
            f"estimator must have the weights of its training rows, got {model!r} without weights_."
        )
    shape = np.shape(model.weights_)
    if _num_samples(X) != shape[0]:
        raise ValueError(
            f"X must hold the {shape[0]} rows of the fit in their order, as weights_ does, got "
            f"{_num_samples(X)} rows."
        )
    if hasattr(model, "to_local"):  # the model takes Dask collections, but X is in memory
        model = model.to_local()
    X, y, sample_weight = model._validated(X, np.zeros(shape), sample_weight, reset=False)
    error_scale = check_error_scale(error_scale, len(y))
    return next(iter(model._designs(X, y, sample_weight, error_scale)))
