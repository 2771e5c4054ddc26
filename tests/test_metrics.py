"""Scores that outliers cannot buy, and their scorers."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import sklearn
from closeness import assert_close
from hypothesis import given
from hypothesis import strategies as st
from problems import contaminated
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, metrics
from sklearn_robust.scales import m_scale

SCORES = [metrics.s_scale, metrics.tau_size, metrics.trimmed_mean_squared_error]
SCORERS = [
    metrics.s_scale_scorer,
    metrics.tau_size_scorer,
    metrics.trimmed_mean_squared_error_scorer,
]
DEGREE = {metrics.trimmed_mean_squared_error: 2}
"""By which power of the unit of y a score grows, where that is not 1."""
NAMES = ["nll", "robust_r2", "s_scale", "tau_size", "trimmed_mean_squared_error"]

residuals = st.lists(st.integers(-(10**6), 10**6).map(float), min_size=2, max_size=30).map(np.array)


@pytest.mark.parametrize("score", SCORES)
@given(r=residuals, unit=st.sampled_from([1e-3, 7.0, 1e5]))
def test_scores_are_equivariant(score, r, unit):
    zero = np.zeros_like(r)
    # Where just half of the residuals are far off, the equation of the M-scale is nearly flat.
    of_unit = score(unit * r, zero)
    assert of_unit == pytest.approx(unit ** DEGREE.get(score, 1) * score(r, zero), rel=1e-6)
    assert score(-r, zero) == pytest.approx(score(r, zero), rel=1e-12)
    assert score(r + 1e3, zero + 1e3) == pytest.approx(score(r, zero), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
@given(data=st.data(), r=residuals)
def test_weights_are_repetitions(score, data, r):
    counts = data.draw(
        st.lists(st.integers(0, 3), min_size=len(r), max_size=len(r)).filter(any).map(np.array)
    )
    zero = np.zeros_like(r)
    repeated = score(np.repeat(r, counts), np.repeat(zero, counts))
    assert score(r, zero, sample_weight=counts) == pytest.approx(repeated, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_comparable_to_the_deviation_and_not_bought_by_outliers(score):
    r = np.random.default_rng(0).normal(scale=3.0, size=20_000)
    zero = np.zeros_like(r)
    if score is not metrics.trimmed_mean_squared_error:
        assert score(r, zero) == pytest.approx(3.0, rel=0.02)
    far = np.where(np.arange(len(r)) < 0.09 * len(r), 1e9, r)
    assert score(far, zero) < 1.5 * score(r, zero)


@pytest.mark.parametrize("score", SCORES)
def test_outputs_are_averaged(score):
    rng = np.random.default_rng(0)
    true, predicted = rng.normal(size=(2, 40, 3))
    each = [score(true[:, j], predicted[:, j]) for j in range(3)]
    np.testing.assert_allclose(score(true, predicted, multioutput="raw_values"), each)
    assert score(true, predicted) == pytest.approx(np.mean(each))
    weighted = score(true, predicted, multioutput=[1.0, 0.0, 3.0])
    assert weighted == pytest.approx((each[0] + 3.0 * each[2]) / 4.0)


def test_s_scale_is_the_m_scale_and_zero_for_an_exact_half():
    r = np.random.default_rng(0).standard_cauchy(size=50)
    assert metrics.s_scale(r, 0.0 * r) == m_scale(r)
    assert metrics.s_scale([0.0, 0.0, 0.0, 5.0], [0.0] * 4) == 0.0
    assert metrics.tau_size([0.0, 0.0, 0.0, 5.0], [0.0] * 4) == 0.0


def test_tau_size_of_known_residuals():
    # Median 2, so that 100 counts as 6: sqrt((0.25 + 1 + 1 + 4 + 9)/5)·2/0.961.
    r = np.array([1.0, -2.0, 2.0, 4.0, 100.0])
    assert metrics.tau_size(r, 0.0 * r) == pytest.approx(2.0 * np.sqrt(15.25 / 5) / 0.961)


@given(r=residuals)
def test_trimming_takes_the_largest(r):
    zero, squares = np.zeros_like(r), np.sort(r**2)
    untrimmed = metrics.trimmed_mean_squared_error(r, zero, trim=0.0)
    assert untrimmed == pytest.approx(mean_squared_error(r, zero), rel=1e-12)
    kept = len(r) - 1
    trimmed = metrics.trimmed_mean_squared_error(r, zero, trim=1.0 / len(r))
    assert trimmed == pytest.approx(squares[:kept].mean(), rel=1e-9, abs=1e-12)
    far = np.append(r, 1e200)
    without = metrics.trimmed_mean_squared_error(far, np.append(zero, 0.0), trim=0.5)
    assert np.isfinite(without)
    halfway = metrics.trimmed_mean_squared_error(r, zero, trim=0.5 / len(r))
    assert halfway == pytest.approx(
        (squares[:kept].sum() + 0.5 * squares[-1]) / (len(r) - 0.5), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, np.nan], [1.0, 2.0]), "NaN"),
        (([1.0, 2.0], [1.0]), "inconsistent numbers of samples"),
        (([[1.0, 2.0]], [[1.0]]), "same number of outputs"),
    ],
)
def test_bad_input_is_refused(score, arguments, message):
    with pytest.raises(ValueError, match=message):
        score(*arguments)
    with pytest.raises(ValueError, match=r"sample_weight must .*-1\.0"):
        score([1.0, 2.0], [1.0, 1.0], sample_weight=[1.0, -1.0])
    with pytest.raises(ValueError, match=r"multioutput must be one of .*'all'"):
        score([1.0, 2.0], [1.0, 1.0], multioutput="all")
    with pytest.raises(ValueError, match=r"multioutput must hold 1 weights .*\[0\.5, 0\.5\]"):
        score([1.0, 2.0], [1.0, 1.0], multioutput=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"trim must be a number in \[0, 1\), got 1"):
        metrics.trimmed_mean_squared_error([1.0], [1.0], trim=1)


# ---- scorers -------------------------------------------------------------------------


@pytest.mark.parametrize(("score", "scorer"), list(zip(SCORES, SCORERS, strict=True)))
def test_scorers_in_searches(score, scorer):
    X, y = contaminated(n=120)
    model = LinearRegression().fit(X, y)
    assert scorer(model, X, y) == -score(y, model.predict(X))
    folds = list(KFold(3).split(X))

    def by_hand(model):
        fits = [clone(model).fit(X[train], y[train]).predict(X[test]) for train, test in folds]
        return [-score(y[test], fit) for (_, test), fit in zip(folds, fits, strict=True)]

    each = cross_val_score(model, X, y, scoring=scorer, cv=3)
    np.testing.assert_allclose(each, by_hand(model), rtol=1e-12)
    grid, robust = {"alpha": [1.0, -2.0]}, RobustRegressor(random_state=0)
    means = [np.mean(by_hand(clone(robust).set_params(alpha=alpha))) for alpha in grid["alpha"]]
    found = GridSearchCV(robust, grid, scoring=scorer, cv=3).fit(X, y)
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], means, rtol=1e-12)
    found = HalvingGridSearchCV(robust, grid, scoring=scorer, cv=3).fit(X, y)
    assert found.best_params_ == {"alpha": grid["alpha"][np.argmax(means)]}


@pytest.mark.parametrize("scorer", [*SCORERS, metrics.nll_scorer])
def test_scorers_take_routed_weights(scorer):
    X, y = contaminated(n=120)
    weights = np.random.default_rng(0).integers(1, 3, size=len(y)).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            AdaptiveRobustRegressor(init="ols").set_fit_request(sample_weight=True),
            {"l2_regularization": [0.0, 0.1]},
            scoring=deepcopy(scorer).set_score_request(sample_weight=True),
            cv=3,
        ).fit(X, y, sample_weight=weights)
    repeated, best = np.repeat(np.arange(len(y)), weights.astype(int)), search.best_estimator_
    assert scorer(best, X, y, sample_weight=weights) == pytest.approx(
        scorer(best, X[repeated], y[repeated]), rel=1e-9
    )


def test_nll_scorer():
    X, y = contaminated(n=120)
    model = AdaptiveRobustRegressor(init="ols").fit(X, y)
    # Mean losses, log Z and log c have a size near 1; a minimum is found to the square of tol.
    assert_close(metrics.nll_scorer(model, X, y), -model.nll_, terms=2.0, tol=1e-11)
    piped = make_pipeline(StandardScaler(), AdaptiveRobustRegressor(init="ols")).fit(X, y)
    assert_close(metrics.nll_scorer(piped, X, y), -model.nll_, terms=2.0, tol=1e-11)
    train, test = next(KFold(3).split(X))
    fold = AdaptiveRobustRegressor(init="ols", tol=1e-9).fit(X[train], y[train])
    piped.set_params(adaptiverobustregressor__tol=1e-9)
    scores = cross_val_score(piped, X, y, scoring=metrics.nll_scorer, cv=3)
    assert_close(scores[0], -np.mean(fold.nll(X[test], y[test])), terms=2.0, tol=1e-7)
    with pytest.raises(TypeError, match=r"nll_scorer must be given .*LinearRegression\(\)"):
        metrics.nll_scorer(LinearRegression().fit(X, y), X, y)


# ---- the robust R² -------------------------------------------------------------------


def test_the_robust_share_is_that_of_least_squares_for_normal_data():
    rng = np.random.default_rng(0)
    signal, noise = 2.0 * rng.normal(size=20_000), rng.normal(size=20_000)
    assert metrics.robust_r2_score(signal + noise, signal) == pytest.approx(0.8, abs=0.01)


def test_outliers_do_not_decide_the_robust_share():
    rng = np.random.default_rng(0)
    signal, noise = 2.0 * rng.normal(size=2000), rng.normal(size=2000)
    noise[:600] += 1e6
    assert metrics.robust_r2_score(signal + noise, signal) > 0.6
    assert sklearn.metrics.r2_score(signal + noise, signal) < 0.0


@pytest.mark.parametrize("seed", range(5))
def test_no_constant_has_a_positive_robust_share(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_cauchy(size=50)
    shares = [metrics.robust_r2_score(y, np.full(50, m)) for m in np.linspace(-2.0, 2.0, 401)]
    assert max(shares) == pytest.approx(0.0, abs=1e-3)


def test_robust_shares_of_exact_and_constant_targets():
    y = np.arange(9.0)
    assert metrics.robust_r2_score(y, y) == 1.0
    assert metrics.robust_r2_score(np.ones(9), np.ones(9)) == 1.0
    assert metrics.robust_r2_score(np.ones(9), y) == 0.0
    assert metrics.robust_r2_score(7.0 * y + 3.0, 7.0 * (y + np.sin(y)) + 3.0) == pytest.approx(
        metrics.robust_r2_score(y, y + np.sin(y)), rel=1e-9
    )


def test_a_weight_of_two_is_the_row_twice_in_the_robust_share():
    rng = np.random.default_rng(0)
    y, cases = rng.normal(size=40), rng.integers(1, 4, size=40)
    predicted = y + 0.3 * rng.normal(size=40)
    expected = metrics.robust_r2_score(np.repeat(y, cases), np.repeat(predicted, cases))
    weighted = metrics.robust_r2_score(y, predicted, sample_weight=cases)
    assert weighted == pytest.approx(expected, rel=1e-6)


# ---- scorers by their names ----------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_the_scorer_and_of_the_score(name):
    X, y = contaminated(n=120)
    model = AdaptiveRobustRegressor(init="ols").fit(X, y)
    scorer = metrics.get_scorer(name)
    expected = getattr(metrics, f"{name}_scorer")(model, X, y)
    assert scorer(model, X, y) == expected
    assert pickle.loads(pickle.dumps(scorer))(model, X, y) == expected
    if name == "robust_r2":
        assert expected == metrics.robust_r2_score(y, model.predict(X))
    elif name != "nll":
        assert expected == -getattr(metrics, name)(y, model.predict(X))


def test_every_scorer_of_the_module_has_a_name():
    assert {f"{name}_scorer" for name in NAMES} | {"get_scorer"} == {
        name for name in metrics.__all__ if name.endswith("_scorer")
    }


def test_names_of_scikit_learn_are_its_scorers():
    assert metrics.get_scorer_names() == sorted([*NAMES, *sklearn.metrics.get_scorer_names()])
    for name in metrics.get_scorer_names():
        assert callable(metrics.get_scorer(name))
    X, y = contaminated(n=120)
    model = LinearRegression().fit(X, y)
    for name in ("r2", "neg_mean_squared_error"):
        assert metrics.get_scorer(name)(model, X, y) == sklearn.metrics.get_scorer(name)(
            model, X, y
        )


def test_what_is_no_name_is_returned():
    assert metrics.get_scorer(metrics.tau_size_scorer) is metrics.tau_size_scorer
    assert metrics.get_scorer(None) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_request_set_on_a_scorer_is_its_own(name):
    with sklearn.config_context(enable_metadata_routing=True):
        metrics.get_scorer(name).set_score_request(sample_weight=True)
        for other in (metrics.get_scorer(name), getattr(metrics, f"{name}_scorer")):
            assert other.get_metadata_routing().score.requests.get("sample_weight") is None


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("s-scale", r"scoring must be one of \['nll', 'robust_r2', .*\] or a name of .*'s-scale'"),
        ("neg_s_scale", r"scoring must be one of .* got 'neg_s_scale'"),
        ("", r"scoring must be one of .* got ''"),
        (2, r"scoring must be a name, a callable or None, got 2"),
        (["r2"], r"scoring must be a name, a callable or None, got \['r2'\]"),
    ],
)
def test_unknown_names_are_refused(scoring, message):
    with pytest.raises(ValueError, match=message):
        metrics.get_scorer(scoring)


@pytest.mark.parametrize("name", NAMES)
def test_named_scorers_in_searches(name):
    X, y = contaminated(n=120)
    model, scorer = AdaptiveRobustRegressor(init="ols"), metrics.get_scorer(name)
    each = cross_val_score(model, X, y, scoring=scorer, cv=3)
    grid = {"l2_regularization": [0.0]}
    alone = GridSearchCV(model, grid, scoring=scorer, cv=3).fit(X, y)
    assert alone.best_score_ == pytest.approx(each.mean(), rel=1e-12)
    several = {other: metrics.get_scorer(other) for other in [*NAMES, "r2"]}
    found = cross_validate(model, X, y, scoring=several, cv=3)
    np.testing.assert_allclose(found[f"test_{name}"], each, rtol=1e-12)
    search = GridSearchCV(model, grid, scoring=several, refit=name, cv=3).fit(X, y)
    assert search.best_score_ == pytest.approx(each.mean(), rel=1e-12)
