"""Displays of a fit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.special import ndtri
from sklearn.utils import check_random_state

from ..distribution import general_robust
from ..losses import Loss
from ..validation import check_choice, check_integer, check_seed
from .fitted import is_adaptive, model_of, targets_of
from .outliers import residuals_of, sigma_of
from .plotting import BLUE, GREY, ORANGE, axes_of, weight_colours
from .profile import AlphaProfile, profile_alpha

_LINE_POINTS = 100
_WIDE = float(np.arcsinh(10.0))
"""Inverse hyperbolic sine of the largest residual, in c, for which the axis is linear."""


class RobustFitDisplay:
    """Display of a fit and its robust weights.

    Use :meth:`from_estimator` to create it. It needs the extra "plot" (matplotlib).

    Parameters
    ----------
    predicted, residuals : ndarray of shape (n_rows,)
        In the unit of y.
    weights : ndarray of shape (n_rows,)
        Robust weights, in [0, 1]; 0 for rows that the fit left out.
    scale : float
        The scale c.
    loss : Loss
    quantiles : ndarray of shape (n_rows,)
        Quantiles of the fitted distribution for the sorted residuals.
    distribution : str
        The name of this distribution.
    feature : ndarray of shape (n_rows,), optional
        The feature, if there is a single one.
    feature_name : str, default="x0"
    target_name : str, default="y"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    points_ : matplotlib PathCollection
        The rows.
    line_ : matplotlib Line2D
        The line or curve to which the rows are compared.
    colorbar_ : matplotlib Colorbar or None
        The colorbar of the weights, if colours show them.

    See Also
    --------
    LossDisplay : The losses.
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
        ax=None,
    ):
        """Draw a fit.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator of this package, or a pipeline or search that ends in one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit, or others.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        kind : {"residuals", "weights", "qq", "line"}, default="residuals"
            - "residuals": residuals against predictions, with weights as colours.
            - "weights": weights against residuals, with the weight function.
            - "qq": residuals against quantiles of the fitted distribution or, if none was
              learned, of the normal distribution with the residual scale.
            - "line": the fitted line and the rows, for a single feature. In a pipeline this is
              the feature that the last step gets.
        target : int, default=0
            Index of the target, if there are several.
        subsample : int or None, default=10_000
            Most rows that are drawn; None draws all.
        random_state : int, RandomState or None, default=None
            Seed for the choice of rows, if not all are drawn.
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
        if subsample is not None:
            check_integer("subsample", subsample, 1)
        model, seen = model_of(estimator, X)
        seen, values, residuals = residuals_of(model, seen, y)
        fits = targets_of(model)
        _check_target(target, len(fits))
        fit, sigmas = fits[target], np.atleast_1d(sigma_of(model, values, residuals))
        values, residuals = (np.atleast_2d(of.T)[target] for of in (values, residuals))
        weights = _weights(fit.loss, residuals, fit.scale)
        stored = np.atleast_2d(model.weights_.T)[target]
        kept = stored > 0.0
        if stored.shape == weights.shape and np.allclose(stored[kept], weights[kept]):
            weights = stored  # X holds the rows of the fit; some may have been left out
        order = _drawn(len(residuals), subsample, random_state)
        order = order[np.argsort(residuals[order], kind="stable")]
        residuals, weights = residuals[order], weights[order]
        ranks = (np.arange(len(order)) + 0.5) / len(order)
        if is_adaptive(model):
            quantiles = general_robust.ppf(ranks, fit.loss.alpha, scale=fit.scale)
            distribution = f"general robust, alpha {fit.loss.alpha:.2f}, c {fit.scale:.3g}"
        else:
            quantiles = sigmas[target] * ndtri(ranks)
            distribution = f"normal, sigma {sigmas[target]:.3g}"
        display = cls(
            predicted=values[order] - residuals,
            residuals=residuals,
            weights=weights,
            scale=fit.scale,
            loss=fit.loss,
            quantiles=quantiles,
            distribution=distribution,
            feature=_only_feature(seen, order) if model.n_features_in_ == 1 else None,
            feature_name=str(getattr(model, "feature_names_in_", ["x0"])[0]),
            target_name=_target_name(y, target),
        )
        return display.plot(ax, kind=kind)

    def plot(self, ax=None, *, kind="residuals"):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default is a new figure.
        kind : {"residuals", "weights", "qq", "line"}, default="residuals"
            As in :meth:`from_estimator`.

        Returns
        -------
        RobustFitDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If ``kind`` is not known, or "line" with several features.
        """
        check_choice("kind", kind, self._KINDS)
        if kind == "line" and self.feature is None:
            others = [name for name in self._KINDS if name != "line"]
            raise ValueError(f"kind must be one of {others} with several features, got 'line'.")
        self.ax_ = axes_of(type(self).__name__, ax)
        self.figure_ = self.ax_.figure
        self.colorbar_ = None
        self._KINDS[kind](self)
        return self

    @property
    def _residual_name(self):
        return f"residual of {self.target_name}"

    def _residuals(self):
        self._coloured(self.predicted, self.residuals)
        self.line_ = self.ax_.axhline(0.0, color="black", linewidth=1)
        self.ax_.set(xlabel=f"predicted {self.target_name}", ylabel=self._residual_name)

    def _line(self):
        self._coloured(self.feature, self.predicted + self.residuals)
        ends = [np.argmin(self.feature), np.argmax(self.feature)]
        (self.line_,) = self.ax_.plot(
            self.feature[ends], self.predicted[ends], color="black", label="fit"
        )
        self.ax_.set(xlabel=self.feature_name, ylabel=self.target_name)
        self.ax_.legend()

    def _weights(self):
        self.points_ = self.ax_.scatter(
            self.residuals, self.weights, s=18, color=BLUE, alpha=0.6, label="rows", zorder=3
        )
        reach = np.arcsinh(np.max(np.abs(self.residuals), initial=3.0 * self.scale) / self.scale)
        grid = self.scale * np.sinh(np.linspace(-reach, reach, 2 * _LINE_POINTS + 1))
        if reach > _WIDE:
            self.ax_.set_xscale("asinh", linear_width=2.0 * self.scale)
            sizes = 3.0 * self.scale * np.geomspace(1.0, np.sinh(reach) / 3.0, 3)
            ticks = np.concatenate([-sizes[::-1], [0.0], sizes])
            self.ax_.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            self.ax_.minorticks_off()
        (self.line_,) = self.ax_.plot(
            grid, _weights(self.loss, grid, self.scale), color=ORANGE, label="weight"
        )
        for side in (-self.scale, self.scale):
            self.ax_.axvline(side, color=GREY, linestyle=":", zorder=0)
        self.ax_.plot([], [], color=GREY, linestyle=":", label=f"±c = {self.scale:.3g}")
        self.ax_.set(xlabel=self._residual_name, ylabel="robust weight", ylim=(-0.04, 1.04))
        self.ax_.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize="small"
        )

    def _qq(self):
        self._coloured(self.quantiles, self.residuals)
        ends = self.quantiles[[0, -1]]
        (self.line_,) = self.ax_.plot(ends, ends, color="black", linewidth=1, label="equal")
        self.ax_.set(xlabel=f"quantile ({self.distribution})", ylabel=self._residual_name)
        self.ax_.legend()

    def _coloured(self, x, y):
        """Draw the rows with their weights as colours."""
        self.points_ = self.ax_.scatter(
            x, y, c=self.weights, s=22, cmap=weight_colours(), vmin=0.0, vmax=1.0,
            edgecolors="black", linewidths=0.3,
        )  # fmt: skip
        self.colorbar_ = self.figure_.colorbar(self.points_, ax=self.ax_, label="robust weight")

    _KINDS: ClassVar = {"residuals": _residuals, "weights": _weights, "qq": _qq, "line": _line}


