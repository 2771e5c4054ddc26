"""What the displays share: the import of matplotlib, and colours."""

from __future__ import annotations

import itertools

import numpy as np

from ..losses import REJECTED

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


_LONGEST = 20
"""Letters of a label; of a longer one the middle is left out."""
_GAP = 4.0
"""Points between a row and its label."""
_STEPS = 6
"""Lines above and below a row that its label may be moved, if others are in its place."""
_MANY = 500
"""From this many rows on, markers are small and have no edges, which would hide their colours."""


def coloured_rows(ax, x, y, weights):
    """Draw rows with their robust weights as colours; return the points and the colorbar.

    The label of the colorbar says how many rows are rejected.
    """
    many = len(weights) >= _MANY
    points = ax.scatter(
        x, y, c=weights, s=9 if many else 22, cmap=weight_colours(), vmin=0.0, vmax=1.0,
        edgecolors="none" if many else "black", linewidths=0.0 if many else 0.3, zorder=2,
    )  # fmt: skip
    rejected = f"{np.count_nonzero(weights < REJECTED)} of {len(weights)} under {REJECTED:g}"
    return points, ax.figure.colorbar(points, ax=ax, label=f"robust weight ({rejected})")


def labelled(ax, x, y, labels, others=None) -> list:
    """Write labels beside points, within the axes and apart from each other; return the texts.

    Of the places near its point, a label takes the one that covers the fewest ``others``, points of
    shape (n_points, 2) in units of the data.
    """
    texts = [
        ax.annotate(
            shortened(label), point, xytext=(0.0, 0.0), textcoords="offset points",
            fontsize="small", verticalalignment="bottom", clip_on=True,
        )
        for point, label in zip(zip(x, y, strict=True), labels, strict=True)
    ]  # fmt: skip
    for text in texts:
        text.set_in_layout(False)  # a long label must not make the axes smaller
    ax.figure.draw_without_rendering()  # so that points have places
    unit = ax.figure.dpi / 72.0
    places = ax.transData.transform(np.column_stack([x, y])) / unit
    around = np.empty((0, 2)) if others is None else ax.transData.transform(others) / unit
    inside = ax.get_window_extent().padded(-2.0 * unit).extents / unit
    taken = [(*(place - _GAP / 2.0), *(place + _GAP / 2.0)) for place in places]
    if ax.get_legend() is not None:
        taken.append(ax.get_legend().get_window_extent().extents / unit)
    for text, place in zip(texts, places, strict=True):
        extent = text.get_window_extent()
        size = np.array([extent.width, extent.height]) / unit
        boxes = [_within(inside, place + move, size) for move in _moves(*size)]
        free = [box for box in boxes if not any(_overlap(box, other) for other in taken)]
        box = min(free or boxes[:1], key=lambda box: _covered(box, around))
        text.set_position(tuple(np.array(box[:2]) - place))
        taken.append(box)
    return texts


def shortened(label: str) -> str:
    """Return a label without its middle if it is long: names often differ at their ends."""
    if len(label) <= _LONGEST:
        return label
    kept = _LONGEST - 1
    return f"{label[: kept - kept // 2]}…{label[-(kept // 2) :]}"


def _moves(width, height):
    """Yield where a label may be, from its point to its left lower corner, nearest first."""
    sides = (_GAP, -_GAP - width)
    middle = -height / 2.0
    yield from ((side, middle) for side in sides)
    yield from ((-width / 2.0, up) for up in (_GAP, -_GAP - height))
    for step, side in itertools.product(range(1, _STEPS), sides):
        yield from ((side, middle + step * height), (side, middle - step * height))


def _within(inside, corner, size):
    """Return a box (left, bottom, right, top), moved into another as far as it has to be."""
    corner = np.maximum(np.minimum(corner, inside[2:] - size), inside[:2])
    return (*corner, *(corner + size))


def _covered(box, points) -> int:
    """Return how many points a box (left, bottom, right, top) covers."""
    return int(np.sum(np.all((points > box[:2]) & (points < box[2:]), axis=1)))


def _overlap(one, other) -> bool:
    """Return whether two boxes (left, bottom, right, top) overlap."""
    return all(one[k] < other[k + 2] and other[k] < one[k + 2] for k in (0, 1))
