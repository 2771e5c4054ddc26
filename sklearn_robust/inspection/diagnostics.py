"""What a fit says about every row, and about how its columns depend on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import ndtri

from ..design.algebra import gram as gram_of
from ..design.algebra import squared_lengths
from ..design.residuals import residuals as residuals_at
from ..penalties import ElasticNet
from ..problem import Problem
from ..validation import check_integer, check_number, check_seed
from .distances import cutoff, robust_distances
from .fitted import (
    feature_names,
    index_of,
    model_of,
    sizes_of_errors,
    target_names,
    targets_with_rows,
    training_data,
)
from .outliers import sigma_of
from .tables import Table

_SHOWN = 10
"""Rows that are printed."""
_SAME = 1e-8
"""Relative size of a deviation, or eigenvalue of a correlation matrix, that may be rounding."""


@dataclass(frozen=True, repr=False, eq=False)
class RowDiagnostics(Table):
    """A line for every row of a fit, the result of :func:`diagnostics`.

    It prints the rows with the largest scaled residuals. With 2-D y, arrays have a leading axis of
    targets.

    Attributes
    ----------
    names : tuple
        The labels of the rows: the index of the data frame, or numbers.
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    recorded, expected : ndarray of shape (n_rows,) or (n_targets, n_rows)
        y as it was given, and the prediction of the outermost estimator, both in the unit of y.
    residual : ndarray of shape (n_rows,) or (n_targets, n_rows)
        In the units in which the estimator was fitted: those of the transformed target.
    scaled_residual : ndarray of the same shape
        Divided by the residual scale, as in :func:`outlier_mask`, and by the sizes of the errors
        if the fit has any.
    weight : ndarray of the same shape
        The robust weight, in [0, 1]; 0 for rows that the fit left out.
    distance : ndarray of the same shape
        Robust distance in the numeric columns of X.
    leverage : ndarray of the same shape
        The diagonal of the hat matrix of weighted least squares.
    cook : ndarray of the same shape
        Cook's distance in weighted least squares.
    outlier, good_leverage, bad_leverage : ndarray of bool of the same shape
    level : float
        The share of normal rows that is not flagged.
    residual_cutoff, distance_cutoff : float
        Values of ``scaled_residual`` and ``distance`` above which rows are flagged.
    columns : tuple of str
        Names of the columns of X.
    variance_inflation : ndarray of shape (n_features,) or (n_targets, n_features)
        The factor by which the variance of a coefficient, under the weights, is larger than without
        the other columns; infinite if the column depends on others.
    index_names : tuple
        The names of the levels of the index of the data frame; "row" if it has none.
    n_rows : int
        Number of rows of the fit. The table may have fewer, as after :meth:`worst`.
    n_outlier, n_good_leverage, n_bad_leverage : int
        How many of all rows of the fit are flagged, all targets together.
    """

    _columns: ClassVar = {
        "recorded": "{:.4g}", "expected": "{:.4g}", "residual": "{:.4g}",
        "scaled_residual": "{:.2f}", "weight": "{:.3f}", "distance": "{:.2f}",
        "leverage": "{:.3f}", "cook": "{:.3f}", "outlier": "{!s}", "good_leverage": "{!s}",
        "bad_leverage": "{!s}",
    }  # fmt: skip
    _label: ClassVar = "row"
    names: tuple
    targets: tuple[str, ...] | None
    recorded: np.ndarray
    expected: np.ndarray
    residual: np.ndarray
    scaled_residual: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    leverage: np.ndarray
    cook: np.ndarray
    outlier: np.ndarray
    good_leverage: np.ndarray
    bad_leverage: np.ndarray
    level: float
    residual_cutoff: float
    distance_cutoff: float
    columns: tuple[str, ...]
    variance_inflation: np.ndarray
    index_names: tuple
    n_rows: int
    n_outlier: int
    n_good_leverage: int
    n_bad_leverage: int

    @property
    def _index_names(self):
        return list(self.index_names)

    @property
    def _caption(self):
        sizes = self._sizes()[: min(len(self.names), _SHOWN)]
        in_order = len(self.names) > _SHOWN or np.all(np.diff(sizes) <= 0.0)
        order = ", largest residuals first" if in_order else ""
        counts = (
            f"{getattr(self, f'n_{name}')} {name.replace('_', ' ')}"
            for name in ("outlier", "good_leverage", "bad_leverage")
        )
        return f"{len(sizes)} of {self.n_rows} rows{order}; of all: {', '.join(counts)}"

    def _sizes(self):
        """Return the largest scaled residual of every row."""
        return np.max(np.atleast_2d(np.abs(self.scaled_residual)), axis=0)

    def worst(self, n_rows=_SHOWN):
        """Return the rows with the largest scaled residuals, largest first.

        Parameters
        ----------
        n_rows : int, default=10
            At most this many. With several targets, rows are ordered by their largest residual.

        Returns
        -------
        RowDiagnostics
        """
        check_integer("n_rows", n_rows, 1)
        order = np.argsort(-self._sizes(), kind="stable")[:n_rows]
        columns = {name: getattr(self, name)[..., order] for name in self._columns}
        return replace(self, names=tuple(self.names[k] for k in order), **columns)

    def _lines(self):
        shown = self if len(self.names) <= _SHOWN else self.worst()
        shown = replace(shown, names=tuple(map(str, shown.names)))
        return Table._lines(shown)


def diagnostics(
    estimator, X, y, *, sample_weight=None, error_scale=None, level=0.99, random_state=0
):
    r"""Residual, weight, leverage and influence of every row of a fit.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline, search or
        ``TransformedTargetRegressor`` around one.
    X, y, sample_weight, error_scale
        The data of the fit. If X or y is a data frame or series, its index labels the rows.
    level : float in (0, 1), default=0.99
        The share of rows of normal data that are not flagged, by residuals and by distances.
    random_state : int, RandomState or None, default=0
        Seed of the search of the robust covariance.

    Returns
    -------
    RowDiagnostics

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If a parameter is out of range, or the data do not have the shape of those of the fit.

    See Also
    --------
    outlier_mask : The flag "outlier" alone, of any rows.
    RobustFitDisplay : Draws these, with ``kind="distance"``.

    Notes
    -----
    A row is an outlier if its scaled residual exceeds
    :math:`\Phi^{-1}\bigl((1 + \mathrm{level})/2\bigr)`. A row is far off in X if its robust
    distance exceeds the root of the quantile of :math:`\chi^2_q` at ``level``, where q is the rank
    of the numeric columns. A row far off is a bad leverage point if it is an outlier, and a good
    one otherwise (Rousseeuw & van Zomeren 1990).

    The distance is that of Mahalanobis with location and covariance of the minimum covariance
    determinant (scikit-learn's ``MinCovDet``). It is computed from the numeric columns only. Level
    columns, in which at least two fifths of the rows share a value (dummies, flags), have no robust
    covariance that is not singular; rows of rare levels have a large leverage instead. The columns
    of a spline basis lie on a curve, not in a cloud, so many ordinary rows are far off in them. The
    same is true of sine and cosine of a date, which lie on a circle, and of columns with few
    values. In these cases look at ``residual`` and ``weight``, or at the distances of a fit without
    these columns. With fewer than five rows for each numeric column, the distance ignores
    correlations.

    With robust weight w, case weights s and scale :math:`\hat\sigma`, the leverage is
    :math:`h_i = w_i x_i^\top (\sum_k s_k w_k x_k x_k^\top)^{-1} x_i`, with the curvature of a
    penalty in the inverse, and Cook's distance is
    :math:`w_i r_i^2 h_i/(p\,\hat\sigma^2 (1 - h_i)^2)`. Both are those of weighted least squares at
    the weights of the fit. Both are 0 for a row of weight 0: it has no influence on the plane.

    References
    ----------
    Rousseeuw, P. J. & van Zomeren, B. C. (1990). Unmasking multivariate outliers and leverage
    points. Journal of the American Statistical Association 85.

    Cook, R. D. (1977). Detection of influential observation in linear regression. Technometrics 19.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_hbk
    >>> from sklearn_robust.inspection import diagnostics
    >>> X, y = load_hbk(return_X_y=True)
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> rows = diagnostics(model, X, y)
    >>> rows.bad_leverage.nonzero()[0], rows.good_leverage.nonzero()[0]
    (array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), array([10, 11, 12, 13]))
    """
    check_number("level", level, 0.0, 1.0, "()")
    check_seed("random_state", random_state)
    model, seen = model_of(estimator, X)
    columns, index = feature_names(model, estimator), index_of(X, y)
    targets, given = target_names(model, y), (y, estimator.predict(X))
    seen, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    residuals = np.empty((len(model.coef_) if targets else 1, len(y)))
    weights, leverage, cook = np.zeros((3, *residuals.shape))
    inflation = np.empty((len(residuals), len(columns)))
    for k, (fit, rows, all_rows) in enumerate(targets_with_rows(model, seen, y, cases)):
        params = rows.from_original(fit.coef, fit.intercept)
        residuals[k] = residuals_at(all_rows, params)
        weights[k] = np.atleast_2d(model.weights_.T)[k]
        problem = Problem(rows, ElasticNet.of(model, rows.columns))
        objective = problem.objective(fit.loss, fit.scale)
        leverage[k, rows.present()] = _leverages(objective, params, weights[k, rows.present()])
        inflation[k] = _inflation(objective, weights[k, rows.present()])
    sizes = sizes_of_errors(model, seen, y)
    sigmas = np.atleast_1d(sigma_of(model, y / sizes, residuals.T.reshape(y.shape)))
    scaled = residuals / sigmas[:, None]
    residuals *= np.atleast_2d(sizes.T)
    free = np.maximum(np.atleast_1d(model.n_parameters_), 1.0)[:, None]
    held = leverage < 1.0
    np.divide(weights * scaled**2 * leverage / free, (1.0 - leverage) ** 2, out=cook, where=held)
    distances, rank = robust_distances(all_rows, seen, random_state)
    near = distances <= cutoff(rank, level)
    largest = float(ndtri(0.5 + 0.5 * level))
    outlier = np.abs(scaled) > largest
    own = (
        np.asarray(of, dtype=np.float64).reshape(y.shape).T.reshape(scaled.shape) for of in given
    )
    parts = (
        *own, residuals, scaled, weights, np.tile(distances, (len(residuals), 1)), leverage, cook,
        outlier, ~outlier & ~near, outlier & ~near,
    )  # fmt: skip
    named = dict(zip(RowDiagnostics._columns, parts, strict=True))
    named["variance_inflation"] = inflation
    return RowDiagnostics(
        n_rows=len(distances),
        n_outlier=int(np.count_nonzero(outlier)),
        n_good_leverage=int(np.count_nonzero(named["good_leverage"])),
        n_bad_leverage=int(np.count_nonzero(named["bad_leverage"])),
        names=tuple(range(len(distances))) if index is None else tuple(index),
        index_names=_names_of(index),
        targets=targets,
        level=float(level),
        residual_cutoff=largest,
        distance_cutoff=cutoff(rank, level),
        columns=columns,
        **{name: of if targets else of[0] for name, of in named.items()},
    )


def _names_of(index) -> tuple:
    """Return the names of the levels of an index; "row" for one without a name."""
    names = tuple(getattr(index, "names", [None]))
    return ("row",) if names == (None,) else names


def _leverages(objective, params, weights) -> np.ndarray:
    """Return the diagonal of the hat matrix of weighted least squares, of the rows present."""
    rows = objective.design
    root = objective.curvature(params)[-1]
    root = np.asarray(root.root @ np.eye(root.root.shape[1]))
    lengths = squared_lengths(rows, rows.present(), root)
    most = 1.0 / rows.own_cases()[rows.present()]  # rounding may go beyond
    return np.clip(weights * objective.loss.weight_at_zero * lengths / rows.total_weight, 0.0, most)


def _inflation(objective, weights) -> np.ndarray:
    """Return the variance inflation of every coefficient under robust weights."""
    rows = objective.design
    moments = gram_of(rows, np.eye(rows.columns.n_parameters), weights)
    if rows.columns.has_intercept:
        mean = moments[-1, :-1] / max(moments[-1, -1], np.finfo(np.float64).tiny)
        moments = moments[:-1, :-1] - moments[-1, -1] * np.outer(mean, mean)
    sizes = np.sqrt(np.maximum(np.diag(moments), 0.0))
    varies = sizes > _SAME
    found = np.full(len(sizes), np.inf)
    scaled = moments[np.ix_(varies, varies)] / np.outer(sizes[varies], sizes[varies])
    values, vectors = np.linalg.eigh(scaled)
    dependent = values <= _SAME * len(values)
    found[varies] = vectors[:, ~dependent] ** 2 @ (1.0 / values[~dependent])
    # A column with a part along a direction that does not vary depends on the others.
    tied = np.flatnonzero(varies)[np.any(np.abs(vectors[:, dependent]) > _SAME, axis=1)]
    found[tied] = np.inf
    return found
