"""Weights of all rows together: GHM-R, and functions that users write."""

import numpy as np
import pytest
from closeness import assert_close
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from sklearn_robust import ReweightedRegressor
from sklearn_robust.losses import weight
from sklearn_robust.weightings import GHMWeighting


def one_sided(n=300, share=0.2, seed=0):
    """Return a linear table whose first rows are ten too high."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = X @ [1.0, -2.0] + rng.normal(size=n)
    y[: round(share * n)] += 10.0
    return X, y


def reweighted(weighting, **options):
    return ReweightedRegressor(
        LinearRegression(), weighting=weighting, **{"residuals": "train"} | options
    )


# ---- GHM-R ---------------------------------------------------------------------------


def test_weights_by_hand():
    """At mu = 3, residuals of 0, 4 and -4 have the gradient norms 0, 4/5 and 4/5."""
    found = GHMWeighting(bins=2, mu=3.0)([0.0, 4.0, -4.0])
    assert_close(found, [3 / (2 * 1), 3 / (2 * 2) * 3 / 5, 3 / (2 * 2) * 3 / 5])
    # Ten bins: 0 and 0.28 = 7/25 are in the first and third, 4/5 in the ninth.
    found = GHMWeighting(mu=24.0)([0.0, 7.0, 32.0, -32.0])
    assert_close(found, [4 / 10, 4 / 10 * 24 / 25, 4 / 20 * 3 / 5, 4 / 20 * 3 / 5])


def test_counts_are_remembered_by_hand():
    weighting = GHMWeighting(bins=2, mu=3.0, momentum=0.75)
    weighting([0.0, 0.0, 0.0, 4.0])  # three and one
    found = weighting([0.0, 4.0, 4.0, 4.0])  # one and three: smoothed, 2.5 and 1.5
    assert_close(found, [4 / (2 * 2.5), *[4 / (2 * 1.5) * 3 / 5] * 3])


def test_one_bin_is_the_loss_of_shape_one():
    u = np.linspace(-8.0, 8.0, 33)
    assert_close(GHMWeighting(bins=1, mu=2.0)(u), weight(u, 1.0, 2.0))


def test_every_bin_counts_the_same():
    """What the rows of a bin count together, without the second factor, is N over the bins."""
    u = np.random.default_rng(0).standard_t(2, size=1000)
    cases = np.random.default_rng(1).integers(0, 3, size=1000)
    first = GHMWeighting(bins=5)(u, cases) * np.hypot(1.0, u)
    place = np.floor(5 * np.abs(u) / np.hypot(1.0, u))
    for bin_ in range(5):
        assert_close(cases[place == bin_] @ first[place == bin_], cases.sum() / 5)


def test_weights_are_cases():
    u = np.random.default_rng(0).normal(size=50)
    cases = np.arange(50) % 3
    once = GHMWeighting()(u, cases)
    assert_close(np.repeat(once, cases), GHMWeighting()(np.repeat(u, cases)))
    assert np.all(np.isfinite(once))


@pytest.mark.parametrize("u", [[0.0, 0.0], [1e150, 1.0], [1e-300, 1e150]], ids=str)
def test_weights_are_finite(u):
    for mu in (1e-6, 1.0, 1e6):
        found = GHMWeighting(mu=mu)(u)
        assert np.all(np.isfinite(found))
        assert np.all(found > 0.0)


@pytest.mark.parametrize(
    "parameters", [{"bins": 0}, {"bins": 2.5}, {"mu": 0.0}, {"momentum": 1.0}], ids=str
)
def test_parameters_out_of_range_are_refused(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got "):
        GHMWeighting(**parameters)


# ---- in a regressor ------------------------------------------------------------------


def test_one_bin_is_the_m_estimate_of_shape_one():
    X, y = one_sided()
    found = reweighted(GHMWeighting(bins=1), scale=1.5, tol=1e-10, max_iter=500).fit(X, y)
    expected = ReweightedRegressor(
        LinearRegression(), alpha=1.0, scale=1.5, residuals="train", tol=1e-10, max_iter=500
    ).fit(X, y)
    assert_close(found.coef_, expected.coef_, tol=1e-7)
    assert_close(found.intercept_, expected.intercept_, tol=1e-7)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_the_gradient_of_the_harmonised_loss_is_zero(momentum):
    """At rest the fit is stationary for the sum of sqrt(r² + mu²)/density, densities held."""
    X, y = one_sided()
    model = reweighted(GHMWeighting(5, momentum=momentum), scale=1.0, tol=1e-9, max_iter=200).fit(
        X, y
    )
    residuals = y - model.predict(X)
    gradient = residuals / np.hypot(1.0, residuals)
    place = np.floor(5 * np.abs(gradient)).astype(int)
    gradient /= np.bincount(place)[place]
    size = np.abs(gradient).sum()
    assert abs(gradient.sum()) < 1e-6 * size
    assert np.all(np.abs(X.T @ gradient) < 1e-6 * size)


def test_outliers_pull_less_than_under_shape_one_and_squares():
    X, y = one_sided()
    off = {
        name: abs(model.fit(X, y).intercept_)
        for name, model in {
            "squares": LinearRegression(),
            "shape 1": ReweightedRegressor(LinearRegression(), alpha=1.0, residuals="train"),
            "ghm": reweighted(GHMWeighting(5)),
        }.items()
    }
    assert off["ghm"] < off["shape 1"] < off["squares"]


@pytest.mark.parametrize("residuals", ["cv", "train"])
def test_unit_of_y_does_not_matter(residuals):
    X, y = one_sided(100)
    model = reweighted(GHMWeighting(3, momentum=0.5), residuals=residuals, cv=3, tol=0.02)
    one, other = clone(model).fit(X, y), clone(model).fit(X, 1024.0 * y)
    assert_close(1024.0 * one.coef_, other.coef_, tol=1e-6)


def test_a_fit_leaves_the_object_alone():
    X, y = one_sided(100)
    model = reweighted(GHMWeighting(3, momentum=0.5), max_iter=100)
    first = clone(model).fit(X, y)
    again = model.fit(X, y)
    np.testing.assert_array_equal(first.weights_, model.fit(X, y).weights_)
    np.testing.assert_array_equal(first.weights_, again.weights_)


def test_a_function_of_ones_own_with_trees():
    """A hard threshold at three scales: rows beyond it are absent."""
    X, y = one_sided(200)

    def near(residuals, sample_weight):
        return np.abs(residuals) < 3.0

    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    model = ReweightedRegressor(tree, weighting=near, scale=2.0, cv=4).fit(X, y)
    np.testing.assert_array_equal(model.weights_, np.abs(model.residuals_) < 6.0)
    expected = clone(tree).fit(X[model.weights_ > 0], y[model.weights_ > 0])
    assert_close(model.predict(X), expected.predict(X))
    assert model.scale_ == 2.0
    assert np.isnan(model.alpha_)
    assert not hasattr(model, "sigma_")


def test_the_scale_is_the_residual_scale():
    X, y = one_sided(100)
    model = reweighted(GHMWeighting(1), tol=1e-9, max_iter=200).fit(X, y)
    assert model.scale_ == model.sigma_
    assert_close(model.sigma_, np.median(np.abs(model.residuals_)) / 0.674489750196, tol=1e-6)


def test_no_weight_at_all_is_told():
    X, y = one_sided(60)
    with pytest.warns(UserWarning, match="No row has any weight"):
        reweighted(lambda residuals, cases: np.zeros(len(residuals))).fit(X, y)


@pytest.mark.parametrize(
    ("weighting", "text"),
    [
        ("ghm", r"weighting must be None or callable, got 'ghm'"),
        (lambda *of: np.ones(3), r"weighting must return an array of shape \(50,\), got .* \(3,\)"),
        (lambda r, _: r - np.max(r) - 1.0, "weighting must return finite .* at least 0, got .*-"),
        (lambda r, _: np.full(len(r), np.nan), "weighting must return finite .*, got .*nan"),
    ],
    ids=["name", "shape", "negative", "nan"],
)
def test_what_is_no_weighting_is_refused(weighting, text):
    X, y = one_sided(50)
    with pytest.raises(ValueError, match=text):
        ReweightedRegressor(Ridge(), weighting=weighting, residuals="train").fit(X, y)
