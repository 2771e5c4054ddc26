"""Tables with categories: level columns, the search that treats them apart, moves of a level."""

import warnings

import dask.array as da
import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tables import TABLES, decidable, dummies, flags, slopes, spoilt_table, two_factors

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor
from sklearn_robust.design import make_design
from sklearn_robust.design.level_columns import move_levels
from sklearn_robust.design.residuals import residuals
from sklearn_robust.losses import resolve, rho
from sklearn_robust.scales import m_scale

LAYOUTS = [np.ascontiguousarray, np.asfortranarray, sparse.csr_array, sparse.csc_array]


def _fitted(model, X, rows):
    return np.sqrt(np.mean((model.predict(X) - rows) ** 2))


# ---- which columns are level columns --------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS[:3], ids=lambda layout: layout.__name__)
def test_level_columns_are_recognised_from_the_values(layout):
    rng = np.random.default_rng(0)
    codes, x, flag = rng.integers(5, size=400), rng.normal(size=400), rng.random(400) < 0.1
    X = np.c_[
        x, dummies(codes), flag * x, np.where(flag, 1.0, 7.0), rng.poisson(0.2, 400), x > 1.5, x**2
    ]
    rows = make_design(layout(X), np.zeros(400))
    assert set(rows.levels().columns) == set(range(1, 9))
    shared = dict(zip(rows.levels().columns, rows.levels().base, strict=True))
    assert shared[6] == 7.0
    assert shared[1] == shared[8] == 0.0


def test_a_numeric_table_has_none():
    X = np.random.default_rng(0).normal(size=(300, 4))
    assert make_design(X, X[:, 0]).levels() is None
    assert make_design(np.round(3.0 * X), X[:, 0]).levels() is None


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_a_move_changes_its_own_rows_alone(make, fit_intercept):
    X = make(np.random.default_rng(1), 300)
    X[:, 0] += 5.0
    rows = make_design(X, np.zeros(300), fit_intercept=fit_intercept)
    blocks = rows.level_blocks(bases=True)
    at_zero, first = residuals(rows, np.zeros(rows.columns.n_parameters)), 0
    for block, width in enumerate(blocks.widths):
        members = blocks.members[blocks.firsts[block] : blocks.firsts[block + 1]]
        entries = blocks.entries[blocks.starts[block] : blocks.starts[block + 1]]
        for k, own in enumerate(entries.reshape(width, -1)):
            expected = np.zeros(300)
            expected[members] = own
            along = blocks.directions[:, [first + k]].toarray().ravel()
            assert_close(at_zero - residuals(rows, along), expected, tol=1e-12)
        first += width
    assert first == blocks.n_moves >= len(rows.levels().columns)


# ---- moves ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [resolve(alpha=-np.inf), resolve(alpha=0.0), resolve("tukey")])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("make", [two_factors, slopes], ids=lambda make: make.__name__)
def test_moves_lower_the_objective_by_what_they_say(make, ridge, loss):
    X, y, *_ = spoilt_table(make, "one-sided", 3)
    rows, rng = make_design(X, y), np.random.default_rng(0)
    penalty = np.full(rows.columns.n_parameters, ridge)
    penalty[-1] = 0.0

    def objective(params):
        values = rho(residuals(rows, params), loss.alpha, 2.0, **_named(loss))
        return values.sum() + 0.5 * len(y) / 4.0 * np.sum(penalty * params**2)

    params = 3.0 * rng.normal(size=len(penalty))
    after, gain, moved = move_levels(rows, params, loss, 2.0, penalty)
    assert moved
    assert gain > 1.0
    assert_close(objective(params) - objective(after), gain, terms=objective(params), tol=1e-9)


def _named(loss):
    return {} if not np.isnan(loss.alpha) else {"loss": "tukey"}


