"""The kernels as Python runs them, where the compiler is off (NUMBA_DISABLE_JIT=1)."""

import functools
import sys

import numba
import numpy as np
import pytest

from sklearn_robust import kernels

needs_compiler = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="needs compiled code, or too many rows for any other"
)


def follow_ieee():
    """Let kernels divide by zero and overflow as compiled: to infinity, without a word.

    Python's own numbers and functions raise there; numpy's, of the same names, do not.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{kernels.__name__}.") and hasattr(module, "math"):
            module.math = np
    for name in kernels.__all__:
        if name.islower():
            setattr(kernels, name, _of_doubles(getattr(kernels, name)))


def _of_doubles(kernel):
    @functools.wraps(kernel)
    def run(*arguments):
        with np.errstate(all="ignore"):
            return kernel(*(np.float64(a) if isinstance(a, float) else a for a in arguments))

    return run
