"""The general robust distribution against named ones, quadrature and itself."""

import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from problems import read_reference
from scipy import integrate, optimize, stats

from sklearn_robust.distribution import general_robust, log_partition

NAMED = {
    0.0: stats.t(1, scale=np.sqrt(2.0)),
    1.0: stats.genhyperbolic(1.0, 1.0, 0.0),
    2.0: stats.norm(),
}
SHAPES = [0.0, 1e-8, 1e-3, 0.1, 0.5, 1.0, 1.5, 1.9, 1.999, 2.0 - 1e-9, 2.0, 2.0 + 1e-9, 2.5, 8.0]
X = np.concatenate([-np.logspace(-4, 2, 40)[::-1], [0.0], np.logspace(-4, 2, 40)])


@pytest.mark.parametrize("alpha", NAMED)
@pytest.mark.parametrize("method", ["pdf", "cdf", "sf"])
def test_named_members(alpha, method):
    expected = getattr(NAMED[alpha], method)(X)
    np.testing.assert_allclose(getattr(general_robust, method)(X, alpha), expected, atol=1e-10)
    large = expected > 1e-280
    np.testing.assert_allclose(
        getattr(general_robust, method)(X, alpha)[large], expected[large], rtol=1e-10
    )


@pytest.mark.parametrize("alpha", NAMED)
def test_quantiles_of_named_members(alpha):
    q = np.array([1e-12, 0.01, 0.3, 0.5, 0.8, 0.999])
    np.testing.assert_allclose(
        general_robust.ppf(q, alpha), NAMED[alpha].ppf(q), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("alpha", SHAPES)
def test_quantiles_invert_probabilities(alpha):
    q = np.concatenate([np.logspace(-300, -1, 60), np.linspace(0.11, 0.49, 9)])
    x = general_robust.isf(q, alpha)
    x = x[x < 1e290]
    np.testing.assert_allclose(general_robust.isf(general_robust.sf(x, alpha), alpha), x, rtol=1e-9)
    np.testing.assert_allclose(
        general_robust.ppf(general_robust.cdf(-x, alpha), alpha), -x, rtol=1e-9
    )
    np.testing.assert_allclose(general_robust.sf(general_robust.isf(q, alpha), alpha), q, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.5, 1.999, 3.0])
@pytest.mark.parametrize("x", [0.0, 0.3, 2.0])
def test_tails_are_integrals_of_the_density(alpha, x):
    tail = integrate.quad(
        lambda t: np.exp(t) * general_robust.pdf(x + np.exp(t), alpha),
        -40.0, 200.0, points=[-5.0, 0.0, 5.0, 20.0], limit=500, epsabs=1e-14,
    )[0]  # fmt: skip
    assert general_robust.sf(x, alpha) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize("alpha", NAMED)
def test_logarithms_of_tails_are_those_of_named_members(alpha):
    far = np.array([-38.0, -3.0, 0.5])
    expected = NAMED[alpha].logcdf(far)
    np.testing.assert_allclose(general_robust.logcdf(far, alpha), expected, rtol=1e-8)
    np.testing.assert_allclose(general_robust.logsf(-far, alpha), expected, rtol=1e-8)


@pytest.mark.parametrize("alpha", [1.0, 1.9, 2.0, 3.0])
def test_odd_moments_are_zero(alpha):
    assert [general_robust.moment(n, alpha) for n in (1, 3, 5)] == [0.0, 0.0, 0.0]


