"""Which levels of categories were rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

from ..validation import check_number
from .fitted import feature_names, model_of
from .tables import Table


@dataclass(frozen=True, repr=False, eq=False)
class RejectedLevels(Table):
    """Level columns and how many of their rows are rejected, worst first.

    As :func:`rejected_levels` returns it. It prints as a table. Levels with equal shares are in the
    order of their mean weights. With 2-D y arrays have a leading axis of targets, and the order is
    by the target in which a level is worst.

    Attributes
    ----------
    names : tuple of str
        Of the level columns.
    targets : tuple of str or None
        Numbers of the targets, as "y0"; None where y was 1-D.
    threshold : float
        The robust weight under which a row is rejected.
    n_rows : int or float
        How many rows there are in all; with ``sample_weight``, their case weight.
    n_rejected : int, float or ndarray of shape (n_targets,)
        How many of all rows are rejected.
    rows : ndarray of shape (n_levels,) or (n_targets, n_levels)
        How many rows a level has: those that differ from the value that most rows share.
    rejected : ndarray of the same shape
        How many of these are rejected.
    share : ndarray of the same shape
        Rejected rows over rows.
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


def rejected_levels(estimator, X, *, threshold=0.1, sample_weight=None):
    """Levels of categories and how many of their rows the fit rejected, worst first.

    A level column is one in which at least two fifths of the rows share one value and the others,
    the rows of the level, are fewer than that: a dummy, a flag, an indicator of missing values, a
    product of one of these with another column. They are found in X itself, as the fit finds them.
    A level that is rejected as a whole may be one that the data describe wrongly, or one to which
    the model does not apply; its coefficient is not to be relied on.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows of the fit in the order of the fit: the weights are those that it gave them.
    threshold : float in (0, 1], default=0.1
        A row is rejected where its robust weight, ``weights_``, is less.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit. Rows are then counted by them: 2 is the row written twice, 0
        the row absent.

    Returns
    -------
    RejectedLevels

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is none of this package.
    ValueError
        If ``threshold`` is out of range, or X does not have as many rows and columns as in the fit,
        or holds NaN or infinity.

    See Also
    --------
    outlier_mask : Which rows are outliers.
    coef_table : Coefficients with standard errors; infinite where no row of a level is believed.

    Notes
    -----
    Only columns have a line. The base level, which ``OneHotEncoder(drop="first")`` or
    ``pandas.get_dummies(drop_first=True)`` drops, is no column of X: rows that have none of the
    other levels are in no line of that factor. The line of a flag that most rows have set is of
    the rows that have it not.
    With an ``AdaptiveRobustRegressor`` rows that the fit left out have weight 0, and the others
    rarely a small one; a larger ``threshold`` then says more.
    R's ``outlierStats`` of robustbase tells the same of the factors of a fit of ``lmrob``.

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
    names = feature_names(model, estimator)
    rows = _rows_of_fit(model, seen, sample_weight)
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
    """Return the numbers of the level columns and, as ones, which rows present have which level."""
    levels = rows.levels()
    if levels is None:
        return np.empty(0, dtype=np.intp), sparse.csc_array((rows.n_present, 0), dtype=np.int64)
    return levels.columns, (levels.apart != 0).astype(np.int64)


def _rows_of_fit(model, X, sample_weight):
    """Return the rows that a model was fitted to, with a target of zeros, or raise."""
    if not hasattr(model, "weights_"):
        raise ValueError(
            f"estimator must have the weights of its training rows, got {model!r} without weights_."
        )
    shape = np.shape(model.weights_)
    if _num_samples(X) != shape[0]:
        raise ValueError(
            f"X must hold the {shape[0]} rows of the fit in their order, whose weights these are, "
            f"got {_num_samples(X)} rows."
        )
    if hasattr(model, "to_local"):  # it takes collections, which X is not
        model = model.to_local()
    X, y, sample_weight = model._validated(X, np.zeros(shape), sample_weight, reset=False)
    return next(iter(model._designs(X, y, sample_weight)))
