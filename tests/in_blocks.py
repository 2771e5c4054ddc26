"""Rows in blocks of Dask, for the tests of its estimators."""

import functools

import numpy as np
import pytest
from closeness import assert_close
from problems import contaminated

da = pytest.importorskip("dask.array")

N = 30_000


@functools.cache
def many(p=3, seed=0):
    return contaminated(seed=seed, n=N, p=p)


def blocks(array, size=4_000):
    return da.from_array(array, chunks=(size, *array.shape[1:]))


def same(local, other, tol=1e-8):
    """Compare two fits of rows whose columns and noise have a size near 1."""
    for learned in ("coef_", "intercept_", "scale_", "alpha_"):
        expected = getattr(local, learned)
        terms = 1.0 + np.where(np.isfinite(expected), np.abs(expected), 0.0)
        assert_close(getattr(other, learned), expected, terms=terms, tol=tol)
    assert isinstance(other.weights_, da.Array)
    assert_close(other.weights_.compute(), local.weights_, terms=1.0, tol=10.0 * tol)
