"""Inspection of estimators that others stand around; names of columns."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from closeness import assert_close
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)

from sklearn_robust import (
    AdaptiveRobustRegressor,
    ReweightedRegressor,
    RobustRegressor,
    RobustRegressorCV,
)
from sklearn_robust.inspection import (
    RobustFitDisplay,
    coef_table,
    diagnostics,
    outlier_mask,
    predict_interval,
    profile_alpha,
    rejected_levels,
    summary,
)


def logs(name=None):
    return FunctionTransformer(lambda of: np.log(of), feature_names_out=name)


def table(log=None):
    return ColumnTransformer(
        [
            ("kind", OneHotEncoder(drop="first", sparse_output=False), ["city"]),
            ("filled", SimpleImputer(add_indicator=True), ["age"]),
            ("log", logs() if log is None else log, ["income"]),
        ]
    )


@pytest.fixture(scope="module")
def data():
    """A table with a category, missing values and a skewed target, two rows in twenty wrong."""
    rng, n = np.random.default_rng(0), 300
    X = pd.DataFrame(
        {
            "city": rng.choice(list("abc"), n),
            "age": rng.normal(40.0, 10.0, n),
            "income": np.exp(rng.normal(10.0, 1.0, n)),
        },
        index=[f"r{k}" for k in range(n)],
    )
    rate = 0.01 * X["age"] + 0.5 * np.log(X["income"]) + 0.3 * (X["city"] == "a")
    y = np.exp(rate + 0.2 * rng.normal(size=n)).rename("charge")
    y.iloc[:30] *= 50.0
    X.loc[X.index[40:60], "age"] = np.nan
    return X, y


def around(estimator):
    """Return an estimator in pipelines, searches and transformations of y, and the inner name."""
    logarithm = {"func": np.log, "inverse_func": np.exp}
    preparation = table(logs("one-to-one"))
    inside = make_pipeline(preparation, TransformedTargetRegressor(estimator, **logarithm))
    outside = TransformedTargetRegressor(make_pipeline(preparation, estimator), **logarithm)
    path = "transformedtargetregressor__regressor__tol"
    return {
        "inside": inside,
        "outside": outside,
        "searched": GridSearchCV(inside, {path: [1e-10]}, cv=2),
        "searched directly": GridSearchCV(outside, {}, cv=2),
        "search inside": TransformedTargetRegressor(
            GridSearchCV(make_pipeline(preparation, estimator), {}, cv=2), **logarithm
        ),
    }


@pytest.fixture(scope="module")
def plain(data):
    """The same fit with nothing around it."""
    X, y = data
    columns = table(logs("one-to-one")).fit_transform(X)
    return RobustRegressor(random_state=0, tol=1e-10).fit(columns, np.log(y)), columns, np.log(y)


WAYS = ["inside", "outside", "searched", "searched directly", "search inside"]


@pytest.mark.parametrize("way", WAYS)
def test_functions_reach_through(data, plain, way):
    X, y = data
    model, columns, logarithm = plain
    wrapped = around(RobustRegressor(random_state=0, tol=1e-10))[way].fit(X, y)
    found, expected = coef_table(wrapped, X, y), coef_table(model, columns, logarithm)
    assert_close(found.std_error, expected.std_error)
    assert found.names[-2:] == ("log__income", "intercept")
    mask = outlier_mask(wrapped, X, y)
    assert mask.index.equals(X.index)
    np.testing.assert_array_equal(mask, outlier_mask(model, columns, logarithm))
    assert rejected_levels(wrapped, X).rejected.sum() > 0
    rows = diagnostics(wrapped, X, y)
    assert rows.names == tuple(X.index)
    assert_close(rows.cook, diagnostics(model, columns, logarithm).cook, terms=1.0)


@pytest.mark.parametrize("way", WAYS)
def test_intervals_are_transformed_back(data, plain, way):
    X, y = data
    model, columns, _ = plain
    wrapped = around(RobustRegressor(random_state=0, tol=1e-10))[way].fit(X, y)
    for options in ({}, {"kind": "mean"}, {"rows": "all"}):
        expected = np.exp(model.predict_interval(columns, 0.8, **options))
        assert_close(predict_interval(wrapped, X, 0.8, **options), expected)
    low, high = predict_interval(wrapped, X, 0.9).T
    assert np.mean((low < y) & (y < high)) == pytest.approx(0.9 * 0.9, abs=0.03)


@pytest.mark.parametrize("inner", [AdaptiveRobustRegressor, RobustRegressorCV])
def test_other_estimators_have_them_too(data, inner):
    X, y = data
    wrapped = around(inner(random_state=0))["outside"].fit(X, y)
    assert predict_interval(wrapped, X[:5]).shape == (5, 2)
    if inner is AdaptiveRobustRegressor:
        low, high = profile_alpha(wrapped, X, y, [1.0]).interval
        assert low <= wrapped.regressor_[-1].alpha_ <= high


def test_a_reweighted_pipeline_has_intervals(data):
    X, y = data
    inner = ReweightedRegressor(make_pipeline(table(), LinearRegression()), random_state=0)
    wrapped = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(X, y)
    ends = np.exp(wrapped.regressor_.predict_interval(X, 0.8))
    assert_close(predict_interval(wrapped, X, 0.8), ends)
    with pytest.raises(ValueError, match=r"kind must be one of \['prediction'\], got 'mean'"):
        predict_interval(wrapped, X, kind="mean")


def test_falling_transformations_and_two_targets(data):
    X, y = data
    falling = TransformedTargetRegressor(
        make_pipeline(table(), RobustRegressor(random_state=0)),
        func=lambda y: -np.log(y), inverse_func=lambda z: np.exp(-z),
    )  # fmt: skip
    rising = clone(falling).set_params(func=np.log, inverse_func=np.exp)
    both = np.column_stack([y, y**2])
    for target in (y, both):
        ends = predict_interval(falling.fit(X, target), X)
        assert_close(ends, predict_interval(rising.fit(X, target), X), tol=1e-6)
        assert np.all(ends[..., 0] < ends[..., 1])


def test_ends_without_an_inverse_are_infinite():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 1))
    y = np.exp(3.0 * x[:, 0] + 0.5 * rng.normal(size=200))
    model = TransformedTargetRegressor(
        RobustRegressor(random_state=0), transformer=PowerTransformer("box-cox")
    ).fit(x, y)
    with pytest.warns(UserWarning, match="2 ends of intervals are infinite: PowerTransformer"):
        ends = predict_interval(model, [[-60.0], [0.5]])
    assert ends[0].tolist() == [-np.inf, np.inf]
    assert ends[1, 0] < np.exp(1.5) < ends[1, 1]


def test_what_is_not_of_this_package_is_refused_in_a_line(data):
    X, y = data
    other = TransformedTargetRegressor(make_pipeline(table(), LinearRegression())).fit(X, y)
    for call in (coef_table, outlier_mask, diagnostics, RobustFitDisplay.from_estimator):
        with pytest.raises(TypeError, match="got TransformedTargetRegressor around LinearReg"):
            call(other, X, y)
    with pytest.raises(TypeError, match="got LinearRegression, which has no predict_interval"):
        predict_interval(other, X)
    unfitted = TransformedTargetRegressor(RobustRegressor())
    for unfit in (unfitted, make_pipeline(unfitted), GridSearchCV(unfitted, {})):
        with pytest.raises(NotFittedError):
            outlier_mask(unfit, X, y)
        with pytest.raises(NotFittedError):
            predict_interval(unfit, X)


def test_a_reweighted_regressor_is_refused_with_where_its_weights_are():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.exp(X[:, 0] + 0.1 * rng.normal(size=60))
    inner = ReweightedRegressor(LinearRegression(), random_state=0)
    scaled = make_pipeline(StandardScaler(), inner)
    wrapped = TransformedTargetRegressor(scaled, func=np.log, inverse_func=np.exp)
    searched = GridSearchCV(scaled, {"reweightedregressor__alpha": [-np.inf]}, cv=2)
    for model, place in (
        (inner, ""),
        (scaled, "[-1]"),
        (wrapped, ".regressor_[-1]"),
        (searched, ".best_estimator_[-1]"),
    ):
        model.fit(X, y)
        for call in (coef_table, diagnostics, RobustFitDisplay.from_estimator):
            with pytest.raises(TypeError, match="a linear estimator of sklearn_robust") as error:
                call(model, X, y)
            assert f"`estimator{place}.weights_`" in str(error.value)
            assert "`outlier_mask` and `predict_interval` accept it" in str(error.value)
        assert eval(f"estimator{place}.weights_", {"estimator": model}).shape == (60,)


def test_outliers_of_a_reweighted_regressor_are_those_of_its_residuals():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["a", "b"])
    X.index = [f"row {k}" for k in range(90)]
    y = pd.Series(np.exp(X["a"] + 0.1 * rng.normal(size=90)), name="price")
    y.iloc[:9] *= 100.0
    inner = ReweightedRegressor(LinearRegression(), random_state=0)
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), inner), func=np.log, inverse_func=np.exp
    )
    with pytest.raises(NotFittedError):
        outlier_mask(inner, X, y)
    last = model.fit(X, y).regressor_[-1]
    for level, cutoff in ((0.99, 2.5758), (0.9, 1.6449)):
        mask = outlier_mask(model, X, y, level=level)
        expected = np.abs(last.residuals_) > cutoff * last.sigma_
        pd.testing.assert_series_equal(mask, pd.Series(expected, X.index, name="outlier"))
    assert mask.iloc[:9].all()
    assert outlier_mask(model, X.to_numpy(), y.to_numpy()).dtype == bool
    given = ReweightedRegressor(LinearRegression(), scale=0.5, random_state=0).fit(X, np.log(y))
    sigma = np.median(np.abs(given.residuals_)) / 0.674489750196
    found = outlier_mask(given, X, np.log(y)).to_numpy()
    np.testing.assert_array_equal(found, np.abs(given.residuals_) > 2.5758 * sigma)
    with pytest.raises(ValueError, match=r"X must hold the 90 rows of the fit .* got 89 rows"):
        outlier_mask(model, X.iloc[1:], y.iloc[1:])
    with pytest.raises(ValueError, match=r"y must hold the 90 rows of the fit .* got 89 rows"):
        outlier_mask(model, X, y.iloc[1:])
    with pytest.raises(ValueError, match="error_scale must be None for a ReweightedRegressor"):
        outlier_mask(model, X, y, error_scale=np.ones(90))


@pytest.mark.parametrize(
    "call",
    [
        coef_table,
        outlier_mask,
        diagnostics,
        profile_alpha,
        summary,
        RobustFitDisplay.from_estimator,
    ],
)
def test_another_order_of_y_is_noticed(call):
    X, y = good(), pd.Series(np.arange(30.0), name="price")
    y += np.random.default_rng(1).normal(size=30)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    call(model, X, y)
    call(model, X, y.to_numpy())
    shuffled = y.set_axis(range(30, 60))
    with pytest.warns(UserWarning, match="index of y differs from that of X"):
        call(model, X, shuffled)


# ---- names ---------------------------------------------------------------------------


def test_one_step_without_names_leaves_the_others_theirs(data):
    X, y = data
    model = make_pipeline(table(), RobustRegressor(random_state=0)).fit(X, y)
    with pytest.warns(UserWarning, match=r"do not name their columns: 'log' \(Func") as caught:
        names = coef_table(model, X, y).names
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert names == (
        "kind__city_b", "kind__city_c", "filled__age", "filled__missingindicator_age", "log__x0",
        "intercept",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("unnamed", "expected"),
    [
        (Pipeline([("fill", SimpleImputer()), ("ln", logs())]), ("part__ln__x0", "part__ln__x1")),
        (Pipeline([("log", logs()), ("fill", SimpleImputer())]), ("part__a", "part__b")),
        (
            FeatureUnion([("same", SimpleImputer()), ("cube", logs("one-to-one"))]),
            ("part__same__a", "part__same__b", "part__cube__a", "part__cube__b"),
        ),
    ],
)
@pytest.mark.parametrize("chosen", [["a", "b"], slice("a", "b"), [0, 1], [True, True, False]])
def test_names_of_nested_steps(unnamed, expected, chosen):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1.0, 2.0, size=(40, 3)), columns=list("abc"))
    y = X["a"] + rng.normal(size=40)
    columns = ColumnTransformer([("part", unnamed, chosen)], remainder="passthrough")
    model = make_pipeline(columns, RobustRegressor(1.0)).fit(X, y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = coef_table(model, X, y, covariance="bootstrap", n_resamples=2).names
    assert ["'ln'" in str(of.message) for of in caught] == [True] * ("ln" in str(expected))
    assert names == (*expected, "remainder__c", "intercept")


# ---- errors that name columns --------------------------------------------------------

MODELS = [RobustRegressor(1.0), AdaptiveRobustRegressor(), RobustRegressorCV()]


def good():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(30, 4)), columns=["age", "fare", "deck", "city"])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_missing_values_and_text_are_named(model, kind):
    X, y = good(), np.arange(30.0)
    X.loc[3, "age"], X.loc[4, "fare"] = np.nan, np.nan
    missing = "X must hold finite numbers, got NaN in 2 columns: 'age', 'fare'; put an imputer"
    given = kind(X.to_dict("list"))
    with pytest.raises(ValueError, match=missing):
        model.fit(given, y)
    fitted = clone(model).fit(kind(good().to_dict("list")), y)
    with pytest.raises(ValueError, match=missing):
        fitted.predict(given)
    with pytest.raises(ValueError, match=missing):
        fitted.predict_interval(given)
    X["city"] = "Aachen"
    text = "X must hold numbers, got others in 1 column: 'city'; put an encoder"
    with pytest.raises(ValueError, match=text):
        model.fit(kind(X.to_dict("list")), y)


def test_infinity_is_named_and_arrays_have_no_names():
    X, y = good(), np.arange(30.0)
    X.loc[3, "deck"] = np.inf
    with pytest.raises(ValueError, match="got infinity in 1 column: 'deck'"):
        RobustRegressor().fit(X, y)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        RobustRegressor().fit(X.to_numpy(), y)
    with pytest.raises(ValueError, match="y must hold finite numbers, got NaN in 4 rows: 0, 1, 2"):
        RobustRegressor().fit(good(), np.where(y > 3.0, y, np.nan))


def test_missing_values_of_sparse_and_nullable_columns():
    X, y = good(), np.arange(30.0)
    X.loc[3, "age"] = np.nan
    with pytest.raises(ValueError, match="got NaN in 1 column: 'age'"):
        RobustRegressor().fit(X.convert_dtypes(), y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        RobustRegressor().fit(sparse.csr_array(X.to_numpy()), y)


def test_masks_keep_the_index():
    X, y = good(), pd.Series(np.arange(30.0), name="price")
    both = pd.DataFrame({"one": y, "two": -y})
    model = RobustRegressor(1.0)
    mask = outlier_mask(model.fit(X, y), X, y)
    assert isinstance(mask, pd.Series)
    assert len(X[mask]) == mask.sum()
    assert list(outlier_mask(model.fit(X, both), X, both).columns) == ["one", "two"]
    arrays = X.to_numpy(), y.to_numpy()
    assert isinstance(outlier_mask(model.fit(*arrays), *arrays), np.ndarray)


def test_infinite_ends_are_transformed_back_too():
    rng = np.random.default_rng(0)
    level = rng.integers(3, size=90)
    X = np.eye(3)[level]
    y = np.exp(level + 0.1 * rng.normal(size=90))
    for options, low in (
        ({"func": np.log, "inverse_func": np.exp}, 0.0),
        ({"transformer": PowerTransformer("box-cox")}, -np.inf),
    ):
        model = TransformedTargetRegressor(RobustRegressor(random_state=0), **options).fit(X, y)
        with pytest.warns(UserWarning, match="1 of 1 intervals are infinite"):
            assert predict_interval(model, [[0.0, 0.0, 0.0]]).tolist() == [[low, np.inf]]


def test_of_several_categories_the_one_with_an_unknown_level_is_named():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=200), "constant": 1.0})
    for name, levels in (("city", "ABCDEF"), ("sex", "fm"), ("kind", "uvw")):
        table[name] = rng.choice(list(levels), size=200)
    y = table["x"] + (table["city"] == "B") + 0.1 * rng.normal(size=200)
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer(
        (encoder, ["city", "sex", "kind"]), remainder="passthrough",
        verbose_feature_names_out=False,
    )  # fmt: skip
    model = make_pipeline(columns, RobustRegressor(random_state=0)).fit(table, y)
    new = table.head(3)
    assert np.all(np.isfinite(predict_interval(model, new)))
    for changed, named in (
        ({"sex": "?"}, ["sex_f", "sex_m"]),
        ({"kind": "?"}, ["kind_u", "kind_v", "kind_w"]),
        ({"constant": 2.0}, ["constant"]),
    ):
        with pytest.warns(UserWarning, match="3 of 3 intervals are infinite") as caught:
            assert np.all(np.isinf(predict_interval(model, new.assign(**changed))))
        [said] = caught
        assert set(re.findall("'(\\w+)'", str(said.message))) == set(named)
        assert said.filename == __file__
    model.set_params(columntransformer__onehotencoder__drop="first").fit(table, y)
    with pytest.warns(UserWarning, match="unknown categories"):  # scikit-learn's
        assert np.all(np.isfinite(predict_interval(model, new.assign(sex="?"))))


@pytest.mark.parametrize("inner", ["transformed", "searched"])
def test_what_a_reweighted_regressor_holds_is_not_taken_for_it(inner):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(80, 1))
    y = np.exp(X[:, 0] + 0.1 * rng.normal(size=80))
    given = {
        "transformed": TransformedTargetRegressor(
            LinearRegression(), func=np.log, inverse_func=np.exp
        ),
        "searched": GridSearchCV(LinearRegression(), {"fit_intercept": [True]}, cv=3),
    }[inner]
    model = ReweightedRegressor(given, random_state=0).fit(X, y)
    np.testing.assert_array_equal(predict_interval(model, X), model.predict_interval(X))
