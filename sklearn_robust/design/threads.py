"""Number of threads of a pass, and of the linear algebra between passes."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import lru_cache

import joblib
from threadpoolctl import ThreadpoolController

_SMALL = 64
"""Up to this order BLAS uses one thread anyway, and setting the limit would cost more."""


@lru_cache(maxsize=1)
def _controller():
    return ThreadpoolController()


def available_threads() -> int:
    """Return the number of threads that joblib and threadpoolctl leave to this call.

    Inside a parallel search, which already uses the machine, joblib returns 1 or has lowered the
    limit of the BLAS and OpenMP pools of its worker. scikit-learn installs both libraries.
    """
    pools = [pool["num_threads"] for pool in _controller().info()]
    return max(1, min([joblib.effective_n_jobs(-1), *pools]))


def serial_algebra(order: float = math.inf):
    """Return a context in which BLAS uses one thread for square matrices of this order.

    Its results then have the same bits for any number of threads. Also, its threads and those of
    another BLAS do not wait for each other, which takes far longer than the work.
    """
    if order <= _SMALL:
        return nullcontext()
    return _controller().limit(limits=1, user_api="blas")
