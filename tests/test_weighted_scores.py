"""Weights in the scores of a search: of RobustRegressorCV, and as GridSearchCV counts them."""

import re
import warnings

import numpy as np
import pytest
import sklearn
from problems import contaminated
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import check_scoring, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV, metrics
from sklearn_robust.metrics import get_scorer

OPTIONS = {"alphas": (1.0, -2.0), "cv": 3, "random_state": 0}
FOLDS = [f"split{k}_test_score" for k in range(3)]
OWN = ["s_scale", "tau_size", "trimmed_mean_squared_error"]
"""The names of this package's scorers that every regressor has."""

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
needs_weighted_searches = pytest.mark.skipif(
    VERSION < (1, 7), reason="GridSearchCV scores without weights before scikit-learn 1.7"
)
needs_listed_metadata = pytest.mark.skipif(
    VERSION < (1, 9), reason="scorers do not list what they take before scikit-learn 1.9"
)


def with_weights(model, X, y, sample_weight=None):
    """Score by the weighted mean absolute error."""
    return -np.average(np.abs(y - model.predict(X)), weights=sample_weight)


def without_weights(model, X, y):
    return -np.mean(np.abs(y - model.predict(X)))


def spread(y, predicted):
    return -np.ptp(y - predicted)


class Weighing:
    """A scorer that is no function, and has no way to say what it requests."""

    def __call__(self, model, X, y, sample_weight=None):
        return with_weights(model, X, y, sample_weight)


TAKE_WEIGHTS = ["neg_mean_squared_error", "neg_median_absolute_error", "r2", *OWN, with_weights,
                Weighing(), make_scorer(mean_squared_error, greater_is_better=False),
                check_scoring(RobustRegressor())]  # fmt: skip
TAKE_NONE = ["neg_max_error", without_weights, make_scorer(spread)]


def label(scoring):
    """Return the id of a test, without the address that functions have in theirs."""
    return scoring if isinstance(scoring, str) else re.sub(" at 0x.*|[<>]", "", str(scoring))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data():
    X, y = contaminated()
    return X, y, np.random.default_rng(0).uniform(0.2, 3.0, len(y))


def scores(search):
    """Return the scores of every fold and candidate."""
    return np.array([search.cv_results_[fold] for fold in FOLDS])


def grid(scoring, X, y, model=None, **fit_params):
    model = RobustRegressor(init="s", random_state=0) if model is None else model
    scoring = get_scorer(scoring)
    return GridSearchCV(model, {"alpha": OPTIONS["alphas"]}, scoring=scoring, cv=3).fit(
        X, y, **fit_params
    )


def first_fold(X, y, weights):
    """Return the first candidate of the first fold, and the rows that this fold holds out."""
    train, test = next(KFold(3).split(X))
    model = RobustRegressor(1.0, init="s", random_state=0)
    return model.fit(X[train], y[train], sample_weight=weights[train]), test


# ---- without routing -----------------------------------------------------------------


def test_the_mean_squared_error_is_that_of_the_weighted_held_out_rows(data):
    X, y, weights = data
    found = RobustRegressorCV(**OPTIONS, scoring="neg_mean_squared_error")
    found.fit(X, y, sample_weight=weights)
    model, test = first_fold(X, y, weights)
    squares = (y[test] - model.predict(X[test])) ** 2
    by_hand = -(weights[test] * squares).sum() / weights[test].sum()
    assert scores(found)[0, 0] == pytest.approx(by_hand, rel=1e-6)
    assert abs(by_hand + squares.mean()) > 0.01 * squares.mean()
    # Every fold counts once, however much its rows weigh.
    assert found.best_score_ == pytest.approx(scores(found).mean(axis=0).max(), rel=1e-12)


@needs_weighted_searches
@pytest.mark.parametrize("scoring", TAKE_WEIGHTS, ids=label)
def test_scores_are_those_of_a_grid_search(data, scoring):
    X, y, weights = data
    ours = RobustRegressorCV(**OPTIONS, scoring=scoring).fit(X, y, sample_weight=weights)
    theirs = grid(scoring, X, y, sample_weight=weights)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-6)


# Older versions of scikit-learn do not weigh medians as if rows were written out.
@pytest.mark.parametrize(
    "scoring", [s for s in TAKE_WEIGHTS if s != "neg_median_absolute_error"], ids=label
)
def test_weights_are_rows_written_out(scoring):
    X, y = contaminated(n=150)
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    folds, which = np.arange(len(y)) % 3, np.repeat(np.arange(len(y)), counts)

    def splits(fold):
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]

    options = OPTIONS | {"scoring": scoring}
    weighted = RobustRegressorCV(**options | {"cv": splits(folds)})
    repeated = RobustRegressorCV(**options | {"cv": splits(folds[which])})
    weighted.fit(X, y, sample_weight=counts)
    repeated.fit(X[which], y[which])
    # The S-estimates draw other rows.
    np.testing.assert_allclose(scores(weighted), scores(repeated), rtol=1e-4)


