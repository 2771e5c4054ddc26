"""How many threads a pass may use."""

from __future__ import annotations

from functools import lru_cache

import joblib
from threadpoolctl import ThreadpoolController


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
