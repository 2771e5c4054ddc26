"""ReweightedRegressor: any regressor that takes weights, beside its fit to the good rows."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from closeness import assert_close
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    BayesianRidge,
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDRegressor,
)
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    ShuffleSplit,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_robust import ReweightedRegressor, RobustRegressor

BOOSTING = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, max_bins=16, random_state=0)


def linear(n=120, share=0.2, seed=0):
    """Return a linear table whose first rows are ten too high."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = X @ [1.0, -2.0, 3.0] + 1.0 + rng.normal(size=n)
    y[: round(share * n)] += 10.0
    return X, y


def curved(share, n=600, seed=0):
    """Return a table of Friedman #1 with some rows ten to twenty too high, and which are bad."""
    rng = np.random.default_rng(seed)
    X, truth = make_friedman1(n, random_state=seed)
    bad = rng.uniform(size=n) < share
    y = truth + rng.normal(size=n) + bad * rng.uniform(10.0, 20.0, size=n)
    return X, y, truth, bad


@pytest.mark.filterwarnings("ignore:No convergence:sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [ReweightedRegressor(Ridge()), ReweightedRegressor(LinearRegression(), residuals="train")]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---- what is fitted ------------------------------------------------------------------


@pytest.mark.parametrize("loss", [{}, {"alpha": 0.0}, {"alpha": 1.0}, {"loss": "tukey"}], ids=str)
@pytest.mark.parametrize("scale", ["mad", 2.0])
def test_training_residuals_of_least_squares_give_the_m_estimate(loss, scale):
    X, y = linear()
    model = ReweightedRegressor(
        LinearRegression(), **loss, scale=scale, residuals="train", tol=1e-12, max_iter=500
    ).fit(X, y)
    expected = RobustRegressor(**loss, init="ols", scale=scale, tol=1e-10).fit(X, y)
    assert_close(model.coef_, expected.coef_, tol=1e-6)
    assert_close(model.intercept_, expected.intercept_, terms=expected.scale_, tol=1e-6)
    assert_close(model.scale_, expected.scale_, tol=1e-6)
    assert_close(model.weights_, expected.weights_, tol=1e-6)


def test_squared_error_is_the_regressor_itself():
    X, y, *_ = curved(0.2, n=200)
    model = ReweightedRegressor(BOOSTING, alpha=2.0, cv=3).fit(X, y)
    held_out = y - cross_val_predict(BOOSTING, X, y, cv=3)
    np.testing.assert_array_equal(model.predict(X), clone(BOOSTING).fit(X, y).predict(X))
    np.testing.assert_array_equal(model.residuals_, held_out)


@pytest.mark.parametrize(
    ("share", "allowed"), [(0.0, 1.06), (0.1, 1.1), pytest.param(0.3, 1.2, marks=pytest.mark.slow)]
)
def test_error_is_nearly_that_of_the_good_rows(share, allowed):
    X, y, truth, bad = curved(share, n=800)

    def error(model, rows):
        return np.sqrt(np.mean((clone(model).fit(X[rows], y[rows]).predict(X) - truth) ** 2))

    good = error(BOOSTING, ~bad)
    assert error(ReweightedRegressor(BOOSTING, random_state=0), slice(None)) <= allowed * good
    if share:
        assert error(BOOSTING, slice(None)) > 1.3 * good


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "n"),
    [
        (clone(BOOSTING).set_params(max_iter=60), 2000),
        pytest.param(
            make_pipeline(StandardScaler(), KernelRidge(kernel="rbf", gamma=0.03, alpha=0.03)),
            1500,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["boosting", "kernel ridge"],
)
def test_outliers_at_ten_sigma_are_found(model, n):
    X, _, truth, bad = curved(0.15, n=n)
    noise = np.random.default_rng(1).normal(size=len(truth))
    y = truth + noise + 10.0 * bad
    weights = ReweightedRegressor(model, random_state=0).fit(X, y).weights_
    assert roc_auc_score(bad, 1.0 - weights) >= 0.99


def test_clearly_good_rows_have_weight_one_and_clearly_bad_ones_zero():
    X, y = linear(n=400)
    model = ReweightedRegressor(LinearRegression(), random_state=0).fit(X, y)
    sizes = np.abs(model.residuals_) / model.sigma_
    assert np.all(model.weights_[sizes < 3.7] == 1.0)
    assert np.all(model.weights_[sizes > 6.0] == 0.0)
    assert np.all(np.diff(model.weights_[np.argsort(sizes)]) <= 0.0)


def test_shape_is_learned_from_the_tails():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    heavy, light = X[:, 0] + rng.standard_cauchy(1000), X[:, 0] + rng.normal(size=1000)
    model = ReweightedRegressor(Ridge(), alpha="learned", random_state=0)
    assert model.fit(X, heavy).alpha_ < 0.3
    assert abs(np.sqrt(2.0) * model.scale_ - 1.0) < 0.1  # Cauchy's own unit
    assert not hasattr(model, "sigma_")
    assert model.fit(X, light).alpha_ > 1.5


@pytest.mark.parametrize("n", [60, 300])
def test_rounds_come_to_rest_where_single_rows_matter_too(n):
    rounds = []
    for seed in range(5):
        X, y = linear(n, seed=seed)
        model = ReweightedRegressor(DecisionTreeRegressor(max_depth=3), random_state=0)
        rounds.append(model.fit(X, y).n_iter_)
    assert max(rounds) < 20


# ---- symmetries ----------------------------------------------------------------------


@pytest.mark.parametrize("residuals", ["cv", "train"])
@pytest.mark.parametrize("loss", [{}, {"alpha": "learned"}], ids=str)
def test_unit_and_zero_of_y_do_not_matter(residuals, loss):
    X, y = linear()
    model = ReweightedRegressor(LinearRegression(), **loss, residuals=residuals, cv=4)
    one, other = clone(model).fit(X, y), clone(model).fit(X, 7.0 - 1000.0 * y)
    assert_close(other.weights_, one.weights_, tol=1e-3 if loss else 1e-8)
    assert_close(other.scale_, 1000.0 * one.scale_, tol=1e-3 if loss else 1e-8)


def test_order_of_rows_does_not_matter():
    X, y = linear()
    groups = np.arange(len(y)) % 5
    order = np.random.default_rng(0).permutation(len(y))
    model = ReweightedRegressor(LinearRegression(), cv=GroupKFold(5))
    one = clone(model).fit(X, y, groups=groups)
    other = clone(model).fit(X[order], y[order], groups=groups[order])
    assert_close(other.weights_, one.weights_[order], tol=1e-9)
    assert_close(other.coef_, one.coef_, tol=1e-9)


@pytest.mark.parametrize("loss", [{}, {"scale": "mad"}, {"alpha": "learned"}], ids=str)
def test_weights_are_cases(loss):
    X, y = linear()
    cases = np.random.default_rng(0).integers(3, size=len(y))
    groups = np.arange(len(y)) % 5
    model = ReweightedRegressor(LinearRegression(), **loss, cv=GroupKFold(5))
    weighted = clone(model).fit(X, y, sample_weight=cases, groups=groups)
    X, y, groups, weights = (np.repeat(of, cases, axis=0) for of in (X, y, groups, cases))
    written_out = clone(model).fit(X, y, groups=groups)
    tol = 1e-4 if loss.get("alpha") else 1e-9
    assert_close(weighted.coef_, written_out.coef_, tol=tol)
    assert_close(weighted.scale_, written_out.scale_, tol=tol)
    assert len(weights) == len(written_out.weights_)


@pytest.mark.slow
def test_a_seed_gives_the_same_fit_with_any_number_of_jobs():
    X, y, *_ = curved(0.2, n=150)
    model = ReweightedRegressor(RandomForestRegressor(5), random_state=3)
    one = clone(model).fit(X, y)
    with parallel_config(backend="threading"):
        other = clone(model).set_params(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(one.weights_, other.weights_)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_groups_are_held_out_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    X = (groups + rng.uniform(0.0, 0.1, size=300))[:, None]
    y = rng.normal(size=30)[groups]
    model = ReweightedRegressor(RandomForestRegressor(10), alpha=2.0, random_state=0)
    apart = model.fit(X, y).residuals_
    together = model.set_params(cv=GroupKFold(5)).fit(X, y, groups=groups).residuals_
    assert np.std(apart) < 0.1 < 0.5 < np.std(together)


# ---- intervals -----------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_cover_good_rows():
    X, y, *_ = curved(0.2)
    fresh, truth = make_friedman1(2000, random_state=100)
    of_fresh = truth + np.random.default_rng(7).normal(size=2000)
    model = ReweightedRegressor(BOOSTING, random_state=0).fit(X, y)
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(fresh, coverage).T
        assert abs(np.mean((low <= of_fresh) & (of_fresh <= high)) - coverage) < 0.07
        assert_close(0.5 * (low + high), model.predict(fresh))


# ---- inside others, and others inside ------------------------------------------------


def test_categories_and_missing_values_are_left_to_the_regressor():
    X, y, *_ = curved(0.2)
    table = pd.DataFrame(X).rename(columns=str)
    table["level"] = pd.Categorical(np.where(X[:, 3] > 0.5, "high", "low"))
    table.iloc[::7, 0] = np.nan
    model = ReweightedRegressor(BOOSTING, random_state=0).fit(table, y)
    assert model.feature_names_in_.tolist() == [*map(str, range(10)), "level"]
    assert model.n_features_in_ == 11
    assert np.isfinite(model.predict(table)).all()
    assert get_tags(model).input_tags.allow_nan
    assert not get_tags(ReweightedRegressor(Ridge())).input_tags.allow_nan


def test_the_default_is_histogram_boosting():
    X, y, *_ = curved(0.1, n=100)
    model = ReweightedRegressor(cv=2, max_iter=3, random_state=0, tol=1.0).fit(X, y)
    assert isinstance(model.estimator_, HistGradientBoostingRegressor)
    assert model.estimator is None


@pytest.mark.parametrize(
    "wrapped",
    [
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge())),
        TransformedTargetRegressor(make_pipeline(StandardScaler(), Ridge())),
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1.0]}),
    ],
    ids=["pipeline", "nested", "target", "search"],
)
@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_the_last_regressor(wrapped, routing):
    X, y = linear()
    with sklearn.config_context(enable_metadata_routing=routing):
        model = ReweightedRegressor(wrapped, random_state=0).fit(X, y)
    alone = ReweightedRegressor(Ridge(), random_state=0).fit(X, y)
    assert np.mean(model.weights_[:24]) < 0.05
    assert np.max(np.abs(model.predict(X) - alone.predict(X))) < 0.2


