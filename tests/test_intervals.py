"""Intervals of predictions: what is in them, their coverage, and what they do not depend on."""

import math
import pickle

import numpy as np
import pytest
import statsmodels.api as sm
from closeness import assert_close
from scipy import sparse, stats
from sklearn.linear_model import LinearRegression

from sklearn_robust import (
    AdaptiveRobustRegressor,
    ReweightedRegressor,
    RobustRegressor,
    RobustRegressorCV,
)
from sklearn_robust.distribution import general_robust
from sklearn_robust.limits import changed_limits
from sklearn_robust.procedures.intervals import (
    Errors,
    _nll_and_slopes,
    good_weights,
    heavy_and_others,
)

TRUTH = np.array([1.0, -2.0, 0.5])


def drawn(n=200, share=0.0, seed=0, errors=stats.norm):
    """Return rows, a share of which is moved up by 5 to 15."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 3)), errors.rvs(size=n, random_state=rng)
    bad = rng.permutation(n)[: round(share * n)]
    y[bad] += rng.uniform(5.0, 15.0, size=len(bad))
    return X, X @ TRUTH + 3.0 + y


def half_widths(model, X, *args, **kwargs):
    low, high = np.moveaxis(model.predict_interval(X, *args, **kwargs), -1, 0)
    return 0.5 * (high - low)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_of_the_mean_at_alpha_2_are_those_of_statsmodels(offset):
    X, y = drawn(60)
    design = sm.add_constant(X)
    theirs = sm.OLS(y, design).fit().get_prediction(design).conf_int(alpha=0.05)
    ours = RobustRegressor(2.0).fit(X + offset, y).predict_interval(X + offset, 0.95, kind="mean")
    assert_close(ours, theirs, terms=np.max(np.abs(y)) + offset)


@pytest.mark.parametrize(
    "model",
    [
        RobustRegressor(random_state=0),
        RobustRegressor(1.0),
        AdaptiveRobustRegressor(random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_errors_and_mean_add_as_squares(model):
    X, y = drawn(50, share=0.1)
    model.fit(X, y)
    fresh = 3.0 * np.random.default_rng(1).normal(size=(20, 3))
    both, mean = half_widths(model, fresh), half_widths(model, fresh, kind="mean")
    assert np.ptp(mean) > 0.1 * np.max(mean)
    errors = np.sqrt(both**2 - mean**2)
    assert_close(errors, np.full(20, errors[0]), terms=np.max(both), tol=1e-9)


def test_wide_intervals_are_those_of_the_distribution():
    # With 30 rows for each, the scale does not count them; no residual is beyond the quantile.
    X, y = drawn(120, seed=1)
    model = AdaptiveRobustRegressor(init="ols", tol=1e-9).fit(X, y)
    errors = np.sqrt(
        half_widths(model, X, 0.999) ** 2 - half_widths(model, X, 0.999, kind="mean") ** 2
    )
    reach = general_robust.ppf(0.9995, model.alpha_, scale=model.scale_)
    wider = math.sqrt(120 / (120 - 4))
    assert errors == pytest.approx(np.full(120, wider * reach), rel=1e-3)


@pytest.mark.parametrize("n", [30, 200, 1000])
def test_the_quantile_is_conformal(n):
    """If all rows count, a new error falls with equal probability between any two of them."""
    sizes = np.sort(np.abs(np.random.default_rng(n).normal(size=n)))
    grid = sizes[np.maximum(np.ceil(np.linspace(0.0, 1.0 - 1e-9, 1001) * n).astype(int) - 1, 0)]
    errors = Errors(grid, float(n))
    for rank in (n // 2, n - 2, n):
        assert errors.half_width(rank / (n + 1), "all") == pytest.approx(sizes[rank - 1])


@pytest.mark.parametrize("rows", ["good", "all"])
def test_far_outliers_count_as_rows_come_only(rows):
    X, y = drawn(200, share=0.1)
    near = RobustRegressor(random_state=0).fit(X, y)
    bad = np.flatnonzero(near.weights_ < 1e-3)
    widths = []
    for size in (1e2, 1e4, 1e6, 1e8):
        y[bad] = size * np.arange(1.0, 1.0 + len(bad))
        widths.append(half_widths(near.fit(X, y), X[:1], 0.95, rows=rows)[0])
    if rows == "good":
        # Five outliers stay at 5 to 6 sigma. Beside the nearest of the others they look like
        # outliers, too, and beside those further off like a tail of good rows.
        assert_close(widths[1:], np.full(3, widths[1]), terms=widths[1], tol=1e-6)
        assert widths[0] == pytest.approx(widths[1], rel=0.1)
        assert widths[0] < 3.0
    else:
        assert widths[3] > 1e3 * widths[1] > 1e4 * widths[0]


def test_rows_within_are_good_and_rows_beyond_are_not():
    weights = good_weights(np.array([0.0, 3.7, 4.8, 6.0, 1e9]), 1.0)
    assert weights[:2].tolist() == [1.0, 1.0]
    assert 0.0 < weights[2] < 1.0
    assert weights[3:].tolist() == [0.0, 0.0]


NOISES = {
    "normal": (stats.norm, 0.0),
    "student": (stats.t(3), 0.0),
    "cauchy": (stats.cauchy, 0.0),
    "tenth": (stats.norm, 0.1),
    "three tenths": (stats.norm, 0.3),
}
MODELS = {
    "given": RobustRegressor(random_state=0),
    "learned": AdaptiveRobustRegressor(random_state=0),
    "chosen": RobustRegressorCV((1.0, -2.0), cv=3, random_state=0),
    "reweighted": ReweightedRegressor(LinearRegression(), random_state=0),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("model", MODELS)
def test_fresh_good_rows_are_covered(model, noise):
    errors, share = NOISES[noise]
    fresh, found = drawn(300, seed=99)[0], []
    for seed in range(5):
        fitted = MODELS[model].fit(*drawn(1000, share, seed, errors))
        low, high = (fitted.predict_interval(fresh, 0.9, rows="good").T - fresh @ TRUTH) - 3.0
        found.append(np.mean(errors.cdf(high) - errors.cdf(low)))
    # Each deviates by 0.01; three in ten outliers of 5 to 6 deviations look half good.
    assert np.mean(found) == pytest.approx(0.9, abs=0.02)


HEAVY = {"student": stats.t(3), "laplace": stats.laplace(scale=0.8)}


def in_clumps(errors, rng, n=3000):
    """Return errors, 14 % of which are moved to three places."""
    drawn = errors.rvs(size=n, random_state=rng)
    for jump, rows in zip(
        (-15.0, 4.6, -6.9), np.array_split(rng.permutation(n)[: round(0.14 * n)], 3), strict=True
    ):
        drawn[rows] += jump
    return drawn


def errors_of(residuals):
    sizes = np.sort(np.abs(residuals))
    ranks = np.ceil(np.linspace(0.0, 1.0, 1001) * len(sizes)).astype(int) - 1
    return Errors(sizes[np.maximum(ranks, 0)], float(len(sizes)))


@pytest.mark.parametrize("name", HEAVY)
def test_outliers_beside_heavy_tails_are_no_tail(name):
    errors, widths, held = HEAVY[name], [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(3000, 3))
        model = RobustRegressor(random_state=0).fit(X, X @ TRUTH + in_clumps(errors, rng))
        low, high = model.predict_interval(X, 0.9).T - X @ TRUTH
        held.append(np.mean(errors.cdf(high) - errors.cdf(low)))
        widths.append(np.mean(high - low) / (2.0 * errors.ppf(0.95)))
    # Were good rows normal or all one tail, most would be 2.4 to 3 times as wide as they had to be.
    assert np.sum(np.array(widths) < 1.3) >= 8
    assert np.max(widths) < 2.0
    assert np.mean(held) > 0.87


@pytest.mark.parametrize("n", [100, 500, 3000])
@pytest.mark.parametrize("name", [*HEAVY, "normal", "cauchy"])
def test_a_tail_alone_is_no_outliers(name, n):
    errors = (HEAVY | {"normal": stats.norm, "cauchy": stats.cauchy})[name]
    held = []
    for seed in range(40):
        reach = errors_of(errors.rvs(size=n, random_state=seed)).half_width(0.9, "good")
        held.append(errors.cdf(reach) - errors.cdf(-reach))
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("errors", [*HEAVY.values(), stats.cauchy])
def test_the_tail_of_good_rows_does_not_depend_on_how_far_outliers_are(errors):
    good = errors.rvs(size=1800, random_state=0)
    widths = [
        errors_of(np.append(good, far * np.linspace(1.0, 3.0, 200))).half_width(0.9, "good")
        for far in (1e4, 1e6, 1e8)
    ]
    assert widths == pytest.approx(np.full(3, widths[0]), rel=0.02)
    assert widths[2] == pytest.approx(np.quantile(np.abs(good), 0.9), rel=0.02)


def test_slopes_of_good_rows_and_others_are_derivatives():
    sizes = errors_of(in_clumps(stats.t(3), np.random.default_rng(0))).rows
    logs = np.log(np.maximum(sizes, 1.0))
    params = np.array([0.7, 0.1, -2.0, 1.5, -0.5])
    for number, step in enumerate(1e-5 * np.eye(5)):
        change = np.subtract(*(_nll_and_slopes(params + s, sizes, logs)[0] for s in (step, -step)))
        slope = _nll_and_slopes(params, sizes, logs)[1][number]
        assert slope == pytest.approx(change / 2e-5, abs=1e-5)


def test_others_are_where_they_were_put():
    rng = np.random.default_rng(0)
    good = stats.t(3).rvs(size=900, random_state=rng)
    sizes = np.sort(np.append(np.abs(good), np.exp(rng.normal(6.0, 0.6, size=100))))
    found = heavy_and_others(sizes, good_weights(sizes, 1.0))
    assert 1.0 - found.is_good.mean() == pytest.approx(0.1, abs=0.005)
    assert found.is_good[np.searchsorted(sizes, [0.1, 3.0])].min() > 0.999
    assert found.is_good[-1] < 1e-6
    assert heavy_and_others(np.sort(np.abs(good)) / 100.0, np.ones(900)) is None


@pytest.mark.parametrize("model", MODELS)
def test_fresh_rows_as_they_come_are_covered(model):
    X, y = drawn(4000, share=0.3)
    fitted = MODELS[model].fit(X[:2000], y[:2000])
    low, high = fitted.predict_interval(X[2000:], 0.9, rows="all").T
    assert np.mean((y[2000:] >= low) & (y[2000:] <= high)) == pytest.approx(0.9, abs=0.03)


def test_of_the_mean_cover_the_plane():
    X = drawn(500, seed=99)[0]
    found = []
    for seed in range(100):
        model = RobustRegressor(random_state=0).fit(*drawn(100, 0.1, seed))
        low, high = model.predict_interval(X, 0.95, kind="mean").T
        found.append(np.mean((low <= X @ TRUTH + 3.0) & (high >= X @ TRUTH + 3.0)))
    assert np.mean(found) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("alpha", [-math.inf, 1.0])
def test_a_weight_of_two_is_the_row_twice(alpha):
    X, y = drawn(80, share=0.1)
    cases = np.random.default_rng(1).integers(1, 4, size=80)
    model = RobustRegressor(alpha, tol=1e-9, random_state=0)
    weighted = model.fit(X, y, sample_weight=cases).predict_interval(X, 0.95)
    twice = model.fit(np.repeat(X, cases, axis=0), np.repeat(y, cases)).predict_interval(X, 0.95)
    assert_close(weighted, twice, terms=np.max(np.abs(y)), tol=1e-6)


def test_units_do_not_matter():
    X, y = drawn(80, share=0.1)
    model = RobustRegressor(tol=1e-10, random_state=0)
    before = half_widths(model.fit(X, y), X, 0.9)
    moved = X * [1e4, 1e-4, 1.0] + [0.0, 1.0, 300.0]
    after = half_widths(model.fit(moved, 50.0 * y + 7.0), moved, 0.9)
    assert_close(after, 50.0 * before, terms=50.0 * before, tol=1e-6)


def test_dense_is_sparse_and_saved_is_the_same():
    X, y = drawn(80, share=0.1)
    model = RobustRegressor(tol=1e-10, random_state=0).fit(X, y)
    known = model.predict_interval(X)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_interval(X), known)
    assert_close(model.predict_interval(sparse.csr_array(X)), known, terms=np.max(np.abs(y)))
    other = RobustRegressor(tol=1e-10, random_state=0).fit(sparse.csr_array(X), y)
    assert_close(other.predict_interval(X), known, terms=np.max(np.abs(y)), tol=1e-7)


def test_every_target_has_its_own():
    X, y = drawn(80, share=0.1)
    both = np.column_stack([y, 10.0 * drawn(80, seed=5)[1]])
    model = RobustRegressor(random_state=0)
    known = [model.fit(X, of).predict_interval(X, kind="mean") for of in both.T]
    found = model.fit(X, both).predict_interval(X, kind="mean")
    assert_close(found, np.stack(known, axis=1), terms=np.max(np.abs(both)), tol=1e-6)


def test_a_level_that_is_not_known_has_no_interval():
    rng = np.random.default_rng(0)
    level = rng.integers(3, size=90)
    X = np.column_stack([np.eye(3)[level], rng.normal(size=90)])
    model = RobustRegressor(random_state=0).fit(X, level + X[:, 3] + 0.1 * rng.normal(size=90))
    assert np.all(np.isfinite(model.predict_interval(X)))
    with pytest.warns(UserWarning, match="1 of 2 intervals are infinite") as caught:
        found = model.predict_interval([[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 5.0]])
    assert len(caught) == 1
    assert "columns 0, 1, 2 as no believed row does" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert np.isinf(found).tolist() == [[True, True], [False, False]]


@pytest.mark.filterwarnings("ignore:More than half")
def test_exact_fits_have_finite_intervals():
    X, _ = drawn(40)
    y = X @ TRUTH
    y[:5] += 100.0
    found = half_widths(RobustRegressor(random_state=0).fit(X, y), X)
    assert np.all(np.isfinite(found))
    assert np.max(found) < 1e-6


def test_with_many_columns_every_row_has_the_mean_leverage():
    X, y = drawn(80)
    with changed_limits(leverages=3):
        many = half_widths(RobustRegressor(2.0).fit(X, y), X, kind="mean")
    assert_close(many, np.full(80, many[0]), terms=many[0])
    few = half_widths(RobustRegressor(2.0).fit(X, y), X, kind="mean")
    assert np.mean(few**2) == pytest.approx(many[0] ** 2)


def test_selected_columns_have_intervals_but_the_plane_has_none():
    X, y = drawn(100, share=0.1)
    model = RobustRegressor(l1_regularization=0.6, random_state=0).fit(X, y)
    assert 0 < np.count_nonzero(model.coef_) < 3
    assert np.all(np.isfinite(model.predict_interval(X)))
    with pytest.raises(ValueError, match="kind must be 'prediction' for a fit with l1_regular"):
        model.predict_interval(X, kind="mean")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"coverage": 1.0}, r"coverage must be a number in \(0, 1\), got 1"),
        ({"kind": "both"}, "kind must be one of .*'prediction'.*, got 'both'"),
        ({"rows": "bad"}, r"rows must be one of \['good', 'all'\], got 'bad'"),
    ],
)
def test_parameters_are_checked(model, given, message):
    fitted = MODELS[model].fit(*drawn(60))
    with pytest.raises(ValueError, match=message):
        fitted.predict_interval(np.zeros((1, 3)), **given)
