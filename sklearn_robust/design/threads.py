"""How many threads a pass, and the linear algebra between passes, may use."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import lru_cache

import joblib
from threadpoolctl import ThreadpoolController

_SMALL = 64
"""Matrices of this order are not worth a thread to BLAS, nor to us to tell it so."""


@lru_cache(maxsize=1)
def _controller():
    return ThreadpoolController()


def available_threads() -> int:
    """Return the number of threads that joblib and threadpoolctl leave to this call.

    Inside a parallel search joblib answers 1, or has lowered the limit of the BLAS and OpenMP
    pools of its worker: the outer loop already uses the machine. scikit-learn installs both
    libraries.
    """
    pools = [pool["num_threads"] for pool in _controller().info()]
    return max(1, min([joblib.effective_n_jobs(-1), *pools]))


def serial_algebra(order: float = math.inf):
    """Return a context in which BLAS works on square matrices of this order by one thread.

    Its results then have the same bits whatever number of threads it was given; nor do its
    threads and those of another BLAS wait for each other, which takes far longer than the work.
    """
    if order <= _SMALL:
        return nullcontext()
    return _controller().limit(limits=1, user_api="blas")