def test_groups_and_weights_are_routed():
    X, y = linear()
    cases, groups = np.arange(len(y)) % 3 + 0.0, np.arange(len(y)) % 4
    expected = ReweightedRegressor(Ridge(), cv=GroupKFold(4)).fit(X, y, cases, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ReweightedRegressor(Ridge(), cv=GroupKFold(4)).set_fit_request(sample_weight=True)
        scoring = get_scorer("r2").set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"alpha": [-np.inf]}, cv=2, scoring=scoring)
        search.fit(X, y, sample_weight=cases, groups=groups)
    np.testing.assert_array_equal(search.best_estimator_.weights_, expected.weights_)


@pytest.mark.slow
def test_inside_other_estimators():
    X, y = linear()
    model = ReweightedRegressor(Ridge(), random_state=0)
    for outer in (
        GridSearchCV(model, {"estimator__alpha": [0.1, 1.0]}, cv=2),
        BaggingRegressor(model, n_estimators=2, random_state=0),
        StackingRegressor([("reweighted", model)], cv=2),
        make_pipeline(StandardScaler(), model),
    ):
        errors = outer.fit(X, y).predict(X) - X @ [1.0, -2.0, 3.0] - 1.0
        assert np.sqrt(np.mean(errors**2)) < 3.0


def test_what_the_regressor_has_is_passed_on():
    X, y, *_ = curved(0.1, n=100)
    model = ReweightedRegressor(make_pipeline(StandardScaler(), Ridge()), random_state=0)
    assert not hasattr(model, "named_steps")
    assert list(model.fit(X, y).named_steps) == ["standardscaler", "ridge"]
    forest = ReweightedRegressor(RandomForestRegressor(5), random_state=0).fit(X, y)
    np.testing.assert_array_equal(
        forest.feature_importances_, forest.estimator_.feature_importances_
    )
    assert not hasattr(forest, "coef_")
    sgd = ReweightedRegressor(SGDRegressor(), residuals="train", random_state=0, max_iter=50)
    assert not hasattr(sgd.fit(X, y), "partial_fit")
    bayes = ReweightedRegressor(BayesianRidge(), scale=2.0, random_state=0).fit(X, y)
    assert hasattr(bayes.estimator_, "sigma_")
    assert not hasattr(bayes, "sigma_")