@pytest.mark.parametrize(
    "make", [RobustRegressor, pytest.param(AdaptiveRobustRegressor, marks=pytest.mark.slow)]
)
def test_of_two_rows_that_contradict_each_other_the_same_is_believed(make):
    rng = np.random.default_rng(5)
    level = rng.integers(12, size=300)
    level[:2] = 12
    X = np.c_[rng.normal(size=(300, 2)), np.eye(13)[level]]
    y = X[:, 0] + 0.5 * level % 3 + rng.normal(size=300)
    y[:2] = X[:2, 0] + [2.0, 40.0]  # the other levels lie near 0, so that the first is believed
    for seed in range(4):
        order = rng.permutation(300)
        for columns in (X[order], sparse.csr_array(X[order])):
            fit = make(random_state=seed).fit(columns, y[order])
            weights = np.empty(300)
            weights[order] = fit.weights_
            assert weights[0] > 0.9
            assert weights[1] < 0.1
    weights = make(random_state=0).fit(X, -y).weights_
    assert weights[0] > 0.9


def test_a_level_thrown_out_by_its_start_comes_back():
    rng = np.random.default_rng(0)
    level = (np.arange(300) < 20) * 1.0
    X, y = np.c_[rng.normal(size=300), level], 50.0 * level + rng.normal(size=300)
    fit = RobustRegressor(init=[0.0, 0.0, 0.0], scale=2.0).fit(X, y)
    assert fit.coef_[1] == pytest.approx(50.0, abs=1.0)
    assert fit.weights_[:20].min() > 0.01


# ---- fits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    ["one-sided", *(pytest.param(how, marks=pytest.mark.slow) for how in ("clean", "leverage"))],
)
@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore:Most rows of level:UserWarning")
def test_a_fit_is_as_good_as_one_told_where_to_begin(make, how):
    X, y, bad, truth = spoilt_table(make, how, 5)
    counted = decidable(X, bad)
    oracle = LinearRegression().fit(X[~bad], y[~bad])
    told = RobustRegressor(init=np.append(oracle.coef_, oracle.intercept_), scale=2.11).fit(X, y)
    best = _fitted(told, X[counted], truth[counted])
    assert _fitted(RobustRegressor(random_state=0).fit(X, y), X[counted], truth[counted]) < (
        1.1 * best
    )
    adaptive = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert _fitted(adaptive, X[counted], truth[counted]) < 2.2 * best


@pytest.mark.parametrize("seed", range(3))
def test_rare_levels_of_a_clean_table_are_where_least_squares_has_them(seed):
    rng = np.random.default_rng(seed)
    levels = np.repeat(np.eye(10), 3, axis=0)
    X = np.c_[rng.normal(size=(2000, 5)), np.vstack([levels, np.zeros((1970, 10))])]
    y = X @ np.r_[np.ones(5), np.full(10, 3.0)] + 0.3 * rng.normal(size=2000)
    fit = RobustRegressor(random_state=0).fit(X, y)
    assert_close(fit.coef_[5:], LinearRegression().fit(X, y).coef_[5:], tol=0.1)
    order = rng.permutation(2000)
    other = RobustRegressor(random_state=0).fit(X[order], y[order])
    assert_same_fit(other, fit, X, 1e-5)


