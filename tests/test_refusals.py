"""What is refused: the parameter, the value and what is accepted are named."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from problems import contaminated
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import (
    AdaptiveRobustRegressor,
    ReweightedRegressor,
    RobustRegressor,
    RobustRegressorCV,
    inspection,
    losses,
    metrics,
    scales,
)

REFUSED = [
    ("alpha", 2.1, r"a number in \[-inf, 2\]"),
    ("alpha", np.nan, r"a number in \[-inf, 2\]"),
    ("alpha", "welsch", r"a number in \[-inf, 2\]"),
    ("alpha", True, r"a number in \[-inf, 2\]"),
    ("loss", "hubert", "one of .*'huber'"),
    ("loss", None, "one of"),
    ("scale", 0.0, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", np.inf, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", 10**400, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", "median", r"one of .*'mad'.* or a number in \[1e-150, 1e\+150\]"),
    ("scale", None, "one of"),
    ("efficiency", 0.0, r"a number in \(0, 1\)"),
    ("efficiency", 1.0, r"a number in \(0, 1\)"),
    ("l2_regularization", -1.0, r"a number in \[0, inf\)"),
    ("l2_regularization", np.inf, r"a number in \[0, inf\)"),
    ("fit_intercept", "yes", "True or False"),
    ("fit_intercept", 1, "True or False"),
    ("solver", "newton", "one of .*'irls'"),
    ("init", "random", "one of .*'ols'.* or an array"),
    ("init", None, "the name of a start or an array"),
    ("init", 1.0, r"array of shape \(5,\)"),
    ("init", {"a": 1}, "the name of a start or an array"),
    ("init", [1j] * 5, "the name of a start or an array"),
    ("init", ["a"] * 5, "the name of a start or an array"),
    ("init", [1.0], r"shape \(5,\)"),
    ("init", [[1.0] * 5] * 2, r"shape \(5,\)"),
    ("max_iter", 0, "an integer of at least 1"),
    ("max_iter", 1.5, "an integer of at least 1"),
    ("tol", -1e-3, r"a number in \[0, inf\)"),
    ("tol", None, r"a number in \[0, inf\)"),
    ("warm_start", "no", "True or False"),
    ("verbose", -1, "an integer of at least 0"),
    ("random_state", "seed", "None, an integer"),
    ("random_state", -1, "None, an integer"),
    ("random_state", 1.5, "None, an integer"),
]


GOT_SHAPES = {"1.0": "shape ()", "[1.0]": "shape (1,)", str([[1.0] * 5] * 2): "shape (2, 5)"}
"""First coefficients of which only the shape is wrong, and is named."""


@pytest.mark.parametrize(("parameter", "value", "accepted"), REFUSED)
def test_wrong_parameters_are_refused(parameter, value, accepted):
    X, y = contaminated()
    model = RobustRegressor(**{parameter: value})
    with pytest.raises(ValueError, match=accepted) as raised:
        model.fit(X, y)
    message = str(raised.value)
    assert message.startswith(parameter)
    got = GOT_SHAPES.get(repr(value), repr(value)) if parameter == "init" else repr(value)
    assert f"got {got}" in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y", "sample_weight", "init"])
def test_not_finite(bad, where):
    X, y = contaminated()
    data = {"X": X, "y": y, "sample_weight": np.ones(len(y)), "init": np.zeros(5)}
    data[where].flat[3] = bad
    model = RobustRegressor(init=data.pop("init"))
    named = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(ValueError, match=rf"(?s){where}.*{named}|{named}.*{where}"):
        model.fit(**data)


@pytest.mark.parametrize(
    ("weights", "pattern"),
    [
        (-np.ones(200), "sample_weight must be numbers in .* got -1"),
        ({}, "sample_weight must be numbers in .* got {}"),
        (["a"] * 200, "sample_weight must be numbers in"),
        (np.zeros(200), "sample_weight must hold at least one positive number"),
        (np.ones(100), r"sample_weight must be .* shape \(200,\).*\(100,\)"),
        (np.ones((200, 2)), "sample_weight must be numbers in"),
        (np.full(200, 1e308), "sample_weight must have a finite sum"),
    ],
)
def test_wrong_weights(weights, pattern):
    X, y = contaminated()
    with pytest.raises(ValueError, match=pattern):
        RobustRegressor().fit(X, y, sample_weight=weights)


def test_lengths_and_widths_must_match():
    X, y = contaminated()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RobustRegressor().fit(X, y[:-1])
    with pytest.raises(ValueError, match="expecting 4 features"):
        RobustRegressor().fit(X, y).predict(X[:, :2])


MODELS = {
    "given": RobustRegressor(1.0),
    "adaptive": AdaptiveRobustRegressor(random_state=0),
    "cv": RobustRegressorCV(alphas=(1.0,), cv=2, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), RobustRegressor(1.0)),
}


TAKE_DATA = {
    "nll": (lambda models: models["adaptive"].nll, ["X", "y"]),
    "predict_interval": (lambda models: models["adaptive"].predict_interval, ["X"]),
    "nll_scorer": (
        lambda models: partial(metrics.nll_scorer, models["adaptive"]), ["X", "y", "sample_weight"],
    ),
    "profile_alpha": (
        lambda models: partial(inspection.profile_alpha, models["adaptive"], alphas=[1.0]),
        ["X", "y", "sample_weight"],
    ),
    "AlphaProfileDisplay": (
        lambda models: partial(
            inspection.AlphaProfileDisplay.from_estimator, models["adaptive"], alphas=[1.0]
        ),
        ["X", "y", "sample_weight"],
    ),
    "RobustFitDisplay": (
        lambda models: partial(inspection.RobustFitDisplay.from_estimator, models["pipeline"]),
        ["X", "y"],
    ),
    "outlier_mask": (
        lambda models: partial(inspection.outlier_mask, models["pipeline"]), ["X", "y"],
    ),
    "truncated_deviation": (
        lambda models: partial(scales.truncated_deviation, largest=1e3),
        ["residuals", "sample_weight"],
    ),
    "scale_floor": (lambda models: scales.scale_floor, ["y", "sample_weight"]),
}  # fmt: skip
"""What takes data: how it is called, given fitted models, and the names of its arguments."""
for _name in ("given", "adaptive", "cv"):
    TAKE_DATA |= {
        f"{_name}.fit": (lambda models, n=_name: clone(models[n]).fit, ["X", "y", "sample_weight"]),
        f"{_name}.predict": (lambda models, n=_name: models[n].predict, ["X"]),
        f"{_name}.score": (lambda models, n=_name: models[n].score, ["X", "y", "sample_weight"]),
    }
for _name in ("given", "cv", "pipeline"):
    TAKE_DATA[f"coef_table.{_name}"] = (
        lambda models, n=_name: partial(inspection.coef_table, models[n]),
        ["X", "y", "sample_weight"],
    )
for _name in ("covariance", "summary", "drop_one", "robust_information_criteria"):
    TAKE_DATA[_name] = (
        lambda models, n=_name: partial(getattr(inspection, n), models["pipeline"]),
        ["X", "y", "sample_weight"],
    )  # fmt: skip
TAKE_DATA["wald_test"] = (
    lambda models: partial(inspection.wald_test, models["given"], constraints="x0"),
    ["X", "y", "sample_weight"],
)
for _name in ("s_scale", "tau_size", "trimmed_mean_squared_error"):
    TAKE_DATA[_name] = (
        lambda models, n=_name: getattr(metrics, n), ["y_true", "y_pred", "sample_weight"],
    )  # fmt: skip
for _name in ("m_scale", "mad"):
    TAKE_DATA[_name] = (
        lambda models, n=_name: getattr(scales, n), ["residuals", "sample_weight"],
    )  # fmt: skip
for _name in ("rho", "psi", "psi_prime", "weight"):
    TAKE_DATA[_name] = (lambda models, n=_name: getattr(losses, n), ["r"])


@pytest.fixture(scope="module")
def fitted():
    X, y = contaminated()
    return {name: clone(model).fit(X, y) for name, model in MODELS.items()}


def data_of(name):
    """Return plain arguments by their names."""
    X, y = contaminated()
    known = {"X": X, "sample_weight": np.ones(len(y)), "y_pred": np.zeros(len(y))}
    return {parameter: known.get(parameter, y) for parameter in TAKE_DATA[name][1]}


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, of) for name, (_, names) in TAKE_DATA.items() for of in names]
)
def test_masked_values_are_refused(fitted, name, parameter):
    """NumPy would drop the mask, and take the values under it for data."""
    data = data_of(name)
    masked = np.ma.masked_array(data[parameter], copy=True)
    masked[:3] = np.ma.masked
    data[parameter] = masked
    with pytest.raises(ValueError, match=f"{np.ma.count_masked(masked)} masked values") as raised:
        TAKE_DATA[name][0](fitted)(**data)
    assert str(raised.value).startswith(f"{parameter} must be without masked values, got")


def numbers_of(result):
    for attribute in ("coef_", "coefficients", "std_error", "statistic", "rfpe", "nll"):
        result = getattr(result, attribute, result)
    return result


@pytest.mark.parametrize("name", [name for name in TAKE_DATA if "Display" not in name])
def test_masked_arrays_of_which_nothing_is_masked_are_plain(fitted, name):
    plain = data_of(name)
    masked = {parameter: np.ma.masked_array(of) for parameter, of in plain.items()}
    found = numbers_of(TAKE_DATA[name][0](fitted)(**masked))
    assert not isinstance(found, np.ma.MaskedArray)
    np.testing.assert_array_equal(found, numbers_of(TAKE_DATA[name][0](fitted)(**plain)))


def test_one_masked_value_among_listed_rows_is_found():
    X, y = contaminated()
    rows = [np.ma.masked_array(row) for row in X]
    RobustRegressor(1.0).fit(rows, y)
    rows[7][2] = np.ma.masked
    with pytest.raises(ValueError, match="X must be without masked values, got 1 masked value;"):
        RobustRegressor(1.0).fit(rows, y)


def test_masked_first_coefficients_are_refused():
    X, y = contaminated()
    init = np.ma.masked_array(np.zeros(5), mask=[0, 1, 0, 0, 1])
    with pytest.raises(ValueError, match="init must be without masked values, got 2 masked values"):
        RobustRegressor(init=init).fit(X, y)


# ---- where in the data the fault is, and what else it is called -------------------------


@pytest.mark.parametrize("model", [RobustRegressor(), ReweightedRegressor(LinearRegression())])
def test_rows_of_y_that_are_no_numbers_are_named(model):
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = pd.Series(X[:, 0], index=[f"row {k}" for k in range(30)])
    y.iloc[[3, 7]] = np.nan
    with pytest.raises(ValueError, match="got NaN in 2 rows: 'row 3', 'row 7'; leave these"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="y must hold finite numbers, got NaN in 2 rows: 3, 7;"):
        model.fit(X, y.to_numpy())
    with pytest.raises(ValueError, match="got infinity in 1 row: 'row 5'"):
        model.fit(X, pd.Series(X[:, 0], index=y.index).where(np.arange(30) != 5, np.inf))


def test_many_numbers_are_not_repeated_in_an_error():
    X = np.random.default_rng(0).normal(size=(30, 2))
    cases = np.ones(30)
    cases[[4, 9]] = np.nan
    with pytest.raises(ValueError, match="got 2 of them, the first nan at position 4") as error:
        RobustRegressor().fit(X, X[:, 0], cases)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("make", [RobustRegressor, ReweightedRegressor])
def test_another_name_of_a_loss_is_told(make):
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match="got 'bisquare', which is called 'tukey' here"):
        make(loss="bisquare").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="which is called 'tukey' here"):
        losses.rho(1.0, loss="biweight")


def test_a_shape_beside_a_named_loss_is_not_ignored_silently():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = X[:, 0] + np.random.default_rng(1).normal(size=30)
    with pytest.warns(UserWarning, match="alpha=1 has no effect with loss='huber'"):
        model = RobustRegressor(1.0, loss="huber").fit(X, y)
    np.testing.assert_array_equal(model.coef_, RobustRegressor(loss="huber").fit(X, y).coef_)


@pytest.mark.parametrize("make", [RobustRegressor, AdaptiveRobustRegressor])
def test_as_many_coefficients_as_rows_leave_no_interval(make):
    X, y = np.random.default_rng(0).normal(size=(4, 3)), np.arange(4.0)
    with pytest.warns(UserWarning, match="4 rows are too few for 4 coefficients"):
        model = make(random_state=0).fit(X, y)
    for kind in ("prediction", "mean"):
        with pytest.warns(UserWarning, match="2 of 2 intervals are infinite: the fit has as many"):
            assert np.all(np.isinf(model.predict_interval(X[:2], kind=kind)))


def test_rejected_levels_take_y_as_the_others_do():
    X = np.column_stack([np.arange(40.0), np.arange(40) % 4 == 0])
    y = X[:, 0] + np.sin(np.arange(40))
    model = RobustRegressor(random_state=0).fit(X, y)
    known, found = (inspection.rejected_levels(model, *data) for data in ((X,), (X, y)))
    assert repr(found) == repr(known)
    with pytest.raises(ValueError, match="y must hold a row for each of the 40 rows of X, got 39"):
        inspection.rejected_levels(model, X, y[1:])