def test_a_warm_start_goes_on_from_the_fit_before():
    X, y = linear()
    options = {"residuals": "train", "tol": 1e-4}
    warm, cold = (HuberRegressor(epsilon=3.0, warm_start=of, tol=1e-8) for of in (True, False))
    one = ReweightedRegressor(warm, **options).fit(X, y)
    other = ReweightedRegressor(cold, **options).fit(X, y)
    assert one.estimator_.n_iter_ < other.estimator_.n_iter_
    assert_close(one.coef_, other.coef_, tol=1e-3)
    assert not hasattr(warm, "coef_")


# ---- what is said and refused --------------------------------------------------------


def test_rounds_are_told(capsys):
    X, y = linear()
    model = ReweightedRegressor(Ridge(), verbose=1, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert re.fullmatch(
        r"\[ReweightedRegressor\] round 1: scale [\d.]+, mean weight 0\.\d+, which changed by .+",
        lines[0],
    )


@pytest.mark.parametrize(
    ("parameters", "category", "text"),
    [
        ({"max_iter": 1}, ConvergenceWarning, "No convergence to tol=0.001 in max_iter=1 rounds"),
        ({"scale": 1e-9}, UserWarning, "No row has any weight"),
    ],
)
def test_there_is_one_warning(parameters, category, text):
    X, y = linear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ReweightedRegressor(Ridge(), random_state=0, **parameters).fit(X, y)
    assert [one.category for one in caught] == [category]
    assert text in str(caught[0].message)
    assert caught[0].filename == __file__
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsRegressor(),
        make_pipeline(StandardScaler(), KNeighborsRegressor()),
        TransformedTargetRegressor(KNeighborsRegressor()),
    ],
)
def test_a_regressor_without_weights_is_named(estimator):
    with pytest.raises(ValueError, match=r"estimator must be .* takes sample_weight, such as"):
        ReweightedRegressor(estimator).fit(*linear())
    with pytest.raises(ValueError, match="KNeighborsRegressor"):
        ReweightedRegressor(estimator).fit(*linear())


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 3.0},
        {"alpha": "guessed"},
        {"loss": "none"},
        {"scale": 0.0},
        {"scale": "best"},
        {"efficiency": 1.0},
        {"residuals": "test"},
        {"max_iter": 0},
        {"tol": -1.0},
        {"random_state": "seed"},
        {"verbose": -1},
        {"cv": ShuffleSplit(2)},
        {"estimator": LogisticRegression()},
        {"estimator": Ridge},
        {"estimator": "ridge"},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"^{name} must .*, got "):
        ReweightedRegressor(**{"estimator": Ridge()} | parameters).fit(*linear())