@pytest.mark.parametrize("how", ["one-sided", pytest.param("leverage", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:Most rows of level:UserWarning")
def test_order_and_storage_do_not_matter(how):
    X, y, *_ = spoilt_table(two_factors, how, 0, n=300)
    fit = RobustRegressor(random_state=0).fit(X, y)
    order = np.random.default_rng(1).permutation(300)
    for layout in LAYOUTS:
        other = RobustRegressor(random_state=0).fit(layout(X[order]), y[order])
        assert_close(other.predict(X), fit.predict(X), tol=1e-5)


def test_weight_two_is_the_row_twice():
    X, y, *_ = spoilt_table(flags, "leverage", 2, n=300)
    weights = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    rows = np.repeat(np.arange(300), weights.astype(int))
    for model in (RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)):
        weighted = model.fit(X, y, weights).predict(X)
        assert_close(model.fit(X[rows], y[rows]).predict(X), weighted, tol=1e-5)


def test_a_penalty_counts_in_the_search():
    X, y, bad, truth = spoilt_table(two_factors, "leverage", 1)
    fit = RobustRegressor(l2_regularization=1e-5, random_state=0).fit(X, y)
    counted = decidable(X, bad)
    assert _fitted(fit, X[counted], truth[counted]) < 1.0


def test_one_bad_row_does_not_throw_out_a_level():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(400, 2)), (rng.random((400, 10)) < 0.05) * 1.0]
    truth = X @ (rng.normal(size=12) / X.std(axis=0))
    y = truth + rng.normal(size=400)
    bad = rng.permutation(400)[:40]
    X[bad, 0] = 10.0 + 0.3 * rng.normal(size=40)
    y[bad] = truth[bad] - 60.0 + rng.normal(size=40)
    weights = RobustRegressor(random_state=0).fit(X, y).weights_
    good = ~np.isin(np.arange(400), bad)
    for column in X[:, 2:].T:
        assert np.mean(weights[(column > 0.0) & good] > 0.1) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_flags_and_their_products_stay_within_reach(seed):
    rng = np.random.default_rng(seed)
    own = (rng.random((200, 8)) < 0.1) * 1.0
    products = np.column_stack([own[:, i] * own[:, j] for i in range(8) for j in range(i)])
    X = np.c_[own, products[:, products.any(axis=0)], rng.random(200)]
    y = np.c_[own, X[:, -1]] @ rng.normal(size=9) + rng.normal(size=200)
    y[rng.random(200) < 0.1] += 20.0
    fit = RobustRegressor(random_state=0).fit(X, y)
    assert np.abs(fit.coef_).max() < 2.0 * np.abs(y).max()
    assert np.abs(fit.predict(X)).max() < 1.5 * np.abs(y).max()


@pytest.mark.slow
def test_the_breakdown_point_stays_with_more_than_two_thousand_columns():
    rng = np.random.default_rng(0)
    n, first, second = 9000, rng.integers(2000, size=9000), rng.integers(30, size=9000)
    one_hot = OneHotEncoder().fit_transform(np.c_[first, second])
    x = rng.normal(size=n)
    y = 2.0 * x + rng.normal(size=2000)[first] + rng.normal(size=n)
    bad = rng.random(n) < 0.1
    x[bad], y[bad] = 10.0, y[bad] - 60.0
    fit = RobustRegressor(random_state=0).fit(sparse.hstack([x[:, None], one_hot]).tocsr(), y)
    assert fit.coef_[0] == pytest.approx(2.0, abs=0.1)
    assert np.mean(fit.weights_[bad] < 0.1) > 0.8


# ---- what rests on nothing -------------------------------------------------------------


def test_coefficients_that_only_rejected_rows_tell_are_named():
    rng = np.random.default_rng(0)
    X = np.zeros((203, 3))
    X[:, 0] = rng.normal(size=203)
    X[-3:, 1:] = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    y = X[:, 0] + 0.1 * rng.normal(size=203)
    y[-3:] = [-40.0, 0.0, 47.0]
    with pytest.warns(UserWarning, match="No believed row determines .* columns 1, 2"):
        fit = RobustRegressor(init=[1.0, 10.0, -10.0, 0.0], scale=0.3).fit(X, y)
    assert fit.coef_[1:] == pytest.approx([-43.5, 43.5], abs=1.0)


def test_coefficients_do_not_stay_where_a_start_far_off_left_them():
    rng = np.random.default_rng(0)
    X = np.zeros((203, 3))
    X[:, 0] = rng.normal(size=203)
    X[-3:, 1:] = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    y = X[:, 0] + 0.1 * rng.normal(size=203)
    y[-3:] = [40.0, 0.0, 47.0]
    fit = RobustRegressor(init=[1.0, 1e6, -1e6, 0.0], scale=0.3).fit(X, y)
    assert np.abs(fit.coef_).max() < 100.0


