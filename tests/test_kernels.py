"""Kernels against their definitions, on few rows: Python can run them too, one line at a time."""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from closeness import assert_close
from scipy import integrate, linalg, optimize

from sklearn_robust import kernels
from sklearn_robust.losses import psi, resolve, rho, weight
from sklearn_robust.partition import TABLES

ROUNDING = (1e-16, 1.0)
NEWTON = (1e-10, math.inf)
"""The least majorant of a convex loss, whatever the size of the last step."""
COEF = np.array([1.0, -2.0, 0.5])
"""Of the plane that the rows lie near; the constant last."""
LOSSES = [{"alpha": 1.5}, {"alpha": 1.0}, {"loss": "huber"}, {"alpha": 2.0}]


def plane(n=11, seed=0, noise=0.3):
    """Return columns with ones, y near a plane but for two rows, and case weights."""
    rng = np.random.default_rng(seed)
    Z = np.vstack([rng.normal(size=(2, n)), np.ones(n)])
    y = COEF @ Z + noise * rng.normal(size=n)
    y[:2] += [8.0, 20.0]
    return Z, y, rng.integers(1, 4, size=n).astype(float)


# ---- searches ------------------------------------------------------------------------


def reweighted(Z, y, cases, ridge, loss, c=1.0, learned=(0.0, 0.0, 0.0), start=None, max_iter=500):
    params = np.zeros(len(Z)) if start is None else start.copy()
    history = np.empty(max_iter)
    n_iter, *found = kernels.irls_packed(
        Z, y, cases, ridge, 2, loss.code, loss.alpha, c, learned, NEWTON, 1e-12, max_iter,
        ROUNDING, params, history,
    )  # fmt: skip
    return params, history[:n_iter], *found


@pytest.mark.parametrize("keywords", LOSSES, ids=str)
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_reweighted_least_squares_ends_where_the_gradient_is_zero(keywords, ridge):
    Z, y, cases = plane()
    ridge = ridge * np.array([1.0, 1.0, 0.0])
    params, history, c, converged, found = reweighted(Z, y, cases, ridge, resolve(**keywords), 0.7)
    assert (c, converged, found) == (0.7, True, True)
    residuals = y - params @ Z
    pushes = cases * weight(residuals, scale=c, **keywords) * residuals
    terms = np.abs(Z) @ np.abs(pushes)  # and a tol of 1e-12 in the loop
    assert_close(Z @ pushes, cases.sum() * ridge * params, terms=terms, tol=1e-11)
    assert np.all(np.diff(history) <= 1e-13 * history[0])
    expected = cases @ rho(residuals, scale=c, **keywords) / cases.sum()
    assert history[-1] == pytest.approx(expected + 0.5 * ridge @ params**2 / c**2, rel=1e-9)


@pytest.mark.parametrize("n", [11, 12])
def test_a_reweighted_scale_is_the_median_size(n):
    Z, y, cases = plane(n)
    params, _, c, converged, _ = reweighted(
        Z, y, cases, np.zeros(3), resolve(alpha=1.0), learned=(1.5, 0.0, 0.0)
    )
    assert converged
    assert c == pytest.approx(1.5 * np.median(np.abs(y - params @ Z)), rel=1e-9)


def test_a_reweighted_scale_is_the_m_scale():
    Z, y, cases = plane()
    constant, half = 1.0 / np.sqrt(3.0), 0.5 * (cases.sum() - 3.0)
    params, _, c, converged, _ = reweighted(
        Z, y, cases, np.zeros(3), resolve("welsch"), learned=(constant, half, 1e-9)
    )
    assert converged
    residuals = y - params @ Z
    assert c == pytest.approx(constant * m_scale(residuals, cases, half, 1.0), rel=1e-9)
    pushes = cases * weight(residuals, loss="welsch", scale=c) * residuals
    assert_close(Z @ pushes, np.zeros(3), terms=np.abs(Z) @ np.abs(pushes), tol=1e-10)


def test_searches_give_up_where_there_is_no_answer():
    Z, y, cases = plane()
    twice = np.vstack([Z[0], Z[0], Z[2]])
    assert not reweighted(twice, y, cases, np.zeros(3), resolve(alpha=1.0))[-1]
    exact = np.array([1.0, 2.0, 3.0])
    line = reweighted(
        Z, exact @ Z, cases, np.zeros(3), resolve(), learned=(1.0, 0.0, 0.0), start=exact
    )
    assert not line[-1]
    assert not most_likely(twice, y, cases, np.zeros(3))[-1]
    assert not reweighted(Z, y, cases, np.zeros(3), resolve(alpha=1.0), max_iter=2)[-2]


