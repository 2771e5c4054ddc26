"""Tables most of whose rows lie on a plane: it is found, and called exact where it is."""

import warnings
from itertools import product

import numpy as np
import pytest
from problems import name
from scipy import sparse

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor
from sklearn_robust.design import make_design
from sklearn_robust.design.residuals import m_scale
from sklearn_robust.distribution import general_robust
from sklearn_robust.scales import mad, scale_floor
from sklearn_robust.solvers import LIKELIHOOD_SOLVERS

SOLVERS = ["auto", *LIKELIHOOD_SOLVERS]

PLANE = np.array([10.0, 0.0, -3.0, 7.0])
EXACT = "More than half of the rows are fitted exactly"
ELSEWHERE = "More than half of the rows lie on a plane that is not the one fitted"
ROBUST = [
    *({"alpha": alpha} for alpha in (1.0, 0.0, -2.0, -np.inf)),
    {"loss": "huber"},
    {"loss": "tukey"},
]
REDESCENDING = [ROBUST[1], ROBUST[3], ROBUST[5]]
OFF = {
    "one-sided": lambda rng, n: 50.0 + 10.0 * rng.random(n),
    "symmetric": lambda rng, n: 50.0 * rng.normal(size=n),
    "far": lambda rng, n: 1e6 * (1.0 + rng.random(n)),
    "near": lambda rng, n: rng.normal(size=n),
}


def table(n, n_off, off="one-sided", seed=0, layout=np.asarray, p=3):
    """Return X and y of a plane that some rows are off."""
    rng = np.random.default_rng(seed)
    X = layout(rng.normal(size=(n, p)))
    y = X @ PLANE[:p] + PLANE[-1]
    y[rng.permutation(n)[:n_off]] += OFF[off](rng, n_off)
    return X, y


def assert_plane(model, X, y, message=EXACT):
    """Fit, and compare coefficients and the one warning."""
    with pytest.warns(UserWarning, match=message) as caught:
        model.fit(X, y)
    assert len(caught) == 1
    p = X.shape[1]
    found = np.append(model.coef_, model.intercept_)
    np.testing.assert_allclose(found, [*PLANE[:p], PLANE[-1]], atol=1e-8)


# ---- given shapes --------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["mad", "s", "reweighted"])
@pytest.mark.parametrize("init", ["ols", "gnc", "s"])
@pytest.mark.parametrize("keywords", ROBUST, ids=name)
@pytest.mark.parametrize("n_off", [0, 3])
def test_all_but_few_rows_on_a_plane(n_off, keywords, init, scale):
    X, y = table(1000, n_off)
    assert_plane(RobustRegressor(**keywords, init=init, scale=scale, random_state=0), X, y)


@pytest.mark.parametrize("layout", [np.asarray, np.float32, sparse.csr_array])
@pytest.mark.parametrize("n", [20_000, 120_000])
@pytest.mark.parametrize(
    "keywords",
    [
        {"alpha": 1.0},
        {"loss": "huber", "init": "gnc"},
        {"alpha": -2.0, "init": "gnc"},
        {"alpha": 1.0, "init": "s", "scale": "mad"},
        {"alpha": 2.0, "scale": "s"},
    ],
    ids=name,
)
def test_a_plane_of_many_rows(keywords, n, layout):
    X, y = table(n, 0, layout=layout)
    assert_plane(RobustRegressor(**keywords, random_state=0), X, y)