def _check_target(target, n_targets):
    check_integer("target", target, 0)
    if target >= n_targets:
        raise ValueError(f"target must be below {n_targets}, the number of targets, got {target}.")


def _drawn(n_rows, subsample, random_state):
    """Return the numbers of the rows that are drawn."""
    if subsample is None or subsample >= n_rows:
        return np.arange(n_rows)
    return check_random_state(random_state).choice(n_rows, int(subsample), replace=False)


def _weights(loss: Loss, residuals, scale):
    """Return robust weights in [0, 1]."""
    return loss.rho_psi_weight(residuals, scale)[2] / loss.weight_at_zero


def _only_feature(X, order):
    """Return the values of a single feature."""
    column = X[order]
    return (column.toarray() if issparse(column) else column).ravel().astype(np.float64)


def _target_name(y, target):
    if getattr(y, "columns", None) is not None:
        return str(y.columns[target])
    return str(getattr(y, "name", None) or "y")


class AlphaProfileDisplay:
    """Display of the profile likelihood of the shape.

    Create it by :meth:`from_estimator`, or from an :class:`AlphaProfile`. It needs the extra "plot"
    (matplotlib).

    Parameters
    ----------
    profile : AlphaProfile
    target : int, default=0
        Index of the target, if there are several.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        The deviance.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_robust import AdaptiveRobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import AlphaProfileDisplay
    >>> X, y = load_stackloss(return_X_y=True)
    >>> model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    >>> display = AlphaProfileDisplay.from_estimator(model, X, y)
    >>> display.figure_.savefig("profile.png")  # doctest: +SKIP
    """

    def __init__(self, profile: AlphaProfile, *, target=0):
        self.profile = profile
        self.target = target

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, alphas=None, sample_weight=None, level=0.95, target=0, ax=None
    ):
        """Compute the profile and draw it.

        Parameters
        ----------
        estimator, X, y, alphas, sample_weight, level
            As for :func:`profile_alpha`.
        target : int, default=0
            Index of the target, if there are several.
        ax : matplotlib Axes, optional
            Where to draw; default is a new figure.

        Returns
        -------
        AlphaProfileDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        NotFittedError, TypeError, ValueError
            As :func:`profile_alpha` does.
        """
        _check_target(target, len(targets_of(model_of(estimator, X)[0])))
        profile = profile_alpha(estimator, X, y, alphas, sample_weight=sample_weight, level=level)
        return cls(profile, target=target).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default is a new figure.

        Returns
        -------
        AlphaProfileDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_of(type(self).__name__, ax)
        self.figure_ = self.ax_.figure
        profile = self.profile
        low, high = np.atleast_2d(profile.interval)[self.target]
        deviance = np.atleast_2d(profile.deviance)[self.target]
        alpha = np.atleast_1d(profile.alpha)[self.target]
        alphas, deviance = np.append(profile.alphas, alpha), np.append(deviance, 0.0)
        order = np.argsort(alphas)
        self.ax_.axvspan(
            low, high, color=BLUE, alpha=0.15, linewidth=0,
            label=f"{100.0 * profile.level:g} % interval [{low:.2f}, {high:.2f}]",
        )  # fmt: skip
        (self.line_,) = self.ax_.plot(alphas[order], deviance[order], color=BLUE)
        self.ax_.plot(alpha, 0.0, "o", color=ORANGE, label=f"fit, alpha {alpha:.2f}", clip_on=False)
        self.ax_.axhline(
            profile.threshold, color="black", linestyle=":",
            label=f"threshold {profile.threshold:.2f}",
        )  # fmt: skip
        # The axis ends at a few thresholds, because higher values would flatten the rest.
        top = min(float(deviance.max()), 6.0 * profile.threshold)
        self.ax_.set(xlabel="shape alpha", ylabel="deviance", ylim=(0.0, 1.05 * top))
        self.ax_.legend()
        return self
