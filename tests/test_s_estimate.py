"""The S-estimate and what rests on it: breakdown, its scale, leverage, the best of many minima."""

import math

import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from in_threads import assert_read_by_threads, threads
from problems import SOLVERS, contaminated, problem_of
from scipy import sparse
from sklearn.linear_model import LinearRegression

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, datasets
from sklearn_robust.limits import changed_limits
from sklearn_robust.losses import rho, weight
from sklearn_robust.procedures import STARTS, SharedStarts
from sklearn_robust.scales import m_scale

MM = {"init": "s", "scale": "s", "random_state": 0}


def _s_estimate(X, y, sample_weight=None, *, l2=0.0, seed=0, fit_intercept=True):
    problem = problem_of(X, y, sample_weight, l2=l2, fit_intercept=fit_intercept)
    shared = SharedStarts(problem, "auto", np.random.RandomState(seed), max_iter=500, tol=1e-10)
    return shared.s_estimate, problem.design.to_original(shared.s_estimate.params)


def _with_leverage(seed, n=200, p=5, share=0.4, off=150.0):
    """Return X, y, the coefficients and the mask of a tight cluster far off in X and y."""
    rng = np.random.default_rng(seed)
    X, coef = rng.normal(size=(n, p)), rng.normal(size=p)
    bad = np.arange(n) < share * n
    X[bad] = 10.0 * np.eye(p)[0] + 0.1 * rng.normal(size=(bad.sum(), p))
    y = X @ coef + rng.normal(size=n) + off * bad
    return X, y, coef, bad


# ---- the estimate --------------------------------------------------------------------


def test_first_ten_rows_of_hbk_are_left_out():
    X, y = datasets.load_hbk(return_X_y=True)
    for model in (RobustRegressor(**MM), RobustRegressor(random_state=0)):
        weights = model.fit(X, y).weights_
        assert np.all(weights[:10] < 1e-6)
        assert np.all(weights[10:] > 0.1)


@pytest.mark.parametrize("seed", range(5))
def test_s_estimate_follows_the_main_sequence(seed):
    X, y = datasets.load_starscyg(return_X_y=True)
    estimate, (coef, intercept) = _s_estimate(X, y, seed=seed)
    assert coef[0] == pytest.approx(3.3655, abs=1e-3)
    residuals = y - X @ coef - intercept
    rejected = 1 + np.flatnonzero(weight(residuals, scale=estimate.sigma / math.sqrt(3.0)) < 1e-4)
    assert {11, 20, 30, 34} <= set(rejected)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_s_estimate_is_a_minimum(seed, fit_intercept):
    X, y = contaminated(seed, n=80, share=0.3)
    estimate, (coef, intercept) = _s_estimate(X, y, fit_intercept=fit_intercept)
    p = X.shape[1] + fit_intercept
    rng = np.random.default_rng(seed)
    for size in (1e-3, 0.1, 3.0):
        for _ in range(20):
            other = coef + size * rng.normal(size=len(coef))
            shift = size * rng.normal() * fit_intercept
            moved = m_scale(y - X @ other - intercept - shift, n_parameters=p)
            assert moved >= estimate.sigma * (1.0 - 1e-12)


def test_s_estimate_is_equivariant():
    X, y = contaminated(3, share=0.3)
    estimate, (coef, intercept) = _s_estimate(X, y)
    mix = np.random.default_rng(0).normal(size=(4, 4))
    slope = np.arange(4.0)
    moved, (other, shifted) = _s_estimate(X @ mix, 1e3 * (y + X @ slope + 5.0))
    expected = 1e3 * np.append(np.linalg.solve(mix, coef + slope), intercept + 5.0)
    assert_close(np.append(other, shifted), expected, tol=1e-7)
    assert moved.sigma == pytest.approx(1e3 * estimate.sigma, rel=1e-9)


def test_the_seed_alone_decides_on_the_draws():
    X, y = contaminated(4, n=3000, share=0.3)  # of more than 2000 rows a sample is searched
    drawn_from = np.random.RandomState(7)
    fits = []
    for seed, of_numpy in ((7, 0), (7, 1), (drawn_from, 0)):
        np.random.seed(of_numpy)  # noqa: NPY002
        fits.append(RobustRegressor(random_state=seed).fit(X, y))
    for other in fits[1:]:
        np.testing.assert_array_equal(other.coef_, fits[0].coef_)
        assert other.sigma_ == fits[0].sigma_
    assert drawn_from.randint(2**31) != np.random.RandomState(7).randint(2**31)


def test_every_seed_finds_the_same_plane():
    X, y = contaminated(4, n=3000, share=0.3)
    first, *others = (RobustRegressor(**MM | {"random_state": k}).fit(X, y) for k in range(6))
    for other in others:
        assert_same_fit(other, first, X, tol=1e-5)