@given(alpha=st.floats(0.0, 20.0), x=st.floats(-1e10, 1e10), scale=st.floats(1e-3, 1e3))
@example(alpha=12.0, x=117.78125, scale=1.0)
def test_symmetry_and_units(alpha, x, scale):
    left, right = general_robust.cdf(-x, alpha), general_robust.sf(x, alpha)
    assert left == right
    assert left + general_robust.cdf(x, alpha) == pytest.approx(1.0, abs=1e-14)
    scaled = general_robust.cdf(scale * x, alpha, scale=scale)
    assert scaled == pytest.approx(general_robust.cdf(x, alpha), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("row", read_reference("logz_reference.csv"), ids=lambda r: r["alpha"])
def test_moments(row):
    alpha, variance = float.fromhex(row["alpha_float64_hex"]), float(row["var_x"])
    mean, computed = general_robust.stats(alpha, moments="mv")
    if alpha == 0.0:
        assert np.isnan(mean)
        assert np.isnan(computed)
        return
    assert mean == 0.0
    assert computed == pytest.approx(variance, rel=1e-10)
    assert general_robust.moment(2, alpha) == computed


def test_a_cauchy_distribution_has_no_moments():
    cauchy, named = general_robust(0.0, loc=1.0), stats.cauchy(loc=1.0, scale=np.sqrt(2.0))
    for name in ("mean", "var", "std"):
        assert np.isnan(getattr(named, name)())
        assert np.isnan(getattr(cauchy, name)())
    np.testing.assert_array_equal(cauchy.stats("mvsk"), named.stats("mvsk"))
    orders = range(5)
    np.testing.assert_array_equal(
        [cauchy.moment(n) for n in orders], [named.moment(n) for n in orders]
    )
    assert np.isnan(general_robust.moment(6, 0.0))
    assert cauchy.median() == named.median()


@pytest.mark.parametrize("alpha", [1e-4, 4e-4, 1e-3])
def test_moments_of_heavy_tails_exist(alpha):
    """Even ones may exceed a double; what is made of them is no NaN."""
    assert [general_robust.moment(n, alpha) for n in (1, 3, 5)] == [0.0, 0.0, 0.0]
    assert general_robust.moment(4, alpha) == np.inf
    assert np.isfinite(general_robust.var(alpha)) == (alpha > 3e-4)
    mean, _, skewness, kurtosis = general_robust.stats(alpha, moments="mvsk")
    assert (mean, skewness) == (0.0, 0.0)
    assert kurtosis > 1e100


def test_kurtosis_where_the_fourth_moment_exceeds_a_double():
    """At 0.002 the second moment has the logarithm 112, the fourth 796; a double ends at 709."""
    assert general_robust.moment(4, 0.002) == np.inf
    assert np.isfinite(general_robust.stats(0.002, moments="k"))


@pytest.mark.parametrize("alpha", NAMED)
def test_entropies_of_named_members(alpha):
    assert general_robust.entropy(alpha) == pytest.approx(NAMED[alpha].entropy(), rel=1e-10)
    scaled = general_robust.entropy(alpha, loc=5.0, scale=3.0)
    assert scaled == pytest.approx(NAMED[alpha].entropy() + np.log(3.0), rel=1e-10)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.5, 1.999, 3.0, 8.0])
def test_entropies_are_integrals(alpha):
    def integrand(t):
        x = np.sinh(t)
        log_density = general_robust.logpdf(x, alpha)
        return -2.0 * log_density * np.exp(log_density) * np.cosh(t)

    upper = np.arcsinh(general_robust.isf(1e-25, alpha))
    expected = integrate.quad(integrand, 0.0, upper, limit=500, epsabs=1e-13)[0]
    assert general_robust.entropy(alpha) == pytest.approx(expected, rel=1e-10)


def test_moments_of_named_members():
    assert general_robust.stats(2.0, moments="mvsk") == (0.0, 1.0, 0.0, 0.0)
    expected = NAMED[1.0].stats(moments="vk")
    np.testing.assert_allclose(general_robust.stats(1.0, moments="vk"), expected, rtol=1e-8)


@pytest.mark.parametrize(
    "alpha", [0.0, 1.0, 2.0, *(pytest.param(of, marks=pytest.mark.slow) for of in (0.5, 3.0))]
)
def test_samples_follow_the_distribution(alpha):
    sample = general_robust.rvs(alpha, size=20_000, random_state=np.random.default_rng(1))
    assert stats.kstest(sample, general_robust(alpha).cdf).pvalue > 0.01


def test_samples_broadcast_and_repeat():
    one = general_robust.rvs([0.0, 1.0], loc=2.0, size=(3, 2), random_state=0)
    assert one.shape == (3, 2)
    np.testing.assert_array_equal(
        one, general_robust.rvs([0.0, 1.0], loc=2.0, size=(3, 2), random_state=0)
    )
    assert np.isscalar(general_robust.rvs(1.0, random_state=0))


def test_fit_recovers_what_was_drawn():
    sample = general_robust.rvs(0.7, loc=3.0, scale=2.0, size=4000, random_state=1)
    alpha, loc, scale = general_robust.fit(sample)
    assert alpha == pytest.approx(0.7, abs=0.1)
    assert loc == pytest.approx(3.0, abs=0.2)
    assert scale == pytest.approx(2.0, rel=0.1)
    assert general_robust.fit(sample, f0=0.7, floc=3.0)[:2] == (0.7, 3.0)


