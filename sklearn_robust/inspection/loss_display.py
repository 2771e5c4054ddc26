"""Display of the losses."""

from __future__ import annotations

import math

import numpy as np

from ..losses import psi, rho, weight
from ..validation import check_choice, check_number
from .plotting import SERIES, pyplot

_POINTS = 241
_QUANTITIES = ((rho, "loss rho"), (psi, "influence psi"), (weight, "weight"))
_SHAPES = (-8.0, 2.0)
"""Least and largest shape of the surface."""
_REACHES = {"curves": 6.0, "surface": 4.0}
"""The largest residual of each kind of display, in c."""


class LossDisplay:
    """Display of the loss, its influence and its weight as functions of the residual.

    Use :meth:`from_alphas` to create it. It needs the extra "plot" (matplotlib).

    Parameters
    ----------
    alphas : sequence of float in [-inf, 2]
        Shapes; each has a curve.
    scale : float, default=1.0
        The scale c.
    reach : float or None, default=None
        The largest residual that is drawn, in the unit of ``scale``. None is 6 c for curves and
        4 c for the surface.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The axes of rho, psi and weight, or that of the surface.
    figure_ : matplotlib Figure
    lines_ : list of list of matplotlib Line2D
        The curves on each of the axes.
    surface_ : matplotlib Poly3DCollection or None

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_robust.inspection import LossDisplay
    >>> display = LossDisplay.from_alphas([2.0, 1.0, 0.0, -2.0])
    >>> len(display.axes_), len(display.lines_[0])
    (3, 4)
    """

    def __init__(self, alphas, *, scale=1.0, reach=None):
        self.alphas = alphas
        self.scale = scale
        self.reach = reach

    @classmethod
    def from_alphas(
        cls,
        alphas=(2.0, 1.0, 0.0, -2.0, -math.inf),
        *,
        scale=1.0,
        reach=None,
        kind="curves",
        ax=None,
    ):
        """Draw the losses of some shapes.

        Parameters
        ----------
        alphas : sequence of float in [-inf, 2], default=(2.0, 1.0, 0.0, -2.0, -inf)
            Shapes; each has a curve, or, between -8 and 2, a line on the surface.
        scale : float, default=1.0
            The scale c, in the unit of the residual.
        reach : float or None, default=None
            The largest residual that is drawn. None is 6 c for curves and 4 c for the surface.
        kind : {"curves", "surface"}, default="curves"
            - "curves": rho, psi and weight against the residual, on three axes.
            - "surface": rho against residual and shape, on axes with a 3-D projection.
        ax : matplotlib Axes or array-like of three, optional
            Where to draw; default is a new figure.

        Returns
        -------
        LossDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of range, or ``ax`` has the wrong number of axes.
        """
        return cls(alphas, scale=scale, reach=reach).plot(ax, kind=kind)

    def plot(self, ax=None, *, kind="curves"):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of three, optional
            Default is a new figure.
        kind : {"curves", "surface"}, default="curves"
            As in :meth:`from_alphas`.

        Returns
        -------
        LossDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a parameter is out of range, or ``ax`` has the wrong number of axes.
        """
        check_choice("kind", kind, _REACHES)
        if np.ndim(self.alphas) != 1 or len(self.alphas) == 0:
            raise ValueError(f"alphas must be a sequence of shapes, got {self.alphas!r}.")
        for alpha in self.alphas:
            check_number("every one of alphas", alpha, -math.inf, 2.0)
        check_number("scale", self.scale, 0.0, math.inf, "()")
        if self.reach is not None:
            check_number("reach", self.reach, 0.0, math.inf, "()")
        self.lines_: list = []
        self.surface_ = None
        reach = _REACHES[kind] * self.scale if self.reach is None else self.reach
        residuals = np.linspace(-reach, reach, _POINTS)
        (self._curves if kind == "curves" else self._surface)(ax, residuals)
        return self

    def _curves(self, ax, residuals):
        plt = pyplot(type(self).__name__)
        if ax is None:
            ax = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")[1]
        self.axes_ = np.asarray(ax).ravel()
        if len(self.axes_) != 3 or not all(hasattr(axes, "plot") for axes in self.axes_):
            raise ValueError(f"ax must be three axes, got {ax!r}.")
        self.figure_ = self.axes_[0].figure
        for axes, (quantity, label) in zip(self.axes_, _QUANTITIES, strict=True):
            lines = []
            for k, alpha in enumerate(self.alphas):
                colour, style = SERIES[k % len(SERIES)]
                values = quantity(residuals, alpha, self.scale)
                lines += axes.plot(
                    residuals, values, color=colour, linestyle=style, label=_named(alpha)
                )
            axes.set(xlabel="residual r", ylabel=label)
            axes.grid(alpha=0.3)
            self.lines_.append(lines)
        # The axes fit the losses that are not steep; the steepest would leave them no room.
        flat = [rho(residuals[-1], alpha, self.scale) for alpha in self.alphas if alpha <= 1.0]
        if flat:
            self.axes_[0].set_ylim(-0.05 * max(flat), 1.1 * max(flat))
            steep = 1.5 / self.scale
            self.axes_[1].set_ylim(-steep, steep)
        self.axes_[1].legend(title="shape alpha", loc="lower right")

    def _surface(self, ax, residuals):
        plt = pyplot(type(self).__name__)
        if ax is None:
            figure = plt.figure(figsize=(7, 5.5), layout="constrained")
            ax = figure.add_subplot(projection="3d")
        if getattr(ax, "name", "") != "3d":
            raise ValueError(f"ax must be axes with a 3-D projection for a surface, got {ax!r}.")
        self.axes_, self.figure_ = np.array([ax]), ax.figure
        shapes = np.linspace(*_SHAPES, _POINTS)
        loss = np.array([rho(residuals, alpha, self.scale) for alpha in shapes])
        grid = np.meshgrid(residuals, shapes)
        self.surface_ = ax.plot_surface(*grid, loss, cmap="cividis", rcount=80, ccount=80)
        lines: list = []
        for alpha in self.alphas:
            if _SHAPES[0] <= alpha <= _SHAPES[1]:
                height = rho(residuals, alpha, self.scale)
                lines += ax.plot(residuals, np.full(_POINTS, alpha), height, color="black")
        self.lines_.append(lines)
        ax.set(xlabel="residual r", ylabel="shape alpha", zlabel="loss rho")
        ax.view_init(elev=28, azim=-60)


def _named(alpha):
    return "−∞" if alpha == -math.inf else f"{alpha:g}"