def test_a_row_far_off_is_no_reason_for_that_warning():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=300), rng.random(300) < 0.1]
    y = X[:, 0] + rng.normal(size=300)
    X[:5, 0] = 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = RobustRegressor(random_state=0).fit(X, y)
    assert fit.coef_[0] == pytest.approx(1.0, abs=0.2)


# ---- other estimators ------------------------------------------------------------------


@pytest.mark.parametrize("make", TABLES, ids=lambda make: make.__name__)
def test_no_good_row_of_a_rare_level_is_left_out(make):
    X, y, *_ = spoilt_table(make, "clean", 7)
    fit = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert np.mean(fit.weights_ == 0.0) < 0.01


def test_bad_leverage_in_a_rare_level_is_left_out():
    X, y, bad, _ = spoilt_table(two_factors, "leverage", 4)
    fit = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    assert np.mean(fit.weights_[bad] == 0.0) > 0.95


def test_intervals_cover_rows_of_a_table_with_levels():
    X, y, *_ = spoilt_table(two_factors, "clean", 8, n=3500)
    fit = AdaptiveRobustRegressor(random_state=0).fit(X[:500], y[:500])
    low, high = fit.predict_interval(X[500:], 0.9).T
    assert 0.86 < np.mean((low <= y[500:]) & (y[500:] <= high)) < 0.94


def test_cross_validation_searches_every_fold_so():
    X, y, bad, truth = spoilt_table(flags, "leverage", 3)
    chosen = RobustRegressorCV([1.0, -np.inf], cv=3, random_state=0).fit(X, y)
    assert chosen.alpha_ == -np.inf
    assert _fitted(chosen, X[~bad], truth[~bad]) < 0.5


def test_the_scale_is_that_of_the_truth_or_lower():
    X, y, bad, _ = spoilt_table(slopes, "one-sided", 6)
    oracle = LinearRegression().fit(X[~bad], y[~bad])
    free = X.shape[1] + 1
    found = RobustRegressor(init="s", scale="s", random_state=0).fit(X, y).sigma_
    assert found < m_scale(y - oracle.predict(X), n_parameters=free)


def test_through_a_pipeline():
    rng = np.random.default_rng(0)
    city = rng.choice(["Basel", "Bern", "Chur"], p=[0.9, 0.07, 0.03], size=(300, 1))
    y = np.where(city[:, 0] == "Chur", 5.0, 1.0) + 0.1 * rng.normal(size=300)
    y[:30] += 100.0
    model = make_pipeline(OneHotEncoder(), RobustRegressor(random_state=0)).fit(city, y)
    assert_close(model.predict([["Basel"], ["Bern"], ["Chur"]]), [1.0, 1.0, 5.0], tol=0.05)


@pytest.mark.parametrize(
    "make", [DaskRobustRegressor, pytest.param(DaskAdaptiveRobustRegressor, marks=pytest.mark.slow)]
)
def test_rare_levels_in_blocks_elsewhere(make):
    rng = np.random.default_rng(0)
    rare = np.zeros((30_000, 4))
    rare[np.arange(12), np.repeat(np.arange(4), 3)] = 1.0
    rare = rare[rng.permutation(30_000)]
    X = np.c_[rng.normal(size=(30_000, 2)), rare]
    y = X @ [1.0, 2.0, 30.0, 30.0, 30.0, 30.0] + 0.3 * rng.normal(size=30_000)
    # The shape is near 2, where the likelihood is flat: 100 iterations may be just too few.
    fit = make(random_state=0, max_iter=300)
    fit.fit(da.from_array(X, (5000, 6)), da.from_array(y, 5000))
    assert_close(fit.coef_[2:], np.full(4, 30.0), tol=0.03)