def most_likely(
    Z, y, cases, ridge, bounds=((-9.0, 9.0), (0.0, 2.0)), log_c=0.0, alpha=1.0, fitted=0.0
):
    params = np.linalg.lstsq(Z.T, y)[0]
    history = np.empty(500)
    n_iter, *found = kernels.fit_likelihood_packed(
        Z, y, cases, ridge, 2, (TABLES, fitted), bounds, 1e-10, 500, ROUNDING, log_c, alpha, params,
        history,
    )  # fmt: skip
    return params, history[:n_iter], *found


def likelihood(Z, y, cases, ridge, params, log_c, alpha, fitted=0.0):
    c = math.exp(log_c)
    loss = cases @ rho(y - params @ Z, alpha, c) / cases.sum()
    penalty = 0.5 * ridge @ params**2 / c**2
    information = kernels.log_information(alpha, TABLES[1])[0]
    adjustment = fitted * (0.5 * information - log_c)
    return loss + log_c + kernels.log_partition(alpha, TABLES[0])[0] + adjustment + penalty


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("fitted", [0.0, 0.3])
def test_no_neighbour_is_likelier_than_the_most_likely(seed, ridge, fitted):
    Z, y, cases = plane(25, seed)
    ridge = ridge * np.array([1.0, 1.0, 0.0])
    params, history, log_c, alpha, converged = most_likely(Z, y, cases, ridge, fitted=fitted)
    assert converged
    least = likelihood(Z, y, cases, ridge, params, log_c, alpha, fitted)
    assert_close(history[-1], least, terms=1.0 + abs(log_c))
    rng = np.random.default_rng(seed)
    for step in 1e-3 * rng.normal(size=(20, 5)):
        other = params + step[:3], log_c + step[3], min(max(alpha + step[4], 0.0), 2.0)
        assert likelihood(Z, y, cases, ridge, *other, fitted) > least


def test_bounds_hold_the_scale_and_the_shape():
    Z, y, cases = plane(25)
    bounds = (1.0, 1.5), (1.2, 1.8)
    *_, log_c, alpha, converged = most_likely(Z, y, cases, np.zeros(3), bounds, 1.0, 1.5)
    assert converged
    assert log_c == 1.0
    assert 1.2 <= alpha <= 1.8


def test_steps_that_lead_up_are_halved_and_at_last_given_up():
    Z, y, cases = plane(12, 3)
    *_, history, _, _, converged = most_likely(Z, y, cases, np.zeros(3))
    assert converged
    assert np.all(np.diff(history) <= 1e-9)
    far_below = most_likely(*plane(12, 5), np.zeros(3), log_c=-4.0, alpha=0.1)
    assert not far_below[-1]


# ---- planes and their scales ---------------------------------------------------------


def test_planes_go_through_the_independent_rows_of_a_draw():
    Z, y, _ = plane()
    Z[:, 5] = 2.0 * Z[:, 4]
    draws = np.array([[3, 8, 6, 0], [4, 5, 4, 7], [4, 5, 9, 10], [2, 3, 9, 9]])
    planes = kernels.planes_through(Z, y, draws)
    through = [[3, 8, 6], [4, 9, 10], [2, 3, 9]]
    for found, rows in zip(planes, through, strict=True):
        terms = np.abs(found) @ np.abs(Z[:, rows])
        assert_close(found @ Z[:, rows], y[rows], terms=terms)


def test_planes_of_parts_are_their_ridge_regressions():
    Z, y, cases = plane()
    ridge = np.diag([1.0, 0.5, 0.0])
    parts = np.array([cases, cases * (np.arange(11) > 4)])
    for w, found in zip(parts, kernels.planes_of_parts(Z, y, parts, ridge), strict=True):
        assert_close(found, np.linalg.solve((Z * w) @ Z.T + ridge, Z @ (w * y)))
    two_rows = (np.arange(11) < 2).astype(float)[None]
    assert len(kernels.planes_of_parts(Z, y, two_rows, np.zeros((3, 3)))) == 0


def m_scale(residuals, cases, half, first=0.0, floor=1e-9):
    unused = np.empty(len(residuals))
    return kernels.m_scale(residuals, cases, half, floor, first, 1e-12, unused)


@pytest.mark.parametrize("first", [0.0, 1e-6, 0.4, 1e6])
def test_m_scale_is_the_root_of_its_equation(first):
    _, y, cases = plane()
    half = 0.5 * cases.sum()

    def excess(log_s):
        return cases @ rho(y, scale=math.exp(log_s) * math.sqrt(1 / 3), loss="welsch") - half

    expected = math.exp(optimize.brentq(excess, -9.0, 9.0, xtol=1e-14))
    assert m_scale(y, cases, half, first) == pytest.approx(expected, rel=1e-11)
    assert m_scale(np.where(cases > 1.0, 0.0, y), cases, half, first) == 1e-9


