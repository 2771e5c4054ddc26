"""Looking at a fit: profiles, outliers, handing on."""

import importlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
from closeness import assert_close, prediction_terms
from problems import MODELS, contaminated
from scipy import sparse
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_phones
from sklearn_robust.inspection import outlier_mask, profile_alpha
from sklearn_robust.losses import REJECTED, tuning_constant, weight
from sklearn_robust.partition import log_normaliser

SHARP = {"tol": 1e-10, "max_iter": 500, "random_state": 0}


@pytest.fixture(params=MODELS)
def model(request):
    return clone(MODELS[request.param])


# ---- the profile of the shape --------------------------------------------------------


@pytest.fixture(scope="module")
def heavy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    return X, X @ [1.0, -1.0] + rng.standard_t(3, size=400)


def _minimised(fit):
    """Return the mean nll with the adjustment for the parameters, which a fit minimises."""
    share = fit.n_parameters_ / fit.n_cases_
    share = 0.0 if share <= 1.0 / 30.0 else share
    adjustment = log_normaliser(fit.alpha_, share)[0] - log_normaliser(fit.alpha_, 0.0)[0]
    return fit.nll_ + adjustment - share * np.log(fit.scale_)


@pytest.mark.parametrize("n", [40, 400])
def test_the_profile_is_that_of_separate_fits(heavy, n):
    X, y = heavy[0][:n], heavy[1][:n]
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    profile = profile_alpha(model, X, y, [0.0, 1.0, 2.0])
    for alpha, nll, deviance in zip(profile.alphas, profile.nll, profile.deviance, strict=True):
        fit = AdaptiveRobustRegressor(alpha_bounds=(alpha, alpha), random_state=0).fit(X, y)
        # A minimum is found to the square of tol; a deviance is a difference of sums over rows.
        assert_close(nll, _minimised(fit), terms=2.0, tol=1e-11)
        expected, terms = 2.0 * len(y) * (_minimised(fit) - _minimised(model)), 4.0 * len(y)
        assert_close(deviance, expected, terms=terms, tol=1e-11)


def test_ends_of_the_interval_have_the_deviance_of_the_quantile(heavy):
    X, y = heavy
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    profile = profile_alpha(model, X, y, [1.0], level=0.9)
    low, high = profile.interval
    assert 0.0 < low < model.alpha_ < high < 2.0
    ends = profile_alpha(model, X, y, profile.interval).deviance
    np.testing.assert_allclose(ends, chi2.ppf(0.9, 1), atol=1e-2)
    wider = profile_alpha(model, X, y, [1.0], level=0.99).interval
    assert wider[0] < low < high < wider[1]


def test_an_end_of_the_bounds_may_be_that_of_the_interval():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.uniform(size=200)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    profile = profile_alpha(model, X, y)
    assert profile.interval[1] == 2.0
    assert len(profile.alphas) == 41
    assert np.all(profile.deviance > -1e-7)


def test_profiles_of_targets_weights_and_penalties(heavy, capsys):
    X, y = heavy
    both = np.column_stack([y, y**3])
    options = {"l2_regularization": 0.1, "random_state": 0}
    model = AdaptiveRobustRegressor(**options).fit(X, both, np.full(len(y), 2.0))
    profile = profile_alpha(model, X, both, [0.5, 1.0], sample_weight=np.full(len(y), 2.0))
    assert profile.deviance.shape == (2, 2)
    assert profile.interval.shape == (2, 2)
    X, y = np.repeat(X, 2, axis=0), np.repeat(y, 2)
    alone = AdaptiveRobustRegressor(**options).fit(X, y)
    single = profile_alpha(alone, X, y, [0.5, 1.0], verbose=1)
    assert_close(profile.deviance[0], single.deviance, terms=4.0 * len(y), tol=1e-8)
    assert "[profile_alpha] alpha 0.5: mean nll" in capsys.readouterr().out


def test_profile_notices_data_of_another_fit(heavy):
    X, y = heavy
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="should be those of the fit"):
        profile_alpha(model, X, y + X[:, 0], [1.0])


def test_profile_refuses():
    X, y = contaminated(n=50)
    with pytest.raises(TypeError, match="AdaptiveRobustRegressor"):
        profile_alpha(RobustRegressor().fit(X, y), X, y)
    model = AdaptiveRobustRegressor(alpha_bounds=(0.0, 1.0), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"every one of alphas must be a number in \[0, 1\]"):
        profile_alpha(model, X, y, [1.5])
    with (
        pytest.warns(ConvergenceWarning, match="at a given shape"),
        pytest.warns(ConvergenceWarning, match="max_iter=1"),
    ):
        profile_alpha(model.set_params(max_iter=1, solver="lbfgs").fit(X, y), X, y, [0.5])


# ---- outliers ------------------------------------------------------------------------


def test_outliers_are_as_rare_as_said_among_normal_rows(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=20_000)
    model = model.fit(X, y)
    for level in (0.9, 0.99):
        share = outlier_mask(model, X, y, level=level).mean()
        assert share == pytest.approx(1.0 - level, rel=0.15)