@pytest.mark.parametrize("n", [100, 20_000, 120_000])
@pytest.mark.parametrize("init", ["ols", "gnc", "s"])
@pytest.mark.parametrize("keywords", REDESCENDING, ids=name)
def test_the_scale_of_an_exact_s_estimate_finds_its_plane_from_any_start(keywords, init, n):
    X, y = table(n, 45 * n // 100)
    assert_plane(RobustRegressor(**keywords, init=init, scale="s", random_state=0), X, y)


def test_a_convex_loss_at_the_floor_finds_the_least_absolute_residuals():
    for seed in range(5):
        X, y = table(60, 24, seed=seed)
        with pytest.warns(UserWarning, match="More than half of the rows"):
            model = RobustRegressor(1.0, scale="s", random_state=0, max_iter=1000).fit(X, y)
        least = np.sum(np.abs(y - X @ PLANE[:3] - PLANE[3]))
        assert np.sum(np.abs(y - model.predict(X))) <= least * (1.0 + 1e-6)


@pytest.mark.parametrize("scale", ["mad", "s", "reweighted"])
@pytest.mark.parametrize("alpha", [2.0, 1.0, 0.0, -np.inf])
def test_exact_is_said_where_it_is_so(alpha, scale):
    """Of counts more than half are zero, but few fits are the plane at zero."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.poisson(0.5, size=200).astype(float)
    for init in ("ols", "gnc", "s"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = RobustRegressor(alpha, init=init, scale=scale, random_state=0).fit(X, y)
        assert len(caught) <= 1
        exact = mad(y - model.predict(X)) <= 10.0 * scale_floor(y)
        said = [str(warning.message) for warning in caught]
        assert any(EXACT in message for message in said) == exact
        if model.sigma_ <= scale_floor(y) and not exact:
            assert any(ELSEWHERE in message for message in said)


def test_a_median_residual_of_zero_on_the_way_is_not_that_of_the_fit():
    X = np.array([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 12.0])[:, None]
    y = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -5.3, 5.1, 1.0])
    with pytest.warns(UserWarning, match=ELSEWHERE):
        model = RobustRegressor(1.0, init="s", solver="irls", random_state=0).fit(X, y)
    assert mad(y - model.predict(X)) > 0.01


def test_given_scales_of_an_exact_plane_warn_of_nothing():
    for n, keywords in product((100, 20_000), ROBUST):
        model = RobustRegressor(**keywords, scale=1.0, random_state=0)
        X, y = table(n, 0)
        np.testing.assert_allclose(model.fit(X, y).coef_, PLANE[:3], atol=1e-9)


# ---- shapes that are learned ---------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize(
    ("n", "n_off", "p"),
    [(5, 1, 1), (9, 3, 1), (15, 5, 1), (50, 22, 2), (100, 40, 2), (1000, 450, 3), (8000, 3500, 3)],
)
def test_the_likelihood_of_most_rows_on_a_plane_is_that_plane(n, n_off, p, off, solver):
    for seed in range(3 if n < 1000 else 1):
        X, y = table(n, n_off, off, seed, p=p)
        model = AdaptiveRobustRegressor(solver=solver, random_state=seed)
        assert_plane(model, X, y)
        assert model.scale_ == pytest.approx(scale_floor(y), rel=1e-12)


@pytest.mark.parametrize("n", [3000, 20_000])
@pytest.mark.parametrize(
    "model", [RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)]
)
def test_a_bare_majority_of_many_rows_is_found(model, n):
    """Of a sample of the rows the plane may hold fewer than half."""
    for seed in range(4):
        X, y = table(n, 49 * n // 100, seed=seed)
        off = np.abs(y - X @ PLANE[:3] - PLANE[3]) > 1.0
        X[off] += 10.0
        y[off] = np.random.default_rng(seed).normal(size=off.sum())
        assert_plane(model, X, y)


def test_every_solver_returns_the_same_limit():
    for seed, share in product(range(4), (0.0, 0.01, 0.3)):
        X, y = table(200, int(200 * share), seed=seed)
        X[:2] *= 5.0
        y[:2] = X[:2] @ PLANE[:3] + PLANE[3]
        fits = [
            assert_plane(model := AdaptiveRobustRegressor(solver=solver, random_state=0), X, y)
            or model
            for solver in SOLVERS
        ]
        for other in fits[1:]:
            assert other.nll_ == pytest.approx(fits[0].nll_, abs=1e-7)
            assert other.alpha_ == fits[0].alpha_


@pytest.mark.parametrize("n_off", [0, 1, 20])
def test_the_shape_at_the_floor_is_the_most_likely_one(n_off):
    X, y = table(5000, n_off)
    model = AdaptiveRobustRegressor(init=PLANE)
    assert_plane(model, X, y)
    residuals = y - model.predict(X)
    grid = [
        np.mean(-general_robust.logpdf(residuals, alpha, scale=model.scale_))
        for alpha in np.linspace(0.0, 2.0, 81)
    ]
    assert model.nll_ <= min(grid) + 1e-7


def test_the_limit_does_not_depend_on_units():
    X, y = table(100, 40)
    for unit in (1e-100, 2.0**-20, 2.0**20, 1e100):
        with pytest.warns(UserWarning, match=EXACT):
            model = AdaptiveRobustRegressor(random_state=0).fit(X, unit * y)
        np.testing.assert_allclose(model.coef_ / unit, PLANE[:3], atol=1e-8)
        assert model.scale_ / unit == pytest.approx(scale_floor(y), rel=1e-3)


@pytest.mark.parametrize(
    "bounded",
    [
        {"alpha_bounds": (0.5, 2.0)},
        {"scale_bounds": (1e-3, 1e3)},
        {"l2_regularization": 1e-2},
    ],
    ids=str,
)
def test_a_likelihood_that_is_bounded_has_an_optimum(bounded):
    X, y = table(200, 20)
    fits = [
        AdaptiveRobustRegressor(**bounded, solver=solver, random_state=0).fit(X, y)
        for solver in SOLVERS
    ]
    for other in fits:
        assert other.nll_ == pytest.approx(fits[0].nll_, abs=1e-6)
        assert other.scale_ > 1e5 * scale_floor(y)


def test_bounds_below_rounding_are_not_reached():
    X, y = table(100, 40)
    for solver in SOLVERS:
        model = AdaptiveRobustRegressor(scale_bounds=(1e-150, 1e3), solver=solver, random_state=0)
        assert_plane(model, X, y)
        assert model.scale_ == pytest.approx(scale_floor(y), rel=1e-12)


def test_fewer_rows_than_half_are_no_plane_of_the_fit():
    X, y = table(100, 60, "symmetric")
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)  # warnings are errors
    assert model.scale_ > 1e3 * scale_floor(y)


def test_as_many_rows_off_as_the_m_scale_bears():
    """With (n - p)/2 rows off the M-scale of the plane is zero too, as a limit."""
    for n, p, n_off in [(4, 1, 1), (6, 1, 2), (21, 2, 9), (50, 1, 24)]:
        X, y = table(n, n_off, p=p)
        design = make_design(X, y, None, fit_intercept=True)
        plane = design.from_original(PLANE[:p], PLANE[-1])
        assert m_scale(design, plane, p + 1.0, design.floor) == design.floor


# ---- rows elsewhere ------------------------------------------------------------------


def test_collections():
    da = pytest.importorskip("dask.array")
    for n_off, model in [
        (0, DaskRobustRegressor(1.0, random_state=0)),
        (9, DaskRobustRegressor(-2.0, init="gnc", random_state=0)),
        (1200, DaskAdaptiveRobustRegressor(random_state=0)),
    ]:
        X, y = table(3000, n_off)
        assert_plane(model, da.from_array(X, chunks=(500, 3)), da.from_array(y, chunks=500))