def test_frozen_and_pickled():
    frozen = pickle.loads(pickle.dumps(general_robust(0.5, loc=1.0, scale=2.0)))
    assert frozen.median() == pytest.approx(1.0)
    assert frozen.sf(4.0) == general_robust.sf(1.5, 0.5)


@pytest.mark.parametrize("alpha", [-0.1, np.inf, np.nan, [-1.0, -2.0]])
def test_shapes_out_of_range_are_not_distributions(alpha):
    for name in ("pdf", "logpdf", "cdf", "sf", "ppf"):
        assert np.all(np.isnan(getattr(general_robust, name)(0.5, alpha)))
    for name in ("mean", "median", "var", "std", "entropy"):
        assert np.all(np.isnan(getattr(general_robust, name)(alpha)))
    for order in range(1, 7):
        assert np.all(np.isnan(general_robust.moment(order, alpha)))
    assert np.all(np.isnan(general_robust.stats(alpha, moments="mvsk")))


def test_shapes_in_and_out_of_range_together():
    alphas = [-1.0, 0.5, np.nan, 2.0]
    for of in (general_robust.var, general_robust.entropy, lambda a: general_robust.moment(4, a)):
        together = of(alphas)
        assert np.all(np.isnan(together[[0, 2]]))
        np.testing.assert_array_equal(together[[1, 3]], [of(0.5), of(2.0)])


def test_scipy_fits_within_bounds():
    sample = general_robust.rvs(0.7, loc=3.0, scale=2.0, size=1000, random_state=1)
    bounds = {"alpha": (0.0, 2.0), "loc": (-10.0, 10.0), "scale": (0.1, 10.0)}

    def optimizer(function, bounds, **others):
        return optimize.minimize(function, [1.0, 0.0, 1.0], bounds=bounds, method="Nelder-Mead")

    found = stats.fit(general_robust, sample, bounds, optimizer=optimizer)
    assert found.success
    assert found.params.alpha == pytest.approx(0.7, abs=0.2)
    assert found.params.loc == pytest.approx(3.0, abs=0.3)
    assert found.params.scale == pytest.approx(2.0, rel=0.15)
    # What SciPy's other way of fitting finds has the same likelihood.
    least = general_robust.nnlf(general_robust.fit(sample), sample)
    assert found.nllf() == pytest.approx(least, abs=1e-4)
    with pytest.raises(ValueError, match="alpha"):
        stats.fit(general_robust, sample, bounds | {"alpha": (-2.0, -1.0)})


@pytest.mark.skipif(not hasattr(stats, "make_distribution"), reason="of SciPy 1.15 and later")
def test_scipy_makes_a_class_of_it():
    made = stats.make_distribution(general_robust)
    for alpha in (0.0, 0.5, 1.0, 2.0, 3.0):
        one, same = made(alpha=alpha), general_robust(alpha)
        np.testing.assert_allclose(one.pdf(X), same.pdf(X), rtol=1e-12)
        np.testing.assert_allclose(one.cdf(X), same.cdf(X), rtol=1e-12)
        np.testing.assert_allclose(one.icdf([0.1, 0.7]), same.ppf([0.1, 0.7]), rtol=1e-12)
        np.testing.assert_allclose(
            [one.mean(), one.variance(), one.skewness(), one.kurtosis() - 3.0],
            same.stats("mvsk"), rtol=1e-12, atol=1e-14,
        )  # fmt: skip
        assert one.entropy() == pytest.approx(same.entropy(), rel=1e-12)
    sample = made(alpha=1.0).sample(5000, rng=np.random.default_rng(0))
    assert stats.kstest(sample, general_robust(1.0).cdf).pvalue > 0.01
    several = made(alpha=np.array([-1.0, 1.0])).pdf(0.3)
    np.testing.assert_array_equal(several, [np.nan, general_robust.pdf(0.3, 1.0)])


def test_log_partition_on_arrays():
    np.testing.assert_allclose(log_partition([[0.0, 2.0]]), [[1.491303476129, 0.918938533205]])
    assert log_partition(np.empty(0)).shape == (0,)
    with pytest.raises(ValueError, match=r"alpha must be in \[0, inf\]"):
        log_partition([0.5, -1.0])
