"""All estimators inside scikit-learn's own, with metadata routing on and off; and callbacks."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from closeness import assert_close, prediction_terms
from problems import contaminated
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV

ESTIMATORS = [
    RobustRegressor(random_state=0),
    AdaptiveRobustRegressor(random_state=0),
    pytest.param(RobustRegressorCV((1.0, -np.inf), cv=3, random_state=0), marks=pytest.mark.slow),
]


@pytest.fixture(params=[False, True], ids=["without routing", "routing"], autouse=True)
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture(params=ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def estimator(request):
    return clone(request.param)


@pytest.fixture
def data():
    return contaminated(n=90)


def _right(model, X, y):
    """Return whether the rows that are not outliers are about on the plane."""
    return np.median(np.abs(model.predict(X) - y)) < 1.2


def test_pipeline_and_search(estimator, data):
    X, y = data
    piped = make_pipeline(StandardScaler(), estimator)
    assert _right(piped.fit(X, y), X, y)
    search = GridSearchCV(piped, {f"{piped.steps[1][0]}__tol": [1e-6, 1e-5]}, cv=3)
    assert _right(search.fit(X, y), X, y)
    score = "neg_median_absolute_error"
    assert cross_val_score(piped, X, y, cv=3, scoring=score, params={}).min() > -2.0


def test_weights_through_a_pipeline(estimator, data, routing):
    X, y = data
    weights = np.random.default_rng(0).integers(1, 3, len(y)).astype(float)
    alone = clone(estimator).fit(X, y, sample_weight=weights)
    if routing:
        piped = make_pipeline(estimator.set_fit_request(sample_weight=True))
        piped.fit(X, y, sample_weight=weights)
    else:
        piped = make_pipeline(estimator)
        piped.fit(X, y, **{f"{piped.steps[0][0]}__sample_weight": weights})
    np.testing.assert_array_equal(piped[-1].coef_, alone.coef_)


def test_column_transformer(estimator, data):
    X, y = data
    table = pd.DataFrame(X, columns=list("abcd"))
    table["kind"] = np.where(np.arange(len(y)) % 2, "odd", "even")
    encoded = make_column_transformer(
        (OneHotEncoder(drop="first"), ["kind"]), (StandardScaler(), list("abcd"))
    )
    piped = make_pipeline(encoded, estimator).fit(table, y)
    assert _right(piped, table, y)
    assert cross_val_predict(piped, table, y, cv=3, params={}).shape == y.shape


def test_targets_of_others(estimator, data):
    X, y = data
    scaled = TransformedTargetRegressor(estimator, transformer=StandardScaler()).fit(X, y)
    assert _right(scaled, X, y)
    several = MultiOutputRegressor(estimator).fit(X, np.column_stack([y, -y]))
    predicted = several.predict(X)
    terms = prediction_terms(several.estimators_[0], X)
    assert_close(predicted[:, 1], -predicted[:, 0], terms=terms, tol=1e-5)


def test_ensembles(estimator, data):
    X, y = data
    assert _right(BaggingRegressor(estimator, n_estimators=3, random_state=0).fit(X, y), X, y)
    stacked = StackingRegressor([("robust", estimator)], RobustRegressor(1.0), cv=3)
    assert _right(stacked.fit(X, y), X, y)


def test_selection_of_columns(estimator, data):
    X, y = data
    useless = np.random.default_rng(0).normal(size=(len(y), 2))
    both = np.column_stack([StandardScaler().fit_transform(X), useless])
    least = np.argmin(np.abs(clone(estimator).fit(both, y).coef_))
    kept = RFE(estimator, n_features_to_select=5).fit(both, y).support_
    assert not kept[least]
    assert not SelectFromModel(estimator, max_features=5).fit(both, y).get_support()[least]


def test_inspection(estimator, data):
    X, y = data
    estimator.fit(X, y)
    importance = permutation_importance(
        estimator, X, y, n_repeats=3, random_state=0, scoring="neg_median_absolute_error"
    )
    spread = np.abs(estimator.coef_) * X.std(axis=0)
    assert np.argmax(importance.importances_mean) == np.argmax(spread)
    line = partial_dependence(estimator, X, [0], kind="average")
    averages, steps = line["average"][0], np.diff(line["grid_values"][0])
    terms = np.mean(prediction_terms(estimator, X)) / steps
    assert_close(np.diff(averages) / steps, estimator.coef_[0], terms=terms)


def test_a_warning_points_at_the_call(estimator, data):
    with pytest.warns(sklearn.exceptions.ConvergenceWarning) as caught:
        estimator.set_params(max_iter=1, tol=1e-12).fit(*data)
    assert [warning.filename for warning in caught] == [__file__]


# ---- callbacks -----------------------------------------------------------------------


class _Recorder:
    """A callback that remembers what it was told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.told.append(("begin", context.task_name, X.shape, y.shape))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", context.task_name))


def test_callbacks_are_told_of_every_step(estimator, data):
    pytest.importorskip("sklearn.callback")
    recorder = _Recorder()
    estimator.set_callbacks(recorder).fit(*data)
    shapes = tuple(part.shape for part in data)
    assert recorder.told[:2] == ["setup", ("begin", "fit", *shapes)]
    assert recorder.told[-2:] == [("end", "fit"), "teardown"]
    names = [told[1] for told in recorder.told[2:-2:2]]
    assert names.count("iteration") == estimator.n_iter_
    assert names.count("fold") == getattr(estimator, "n_splits_", 0)


class _Stopping(_Recorder):
    """A callback that raises at the first iteration."""

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        if context.task_name == "iteration":
            raise RuntimeError("stopped")


def test_callbacks_come_down_after_an_error(estimator, data):
    pytest.importorskip("sklearn.callback")
    recorder = _Stopping()
    with pytest.raises(RuntimeError, match="stopped"):
        estimator.set_callbacks(recorder).fit(*data)
    assert recorder.told[0] == "setup"
    assert recorder.told[-2:] == [("end", "iteration"), "teardown"]
    assert recorder.told.count("teardown") == 1
