"""What scikit-learn expects of an estimator, and what its users do with one."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from closeness import assert_close, prediction_terms
from problems import ALPHAS, BRANCHES, SOLVERS, contaminated
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingRegressor
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_computer_hardware

FAST = [
    RobustRegressor(),
    *(RobustRegressor(alpha, solver="irls") for alpha in (2.0, 1.0)),
    RobustRegressor(loss="huber", solver="lbfgs"),
    AdaptiveRobustRegressor(),
    AdaptiveRobustRegressor(init="ols", solver="irls"),
    RobustRegressorCV(alphas=(1.0, 0.0), init="ols", cv=2),
]
"""An estimator of every class, solver and kind of loss."""
CHECKED = [
    RobustRegressor(**loss, solver=solver)
    for solver in SOLVERS
    for loss in [
        *({"alpha": alpha} for alpha in (2.0, 1.5, 1.0, 0.5, 0.0, -2.0, -np.inf)),
        *({"loss": loss} for loss in BRANCHES),
    ]
]
OTHERS = [
    *(model for model in CHECKED if str(model) not in map(str, FAST)),
    RobustRegressor(fit_intercept=False),
    AdaptiveRobustRegressor(alpha_bounds=(0.0, 0.0), fit_intercept=False),
    RobustRegressorCV(alphas=(1.0, -np.inf), cv=3),
    RobustRegressorCV(
        alphas=(2.0, 0.0), scales=("s", 0.5), l2_regularizations=(0.0, 0.1), selection="1se"
    ),
]


@pytest.mark.filterwarnings("ignore:More than half of the rows:UserWarning")
@pytest.mark.filterwarnings("ignore:alpha=0.01 has no effect with loss")  # a check sets alpha
@pytest.mark.filterwarnings("ignore:No convergence:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(FAST)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:More than half of the rows:UserWarning")
@pytest.mark.filterwarnings("ignore:alpha=0.01 has no effect with loss")  # a check sets alpha
@pytest.mark.filterwarnings("ignore:No convergence:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(OTHERS)
def test_scikit_learn_checks_of_other_parameters(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    return contaminated(n=120)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_clone_and_pickle(data):
    model = RobustRegressor(0.5, solver="irls").fit(*data)
    assert clone(model).get_params() == model.get_params()
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(data[0]), model.predict(data[0]))


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_pipeline_and_search(data):
    X, y = data
    weights = np.random.default_rng(0).integers(0, 3, size=len(y)).astype(float)
    robust = RobustRegressor().set_fit_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    search = GridSearchCV(
        make_pipeline(scaler, robust),
        {"robustregressor__alpha": ALPHAS[::3]},
        scoring=get_scorer("neg_median_absolute_error").set_score_request(sample_weight=True),
        cv=3,
    )
    search.fit(X, y, sample_weight=weights)
    alone = clone(robust).set_params(**{"alpha": search.best_params_["robustregressor__alpha"]})
    alone.fit(StandardScaler().fit_transform(X), y, sample_weight=weights)
    assert_close(search.best_estimator_[-1].coef_, alone.coef_)


@pytest.mark.slow
def test_parallel_search_is_the_serial_one(data):
    grid = {"alpha": [1.0, 0.0], "solver": SOLVERS}
    one, two = (
        GridSearchCV(RobustRegressor(random_state=0), grid, cv=3, n_jobs=jobs).fit(*data)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_columns(data, frame):
    X, y = data
    names = ["a", "b", "c", "d"]
    table = frame({name: X[:, j] for j, name in enumerate(names)})
    model = RobustRegressor(tol=1e-9).fit(table, y)
    assert model.feature_names_in_.tolist() == names
    assert_close(model.coef_, RobustRegressor(tol=1e-9).fit(X, y).coef_, tol=1e-8)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[names[::-1]])


def test_mixed_columns():
    hardware = load_computer_hardware(as_frame=True)
    numbers = hardware.data.columns[2:]
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist"), ["vendor"]),
            (StandardScaler(), numbers),
        ),
        RobustRegressor(1.0, l2_regularization=1e-3),
    )
    predicted = cross_val_predict(
        TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp),
        hardware.data,
        hardware.target,
    )
    assert np.median(np.abs(predicted / hardware.target - 1.0)) < 0.4


def test_inside_other_estimators(data):
    X, y = data
    several = MultiOutputRegressor(RobustRegressor()).fit(X, np.column_stack([y, -y]))
    one, other = several.predict(X).T
    assert_close(other, -one, terms=prediction_terms(several.estimators_[0], X), tol=1e-6)
    bagged = BaggingRegressor(RobustRegressor(), n_estimators=3, random_state=0).fit(X, y)
    assert np.median(np.abs(bagged.predict(X) - y)) < 1.5
