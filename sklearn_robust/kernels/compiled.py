"""How this folder is compiled, and how the compiled code is kept on disk."""

from __future__ import annotations

import functools
import hashlib
import types
from pathlib import Path

from numba import njit

SUM = {"reassoc", "contract", "arcp", "nsz"}
"""What a sum may do for speed; ``fastmath=True`` would also drop tests for NaN."""


def _stamp() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


_STAMP = _stamp()
"""Of everything that is compiled."""


def _stamped(function):
    """Return the function as one that closes over the stamp.

    numba finds a function on disk by its own code and what it closes over, and does not notice an
    edit of a function that it calls. So an edit of any of them makes all of them new.
    """
    code = function.__code__.replace(co_freevars=("_STAMP",))
    closure = (types.CellType(_STAMP),)
    stamped = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    functools.update_wrapper(stamped, function)
    del stamped.__wrapped__
    return stamped


def compiled(fastmath=False):
    """Return ``njit`` with an on-disk cache, or without one where no place is writable."""

    def decorate(function):
        options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
        try:
            return njit(cache=True, **options)(_stamped(function))
        except RuntimeError:
            return njit(**options)(function)

    return decorate