def test_m_scale_between_two_sizes_far_apart():
    r = np.repeat([1e-3, 1e3], [6, 5])
    s = m_scale(r, np.ones(11), 5.5, 1.0)
    assert rho(r, scale=s * math.sqrt(1 / 3), loss="welsch").sum() == pytest.approx(5.5, rel=1e-11)


def test_the_least_scales_are_found_and_the_others_may_be_infinite():
    Z, y, cases = plane(9)
    half = 0.5 * cases.sum()
    planes = np.random.default_rng(1).normal(COEF, size=(12, 3))
    exact = np.array([m_scale(y - one @ Z, cases, half) for one in planes])
    found = kernels.scales_of(Z, y, cases, half, 1e-9, 1e-12, 4, planes)
    best = np.argsort(exact)[:4]
    np.testing.assert_allclose(found[best], exact[best], rtol=1e-10)
    assert np.all((np.abs(found / exact - 1.0) < 1e-10) | (found == np.inf))
    assert np.any(found == np.inf)


def test_refinement_never_raises_a_scale():
    Z, y, cases = plane(15)
    half, none = 0.5 * cases.sum(), np.zeros((3, 3))
    planes = np.random.default_rng(1).normal(size=(6, 3))
    scales = np.array([m_scale(y - one @ Z, cases, half) for one in planes])
    before = scales.copy()
    kernels.refine(Z, y, cases, half, 1e-9, none, 0.0, 100, 0.2, planes, scales)
    after = np.array([m_scale(y - one @ Z, cases, half) for one in planes])
    assert np.all(scales < before)
    np.testing.assert_allclose(after, scales, rtol=1e-6)
    begun, unknown = np.random.default_rng(1).normal(size=(6, 3)), np.zeros(6)
    kernels.refine(Z, y, cases, half, 1e-9, none, 0.0, 100, 1e-12, begun, unknown)
    np.testing.assert_allclose(unknown, scales, rtol=1e-6)
    at_floor = np.full(6, 50.0)
    kernels.refine(Z, y, cases, half, 50.0, none, 0.0, 100, 0.2, planes, at_floor)
    assert np.all(at_floor == 50.0)


def test_refinement_leaves_planes_of_dependent_columns():
    Z, y, cases = plane(15)
    Z[1] = Z[0]
    planes, scales = np.zeros((1, 3)), np.ones(1)
    kernels.refine(
        Z, y, cases, 0.5 * cases.sum(), 1e-9, np.zeros((3, 3)), 0.0, 9, 0.2, planes, scales
    )
    assert np.all(planes == 0.0)


# ---- sums over rows ------------------------------------------------------------------


def dense_pass(X, y, cases, alpha, extra, *, c=1.0, low=0.0, high=0.0, by_column=False):
    X = np.ascontiguousarray(X.T) if by_column else X
    loss = resolve(alpha=alpha)
    return kernels.dense_pass(
        X, by_column, y, 0.0, cases, np.zeros(2), np.ones(2), COEF[:2], COEF[2],
        loss.code, loss.alpha, c, extra, low, high, 1.0, 0, len(y),
    )  # fmt: skip


def slope_in_shape(r, alpha):
    """Return the derivative in alpha of Barron's eq. 8; 0/0 at alpha = 0, so just beside it."""
    z = mp.mpf(r) ** 2

    def loss(a):
        return abs(a - 2) / a * ((z / abs(a - 2) + 1) ** (a / 2) - 1)

    return mp.diff(loss, mp.mpf(alpha) or mp.mpf(10) ** -30, h=mp.mpf(10) ** -40)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.9, 2.0])
@pytest.mark.parametrize("far", [3.0, 1e145])
def test_the_slope_in_the_shape_is_that_of_the_loss(alpha, far, weighted):
    """At alpha = 2, where it is infinite, it is that 1e-12 below."""
    Z, y, cases = plane()
    y[0] = far
    cases[1] = 0.0
    own = cases if weighted else np.empty(0)
    counts = cases if weighted else np.ones(11)
    residuals = y - COEF @ Z
    sums = dense_pass(Z[:2].T.copy(), y, own, alpha, kernels.SHAPE)[0]
    with mp.workdps(120):
        near = [slope_in_shape(r, min(alpha, 2.0 - 1e-12)) for r in residuals]
        expected = mp.fdot(counts, near)
        assert abs(sums[2] / expected - 1) < 1e-10


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("by_column", [False, True])
def test_sizes_between_two_bounds_and_sums_of_those_below(weighted, by_column):
    Z, y, cases = plane()
    cases[3] = 0.0
    own = cases if weighted else np.empty(0)
    counts = cases if weighted else np.ones(11)
    residuals = y - COEF @ Z
    sizes = np.abs(residuals)
    low, high = np.quantile(sizes, [0.25, 0.75])  # between two sizes, which rounding moves
    inside, below = (low <= sizes) & (sizes <= high) & (counts > 0.0), sizes < low
    expected = counts @ below, counts @ (below * (sizes / high) ** 2)
    sums, *_, found, weights = dense_pass(
        Z[:2].T.copy(), y, own, 1.0, kernels.SIZES, low=low, high=high, by_column=by_column
    )
    ranges = kernels.range_loss(0, 1.0, 1.0, kernels.SIZES, low, high, 1.0, residuals, own)
    between = kernels.sizes_between(residuals, own, low, high)
    for pair in (sums[3:5], ranges[0][3:5], between[:2]):
        assert_close(pair, expected, terms=expected)
    for lists in ((found, weights), ranges[3:], between[2:]):
        assert_close(lists, (sizes[inside], counts[inside]), terms=np.max(np.abs(y)))