def test_outliers_of_the_telephone_data():
    X, y = load_phones(return_X_y=True)
    for model in (MODELS["redescending"], RobustRegressor(scale=2.0, random_state=0)):
        years = X[outlier_mask(model.fit(X, y), X, y)].ravel()
        assert set(range(64, 71)) <= set(years)
        assert np.all((years > 62.0) & (years < 73.0))


def test_outliers_in_every_kind_of_data(model):
    X, y = contaminated()
    both = np.column_stack([y, contaminated(seed=5)[1]])
    mask = outlier_mask(model.fit(X, both), X, both)
    assert mask.shape == both.shape
    assert np.all(mask.any(axis=0) & ~mask.all(axis=0))
    np.testing.assert_array_equal(mask[:, 0], outlier_mask(model.fit(X, y), X, y))
    frame = pd.DataFrame(X, columns=list("abcd"))
    for kind in (sparse.csr_array(X), frame, pl.from_pandas(frame)):
        np.testing.assert_array_equal(outlier_mask(model.fit(kind, y), kind, y), mask[:, 0])
    pipe = make_pipeline(StandardScaler(), model).fit(frame, y)
    assert np.mean(outlier_mask(pipe, frame, y) != mask[:, 0]) < 0.01


@pytest.mark.parametrize("model", [RobustRegressor(random_state=0), MODELS["adaptive"]], ids=str)
def test_rows_fitted_exactly_are_no_outliers(model):
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = X @ [1.0, 2.0]
    y[:8] += 5.0
    with pytest.warns(UserWarning, match="fitted exactly"):
        model = clone(model).set_params(max_iter=500).fit(X, y)
    np.testing.assert_array_equal(np.flatnonzero(outlier_mask(model, X, y)), np.arange(8))


def test_flagged_and_rejected_rows_are_those_of_the_pages():
    """The README and the guide: just flagged, weight 0.47; rejected from 4.5 sigma on."""
    c = tuning_constant(efficiency=0.95)
    assert weight(2.5758, scale=c) == pytest.approx(0.47, abs=0.005)
    assert weight(4.53, scale=c) < REJECTED < weight(4.52, scale=c)


def test_outlier_mask_refuses():
    X, y = contaminated(n=30)
    model = RobustRegressor(1.0).fit(X, y)
    with pytest.raises(ValueError, match="level must be"):
        outlier_mask(model, X, y, level=99)
    with pytest.raises(ValueError, match="y must be of shape"):
        outlier_mask(model, X, np.column_stack([y, y]))


# ---- handing on ----------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_regression_predicts_the_same(model, fit_intercept):
    X, y = contaminated()
    frame = pd.DataFrame(X, columns=list("abcd"))
    model.set_params(fit_intercept=fit_intercept)
    for target in (y, np.column_stack([y, -y])):
        linear = model.fit(frame, target).to_linear_regression()
        assert type(linear) is LinearRegression
        terms = prediction_terms(model, X)
        assert_close(linear.predict(frame), model.predict(frame), terms=terms)
        assert linear.get_params()["fit_intercept"] == fit_intercept
        linear.coef_ += 1.0
        assert not np.array_equal(linear.coef_, model.coef_)


def test_linear_regression_of_nothing():
    with pytest.raises(NotFittedError):
        RobustRegressor().to_linear_regression()


def test_skops_round_trip(model):
    io = pytest.importorskip("skops.io")
    X, y = contaminated()
    saved = io.dumps(model.fit(X, y))
    untrusted = io.get_untrusted_types(data=saved)
    assert untrusted == [f"{type(model).__module__}.{type(model).__name__}"]
    loaded = io.loads(saved, trusted=untrusted)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx_predicts_the_same(dtype):
    skl2onnx = pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    from sklearn_robust.onnx import register_converters

    register_converters()
    X, y = contaminated()
    for model in (*MODELS.values(), RobustRegressorCV([1.0])):
        for target in (y, np.column_stack([y, -y])):
            pipe = make_pipeline(StandardScaler(), model).fit(X, target)
            handed_on = pipe[-1].to_linear_regression()
            for regressor, columns in ((pipe, X), (handed_on, pipe[:-1].transform(X))):
                columns = columns.astype(dtype)
                saved = skl2onnx.to_onnx(regressor, columns[:1]).SerializeToString()
                predicted = runtime.InferenceSession(saved).run(None, {"X": columns})[0]
                # In single precision, of which 1e-5 are a hundred roundings.
                assert_close(predicted.reshape(target.shape), pipe.predict(X), tol=1e-5)


def test_converters_need_skl2onnx(monkeypatch):
    import sys

    from sklearn_robust.onnx import register_converters

    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="pip install skl2onnx"):
        register_converters()


def test_html_links_to_the_page_and_print_is_scikit_learns(model):
    X, y = contaminated()
    page = f"generated/sklearn_robust.{type(model).__name__}.html"
    assert page in model._repr_html_()
    assert repr(model.fit(X, y)).startswith(f"{type(model).__name__}(")


def test_dir_lists_the_public_names():
    inspection = importlib.import_module("sklearn_robust.inspection")
    assert dir(inspection) == sorted(inspection.__all__)