@pytest.mark.parametrize(
    "solver", ["auto", *(pytest.param(solver, marks=pytest.mark.slow) for solver in SOLVERS)]
)
@pytest.mark.parametrize(
    "layout",
    [np.asarray, pytest.param(sparse.csr_array, marks=pytest.mark.slow)],
    ids=["dense", "csr"],
)
def test_the_number_of_threads_changes_no_bit(layout, solver):
    X, y = contaminated(4, n=150_000, p=12, share=0.3)
    X, fits = layout(X), []
    for count in (1, 2, 3):
        with threads(count):
            assert_read_by_threads(X, y, count)
            fits.append(RobustRegressor(**MM, solver=solver).fit(X, y))
    for other in fits[1:]:
        np.testing.assert_array_equal(other.coef_, fits[0].coef_)
        np.testing.assert_array_equal(other.weights_, fits[0].weights_)
        assert (other.intercept_, other.sigma_) == (fits[0].intercept_, fits[0].sigma_)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_rare_categories_and_doubled_columns(layout):
    """Few random subsets of such rows determine a plane; dependent rows are passed over."""
    rng = np.random.default_rng(0)
    group = rng.choice(6, size=300, p=[0.5, 0.3, 0.14, 0.02, 0.02, 0.02])
    X = np.column_stack([np.eye(6)[group], rng.normal(size=(300, 2))])
    X = np.column_stack([X, X[:, -1]])
    y = 3.0 * group + X[:, -1] + 0.1 * rng.normal(size=300)
    y[:60] += 50.0
    model = RobustRegressor(random_state=0).fit(layout(X), y)
    good = y[60:] - model.predict(layout(X[60:]))
    assert np.std(good) < 0.12
    assert np.all(model.weights_[:60] < 1e-6)


def test_penalty_on_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 100))
    y = 5.0 * X[:, 0] + 0.5 * rng.normal(size=60)
    y[:6] += 100.0
    model = RobustRegressor(l2_regularization=0.1, random_state=0).fit(X, y)
    assert np.all(model.weights_[:6] < 1e-6)
    assert np.argmax(np.abs(model.coef_)) == 0


def test_more_columns_than_a_search_of_planes_can_bear():
    """The estimate then is what the search from least squares finds, and no row is left out."""
    X, y, _, bad = _with_leverage(0, share=0.02, off=60.0)  # so few that all searches reject them
    narrow = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    np.testing.assert_array_equal(narrow.weights_ == 0.0, bad)
    from_least_squares = AdaptiveRobustRegressor(init="ols").fit(X, y)
    with changed_limits(widest=2):
        wide = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert np.all(wide.weights_ > 0.0)
    assert wide.n_cases_ == len(y)
    assert_same_fit(wide, from_least_squares, X, tol=1e-5)


# ---- breakdown -----------------------------------------------------------------------