@pytest.mark.parametrize("by_column", [False, True])
def test_gradient_and_gram_matrix_are_their_sums(by_column):
    Z, y, cases = plane()
    _, gradient, gram, *_ = dense_pass(
        Z[:2].T.copy(), y, cases, 1.0, kernels.GRAM, by_column=by_column
    )
    residuals = y - COEF @ Z
    w = cases * weight(residuals, 1.0)
    assert_close(gradient, -Z @ (w * residuals), terms=np.abs(Z) @ np.abs(w * residuals))
    assert_close(gram, (Z * w) @ Z.T, terms=np.abs(Z * w) @ np.abs(Z.T))


def test_a_gradient_in_twice_the_precision_is_the_exact_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 2)) + 1e6
    y, cases = rng.normal(size=7) + 1e8, rng.random(7)
    centre, unit, coef = X.mean(axis=0), np.array([0.5, 4.0]), rng.normal(size=2)
    sums, errors = np.zeros(3), np.zeros(3)
    kernels.add_gradient(X, y, 1e8, cases, centre, unit, coef, 0.3, sums, errors)
    exact, terms = [Fraction(0)] * 3, [Fraction(0)] * 3
    for row, target, case in zip(X, y, cases, strict=True):
        x = [
            (Fraction(value) - Fraction(middle)) / Fraction(one)
            for value, middle, one in zip(row, centre, unit, strict=True)
        ]
        r = Fraction(target) - Fraction(1e8) - Fraction(0.3)
        r -= sum(Fraction(slope) * value for slope, value in zip(coef, x, strict=True))
        for j, value in enumerate([*x, Fraction(1)]):
            exact[j] += Fraction(case) * r * value
            terms[j] += abs(Fraction(case) * r * value)
    for ours, rest, value, size in zip(sums, errors, exact, terms, strict=True):
        assert abs(Fraction(ours) + Fraction(rest) - value) < 1e-28 * size


# ---- the partition function ----------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7, 2.0, 3.0, 6.0])
def test_log_partition_is_the_logarithm_of_the_integral(alpha):
    value, slope = kernels.log_partition(alpha, TABLES[0])
    z = 2.0 * sum(
        integrate.quad(lambda x: math.exp(-rho(x, alpha)), *part, epsabs=0.0, limit=500)[0]
        for part in ((0.0, 3.0), (3.0, np.inf))
    )
    assert value == pytest.approx(math.log(z), abs=1e-8)
    assert slope == -math.inf if alpha == 2.0 else slope < 0.0


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 1.7, 1.999, 2.0])
def test_log_information_is_that_of_the_integral(alpha):
    value, slope = kernels.log_information(alpha, TABLES[1])
    z = math.exp(kernels.log_partition(alpha, TABLES[0])[0])
    squares = 2.0 * sum(
        integrate.quad(
            lambda x: psi(x, alpha) ** 2 * math.exp(-rho(x, alpha)), *part, epsabs=0.0, limit=500
        )[0]
        for part in ((0.0, 3.0), (3.0, np.inf))
    )
    assert value == pytest.approx(math.log(squares / z), abs=1e-8)
    if alpha < 2.0:
        step = 1e-6 * (2.0 - alpha)
        after = kernels.log_information(alpha + step, TABLES[1])[0]
        assert slope == pytest.approx((after - value) / step, rel=1e-4)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_cholesky_factors_are_those_of_scipy(size):
    """Of a Gram matrix with an odd and an even number of columns."""
    Z = np.random.default_rng(size).normal(size=(size, 9))
    plane = kernels.planes_of_parts(Z, Z.sum(axis=0), np.ones((1, 9)), np.eye(size))[0]
    gram = linalg.cho_factor(Z @ Z.T + np.eye(size))
    assert_close(plane, linalg.cho_solve(gram, Z @ Z.sum(axis=0)))
