"""Where the code of a caller is, so that warnings point at it."""

from __future__ import annotations

import sys

_PACKAGE = __name__.partition(".")[0] + "."
"""What the names of all modules of this package begin with."""


def level_of_caller() -> int:
    """Return the ``stacklevel``, for a warning of the calling function, of the first frame outside.

    A method that scikit-learn calls, such as ``fit`` in a pipeline, is called from there.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
