"""Standard errors from refits of resampled rows."""

import joblib
import numpy as np
import pytest
from problems import MODELS, contaminated
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_robust import RobustRegressor
from sklearn_robust.inspection import coef_table

COLUMNS = ["estimate", "std_error", "t", "p_value", "ci_low", "ci_high"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_bootstrap_agrees_with_the_formula(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X @ [1.0, 2.0] + rng.standard_t(5, size=200)
    model = clone(MODELS[kind]).fit(X, y)
    model.set_params(random_state=np.random.RandomState(0))
    options = {"covariance": "bootstrap", "n_resamples": 100, "random_state": 0}
    table = coef_table(model, X, y, **options)
    np.testing.assert_allclose(table.std_error, coef_table(model, X, y).std_error, rtol=0.25)
    assert np.all((table.ci_low < table.estimate) & (table.estimate < table.ci_high))
    twice = coef_table(model, X, y, n_jobs=2, **options)
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(table, column), getattr(twice, column))


def test_bootstrap_tests_agree_with_its_limits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 6))
    y = X @ [0.0, 0.1, 0.2, 0.3, 0.4, 0.0] + rng.normal(size=100)
    options = {"covariance": "bootstrap", "n_resamples": 199, "random_state": 0, "level": 0.9}
    table = coef_table(RobustRegressor(1.0).fit(X, y), X, y, **options)
    outside = (table.ci_low > 0.0) | (table.ci_high < 0.0)
    np.testing.assert_array_equal(table.p_value <= 0.1, outside)
    assert 0 < outside.sum() < 7


def test_bootstrap_weights_are_case_weights():
    X, y = contaminated(n=100)
    weights = np.full(100, 2.0)
    model = RobustRegressor(1.0).fit(X, y)
    options = {"covariance": "bootstrap", "n_resamples": 100, "random_state": 0}
    double = coef_table(model.fit(X, y, weights), X, y, sample_weight=weights, **options)
    single = coef_table(model.fit(X, y), X, y, **options)
    np.testing.assert_allclose(double.std_error, single.std_error / np.sqrt(2.0), rtol=0.25)


def test_bootstrap_leaves_the_estimator_and_its_callbacks_alone(capsys):
    X, y = contaminated(n=50)
    model = RobustRegressor(1.0, verbose=1).fit(X, y)
    capsys.readouterr()
    before = joblib.hash(model)
    coef_table(model, X, y, covariance="bootstrap", n_resamples=5, random_state=0)
    assert capsys.readouterr().out == ""
    assert joblib.hash(model) == before


def test_resamples_that_do_not_converge_are_counted():
    X, y = contaminated(n=40)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        model = RobustRegressor(1.0, max_iter=1, tol=1e-14).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="3 of 3 refits did not converge; .* max_iter"):
        coef_table(model, X, y, covariance="bootstrap", n_resamples=3, random_state=0)
