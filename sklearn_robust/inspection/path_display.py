"""Display of a path of L1 penalties."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..estimators.cv import RobustRegressorCV
from ..estimators.path import RobustPath, robust_path
from ..estimators.robust import RobustRegressor
from ..pipelines import unwrapped
from ..validation import check_integer
from .fitted import feature_names, model_of, target_of_fit
from .plotting import BLUE, GREY, ORANGE, SERIES, axes_of, pyplot

_LABELS = len(SERIES)
"""Curves that get a colour and a name, at most."""


class PathDisplay:
    """Display of coefficients along a path of L1 penalties.

    Use :meth:`from_estimator` or :meth:`from_path` to create it. It needs the extra "plot"
    (matplotlib). The columns with the largest coefficients have a colour and their name, the others
    are grey. Their size is that at the chosen penalty or, if none is chosen, on the whole path.

    Parameters
    ----------
    path : RobustPath
        Of one target.
    feature_names : sequence of str
    chosen : float or None
        The penalty that was chosen.
    one_standard_error : float or None
        The largest penalty whose score is within one standard error of the best.
    scores, score_errors : ndarray of shape (n_penalties,) or None
        Mean scores of a cross-validation along the path, and their standard errors.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        The curves of all columns.
    score_ax_ : matplotlib Axes or None
        The axes of the scores, below, if there are any.

    See Also
    --------
    robust_path : Computes a path.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from sklearn_robust import robust_path
    >>> from sklearn_robust.inspection import PathDisplay
    >>> X = np.random.default_rng(0).normal(size=(50, 20))
    >>> path = robust_path(X, X[:, 3] - X[:, 5], alpha=1.0, scale=1.0, l1_regularizations=20)
    >>> display = PathDisplay.from_path(path)
    >>> display.figure_.savefig("path.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        path,
        feature_names,
        chosen=None,
        one_standard_error=None,
        scores=None,
        score_errors=None,
    ):
        self.path = path
        self.feature_names = feature_names
        self.chosen = chosen
        self.one_standard_error = one_standard_error
        self.scores = scores
        self.score_errors = score_errors

    @classmethod
    def from_path(cls, path, *, feature_names=None, chosen=None, n_labels=_LABELS, ax=None):
        """Draw a path.

        Parameters
        ----------
        path : RobustPath
            The result of :func:`~sklearn_robust.robust_path` for one target.
        feature_names : sequence of str, optional
            The names of the columns; the default are those of the path, or "x0", "x1", ….
        chosen : float, optional
            A penalty to mark.
        n_labels : int >= 0, default=7
            This many columns have a colour and their name.
        ax : matplotlib Axes, optional
            Axes to draw on; the default creates a figure.

        Returns
        -------
        PathDisplay

        Raises
        ------
        TypeError
            If ``path`` is not a :class:`~sklearn_robust.RobustPath`.
        ValueError
            If the path has several targets, or the names are not one for each column.
        """
        if not isinstance(path, RobustPath):
            raise TypeError(f"path must be the result of robust_path, got {path!r}.")
        if path.coefs.ndim != 2:
            raise ValueError(f"path must be that of one target, got {len(path.coefs)} targets.")
        names = path.feature_names if feature_names is None else feature_names
        if names is None:
            names = [f"x{k}" for k in range(len(path.coefs))]
        if len(names) != len(path.coefs):
            raise ValueError(
                f"feature_names must be {len(path.coefs)} names, one for each column, got "
                f"{len(names)}."
            )
        return cls(path=path, feature_names=names, chosen=chosen).plot(n_labels=n_labels, ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        l1_regularizations=100,
        sample_weight=None,
        n_labels=_LABELS,
        ax=None,
    ):
        """Compute and draw the path of a fitted estimator.

        For a :class:`~sklearn_robust.RobustRegressorCV` that has compared L1 penalties, the path
        has these penalties, and the scores for the chosen shape, scale and L2 penalty are drawn
        below.

        Parameters
        ----------
        estimator : RobustRegressor or RobustRegressorCV
            Fitted, or a pipeline or search that ends in one.
        X, y
            The data of the fit; y of one target.
        l1_regularizations : int or array-like, default=100
            The penalties of the path of a :class:`~sklearn_robust.RobustRegressor`, as for
            :func:`~sklearn_robust.robust_path`.
        sample_weight : array-like of shape (n_samples,), optional
            The case weights of the fit.
        n_labels : int >= 0, default=7
            This many columns have a colour and their name.
        ax : matplotlib Axes, optional
            Axes to draw on, without scores; the default creates a figure.

        Returns
        -------
        PathDisplay

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError
            If the estimator is not one of these.
        ValueError
            If the data are not as the fit takes them, or y has several targets.
        """
        model, X = model_of(estimator, X)
        if not isinstance(model, RobustRegressor):
            raise TypeError(
                f"estimator must be a RobustRegressor or RobustRegressorCV, got {estimator!r}."
            )
        if model.coef_.ndim != 1:
            raise ValueError(f"y must have one target, got {len(model.coef_)} targets.")
        search = unwrapped(estimator).last
        results = _Scores.of(search) if isinstance(search, RobustRegressorCV) else None
        if results is not None:
            l1_regularizations = results.penalties
        path = robust_path(
            X, target_of_fit(model, y), l1_regularizations=l1_regularizations,
            sample_weight=sample_weight,
            **{name: getattr(model, name) for name in _SHARED},
        )  # fmt: skip
        display = cls(
            path=path, feature_names=feature_names(model, estimator),
            chosen=float(model.l1_regularization),
            **({} if results is None else results.keywords()),
        )  # fmt: skip
        return display.plot(n_labels=n_labels, ax=ax)

    def plot(self, *, n_labels=_LABELS, ax=None):
        """Draw the path.

        Parameters
        ----------
        n_labels : int >= 0, default=7
            This many columns have a colour and their name.
        ax : matplotlib Axes, optional
            Axes to draw on, without scores; the default creates a figure.

        Returns
        -------
        PathDisplay
        """
        check_integer("n_labels", n_labels, 0)
        self.score_ax_: Any = None
        if ax is None and self.scores is not None:
            ax, self.score_ax_ = _two_axes()
        self.ax_ = ax = axes_of("PathDisplay", ax)
        self.figure_ = ax.figure
        penalties, coefs = self.path.l1_regularizations, self.path.coefs
        named = self._largest()[:n_labels]
        named = named[np.argsort(-coefs[named, -1], kind="stable")]
        self.lines_ = [
            ax.plot(penalties, coef, color=GREY, linewidth=0.6, zorder=1)[0] for coef in coefs
        ]
        for place, k in enumerate(named):
            turn, place_in_turn = divmod(place, len(SERIES))
            colour = SERIES[place_in_turn][0]
            style = SERIES[(place_in_turn + turn) % len(SERIES)][1]
            self.lines_[k].set(color=colour, linestyle=style, linewidth=1.5, zorder=2)
            self.lines_[k].set_label(str(self.feature_names[k]))
        ax.axhline(0.0, color="black", linewidth=0.5)
        ax.set(ylabel="coefficient")
        last = ax
        if self.score_ax_ is not None:
            last = self._draw_scores()
            ax.tick_params(labelbottom=False)
        marks = self._mark(ax)
        if last is not ax:
            self._mark(last)
        if np.all(penalties > 0.0):
            ax.set_xscale("log")
        ax.set_xlim(penalties.max(), penalties.min())
        last.set_xlabel("l1_regularization")
        handles = [*(self.lines_[k] for k in named), *marks]
        if handles:
            ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return self

    def _largest(self):
        """Return the numbers of the columns that are not always zero, the largest first."""
        coefs = np.abs(self.path.coefs)
        highest = np.max(coefs, axis=1)
        sizes = highest
        if self.chosen is not None:
            sizes = coefs[:, np.argmin(np.abs(self.path.l1_regularizations - self.chosen))]
        order = np.lexsort((-highest, -sizes))
        return order[highest[order] > 0.0]

    def _mark(self, ax):
        """Mark the chosen penalties; return the lines."""
        least, most = self.path.l1_regularizations.min(), self.path.l1_regularizations.max()
        marks = (
            (self.chosen, "black", "chosen"),
            (self.one_standard_error, ORANGE, "one standard error"),
        )
        return [
            ax.axvline(value, color=colour, linestyle="--", linewidth=1.0, label=label)
            for value, colour, label in marks
            if value is not None and least <= value <= most
        ]

    def _draw_scores(self):
        ax, penalties = self.score_ax_, self.path.l1_regularizations
        ax.errorbar(
            penalties, self.scores, yerr=self.score_errors, color=BLUE, marker=".", linewidth=1.0,
            elinewidth=0.6,
        )  # fmt: skip
        ax.set(ylabel="mean score")
        return ax