def test_predictions_have_to_be_finite():
    X, y = linear()
    model = TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=lambda z: z / 0.0)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="must predict finite numbers"):
        ReweightedRegressor(model.set_params(check_inverse=False)).fit(X, y)


@pytest.mark.parametrize("other", [{"scale": 1.0}, {"loss": "huber"}], ids=str)
def test_a_learned_shape_goes_with_its_own_scale(other):
    with pytest.raises(ValueError, match="with alpha='learned'"):
        ReweightedRegressor(Ridge(), alpha="learned", **other).fit(*linear())


def test_unknown_metadata_are_refused():
    with pytest.raises(TypeError, match="got \\['colour'\\]"):
        ReweightedRegressor(Ridge()).fit(*linear(), colour="red")


@pytest.mark.parametrize("seed", [0, 1])
def test_bad_rows_that_are_many_in_a_small_part_of_the_table_do_not_confirm_each_other(seed):
    """A start from held-out rows alone keeps all bad rows here."""
    rng = np.random.default_rng(seed)
    numbers, city = rng.uniform(size=(600, 3)), rng.integers(12, size=600)
    truth = np.linspace(-4.0, 4.0, 12)[city] + 4.0 * np.sin(6.0 * numbers[:, 0])
    bad = np.arange(600) < 180
    y = truth + 3.0 * numbers[:, 1] + 0.5 * rng.normal(size=600)
    y += bad * rng.uniform(10.0, 20.0, size=600)
    X = np.column_stack([numbers, np.eye(12)[city]])
    trees = ExtraTreesRegressor(20, random_state=0)
    model = ReweightedRegressor(trees, random_state=0).fit(X, y)
    assert np.all(model.weights_[bad] == 0.0)
    assert np.mean(model.weights_[~bad] > 0.5) > 0.98
