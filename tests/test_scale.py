"""Residual scales."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.robust.scale import mad as statsmodels_mad

from sklearn_robust.scale import mad, scale_floor

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(np.array)
repeats = st.lists(st.integers(0, 4), min_size=30, max_size=30)


@given(r=values)
def test_mad_is_that_of_statsmodels(r):
    assert mad(r) == pytest.approx(statsmodels_mad(r, center=0), rel=1e-9, abs=1e-300)


@given(r=values, repeats=repeats)
def test_weights_are_repetitions(r, repeats):
    counts = np.array(repeats[: len(r)])
    counts[0] = max(counts[0], 1)
    expected = mad(np.repeat(r, counts))
    assert mad(r, counts.astype(float)) == expected
    assert mad(r, 0.1 * counts) == expected


@given(r=values, k=st.floats(1e-3, 1e3))
def test_mad_has_the_unit_of_the_residuals(r, k):
    assert mad(k * r) == pytest.approx(k * mad(r), rel=1e-12)


def test_fewer_than_half_cannot_move_it_far():
    r = np.arange(1.0, 12.0)
    worst = r.copy()
    worst[:5] = 1e300
    assert mad(worst) == mad(np.array([11.0]))


def test_floor():
    assert scale_floor(np.zeros(3)) == np.finfo(float).tiny
    assert scale_floor(np.array([-1.0, 1.0])) == pytest.approx(1e-12, rel=1e-2)
    assert scale_floor(np.array([1e12, 1e12 + 2.0])) == pytest.approx(8.9e-4, rel=1e-2)
    far, weights = np.array([0.0, 2.0, 1e9]), np.array([1.0, 1.0, 0.0])
    assert scale_floor(far, weights) == scale_floor(far[:2])
