"""What the displays share: the import of matplotlib, and colours."""

from __future__ import annotations

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
