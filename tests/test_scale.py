"""Residual scales."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from statsmodels.robust.scale import mad as statsmodels_mad

from sklearn_robust.design.residuals import narrowed
from sklearn_robust.losses import rho
from sklearn_robust.scales import (
    AbsResiduals,
    m_scale,
    mad,
    n_cases,
    scale_floor,
    truncated_deviation,
)

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(np.array)
several = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30).map(np.array)
repeats = st.lists(st.integers(0, 4), min_size=30, max_size=30)


# ---- the MAD and floors --------------------------------------------------------------


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


# ---- the M-scale and the truncated deviation ------------------------------------------


@given(r=several, p=st.integers(0, 2))
def test_m_scale_solves_its_equation(r, p):
    s = m_scale(r, n_parameters=p, floor=1e-9)
    total = np.sum(rho(r, scale=s / math.sqrt(3.0)))
    if s == 1e-9:
        assert total <= 0.5 * (len(r) - p)
    else:
        assert total == pytest.approx(0.5 * (len(r) - p), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_m_scale_is_the_root_that_scipy_finds(seed):
    r = np.random.default_rng(seed).standard_cauchy(size=50)
    excess = lambda s: rho(r, scale=s / math.sqrt(3.0)).sum() - 0.5 * 47  # noqa: E731
    assert m_scale(r, n_parameters=3) == pytest.approx(brentq(excess, 1e-6, 1e6), rel=1e-9)


@given(r=several, repeats=repeats)
def test_weights_of_other_scales_are_repetitions(r, repeats):
    counts = np.array(repeats[: len(r)])
    counts[0] = max(counts[0], 1)
    repeated, cases = np.repeat(r, counts), counts.astype(float)
    options = {"n_parameters": 0.5, "floor": 1e-9}
    assert m_scale(r, cases, **options) == pytest.approx(m_scale(repeated, **options), rel=1e-9)
    one, other = truncated_deviation(r, 1e5, cases), truncated_deviation(repeated, 1e5)
    assert one == pytest.approx(other, rel=1e-9)


def test_weights_below_one_are_shares_of_the_rows():
    cases = np.full(10, 1e-3)
    assert n_cases(cases) == pytest.approx(10.0, rel=1e-12)
    r = np.arange(10.0)
    assert m_scale(r, cases, n_parameters=4) == pytest.approx(m_scale(r, n_parameters=4), rel=1e-9)


def test_a_median_beside_the_sizes_that_are_seen_is_not_known():
    """It is the mean of the two in the middle, of which one is not among them."""
    seen = AbsResiduals(np.array([4.0, 3.0]), np.ones(2), 1.0, 0.5, 3.0, 4.0, 6.0)
    assert seen.quantile(0.5) is None
    assert seen.quantile(0.4) == 4.0
    assert seen.quantile(0.1) is None


@pytest.mark.parametrize("bounds", [(0.0, 1e3), (0.5, 1.5), (0.0, 0.1), (5.0, 9.0)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_bins_narrow_the_bounds_of_a_quantile(bounds, share):
    sizes = np.abs(np.random.default_rng(0).standard_cauchy(size=100))
    counts, below = np.histogram(sizes, 16, bounds)[0], np.sum(sizes < bounds[0])
    low, high, weight = narrowed(100 * share, bounds, below, counts, sizes.max())
    quantile = np.quantile(sizes, share, method="averaged_inverted_cdf")
    assert low <= quantile <= high
    if quantile > bounds[1]:  # what lies there was not counted
        assert (low, high) == (bounds[1], sizes.max())
    else:
        inside = np.sum((low <= sizes) & (sizes <= high))
        assert inside <= weight <= 2 * inside  # one bin may be counted as the first and the last


def test_bins_end_between_the_two_sizes_of_a_median():
    sizes = np.array([1.0, 2.0, 3.0, 9.0, 9.5, 9.9])
    counts = np.histogram(sizes, 16, (0.0, 4.0))[0]
    low, high, _ = narrowed(3.0, (0.0, 4.0), 0.0, counts, 9.9)
    assert low <= 3.0
    assert high == 9.9


def test_scales_are_consistent_at_the_normal():
    r = np.random.default_rng(0).normal(size=200_000)
    assert m_scale(r) == pytest.approx(1.0, rel=0.01)
    assert truncated_deviation(r, 2.0) == pytest.approx(1.0, rel=0.01)


@given(r=several, k=st.sampled_from([1e-100, 1e-3, 7.0, 1e100]), largest=st.floats(0.1, 1e6))
def test_scales_have_the_unit_of_the_residuals(r, k, largest):
    # Where half of them are next to the others about zero, what tells the scales from each other
    # in the equation is lost in rounding.
    lower, upper = np.sort(np.abs(r))[[len(r) // 2 - 1, len(r) // 2]]
    assume(len(r) % 2 or lower > 1e-3 * upper)
    one, other = m_scale(r, floor=1e-9), m_scale(k * r, floor=k * 1e-9)
    assert other == pytest.approx(k * one, rel=1e-9)
    one, other = truncated_deviation(r, largest), truncated_deviation(k * r, k * largest)
    assert other == pytest.approx(k * one, rel=1e-9)


@given(r=several, largest=st.floats(0.0, 1e6))
@example(r=np.array([0.0, 6.0, 6.0, 1e-161]), largest=1.0)
def test_truncated_deviation_is_not_above_its_bound_nor_below_half_of_the_rows(r, largest):
    sigma = truncated_deviation(r, largest)
    assert sigma <= largest
    if sigma < largest:
        assert np.mean(np.abs(r) <= 2.5 * sigma * (1.0 + 1e-9)) >= 0.5


def test_m_scale_takes_columns_of_a_table():
    table = np.random.default_rng(0).normal(size=(50, 4)) ** 2
    residuals, weights = table[:, 1], table[:, 2]
    expected = m_scale(residuals.copy(), weights.copy())
    assert m_scale(residuals, weights) == expected
    assert m_scale(residuals[::-1], weights[::-1]) == pytest.approx(expected, rel=1e-12)
    assert m_scale(np.arange(9), np.arange(9)) == m_scale(np.arange(9.0), np.arange(9.0))
    narrow = residuals.astype(np.float32)
    assert m_scale(narrow) == m_scale(narrow.astype(np.float64))
