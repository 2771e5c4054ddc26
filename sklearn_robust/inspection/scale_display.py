"""A display of the size of the residuals along X."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from ..scales import abs_residual_quantile
from ..validation import check_columns, check_error_scale
from .fit_rows import weights_of
from .fitted import check_target, feature_names, model_of, targets_of
from .outliers import residuals_of
from .plotting import coloured_rows, pyplot

_POINTS = 100
"""Points of a curve."""
_FLOOR = 1e-3
"""Smaller residuals, relative to the median of all, are drawn at the lower edge."""


class ScaleDisplay:
    """Display of the absolute residuals along the fitted values and columns, with their scale.

    Use :meth:`from_estimator` to create it. It needs the extra "plot" (matplotlib).

    Parameters
    ----------
    sizes : ndarray of shape (n_rows,)
        Absolute residuals, divided by the known sizes of the errors if there are any.
    weights : ndarray of shape (n_rows,)
        Robust weights.
    panels : list of tuple (str, ndarray, ndarray, ndarray)
        For each panel its name, the values of the rows, and the curve: values and the median size
        of errors there.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    scale_test : Whether the scale depends on X.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from sklearn_robust import AdaptiveRobustRegressor
    >>> from sklearn_robust.inspection import ScaleDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = X @ [1.0, 2.0] + np.exp(0.5 * X[:, 0]) * rng.normal(size=200)
    >>> model = AdaptiveRobustRegressor(scale_features=[0], random_state=0).fit(X, y)
    >>> display = ScaleDisplay.from_estimator(model, X, y)
    >>> [name for name, *_ in display.panels]
    ['fitted value', 'x0']
    """

    def __init__(self, *, sizes, weights, panels):
        self.sizes = sizes
        self.weights = weights
        self.panels = panels

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, columns=None, error_scale=None, target=0, subsample=1000,
        random_state=0, axes=None,
    ):  # fmt: skip
        """Draw the residuals of a fit.

        Parameters
        ----------
        estimator : estimator
            A fitted linear estimator of this package, or a pipeline, search or
            ``TransformedTargetRegressor`` around one. Without learned growth, curves are
            horizontal.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit, or others.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        columns : "all", list of str or int, or None, default=None
            Columns of X that have a panel. None means those with which the scale grows.
        error_scale : array-like of shape (n_samples,), optional
            The sizes of the errors of these rows, if the fit had any.
        target : int, default=0
            Index of the target, if there are several.
        subsample : int or None, default=1000
            At most this many rows are drawn; None draws all.
        random_state : int, RandomState or None, default=0
            Seed for the choice of rows, if not all are drawn.
        axes : sequence of matplotlib Axes, optional
            One for each panel; default is a new figure.

        Returns
        -------
        ScaleDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            Before ``fit``.
        TypeError
            If ``estimator`` is not an estimator of this package.
        ValueError
            If a parameter is out of range, or X or y do not match the fit.
        """
        model, seen = model_of(estimator, X)
        names = feature_names(model, estimator)
        fits = targets_of(model)
        check_target(target, len(fits))
        seen, y, residuals = residuals_of(model, seen, y)
        fitted = np.atleast_2d((y - residuals).T)[target]
        left = np.atleast_2d(residuals.T)[target]
        known = check_error_scale(error_scale, len(left))
        left = left if known is None else left / known
        relative = model._sizes_of_errors(seen, np.ones(len(left)))[target]
        fit, centre = fits[target], abs_residual_quantile(left / relative, 0.5)
        which = getattr(model, "scale_features_", np.empty(0, dtype=np.intp))
        if columns is not None:
            which = check_columns("columns", columns, len(names), names)
        drawn = np.arange(len(left))
        if subsample is not None and subsample < len(left):
            drawn = check_random_state(random_state).choice(len(left), subsample, replace=False)
        order = np.argsort(fitted)
        panels = [("fitted value", fitted[drawn], fitted[order], centre * relative[order])]
        for k in which:
            curve = _along(model, seen, k, target)
            column = seen[:, [k]]
            column = np.ravel(column.toarray() if issparse(column) else column)
            panels.append((names[k], column[drawn], curve[0], centre * curve[1]))
        weights = weights_of(fit.loss, left / relative, fit.scale)
        return cls(sizes=np.abs(left)[drawn], weights=weights[drawn], panels=panels).plot(axes)

    def plot(self, axes=None):
        """Draw.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            One for each panel; default is a new figure.

        Returns
        -------
        ScaleDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are not as many axes as panels.
        """
        plt, n_panels = pyplot(type(self).__name__), len(self.panels)
        if axes is None:
            size = (4.2 * n_panels + 0.8, 3.8)
            axes = plt.subplots(1, n_panels, figsize=size, layout="constrained", sharey=True)[1]
        axes = np.atleast_1d(axes)
        if len(axes) != n_panels:
            raise ValueError(f"axes must be {n_panels}, one for each panel, got {len(axes)}.")
        self.axes_, self.figure_, self.lines_ = axes, axes[0].figure, []
        least = _FLOOR * float(np.median(self.sizes)) or 1.0
        for ax, (name, values, *curve) in zip(axes, self.panels, strict=True):
            colorbar = coloured_rows(ax, values, np.maximum(self.sizes, least), self.weights)[1]
            if ax is not axes[-1]:
                colorbar.remove()
            single = name != "fitted value" or np.ptp(curve[1]) == 0.0
            style = {"linewidth": 2.0} if single else {"linestyle": "", "marker": ".", "ms": 3.0}
            self.lines_ += ax.plot(
                *curve, color="black", label="median of the errors", zorder=3, **style
            )
            ax.set(yscale="log", xlabel=name)
        axes[0].set_ylabel("absolute residual")
        axes[0].legend(loc="lower right")
        return self


def _along(model, X, number, target):
    """Return values of a column, and the relative size of errors there, others at medians."""
    few = X[:: -(-X.shape[0] // 10_000)]
    few = np.asarray(few.toarray() if issparse(few) else few, dtype=np.float64)
    grid = np.linspace(few[:, number].min(), few[:, number].max(), _POINTS)
    rows = np.tile(np.median(few, axis=0), (_POINTS, 1))
    rows[:, number] = grid
    return grid, model._sizes_of_errors(rows, np.ones(_POINTS))[target]
