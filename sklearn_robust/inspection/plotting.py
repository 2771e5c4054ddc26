"""What the displays share: the import of matplotlib, and colours."""

from __future__ import annotations

import itertools

import numpy as np

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#b3b3b3"
"""Colours of Okabe & Ito (2008), which people with any kind of colour vision can distinguish."""
SERIES = (
    (BLUE, "-"), (ORANGE, "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#000000", (0, (5, 1))),
    ("#e69f00", (0, (3, 1, 1, 1))), ("#56b4e9", (0, (1, 1))),
)  # fmt: skip
"""Colour and line style of the curves; either of them is enough to distinguish them."""


def pyplot(display: str):
    """Return matplotlib.pyplot, or raise an error that names the display."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{display} needs matplotlib, which the extra plot of the package installs."
        ) from error
    return plt


def axes_of(display: str, ax):
    """Return the given axes, or new ones."""
    plt = pyplot(display)
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def weight_colours():
    """Return the colours of weights from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("weights", [ORANGE, GREY, BLUE])


_LETTER, _LINE = 5.5, 9.0
"""About the width of a letter and the height of a line of labels, in points."""
_MANY = 500
"""From this many rows on, markers are small and have no edges, which would hide their colours."""


def coloured_rows(ax, x, y, weights):
    """Draw rows with their robust weights as colours; return the points and the colorbar."""
    many = len(weights) >= _MANY
    points = ax.scatter(
        x, y, c=weights, s=9 if many else 22, cmap=weight_colours(), vmin=0.0, vmax=1.0,
        edgecolors="none" if many else "black", linewidths=0.0 if many else 0.3, zorder=2,
    )  # fmt: skip
    return points, ax.figure.colorbar(points, ax=ax, label="robust weight")


def labelled(ax, x, y, labels) -> list:
    """Write labels beside points, where they do not cover each other; return the texts."""
    ax.figure.draw_without_rendering()  # so that points have places
    places = ax.transData.transform(np.column_stack([x, y])) * 72.0 / ax.figure.dpi
    middle = np.mean(ax.transAxes.transform([[0.0, 0.0], [1.0, 1.0]])[:, 0]) * 72.0 / ax.figure.dpi
    texts: list = []
    taken: list = []
    for point, place, label in zip(zip(x, y, strict=True), places, labels, strict=True):
        sides = (1.0, -1.0) if place[0] <= middle else (-1.0, 1.0)
        for up, side in itertools.product((3.0, -10.0, 14.0, -21.0), sides):
            left = place[0] + (5.0 if side > 0.0 else -5.0 - _LETTER * len(label))
            box = left, place[1] + up, left + _LETTER * len(label), place[1] + up + _LINE
            if not any(_overlap(box, other) for other in taken):
                break
        taken.append(box)
        texts.append(
            ax.annotate(
                label, point, xytext=(5.0 * side, up), textcoords="offset points",
                fontsize="small", horizontalalignment="left" if side > 0.0 else "right",
            )
        )  # fmt: skip
    return texts


def _overlap(one, other) -> bool:
    """Return whether two boxes (left, bottom, right, top) overlap."""
    return all(one[k] < other[k + 2] and other[k] < one[k + 2] for k in (0, 1))