@pytest.mark.parametrize(("n", "p"), [(200, 5), pytest.param(300, 12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", range(3))
def test_forty_per_cent_of_bad_leverage(n, p, seed):
    X, y, coef, bad = _with_leverage(seed, n, p)
    oracle = LinearRegression().fit(X[~bad], y[~bad]).coef_
    allowed = 0.5 * np.linalg.norm(oracle - coef)
    models = [RobustRegressor(random_state=0), RobustRegressor(random_state=0, solver="lbfgs")]
    for model in [*models, AdaptiveRobustRegressor(random_state=0)]:
        model.fit(X, y)
        assert np.linalg.norm(model.coef_ - oracle) < allowed
        assert np.all(model.weights_[bad] < 1e-6)
        assert np.mean(model.weights_[~bad]) > 0.7


@pytest.mark.parametrize("size", [1e3, 1e8, 1e50, 1e100])
@pytest.mark.parametrize("where", ["X", "y", "both"])
@pytest.mark.parametrize(
    "model",
    [RobustRegressor(**MM), AdaptiveRobustRegressor(alpha_bounds=(0.0, 0.0), random_state=0)],
)
def test_far_off_is_as_good_as_absent(size, where, model):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(60, 4))
    y = X @ [3.0, -2.0, 1.0, 0.0] + 5.0 + rng.normal(size=60)
    near = model.fit(X[3:], y[3:]).predict(X)
    X, y = X.copy(), y.copy()
    if where != "y":
        X[:3, 0] = size
    if where != "X":
        y[:3] = -size
    far = model.fit(X, y)
    assert_close(far.predict(X)[3:], near[3:], terms=1.0, tol=0.3)  # of the noise
    assert np.all(far.weights_[:3] < 1e-3)


def test_reweighting_takes_back_what_outliers_add_to_the_scale():
    X, y = contaminated(5, n=2000, share=0.3)
    s_scale, reweighted = (
        RobustRegressor(scale=scale, random_state=0).fit(X, y).sigma_
        for scale in ("s", "reweighted")
    )
    assert s_scale > 1.5
    assert reweighted == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("case", "limit"), [("clean", 1.03), ("one-sided", 1.05), ("symmetric", 1.10)]
)
def test_little_is_lost_against_least_squares_on_the_clean_rows(case, limit):
    """A part of benchmarks/contamination.py: 30 % one-sided, 10 % symmetric outliers."""
    squares = np.zeros(2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, coef, noise = rng.normal(size=(200, 5)), rng.normal(size=5), rng.normal(size=200)
        bad = np.arange(200) < {"clean": 0, "one-sided": 60, "symmetric": 20}[case]
        far = (
            10.0 + 5.0 * rng.normal(size=200) if case == "one-sided" else rng.normal(size=200) * 10
        )
        y = X @ coef + noise + far * bad
        fits = RobustRegressor(random_state=0).fit(X, y), LinearRegression().fit(X[~bad], y[~bad])
        squares += [np.sum((fit.coef_ - coef) ** 2) for fit in fits]
    assert math.sqrt(squares[0] / squares[1]) <= limit


@pytest.mark.parametrize("alpha", [0.5, 0.0, -2.0, -np.inf])
@pytest.mark.parametrize("seed", range(3))
def test_no_random_start_finds_a_lower_minimum(alpha, seed):
    """A part of benchmarks/minima.py."""
    X, y = contaminated(seed, n=150, p=3, share=0.2)
    model = RobustRegressor(alpha, random_state=0, tol=1e-9).fit(X, y)

    def objective(fit):
        return np.mean(rho(y - fit.predict(X), alpha, model.scale_))

    rng = np.random.default_rng(seed)
    for _ in range(15):
        drawn = rng.choice(len(y), 4, replace=False)
        plane = np.linalg.solve(np.column_stack([X[drawn], np.ones(4)]), y[drawn])
        other = RobustRegressor(alpha, scale=model.scale_, init=plane, max_iter=500).fit(X, y)
        assert objective(model) <= objective(other) * (1.0 + 1e-6)


# ---- other starts --------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [{"alpha": 0.0}, {"alpha": -np.inf}, {"loss": "tukey"}])
@pytest.mark.parametrize("scale", [2.0, "mad", "reweighted"])
def test_graduation_reaches_the_same_minimum_under_vertical_outliers(keywords, scale):
    X, y = contaminated(7, share=0.3)
    options = {**keywords, "scale": scale, "tol": 1e-9, "random_state": 0}
    gnc, s = (RobustRegressor(**options, init=init).fit(X, y) for init in ("gnc", "s"))
    assert_close(gnc.coef_, s.coef_, tol=1e-7)


def test_names_stand_for_what_is_documented():
    X, y = contaminated(8)
    auto = RobustRegressor(0.0, random_state=0).fit(X, y)
    named = RobustRegressor(0.0, init="s", scale="reweighted", random_state=0).fit(X, y)
    np.testing.assert_array_equal(auto.coef_, named.coef_)
    for keywords in ({"alpha": 1.0}, {"loss": "huber"}):
        auto = RobustRegressor(**keywords).fit(X, y)
        named = RobustRegressor(**keywords, init="ols", scale="mad").fit(X, y)
        np.testing.assert_array_equal(auto.coef_, named.coef_)
    assert set(STARTS) == {"ols", "gnc", "s"}


@pytest.mark.parametrize("init", ["ols", "gnc"])
def test_the_s_scale_can_be_had_without_its_start(init):
    X, y = contaminated(9)
    model = RobustRegressor(1.0, init=init, scale="s", random_state=0).fit(X, y)
    estimate, _ = _s_estimate(X, y)
    assert model.sigma_ == pytest.approx(estimate.sigma, rel=1e-6)


# ---- the likelihood under leverage ---------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_only_bad_leverage_points_are_left_out_of_the_likelihood(seed):
    X, y, _, bad = _with_leverage(seed, share=0.2, off=300.0)
    rng = np.random.default_rng(seed)
    good_leverage, vertical = np.arange(150, 160), np.arange(160, 190)
    coef = LinearRegression().fit(X[~bad], y[~bad]).coef_
    X[good_leverage] *= 10.0
    y[good_leverage] = X[good_leverage] @ coef + rng.normal(size=10)
    y[vertical] += 30.0
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert np.all(model.weights_[bad] == 0.0)
    assert np.all(model.weights_[~bad] > 0.0)
    assert np.max(model.weights_[vertical]) < 0.1 < np.min(model.weights_[good_leverage])
    assert model.n_cases_ == np.sum(~bad)
    # A minimum is flat: it is found to the square of tol.
    assert_close(model.nll(X, y)[~bad].mean(), model.nll_, terms=2.0, tol=1e-11)
    without = AdaptiveRobustRegressor(init="ols").fit(X[~bad], y[~bad])
    assert_close(model.coef_, without.coef_, tol=1e-5)


@pytest.mark.parametrize("noise", ["normal", "standard_cauchy"])
def test_without_leverage_no_row_is_left_out(noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    y = X @ np.ones(4) + getattr(rng, noise)(size=2000)
    one, two = (AdaptiveRobustRegressor(init=i, random_state=0, tol=1e-8).fit(X, y)
                for i in ("s", "ols"))  # fmt: skip
    assert np.all(one.weights_ > 0.0)
    assert_close(one.coef_, two.coef_, tol=1e-6)


def test_graduated_start_of_the_likelihood():
    X, y = contaminated(1, share=0.3)
    gnc, s = (
        AdaptiveRobustRegressor(init=i, random_state=0, tol=1e-8).fit(X, y) for i in ("gnc", "s")
    )
    assert_close(gnc.nll_, s.nll_, terms=1.0, tol=1e-9)