_SHARED = (
    "alpha", "loss", "scale", "efficiency", "l2_regularization", "penalty_weights",
    "fit_intercept", "init", "max_iter", "tol", "random_state",
)  # fmt: skip
"""Parameters that a path shares with an estimator."""


class _Scores:
    """Scores of the candidates that differ from the chosen one in the absolute penalty alone."""

    def __init__(self, penalties, means, errors):
        order = np.argsort(-penalties, kind="stable")
        self.penalties, self._means, self._errors = penalties[order], means[order], errors[order]

    @classmethod
    def of(cls, search):
        """Return the scores of a fitted search, or None if it compared no absolute penalties."""
        results, best = search.cv_results_, search.best_params_
        if "l1_regularization" not in best:
            return None
        others = {name: value for name, value in best.items() if name != "l1_regularization"}
        places = [
            place for place, candidate in enumerate(results["params"])
            if all(candidate[name] == value for name, value in others.items())
        ]  # fmt: skip
        penalties = np.array([results["params"][place]["l1_regularization"] for place in places])
        n_splits = search.n_splits_
        error = results["std_test_score"][places] / np.sqrt(max(n_splits - 1, 1))
        return cls(penalties, results["mean_test_score"][places], error)

    def keywords(self):
        """Return what a display shows of the scores."""
        best = int(np.nanargmax(self._means))
        near = self._means >= self._means[best] - self._errors[best]
        return {
            "scores": self._means, "score_errors": self._errors,
            "one_standard_error": float(self.penalties[near].max()),
        }  # fmt: skip


def _two_axes():
    """Return axes for the coefficients and, below, axes for the scores, with a common x axis."""
    _, axes = pyplot("PathDisplay").subplots(
        2, 1, sharex=True, layout="constrained", height_ratios=(2, 1), figsize=(6.4, 6.0)
    )
    return axes
