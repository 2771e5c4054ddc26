"""Display of the profile likelihood of the shape."""

from __future__ import annotations

import numpy as np

from .fitted import check_target, model_of, targets_of
from .plotting import BLUE, ORANGE, axes_of
from .profile import AlphaProfile, profile_alpha

_N_SHAPES = 41
"""Shapes of the profile that is drawn."""
_AROUND = 0.75
"""What is drawn on either side of the interval, as a share of its width."""


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
        cls, estimator, X, y, *, alphas=None, sample_weight=None, error_scale=None, level=0.95,
        target=0, ax=None,
    ):  # fmt: skip
        """Compute the profile and draw it.

        Parameters
        ----------
        estimator, X, y, alphas, sample_weight, error_scale, level
            As for :func:`profile_alpha`, but by default 41 shapes about the interval.
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
        model = model_of(estimator, X)[0]
        check_target(target, len(targets_of(model)))
        options = {"sample_weight": sample_weight, "error_scale": error_scale, "level": level}
        if alphas is None and hasattr(model, "alpha_bounds"):
            # Where the interval is has to be known before the shapes are chosen.
            known = profile_alpha(estimator, X, y, np.atleast_1d(model.alpha_)[:1], **options)
            left, right = _window(known, target, model.alpha_bounds)
            alphas = np.linspace(left, right, _N_SHAPES)
        profile = profile_alpha(estimator, X, y, alphas, **options)
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
        left, right = _window(profile, self.target, (alphas.min(), alphas.max()))
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
        # Values far outside the interval would flatten the rest.
        seen = deviance[(alphas >= left) & (alphas <= right)]
        top = min(max(float(seen.max()), 1.2 * profile.threshold), 6.0 * profile.threshold)
        self.ax_.set(
            xlabel="shape alpha", ylabel="deviance", xlim=(left, right), ylim=(0.0, 1.05 * top)
        )
        self.ax_.legend()
        return self


def _window(profile, target, bounds):
    """Return the shapes between which a profile is drawn: the interval and some room."""
    low, high = np.atleast_2d(profile.interval)[target]
    room = _AROUND * max(high - low, 0.01)
    left, right = max(bounds[0], low - room), min(bounds[1], high + room)
    return (left, right) if right > left else (left - 0.01, right + 0.01)
