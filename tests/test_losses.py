"""The losses of one residual: 30-digit values, and what holds for every shape."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from problems import ALPHAS, BRANCHES, EACH_LOSS, LOSSES, name, read_reference
from scipy import integrate, stats

from sklearn_robust.losses import NAMED, psi, psi_prime, rho, tuning_constant, weight

ALL_ALPHAS = [*ALPHAS, 3.0, 1e25, math.inf]
alphas = st.one_of(st.sampled_from(ALL_ALPHAS), st.floats(-math.inf, math.inf, allow_nan=False))
downward = st.one_of(st.sampled_from(ALPHAS), st.floats(-math.inf, 2.0, allow_nan=False))
residuals = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e6, 1e6)
scales = st.floats(1e-300, 1e300)
moderate_scales = st.floats(1e-6, 1e6)


@pytest.mark.parametrize("row", read_reference("rho_reference.csv"), ids=lambda r: r["alpha"])
def test_reference_values(row):
    def exact(key):
        return float.fromhex(row[key]) if "0x" in row[key] else float(row[key])

    alpha, x = exact("alpha_float64_hex"), exact("x_float64_hex")
    for function, key in ((rho, "rho"), (psi, "psi"), (weight, "weight")):
        expected = float(row[key])
        assert function(x, alpha) == pytest.approx(expected, rel=1e-12, abs=0.0), key


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_zero_residual(keywords):
    assert rho(0.0, **keywords) == 0.0
    assert psi(0.0, **keywords) == 0.0
    if keywords.get("loss") == "balanced_l1":
        assert weight(0.0, **keywords) == pytest.approx(0.5 * math.expm1(3.0), rel=1e-14)
    else:
        assert weight(0.0, **keywords) == 1.0


@given(r=residuals, alpha=alphas, scale=scales)
@example(r=1e300, alpha=0.0, scale=1e-300)
@example(r=1e300, alpha=1.0, scale=1e-300)
@example(r=1e150, alpha=2.0 - 1e-9, scale=1.0)
@example(r=1.0, alpha=5e-324, scale=1.0)
@example(r=1e-20, alpha=-1e300, scale=1.0)
def test_never_nan_and_never_negative(r, alpha, scale):
    assert rho(r, alpha, scale) >= 0.0
    assert weight(r, alpha, scale) >= 0.0
    assert psi(r, alpha, scale) * np.sign(r) >= 0.0


@given(r=residuals, scale=scales, alpha=st.floats(-math.inf, 0.0))
def test_bounded_and_logarithmic_losses_are_finite(r, alpha, scale):
    assert math.isfinite(rho(r, alpha, scale))
    assert weight(r, alpha, scale) <= 1.0


@given(r=moderate, other=moderate, alpha=alphas)
def test_increases_with_the_size_of_the_residual(r, other, alpha):
    near, far = sorted([r, other], key=abs)
    assert rho(near, alpha) <= rho(far, alpha) * (1.0 + 1e-14)


@given(r=moderate, alpha=alphas, other=alphas)
def test_increases_with_alpha(r, alpha, other):
    low, high = sorted([alpha, other])
    assert rho(r, low) <= rho(r, high) * (1.0 + 1e-12)


@given(r=moderate, alpha=downward, scale=moderate_scales)
def test_influence_bounds(r, alpha, scale):
    size = abs(psi(r, alpha, scale))
    assert size <= abs(r) / scale**2 * (1.0 + 1e-12)
    if alpha <= 1.0:
        assert size <= (1.0 + 1e-12) / scale
    if alpha < 0.0:
        bound = (alpha - 2.0) / alpha if math.isfinite(alpha) else 1.0
        assert rho(r, alpha, scale) <= bound * (1.0 + 1e-14)


@given(r=moderate, alpha=alphas, scale=moderate_scales, k=st.floats(1e-3, 1e3))
def test_units_cancel(r, alpha, scale, k):
    value = rho(r, alpha, scale)
    # Rounding of k·r is magnified by the slope of the loss, at most (r/c)² in its logarithm.
    assume(abs(alpha) <= 2.0 or (r / scale) ** 2 < 100.0)
    assert rho(k * r, alpha, k * scale) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("keywords", EACH_LOSS)
@given(r=st.floats(0.01, 30.0), scale=st.floats(0.5, 2.0))
def test_psi_is_the_derivative_of_rho(keywords, r, scale):
    assume(abs(r / scale - 1.0) > 1e-3)  # named losses have kinks at the threshold
    step = 1e-5 * r
    slope = (rho(r + step, scale=scale, **keywords) - rho(r - step, scale=scale, **keywords)) / (
        2.0 * step
    )
    assert psi(r, scale=scale, **keywords) == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "keywords",
    [*EACH_LOSS, *(pytest.param({"alpha": alpha}, id=str(alpha)) for alpha in (3.0, math.inf))],
)
@given(r=st.floats(0.01, 30.0), scale=st.floats(0.5, 2.0))
def test_psi_prime_is_the_derivative_of_psi(keywords, r, scale):
    assume(abs(r / scale - 1.0) > 1e-3)
    step = 1e-5 * r / (1.0 + (r / scale) ** 2)  # exp(±z/2) changes by as much as z does
    near, far = psi(r - step, scale=scale, **keywords), psi(r + step, scale=scale, **keywords)
    assume(far < 1e290)
    slope, rounding = (far - near) / (2.0 * step), 1e-12 * abs(far) / step
    assert psi_prime(r, scale=scale, **keywords) == pytest.approx(slope, rel=1e-6, abs=rounding)


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_psi_prime_at_zero_is_the_weight_there(keywords):
    expected = 0.25 * weight(0.0, **keywords)
    assert psi_prime(0.0, scale=2.0, **keywords) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("r", [1e3, 1e7, 1e9])
def test_psi_prime_keeps_its_digits_near_one(r):
    assert psi_prime(r, 1.0) == pytest.approx((1.0 + r * r) ** -1.5, rel=1e-12)


@given(r=residuals, alpha=downward, scale=st.floats(1e-150, 1e150))
def test_psi_prime_is_never_nan(r, alpha, scale):
    assert math.isfinite(psi_prime(r, alpha, scale))


@pytest.mark.parametrize("keywords", EACH_LOSS)
@given(r=moderate, scale=moderate_scales)
def test_psi_is_residual_times_weight(keywords, r, scale):
    product = r / scale * weight(r, scale=scale, **keywords) / scale
    assert psi(r, scale=scale, **keywords) == pytest.approx(product, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("keywords", EACH_LOSS)
@given(r=moderate, other=moderate)
def test_weights_fall(keywords, r, other):
    near, far = sorted([r, other], key=abs)
    assert weight(near, **keywords) >= weight(far, **keywords) * (1.0 - 1e-12)


@pytest.mark.parametrize("loss", BRANCHES)
def test_named_losses_are_smooth_at_the_threshold(loss):
    below, above = np.nextafter(1.0, 0.0), np.nextafter(1.0, 2.0)
    assert rho(below, loss=loss) == pytest.approx(rho(above, loss=loss), rel=1e-14)
    assert psi(below, loss=loss) == pytest.approx(psi(above, loss=loss), rel=1e-14, abs=1e-14)


def test_balanced_l1_gradient_is_the_published_one():
    a, gamma, b = 0.5, 1.5, math.expm1(3.0)
    u = np.linspace(1e-6, 1.0, 50)
    np.testing.assert_allclose(psi(u, loss="balanced_l1"), a * np.log1p(b * u), rtol=1e-12)
    assert psi(7.0, loss="balanced_l1") == gamma
    area = [integrate.quad(lambda t: a * math.log1p(b * t), 0.0, x)[0] for x in u]
    np.testing.assert_allclose(rho(u, loss="balanced_l1"), area, rtol=1e-10)


def test_optimal_psi_is_the_published_one():
    """Konis & Martin (2021): t up to 1, then in proportion to t - a/phi(t) where that is positive.

    Their a for an efficiency of 0.95 is 0.0132, to the digits given.
    """
    a, density = 0.01316339060967624, stats.norm.pdf
    t = np.linspace(0.0, 4.0, 41)
    beyond = np.maximum(t - a / density(t), 0.0) * density(1.0) / (density(1.0) - a)
    expected = np.where(t <= 1.0, t, beyond)
    np.testing.assert_allclose(psi(t, loss="optimal"), expected, rtol=1e-12, atol=1e-14)
    kinks = NAMED["optimal"].kinks
    area = [integrate.quad(lambda s: psi(s, loss="optimal"), 0.0, x, points=kinks)[0] for x in t]
    np.testing.assert_allclose(rho(t, loss="optimal"), area, rtol=1e-10, atol=1e-12)


def test_optimal_rho_is_lower_than_others_of_its_efficiency():
    """The bias under little contamination grows with sup rho over the mean slope of psi.

    x - a/phi(x) is where the variance, less this bound with a multiplier, is stationary.
    """

    def bound(name):
        c = tuning_constant(loss=name, efficiency=0.95)
        slope, _ = integrate.quad(
            lambda x: 2.0 * x * psi(x, scale=c, loss=name) * stats.norm.pdf(x), 0.0, 9.0, limit=200
        )
        return rho(1e9, scale=c, loss=name) / slope

    assert bound("optimal") < 0.99 * min(map(bound, ("tukey", "welsch", "geman_mcclure")))


@pytest.mark.parametrize("name", [name for name in NAMED if name not in BRANCHES])
def test_names_of_family_members(name):
    r = np.linspace(-5.0, 5.0, 11)
    np.testing.assert_array_equal(rho(r, loss=name), rho(r, NAMED[name].alpha))


def test_shapes_of_arrays():
    assert rho([[1.0, 2.0], [3.0, 4.0]], 2.0).tolist() == [[0.5, 2.0], [4.5, 8.0]]
    assert np.isscalar(rho(1.0, 2.0))
    assert weight(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("keywords", "pattern"),
    [
        ({"loss": "hubert"}, r"loss must be one of .*got 'hubert'"),
        ({"alpha": math.nan}, r"alpha must be a number .*got nan"),
        ({"scale": 0.0}, r"scale must be a positive finite number, got 0\.0"),
        ({"scale": math.inf}, r"scale must be a positive finite number, got inf"),
    ],
)
@pytest.mark.parametrize("function", [rho, psi, weight])
def test_refusals(function, keywords, pattern):
    with pytest.raises(ValueError, match=pattern):
        function(1.0, **keywords)


@pytest.mark.parametrize(
    ("r", "alpha", "scale", "expected"),  # psi = r·w/c², from mpmath with 40 digits
    [
        (1e72, -3.0, 1.0, 5.5901699437494742e-287),
        (1e171, 0.0, 1e-144, 2e-171),
        (-8.15e162, 10.0, 3.55e126, None),
    ],
)
def test_psi_where_its_factors_do_not_fit(r, alpha, scale, expected):
    if expected is None:
        log_u = math.log(-r) - math.log(scale)
        log_psi = log_u + 4.0 * (2.0 * log_u - math.log(8.0)) - math.log(scale)
        expected = -math.exp(log_psi)
    assert psi(r, alpha, scale) == pytest.approx(expected, rel=1e-12)


# ---- tuning constants ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "digits", "constant"),
    [
        ({"alpha": -np.inf}, 3, 2.110),
        ({"alpha": 0.0}, 3, 1.686),
        ({"alpha": 1.0}, 3, 1.287),
        ({"loss": "huber"}, 4, 1.345),  # statsmodels.robust.norms.HuberT
        ({"loss": "tukey"}, 3, 4.685),  # statsmodels.robust.norms.TukeyBiweight
        ({"loss": "optimal"}, 12, 1.0),  # its shape is that of this efficiency
    ],
    ids=str,
)
def test_known_constants_of_efficiency(keywords, digits, constant):
    assert round(tuning_constant(efficiency=0.95, **keywords), digits) == constant


@pytest.mark.parametrize(
    ("keywords", "constant"), [({"alpha": -np.inf}, 3.0**-0.5), ({"loss": "tukey"}, 1.547645)]
)
def test_known_constants_of_breakdown(keywords, constant):
    assert tuning_constant(breakdown=0.5, **keywords) == pytest.approx(constant, rel=1e-6)


@pytest.mark.parametrize("keywords", [k for k in LOSSES if k.get("alpha", 0.0) <= 1.0], ids=name)
@pytest.mark.parametrize("efficiency", [0.8, 0.95, 0.99])
def test_constant_has_its_efficiency(keywords, efficiency):
    c = tuning_constant(efficiency=efficiency, **keywords)

    def mean(function):
        inner = integrate.quad(lambda x: function(x) * stats.norm.pdf(x), 0.0, c)[0]
        return 2.0 * (inner + integrate.quad(lambda x: function(x) * stats.norm.pdf(x), c, 30)[0])

    influence = mean(lambda x: x * psi(x, scale=c, **keywords))
    variance = mean(lambda x: psi(x, scale=c, **keywords) ** 2)
    assert influence**2 / variance == pytest.approx(efficiency, rel=1e-7)


@pytest.mark.parametrize("alpha", [-np.inf, -10.0, -2.0, -0.1])
@pytest.mark.parametrize("breakdown", [0.1, 0.5])
def test_constant_has_its_breakdown(alpha, breakdown):
    c = tuning_constant(alpha, breakdown=breakdown)
    mean = integrate.quad(
        lambda x: 2.0 * rho(x, alpha, c) * stats.norm.pdf(x), 0.0, 30.0, points=[c], limit=200
    )[0]
    assert mean == pytest.approx(breakdown * rho(1e300, alpha), rel=1e-7)


@pytest.mark.parametrize(
    ("keywords", "pattern"),
    [
        ({"alpha": 2.0, "efficiency": 0.95}, r"efficiency .* got 0\.95: no scale reaches it"),
        ({"alpha": 1.6, "efficiency": 0.95}, r"efficiency must be in \(0\.95"),
        ({"alpha": 1.0, "efficiency": 0.6}, r"efficiency must be in \(0\.6366, 1\)"),
        ({"alpha": 0.0, "breakdown": 0.5}, r"breakdown must be None .* got 0\.5"),
        ({"loss": "huber", "breakdown": 0.5}, r"breakdown must be None"),
        ({"alpha": -1e-6, "breakdown": 0.5}, r"breakdown must be None for alpha=-1e-06"),
        ({"alpha": 3.0, "efficiency": 0.95}, r"alpha must be in \[-inf, 2\], got 3\.0"),
        ({"efficiency": 1.0}, r"efficiency must be in \(0, 1\), got 1\.0"),
        ({"breakdown": 0.6}, r"breakdown must be in \(0, 0\.5\], got 0\.6"),
        ({}, r"exactly one of efficiency and breakdown"),
        ({"efficiency": 0.9, "breakdown": 0.5}, r"exactly one of efficiency and breakdown"),
    ],
)
def test_constants_that_do_not_exist(keywords, pattern):
    with pytest.raises(ValueError, match=pattern):
        tuning_constant(**keywords)


@np.errstate(over="ignore")  # bits wrap around, of which Python tells
def test_vectorised_exp_and_log1p_are_those_of_mpmath():
    """Each to 3e-16 of its value; the compiled code behind every loss calls nothing else."""
    import mpmath
    from numba import njit

    from sklearn_robust.kernels.elementary import exponential, log1p

    both, growth = njit(lambda t: exponential(t)), njit(lambda v: log1p(v))
    rng = np.random.default_rng(0)
    sizes = np.concatenate([10.0 ** rng.uniform(-18.0, 0.0, 200), rng.uniform(0.0, 700.0, 300)])
    with mpmath.workdps(40):
        for t in rng.choice([-1.0, 1.0], len(sizes)) * sizes:
            for ours, exact in zip(both(t), (mpmath.exp(t), mpmath.expm1(t)), strict=True):
                assert abs(mpmath.mpf(ours) / exact - 1) < 3e-16
        for v in 10.0 ** np.concatenate([rng.uniform(-300, 290, 300), rng.uniform(-4, 4, 300)]):
            assert abs(mpmath.mpf(growth(v)) / mpmath.log1p(v) - 1) < 3e-16
    assert both(0.0) == (1.0, 0.0)
    assert both(-1e6) == (0.0, -1.0)
    assert both(1e6) == (np.inf, np.inf)
    assert growth(0.0) == 0.0
