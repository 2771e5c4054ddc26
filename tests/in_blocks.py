"""Rows in blocks of Dask, for the tests of its estimators."""

import functools

import numpy as np
import pytest
from problems import contaminated

da = pytest.importorskip("dask.array")

N = 30_000


@functools.cache
def many(p=3, seed=0):
    return contaminated(seed=seed, n=N, p=p)


def blocks(array, size=4_000):
    return da.from_array(array, chunks=(size, *array.shape[1:]))


def same(local, other, rtol=1e-8):
    for learned in ("coef_", "intercept_", "scale_", "alpha_"):
        np.testing.assert_allclose(
            getattr(other, learned), getattr(local, learned), rtol=rtol, atol=1e-8
        )
    assert isinstance(other.weights_, da.Array)
    np.testing.assert_allclose(other.weights_.compute(), local.weights_, atol=1e-7)