@pytest.mark.parametrize("scoring", TAKE_NONE, ids=label)
def test_a_scorer_that_takes_no_weights_gets_none_and_is_named(data, scoring):
    X, y, weights = data
    found = RobustRegressorCV(**OPTIONS, scoring=scoring)
    with pytest.warns(UserWarning, match=r"scoring=.* does not take sample_weight: ") as caught:
        found.fit(X, y, sample_weight=weights)
    assert [warning.filename for warning in caught] == [__file__]
    model, test = first_fold(X, y, weights)
    by_hand = get_scorer(scoring)(model, X[test], y[test])
    assert scores(found)[0, 0] == pytest.approx(by_hand, rel=1e-6)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        theirs = grid(scoring, X, y, sample_weight=weights)
    np.testing.assert_allclose(scores(found), scores(theirs), rtol=1e-6)
    found.fit(X, y)  # no weights, no warning


def test_the_default_has_a_name(data):
    X, y, weights = data
    named = RobustRegressorCV(**OPTIONS, scoring="s_scale").fit(X, y, sample_weight=weights)
    default = RobustRegressorCV(**OPTIONS).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(scores(named), scores(default))


# ---- with routing --------------------------------------------------------------------


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("wanted", [True, False])
def test_with_routing_a_scorer_gets_what_it_requests(data, wanted):
    X, y, weights = data
    scorer = get_scorer("neg_mean_squared_error").set_score_request(sample_weight=wanted)
    ours = RobustRegressorCV(**OPTIONS, scoring=scorer).fit(X, y, sample_weight=weights)
    model = RobustRegressor(init="s", random_state=0).set_fit_request(sample_weight=True)
    theirs = grid(scorer, X, y, model, sample_weight=weights)
    np.testing.assert_allclose(scores(ours), scores(theirs), rtol=1e-6)
    fitted, test = first_fold(X, y, weights)
    by_hand = -mean_squared_error(
        y[test], fitted.predict(X[test]), sample_weight=weights[test] if wanted else None
    )
    assert scores(ours)[0, 0] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.usefixtures("routing")
def test_with_routing_a_request_may_have_another_name(data):
    X, y, weights = data
    scorer = get_scorer("neg_mean_squared_error").set_score_request(sample_weight="importance")
    found = RobustRegressorCV(**OPTIONS, scoring=scorer).fit(X, y, importance=weights)
    model, test = first_fold(X, y, np.ones(len(y)))
    by_hand = -mean_squared_error(y[test], model.predict(X[test]), sample_weight=weights[test])
    assert scores(found)[0, 0] == pytest.approx(by_hand, rel=1e-6)


@needs_listed_metadata
@pytest.mark.usefixtures("routing")
def test_with_routing_a_name_of_scikit_learn_requests_nothing(data):
    X, y, weights = data
    found = RobustRegressorCV(**OPTIONS, scoring="neg_mean_squared_error")
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        found.fit(X, y, sample_weight=weights)
    model = RobustRegressor(init="s", random_state=0).set_fit_request(sample_weight=True)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        grid("neg_mean_squared_error", X, y, model, sample_weight=weights)
    found.fit(X, y)  # without weights nothing is asked for


@pytest.mark.parametrize("scoring", [None, *OWN])
def test_names_of_this_package_weigh_the_same_with_and_without_routing(data, scoring):
    X, y, weights = data
    found = RobustRegressorCV(**OPTIONS, scoring=scoring)
    without = scores(found.fit(X, y, sample_weight=weights))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = scores(found.fit(X, y, sample_weight=weights))
    np.testing.assert_array_equal(routed, without)


# ---- several scores at once ----------------------------------------------------------


@needs_weighted_searches
def test_searches_with_several_scores_weigh_every_one(data):
    X, y, weights = data
    names = [*OWN, "nll", "neg_mean_squared_error"]
    search = GridSearchCV(
        AdaptiveRobustRegressor(init="ols"),
        {"l2_regularization": [0.0, 0.1]},
        scoring={name: get_scorer(name) for name in names},
        refit="nll",
        cv=3,
    ).fit(X, y, sample_weight=weights)
    train, test = next(KFold(3).split(X))
    model = AdaptiveRobustRegressor(init="ols").fit(
        X[train], y[train], sample_weight=weights[train]
    )
    for name in names:
        by_hand = get_scorer(name)(model, X[test], y[test], sample_weight=weights[test])
        assert search.cv_results_[f"split0_test_{name}"][0] == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.usefixtures("routing")
def test_searches_with_several_scores_route_to_every_one(data):
    X, y, weights = data
    scoring = {
        name: get_scorer(name).set_score_request(sample_weight=name != "tau_size")
        for name in [*OWN, "nll"]
    }
    search = GridSearchCV(
        AdaptiveRobustRegressor(init="ols").set_fit_request(sample_weight=True),
        {"l2_regularization": [0.0]},
        scoring=scoring,
        refit=False,
        cv=3,
    ).fit(X, y, sample_weight=weights)
    train, test = next(KFold(3).split(X))
    model = AdaptiveRobustRegressor(init="ols").fit(
        X[train], y[train], sample_weight=weights[train]
    )
    for name in scoring:
        weighted = {} if name == "tau_size" else {"sample_weight": weights[test]}
        by_hand = getattr(metrics, f"{name}_scorer")(model, X[test], y[test], **weighted)
        assert search.cv_results_[f"split0_test_{name}"][0] == pytest.approx(by_hand, rel=1e-6)
