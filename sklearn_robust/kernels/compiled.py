"""How this folder is compiled, and how the compiled code is kept on disk."""

from __future__ import annotations

import functools
import gc
import hashlib
import types
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit

from .cache import cache_of

SUM = {"reassoc", "contract", "arcp", "nsz"}
"""What a sum may do for speed; ``fastmath=True`` would also drop tests for NaN.

For sums of one product alone: where more can be contracted, a process that compiles and one that
reads what it kept need not do the same, and their results differ in the last bit.
"""


def _stamp() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_OUTER: dict[str, Any] = {"no_cfunc_wrapper": True}
_STAMP = _stamp()
"""Of everything that is compiled."""


def stamped(function):
    """Return the function as one that closes over the stamp.

    numba finds a function on disk by its own code and what it closes over, and does not notice an
    edit of a function that it calls. So an edit of any of them makes all of them new.
    """
    code = function.__code__.replace(co_freevars=("_STAMP",))
    closure = (types.CellType(_STAMP),)
    made = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, closure
    )
    functools.update_wrapper(made, function)
    vars(made).pop("__wrapped__")
    return made


@contextmanager
def uncollected():
    """Return a context without garbage collection, which takes a twelfth of compiling."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def compiled(fastmath=False):
    """Return ``njit`` for a function that compiled functions call; it goes to disk with them."""
    return njit(**OPTIONS, **_INNER, fastmath=fastmath)


def entry(function):
    """Compile a function that is called from Python, and keep it on disk where that is possible."""
    own = stamped(function)
    made = njit(**OPTIONS, **_OUTER)(own)
    if made is own:
        # With NUMBA_DISABLE_JIT numba gives back what it got, which Python cannot run.
        return function
    # In place of what the option cache of njit sets: that one raises where a file is damaged.
    made._cache = cache_of(own)
    compile_for = made.compile

    def compile_uncollected(signature):
        with uncollected():
            return compile_for(signature)

    made.compile = compile_uncollected
    return made
