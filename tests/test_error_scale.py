"""Known sizes of the errors: the rows divided by them."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import (
    AdaptiveRobustRegressor,
    RobustRegressor,
    RobustRegressorCV,
    robust_path,
)
from sklearn_robust.inspection import (
    AlphaProfileDisplay,
    coef_table,
    covariance,
    degrees_of_freedom,
    diagnostics,
    drop_one,
    outlier_mask,
    predict_interval,
    profile_alpha,
    rejected_levels,
    robust_information_criteria,
    summary,
)

SHARP = {"tol": 1e-12, "max_iter": 1000, "random_state": 0}
KINDS = {
    "welsch": RobustRegressor(**SHARP),
    "charbonnier": RobustRegressor(1.0, **SHARP),
    "cauchy": RobustRegressor(0.0, scale="mad", **SHARP),
    "squares": RobustRegressor(2.0, **SHARP),
    "tukey": RobustRegressor(loss="tukey", scale="s", **SHARP),
    "adaptive": AdaptiveRobustRegressor(**SHARP),
}


@pytest.fixture(scope="module")
def table():
    """X with a flag and a column far from zero, y with outliers, and the sizes of its errors."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * [1.0, 5.0, 100.0] + [0.0, 3.0, 2000.0]
    X = np.column_stack([X, rng.uniform(size=300) < 0.1])
    sizes = np.exp(0.7 * rng.normal(size=300))
    y = X @ [1.0, 2.0, 0.03, 4.0] + 5.0 + sizes * rng.standard_t(3, size=300)
    y[:20] += 30.0
    return X, y, sizes


def _divided(X, y, sizes):
    return np.column_stack([X, np.ones(len(X))]) / sizes[:, None], y / sizes


def _without_intercept(model):
    return type(model)(**(model.get_params() | {"fit_intercept": False}))


@pytest.mark.parametrize("kind", KINDS)
def test_is_the_fit_of_divided_rows(kind, table):
    X, y, sizes = table
    fit = KINDS[kind].fit(X, y, error_scale=sizes)
    divided = _without_intercept(KINDS[kind]).fit(*_divided(X, y, sizes))
    np.testing.assert_allclose(np.append(fit.coef_, fit.intercept_), divided.coef_, 1e-9, 1e-9)
    np.testing.assert_allclose(fit.scale_, divided.scale_, 1e-9)
    np.testing.assert_allclose(fit.weights_, divided.weights_, 1e-9, 1e-9)
    np.testing.assert_allclose(fit.n_parameters_, divided.n_parameters_, 1e-9)


def test_penalty_leaves_the_intercept_free(table):
    X, y, sizes = table
    options = SHARP | {"l2_regularization": 0.1}
    fit = RobustRegressor(**options).fit(X, y, error_scale=sizes)
    given = options | {"penalty_weights": [1.0, 1.0, 1.0, 1.0, 0.0], "fit_intercept": False}
    divided = RobustRegressor(**given).fit(*_divided(X, y, sizes))
    np.testing.assert_allclose(np.append(fit.coef_, fit.intercept_), divided.coef_, 1e-9, 1e-9)


@pytest.mark.parametrize("kind", ["welsch", "adaptive"])
def test_equal_sizes_only_change_the_unit_of_the_scale(kind, table):
    X, y, _ = table
    plain = KINDS[kind].fit(X, y)
    coef, intercept, scale = plain.coef_, plain.intercept_, plain.scale_
    nll, interval = getattr(plain, "nll_", None), plain.predict_interval(X[:5])
    fit = KINDS[kind].fit(X, y, error_scale=np.full(len(y), 4.0))
    np.testing.assert_allclose(fit.coef_, coef, 1e-9)
    np.testing.assert_allclose(fit.intercept_, intercept, 1e-9)
    np.testing.assert_allclose(4.0 * fit.scale_, scale, 1e-9)
    np.testing.assert_allclose(fit.predict_interval(X[:5], error_scale=[4.0] * 5), interval, 1e-9)
    if nll is not None:
        np.testing.assert_allclose(fit.nll_, nll, 1e-9)


