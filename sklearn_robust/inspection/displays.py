"""Displays of a fit."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from scipy.special import ndtri
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from ..losses import regression_constant, resolve
from ..scales import m_scale, scale_floor, truncated_deviation
from ..validation import check_choice, check_integer, check_number, check_seed, check_unmasked
from .fit_rows import rows_of_fit, rows_of_predictions, weights_of
from .plotting import GREY, axes_of, coloured_rows, labelled

_LINE_POINTS = 100
_WIDE = float(np.arcsinh(10.0))
"""Inverse hyperbolic sine of the largest residual, in c, for which the axis is linear."""
_CUT = float(ndtri(0.995))
"""Scaled residual at the lines of the distances; normal ones exceed it with a chance of 0.01."""
_BEYOND = 1.05
"""Quantiles are drawn up to this many times the largest residual."""


class RobustFitDisplay:
    """Display of a fit and its robust weights.

    Use :meth:`from_estimator` or :meth:`from_predictions` to create it. It needs the extra "plot"
    (matplotlib).

    Parameters
    ----------
    predicted, residuals : ndarray of shape (n_rows,)
        In the units in which the estimator was fitted: those of the transformed target. Rows are in
        the order of rising residuals.
    weights : ndarray of shape (n_rows,)
        Robust weights, in [0, 1]; 0 for rows that the fit left out.
    scale : float
        The scale c.
    loss : Loss
    quantiles : ndarray of shape (n_rows,)
        Quantiles of the fitted distribution for the residuals.
    distribution : str
        The name of this distribution.
    feature : ndarray of shape (n_rows,), optional
        The feature, if there is a single one.
    feature_name : str, default="x0"
    target_name : str, default="y"
    observed : ndarray of shape (n_rows,), optional
        The target beside the feature, in the units of ``curve``.
    curve : tuple of two ndarray, optional
        The feature and the fitted values along the curve.
    sigma : float, optional
        The residual scale.
    distance : ndarray of shape (n_rows,), optional
        Robust distances in the numeric columns of X, as of :func:`diagnostics`.
    distance_cutoff : float, optional
        The distance that one normal row in a hundred exceeds.
    labels : ndarray of shape (n_rows,), optional
        Labels of the worst rows; default is their numbers.
    fitted_name : str, optional
        The name of the target in the units of the fit, such as "log(price)"; default is
        ``target_name``.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    points_ : matplotlib PathCollection
        The rows.
    line_ : matplotlib Line2D
        The line or curve to which the rows are compared.
    texts_ : list of matplotlib Annotation
        The labels of the worst rows.
    colorbar_ : matplotlib Colorbar
        The colorbar of the weights.

    See Also
    --------
    LossDisplay : The losses.
    diagnostics : The same in numbers.
    sklearn.metrics.PredictionErrorDisplay : Residuals of any regressor, without weights.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_phones
    >>> from sklearn_robust.inspection import RobustFitDisplay
    >>> X, y = load_phones(return_X_y=True)
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> display = RobustFitDisplay.from_estimator(model, X, y, kind="line")
    >>> display.figure_.savefig("phones.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        predicted,
        residuals,
        weights,
        scale,
        loss,
        quantiles,
        distribution,
        feature=None,
        feature_name="x0",
        target_name="y",
        observed=None,
        curve=None,
        sigma=None,
        distance=None,
        distance_cutoff=None,
        labels=None,
        fitted_name=None,
    ):
        self.predicted = predicted
        self.residuals = residuals
        self.weights = weights
        self.scale = scale
        self.loss = loss
        self.quantiles = quantiles
        self.distribution = distribution
        self.feature = feature
        self.feature_name = feature_name
        self.target_name = target_name
        self.observed = observed
        self.curve = curve
        self.sigma = sigma
        self.distance = distance
        self.distance_cutoff = distance_cutoff
        self.labels = labels
        self.fitted_name = fitted_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        kind="residuals",
        target=0,
        subsample=10_000,
        random_state=None,
        error_scale=None,
        n_labels=3,
        ax=None,
    ):
        """Draw a fit.

        Parameters
        ----------
        estimator : estimator
            A fitted linear estimator of this package, or a pipeline, search or
            ``TransformedTargetRegressor`` around one. Residuals are in the units in which the
            estimator was fitted, those of the transformed target.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit, or others.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        kind : {"residuals", "weights", "qq", "line", "distance"}, default="residuals"
            - "residuals": residuals against predictions.
            - "weights": weights against residuals, with the weight function.
            - "qq": residuals against quantiles of the fitted distribution or, if none was
              learned, of the normal distribution with the residual scale. Quantiles beyond the
              residuals are drawn at the edge.
            - "line": the fitted curve and the rows, in the units of X and y, if X has a single
              column of numbers; or else for a single feature that the last step gets.
            - "distance": scaled residuals against robust distances in X, as R's ``plot(lmrob)``,
              with lines that one normal row in a hundred exceeds.
        target : int, default=0
            Index of the target, if there are several.
        subsample : int or None, default=10_000
            At most this many rows are drawn; None draws all.
        random_state : int, RandomState or None, default=None
            Seed for the choice of rows, if not all are drawn.
        error_scale : array-like of shape (n_samples,), optional
            The sizes of the errors of these rows, if the fit had any. Residuals are drawn divided
            by the sizes of the errors, known or learned.
        n_labels : int, default=3
            How many rows are labelled by the index of the data frame or by their numbers: those
            with the largest residuals. Labels of more than 20 characters are shortened.
        ax : matplotlib Axes, optional
            Where to draw; default is a new figure.

        Returns
        -------
        RobustFitDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError
            Before ``fit``.
        TypeError
            If ``estimator`` is not an estimator of this package.
        ValueError
            If a parameter is out of range, the data do not match the fit, or ``kind`` is "line"
            with several features.
        """
        check_choice("kind", kind, cls._KINDS)
        check_seed("random_state", random_state)
        check_integer("n_labels", n_labels, 0)
        if subsample is not None:
            check_integer("subsample", subsample, 1)
        rows = rows_of_fit(estimator, X, y, kind, target, subsample, random_state, error_scale)
        display = cls(**rows)
        return display.plot(ax, kind=kind, n_labels=n_labels)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        alpha=-math.inf,
        loss="general",
        sigma=None,
        kind="residuals",
        labels=None,
        n_labels=3,
        ax=None,
    ):
        """Draw the predictions of any regressor, with the weights of a loss.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
        alpha, loss
            The loss, as for :func:`sklearn_robust.losses.rho`. Its scale has an efficiency of 0.95.
        sigma : float or None, default=None
            The residual scale. None is the deviation of the residuals within 2.5 times itself, at
            most their M-scale.
        kind : {"residuals", "weights", "qq"}, default="residuals"
            As in :meth:`from_estimator`.
        labels : sequence of shape (n_samples,), optional
            Labels of the worst rows; default is the index of ``y_true``, or their numbers.
        n_labels : int, default=3
            How many rows are labelled.
        ax : matplotlib Axes, optional
            Where to draw; default is a new figure.

        Returns
        -------
        RobustFitDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of range, or data hold NaN or infinity or differ in length.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from sklearn_robust.inspection import RobustFitDisplay
        >>> display = RobustFitDisplay.from_predictions([1.0, 2.0, 3.0, 9.0], [1.1, 1.8, 3.1, 4.0])
        >>> display.weights.round(1)
        array([1. , 1. , 0.8, 0. ])
        """
        check_choice("kind", kind, ["residuals", "weights", "qq"])
        check_integer("n_labels", n_labels, 0)
        given = y_true
        y_true, y_pred = _column("y_true", y_true), _column("y_pred", y_pred)
        if labels is None:
            labels = given.index if hasattr(given, "iloc") else np.arange(len(y_true))
        check_consistent_length(y_true, y_pred, labels)
        residuals = y_true - y_pred
        if sigma is None:
            sigma = truncated_deviation(residuals, m_scale(residuals, floor=scale_floor(y_true)))
            sigma = max(sigma, scale_floor(y_true))
        check_number("sigma", sigma, 0.0, math.inf, "()")
        family = resolve(loss, alpha)
        constant = regression_constant(family, 0.95)
        display = cls(
            **rows_of_predictions(y_true, y_pred, family, constant, float(sigma), labels),
            target_name=str(getattr(given, "name", None) or "y"),
        )
        return display.plot(ax, kind=kind, n_labels=n_labels)

    def plot(self, ax=None, *, kind="residuals", n_labels=3):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default is a new figure.
        kind : {"residuals", "weights", "qq", "line", "distance"}, default="residuals"
            As in :meth:`from_estimator`. "distance" only if the display was made for it.
        n_labels : int, default=3
            How many rows are labelled.

        Returns
        -------
        RobustFitDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ``kind`` is not known, "line" with several features, or "distance" without distances.
        """
        check_choice("kind", kind, self._KINDS)
        check_integer("n_labels", n_labels, 0)
        if kind == "line" and self.feature is None:
            others = [name for name in self._KINDS if name != "line"]
            raise ValueError(f"kind must be one of {others} with several features, got 'line'.")
        if kind == "distance" and self.distance is None:
            raise ValueError(
                "kind must be another than 'distance' for a display without distances; "
                "from_estimator(..., kind='distance') computes them."
            )
        self.ax_ = axes_of(type(self).__name__, ax)
        self.figure_ = self.ax_.figure
        x, y = self._KINDS[kind](self)
        self.points_, self.colorbar_ = coloured_rows(self.ax_, x, y, self.weights)
        self._label(x, y, n_labels)
        return self

    @property
    def _fitted_name(self):
        return self.target_name if self.fitted_name is None else self.fitted_name

    @property
    def _residual_name(self):
        return f"residual of {self._fitted_name}"

    def _residuals(self):
        self.line_ = self.ax_.axhline(0.0, color="black", linewidth=1)
        self.ax_.set(xlabel=f"predicted {self._fitted_name}", ylabel=self._residual_name)
        return self.predicted, self.residuals

    def _line(self):
        (self.line_,) = self.ax_.plot(*self.curve, color="black", label="fit", zorder=3)
        self.ax_.set(xlabel=self.feature_name, ylabel=self.target_name)
        self.ax_.legend()
        return self.feature, self.observed

    def _weights(self):
        reach = np.arcsinh(np.max(np.abs(self.residuals), initial=3.0 * self.scale) / self.scale)
        grid = self.scale * np.sinh(np.linspace(-reach, reach, 2 * _LINE_POINTS + 1))
        if reach > _WIDE:
            self.ax_.set_xscale("asinh", linear_width=2.0 * self.scale)
            sizes = 3.0 * self.scale * np.geomspace(1.0, np.sinh(reach) / 3.0, 3)
            ticks = np.concatenate([-sizes[::-1], [0.0], sizes])
            self.ax_.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            self.ax_.minorticks_off()
        (self.line_,) = self.ax_.plot(
            grid, weights_of(self.loss, grid, self.scale), color="black", linewidth=1,
            label="weight", zorder=0,
        )  # fmt: skip
        for side in (-self.scale, self.scale):
            self.ax_.axvline(side, color=GREY, linestyle=":", zorder=0)
        self.ax_.plot([], [], color=GREY, linestyle=":", label=f"±c = {self.scale:.3g}")
        self.ax_.set(xlabel=self._residual_name, ylabel="robust weight", ylim=(-0.04, 1.04))
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize="small"
        )
        return self.residuals, self.weights

    def _qq(self):
        # A heavy tail has quantiles far beyond the rows; without an end they would be a line.
        end = _BEYOND * float(np.max(np.abs(self.residuals), initial=self.scale))
        x = np.clip(self.quantiles, -end, end)
        (self.line_,) = self.ax_.plot(
            x[[0, -1]], x[[0, -1]], color="black", linewidth=1, label="y = x"
        )
        self.ax_.set(xlabel=f"quantile ({self.distribution})", ylabel=self._residual_name)
        self.ax_.legend()
        return x, self.residuals

    def _distance(self):
        scaled = self.residuals / self.sigma
        self.line_ = self.ax_.axhline(_CUT, color=GREY, linestyle=":", zorder=0)
        self.ax_.axhline(-_CUT, color=GREY, linestyle=":", zorder=0)
        if math.isfinite(self.distance_cutoff):
            self.ax_.axvline(self.distance_cutoff, color=GREY, linestyle=":", zorder=0)
        self.ax_.plot([], [], color=GREY, linestyle=":", label="exceeded by 1 % of normal rows")
        self.ax_.set(xlabel="robust distance in X", ylabel=f"scaled {self._residual_name}")
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small"
        )
        return self.distance, scaled

    def _label(self, x, y, n_labels):
        """Write the labels of the rows with the largest residuals."""
        labels = np.arange(len(x)) if self.labels is None else self.labels
        worst = np.argsort(-np.abs(self.residuals), kind="stable")[:n_labels]
        names = [str(labels[k]) for k in worst]
        self.texts_ = labelled(self.ax_, x[worst], y[worst], names, np.column_stack([x, y]))

    _KINDS: ClassVar = {
        "residuals": _residuals, "weights": _weights, "qq": _qq, "line": _line,
        "distance": _distance,
    }  # fmt: skip


def _column(name, values):
    """Return values as float64 of shape (n_samples,), or raise."""
    values = check_array(
        check_unmasked(name, values), input_name=name, ensure_2d=False, dtype=np.float64
    )
    if values.size != len(values):
        raise ValueError(f"{name} must have one target, got shape {values.shape}.")
    return values.ravel()