def test_row_that_is_twice_as_accurate_is_no_row_twice():
    """With least squares a size of 1/√2 is a weight of 2; with a robust loss it is not."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 2)), rng.standard_t(2, size=60)
    sizes = np.where(np.arange(60) < 30, 1.0, np.sqrt(0.5))
    for alpha, same in ((2.0, True), (0.0, False)):
        model = RobustRegressor(alpha, scale=1.0, **SHARP)
        by_size = model.fit(X, y, error_scale=sizes).coef_
        by_weight = model.fit(X, y, sample_weight=1.0 / sizes**2).coef_
        assert np.allclose(by_size, by_weight, 1e-9) == same


@pytest.mark.parametrize("kind", ["welsch", "adaptive"])
def test_sparse_rows(kind, table):
    X, y, sizes = table
    fit = KINDS[kind].fit(X, y, error_scale=sizes)
    coef, intercept = fit.coef_, fit.intercept_
    other = KINDS[kind].fit(sparse.csr_matrix(X), y, error_scale=sizes)
    np.testing.assert_allclose(other.coef_, coef, 1e-8)
    np.testing.assert_allclose(other.intercept_, intercept, 1e-8)


def test_weight_two_is_the_row_twice(table):
    X, y, sizes = table
    weights = np.where(np.arange(len(y)) % 3, 1.0, 2.0)
    twice = np.repeat(np.arange(len(y)), weights.astype(int))
    fit = RobustRegressor(**SHARP).fit(X, y, weights, sizes)
    other = RobustRegressor(**SHARP).fit(X[twice], y[twice], error_scale=sizes[twice])
    np.testing.assert_allclose(fit.coef_, other.coef_, 1e-9)


def test_targets_have_the_same_sizes(table):
    X, y, sizes = table
    model = AdaptiveRobustRegressor(**SHARP)
    both = model.fit(X, np.column_stack([y, -2.0 * y]), error_scale=sizes)
    coefs, nll = both.coef_, both.nll(X, np.column_stack([y, -2.0 * y]), sizes)
    one = model.fit(X, y, error_scale=sizes)
    np.testing.assert_allclose(coefs[0], one.coef_, 1e-9)
    np.testing.assert_allclose(coefs[1], -2.0 * one.coef_, 1e-8)
    np.testing.assert_allclose(nll[:, 0], one.nll(X, y, sizes), 1e-9, 1e-9)
    counted = one.weights_ > 0.0
    np.testing.assert_allclose(one.nll_, one.nll(X, y, sizes)[counted].mean(), 1e-9)


@pytest.mark.parametrize("kind", ["welsch", "adaptive", "tukey"])
def test_inspection_is_that_of_divided_rows(kind, table):
    X, y, sizes = table
    model = KINDS[kind].fit(X, y, error_scale=sizes)
    D, z = _divided(X, y, sizes)
    divided = _without_intercept(model).fit(D, z)
    close = {"rtol": 1e-7, "atol": 1e-9}
    for of in ("sandwich", "hc3", "auto"):
        ours = coef_table(model, X, y, error_scale=sizes, covariance=of)
        theirs = coef_table(divided, D, z, covariance=of)
        np.testing.assert_allclose(ours.std_error, theirs.std_error, **close)
        np.testing.assert_allclose(ours.p_value, theirs.p_value, **close)
    rows, others = diagnostics(model, X, y, error_scale=sizes), diagnostics(divided, D, z)
    for name in ("scaled_residual", "weight", "leverage", "cook"):
        np.testing.assert_allclose(getattr(rows, name), getattr(others, name), **close)
    np.testing.assert_allclose(rows.residual, y - model.predict(X), **close)
    assert np.array_equal(outlier_mask(model, X, y, error_scale=sizes), outlier_mask(divided, D, z))
    assert degrees_of_freedom(model, X, y, error_scale=sizes) == 5.0
    rfpe = robust_information_criteria(model, X, y, error_scale=sizes).rfpe
    np.testing.assert_allclose(rfpe, robust_information_criteria(divided, D, z).rfpe, **close)
    dropped = drop_one(model, X, y, error_scale=sizes)["x0", "deviance_p"]
    np.testing.assert_allclose(dropped, drop_one(divided, D, z)["x0", "deviance_p"], 1e-4)
    interval = model.predict_interval(X[:9], error_scale=sizes[:9])
    of_divided = divided.predict_interval(D[:9]) * sizes[:9, None]
    np.testing.assert_allclose(interval, of_divided, **close)
    figures = summary(model, X, y, error_scale=sizes)
    assert np.allclose(figures.fit.sigma, summary(divided, D, z).fit.sigma)
    draws = covariance(
        model, X, y, error_scale=sizes, kind="bootstrap", n_resamples=20, random_state=0
    )
    assert np.all(np.diag(draws) > 0.0)


def test_other_sizes_than_those_of_the_fit_are_noticed(table):
    X, y, sizes = table
    model = RobustRegressor(random_state=0).fit(X, y, error_scale=sizes)
    with pytest.warns(UserWarning, match="not at a minimum for these rows"):
        coef_table(model, X, y)


def test_profile_of_the_shape(table):
    X, y, sizes = table
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y, error_scale=sizes)
    D, z = _divided(X, y, sizes)
    divided = _without_intercept(model).fit(D, z)
    ours = profile_alpha(model, X, y, [0.0, 1.0], error_scale=sizes)
    np.testing.assert_allclose(ours.deviance, profile_alpha(divided, D, z, [0.0, 1.0]).deviance)


def test_display_of_the_profile(table):
    pytest.importorskip("matplotlib").use("Agg")
    X, y, sizes = table
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y, error_scale=sizes)
    display = AlphaProfileDisplay.from_estimator(model, X, y, alphas=[0.0, 1.0], error_scale=sizes)
    ours = profile_alpha(model, X, y, [0.0, 1.0], error_scale=sizes)
    np.testing.assert_allclose(display.profile.deviance, ours.deviance)


@pytest.mark.parametrize("alpha", [-np.inf, 1.0, 2.0])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_path_is_that_of_divided_rows(alpha, make, table):
    X, y, sizes = table
    X = (X - [0.0, 3.0, 2000.0, 0.0]) / [1.0, 5.0, 100.0, 1.0]
    options = SHARP | {"alpha": alpha, "scale": 3.0, "l1_regularizations": [0.3, 0.1, 0.01]}
    path = robust_path(make(X), y, error_scale=sizes, **options)
    D, z = _divided(X, y, sizes)
    free = {"fit_intercept": False, "penalty_weights": [1.0, 1.0, 1.0, 1.0, 0.0]}
    divided = robust_path(make(D), z, **options, **free)
    ours = np.vstack([path.coefs, path.intercepts])
    np.testing.assert_allclose(ours, divided.coefs, 1e-7, 1e-7)
    np.testing.assert_allclose(path.scales, divided.scales, 1e-7)
    assert not np.allclose(robust_path(make(X), y, **options).coefs, path.coefs, 1e-2, 1e-2)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_path_begins_where_all_coefficients_are_zero(alpha, table):
    X, y, sizes = table
    path = robust_path(X, y, alpha=alpha, l1_regularizations=20, error_scale=sizes)
    assert path.n_selected[0] == 0
    assert path.n_selected[1] > 0


def test_path_ends_at_single_fits(table):
    X, y, sizes = table
    path = robust_path(
        X, y, alpha=1.0, scale=2.0, l1_regularizations=[0.5, 0.1], error_scale=sizes,
        tol=1e-10, random_state=0,
    )  # fmt: skip
    for place, l1 in enumerate(path.l1_regularizations):
        model = RobustRegressor(1.0, scale=2.0, l1_regularization=l1, **SHARP)
        model.fit(X, y, error_scale=sizes)
        np.testing.assert_allclose(path.coefs[:, place], model.coef_, 1e-7, 1e-7)
        np.testing.assert_allclose(path.intercepts[place], model.intercept_, 1e-7)


def test_path_refuses_what_is_no_size(table):
    X, y, _ = table
    with pytest.raises(ValueError, match="error_scale must be numbers in"):
        robust_path(X, y, error_scale=np.zeros(len(y)))


def test_folds_get_their_part(table):
    X, y, sizes = table
    cv, options = KFold(3), {"alphas": (0.0, 1.0), "random_state": 0}
    search = RobustRegressorCV(cv=cv, **options).fit(X, y, error_scale=sizes)
    alpha = search.alpha_
    again = RobustRegressor(alpha, init="s", random_state=0).fit(X, y, error_scale=sizes)
    np.testing.assert_allclose(search.coef_, again.coef_, 1e-6)
    assert not np.allclose(RobustRegressorCV(cv=cv, **options).fit(X, y).coef_, search.coef_, 1e-4)
    scores = []
    for train, test in cv.split(X):
        fold = RobustRegressor(alpha, init="s", random_state=0)
        fold.fit(X[train], y[train], error_scale=sizes[train])
        scores.append(search._scorer()(fold, X[test], y[test]))
    np.testing.assert_allclose(search.best_score_, np.mean(scores), 1e-6)


def test_metadata_are_routed(table):
    X, y, sizes = table
    with config_context(enable_metadata_routing=True):
        model = RobustRegressor(random_state=0).set_fit_request(error_scale=True)
        steps = make_pipeline(StandardScaler(), model)
        fit = steps.fit(X, y, error_scale=sizes)
        found = cross_validate(
            steps, X, y, cv=KFold(3), params={"error_scale": sizes}, return_estimator=True
        )
    alone = RobustRegressor(random_state=0).fit(StandardScaler().fit_transform(X), y, None, sizes)
    np.testing.assert_allclose(fit[-1].coef_, alone.coef_, 1e-9)
    train = next(iter(KFold(3).split(X)))[0]
    scaled = StandardScaler().fit_transform(X[train])
    alone.fit(scaled, y[train], error_scale=sizes[train])
    np.testing.assert_allclose(found["estimator"][0][-1].coef_, alone.coef_, 1e-9)
    outer = predict_interval(fit, X[:3], error_scale=sizes[:3])
    inner = fit[-1].predict_interval(
        StandardScaler().fit(X).transform(X[:3]), error_scale=sizes[:3]
    )
    np.testing.assert_allclose(outer, inner)


@pytest.mark.parametrize(
    "given", [[1.0, 2.0], np.zeros(300), -np.ones(300), np.full(300, np.nan), ["a"] * 300, 1.0]
)
@pytest.mark.parametrize("model", [RobustRegressor(), RobustRegressorCV()])
def test_refuses_what_is_no_size(given, model, table):
    X, y, _ = table
    with pytest.raises(ValueError, match="error_scale must be numbers in"):
        model.fit(X, y, error_scale=given)


def test_exact_rows_far_from_zero():
    """The rounding of y decides what is exact, also where an origin was subtracted."""
    rng = np.random.default_rng(2)
    X, sizes = rng.normal(size=(80, 2)), rng.uniform(0.5, 2.0, size=80)
    y = 1e9 + X @ [1.0, 2.0]
    with pytest.warns(UserWarning, match="fitted exactly"):
        fit = RobustRegressor(random_state=0).fit(X, y, error_scale=sizes)
    np.testing.assert_allclose(fit.coef_, [1.0, 2.0], 1e-6)


def test_levels_of_a_factor_stay_levels():
    """A rare level whose first rows are bad has the coefficient of its other rows."""
    rng = np.random.default_rng(3)
    level = rng.integers(0, 12, size=400)
    X = np.column_stack([rng.normal(size=400), np.eye(12)[level][:, 1:]])
    sizes = np.exp(0.5 * rng.normal(size=400))
    y = X @ np.arange(12.0) + 0.1 * sizes * rng.normal(size=400)
    bad = np.concatenate([np.flatnonzero(level == k)[:8] for k in range(12)])
    y[bad] += 50.0
    fit = RobustRegressor(random_state=0).fit(X, y, error_scale=sizes)
    np.testing.assert_allclose(fit.coef_, np.arange(12.0), atol=0.15)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_rejected_levels_are_those_of_the_fit(make, table):
    X, y, sizes = table
    level = np.flatnonzero(X[:, 3])
    y = y.copy()
    y[level[::2]] += 500.0
    with pytest.warns(UserWarning, match=r"Most rows of level column 3 \(18 of 35\)"):
        model = RobustRegressor(random_state=0).fit(make(X), y, error_scale=sizes)
    found = rejected_levels(model, make(X), error_scale=sizes)
    assert found.names == ("x3",)
    assert found.rows == [len(level)]
    assert found.rejected == [np.count_nonzero(model.weights_[level] < 0.1)]
    assert found.rejected >= [len(level[::2])]
    with pytest.raises(ValueError, match="error_scale must be numbers in"):
        rejected_levels(model, make(X), error_scale=sizes[1:])
