"""Standard errors of coefficients of which no believed row tells anything."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.inspection import coef_table

NAMES = ("x", "a", "b", "c", "intercept")
"""A number, three levels of a factor with a base level, the intercept."""


def levels(n=240, seed=0):
    """Return a number and the dummies of three of four levels, the numbers of the levels, and y."""
    rng = np.random.default_rng(seed)
    level = rng.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1])
    X = np.column_stack([rng.normal(size=n), np.eye(4)[level][:, 1:]])
    return (
        pd.DataFrame(X, columns=list(NAMES[:4])),
        level,
        X @ [1.0, 2.0, 3.0, 4.0] + rng.normal(size=n),
    )


def rejecting(model, X, y, which, changes, intercept=0.0):
    """Return a fit that gives some rows no weight.

    It is that of the other rows, with such changes of the coefficients as move these rows alone.
    """
    model.fit(X, y)
    alone = clone(model).set_params(scale=model.scale_, tol=1e-9).fit(X[~which], y[~which])
    model.coef_, model.intercept_ = alone.coef_.copy(), alone.intercept_ + intercept
    for column, change in changes.items():
        model.coef_[column] += change
    return model


def table_and_warnings(*args, **options):
    """Return a table of coefficients and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = coef_table(*args, **options)
    return table, [str(warning.message) for warning in caught]


def unknown(table, *target):
    """Return the names of infinite standard errors, having looked at what else is said of them."""
    error, z, p, low, high = (
        getattr(table, of)[target] for of in ("std_error", "t", "p_value", "ci_low", "ci_high")
    )
    which = np.isinf(error)
    assert np.all(error > 0.0)
    assert np.all(z[which] == 0.0)
    assert np.all(p[which] == 1.0)
    assert np.all((low[which] == -np.inf) & (high[which] == np.inf))
    assert np.all(np.isfinite(low[~which]) & np.isfinite(high[~which]))
    return [name for name, of in zip(table.names, which, strict=True) if of]


@pytest.mark.parametrize("model", [
    {"alpha": -np.inf}, {"alpha": -2.0}, {"loss": "tukey"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("layout", ["frame", "sparse"])
def test_a_level_none_of_whose_rows_is_believed_is_unknown(model, fit_intercept, layout):
    X, level, y = levels()
    model = RobustRegressor(**model, fit_intercept=fit_intercept, scale=4.0, random_state=0)
    seen = X if layout == "frame" else sparse.csr_array(X.to_numpy())
    name = "c" if layout == "frame" else "x3"
    far = 1e7 if model.alpha == -2.0 else 100.0
    table, said = table_and_warnings(rejecting(model, seen, y, level == 3, {3: far}), seen, y)
    assert unknown(table) == [name]
    assert said == [f"No row of column '{name}' is believed: its standard error is infinite."]
    rest = level != 3
    alone = model.fit(X[rest].drop(columns="c"), y[rest])
    without = coef_table(alone, X[rest].drop(columns="c"), y[rest])
    known = np.array(table.names) != name
    np.testing.assert_allclose(table.std_error[known], without.std_error, rtol=0.02)


def test_a_base_level_that_is_not_believed_leaves_the_others_unknown():
    X, level, y = levels()
    changes = dict.fromkeys([1, 2, 3], -1e3)
    model = rejecting(RobustRegressor(random_state=0), X, y, level == 0, changes, 1e3)
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["a", "b", "c", "intercept"]
    assert said == [
        "The believed rows do not determine coefficients 'a', 'b', 'c' and 'intercept': their "
        "standard errors are infinite."
    ]


def test_all_levels_beside_an_intercept_are_dependent_whatever_is_believed():
    X, level, y = levels()
    X.insert(1, "base", (level == 0).astype(float))
    model = rejecting(RobustRegressor(random_state=0), X, y, level == 2, {3: 1e3})
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["b"]
    assert len(said) == 1
    first, *others = re.findall(r"'(\w+)'", said[0].partition(". ")[0])
    assert "dependent with the intercept" in said[0]
    assert {first, *others} == {"base", "a", "b", "c"}
    assert "No row of column 'b' is believed" in said[0]
    without, _ = table_and_warnings(RobustRegressor(random_state=0).fit(X, y), X, y)
    known = np.array(table.names) != "b"
    np.testing.assert_allclose(table.std_error[known], without.std_error[known], rtol=0.3)


def test_a_level_with_a_slope_of_its_own_is_unknown_with_it():
    X, level, y = levels()
    X["c:x"] = X["c"] * X["x"]
    model = rejecting(RobustRegressor(random_state=0), X, y, level == 3, {3: 1e3})
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["c", "c:x"]
    assert said == [
        "No row of columns 'c' and 'c:x' is believed: their standard errors are infinite."
    ]


def test_one_believed_row_of_a_level_is_enough_for_its_location_not_for_a_slope():
    X, level, y = levels()
    X["c:x"] = X["c"] * X["x"]
    first, *others = np.flatnonzero(level == 3)
    y[others] += 1e4 * np.arange(1, 1 + len(others))
    model = RobustRegressor(scale=4.0, random_state=0, init=np.array([1, 2, 3, 4, 0, 0.0]))
    with warnings.catch_warnings():  # the fit may say so too
        warnings.simplefilter("ignore")
        model.fit(X, y)
    model.coef_[[3, 4]] = 4.0, 0.0
    assert model.predict(X)[first] == pytest.approx(y[first], abs=8.0)
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["c", "c:x"]
    assert "The believed rows do not determine coefficients 'c' and 'c:x'" in said[0]


@pytest.mark.parametrize(("unit", "of_y"), [(1e8, 1.0), (1e-8, 1e6), (1.0, 1e-100), (1e60, 1.0)])
def test_units_decide_nothing(unit, of_y):
    X, level, y = levels()
    X, y = X * unit, y * of_y
    model = rejecting(RobustRegressor(random_state=0), X, y, level == 3, {3: 1e3 * of_y / unit})
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["c"]
    assert len(said) == 1


@pytest.mark.parametrize("size", [1e2, 1e6, 1e10, 1e20])
def test_rejected_leverage_rows_leave_nothing_unknown(size):
    X, _, y = levels()
    model = RobustRegressor(random_state=0)
    without = coef_table(model.fit(X[5:], y[5:]), X[5:], y[5:])
    X.loc[:4, "x"] = size
    with warnings.catch_warnings():  # what the fit says is tested elsewhere
        warnings.simplefilter("ignore")
        model.fit(X, y)
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == []
    assert not said
    np.testing.assert_allclose(table.std_error, without.std_error, rtol=0.05)


def test_weights_that_are_small_are_information():
    X, level, y = levels()
    errors = []
    for step in (0.0, 2.0, 3.0):
        model = RobustRegressor(scale=4.0, random_state=0)
        model = rejecting(model, X, y, level == 3, {3: 4.0 + 4.0 * step})
        with warnings.catch_warnings():  # that it is not at a minimum
            warnings.simplefilter("ignore")
            errors.append(coef_table(model, X, y).std_error[3])
    assert np.all(np.diff(errors) > 0.0)
    assert np.all(np.isfinite(errors))


def test_a_penalty_does_not_make_it_known():
    X, level, y = levels()
    model = rejecting(
        RobustRegressor(l2_regularization=0.01, random_state=0), X, y, level == 3, {3: 1e3}
    )
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == ["c"]
    assert "No row of column 'c' is believed" in said[0]


def test_rows_absent_are_not_rows_that_are_not_believed():
    X, level, y = levels()
    cases = (level != 3).astype(float)
    model = RobustRegressor(random_state=0).fit(X, y, cases)
    table, said = table_and_warnings(model, X, y, sample_weight=cases)
    [message] = said
    assert message.startswith(
        f"Columns of X are dependent: {table.names[3]!r}. Standard errors are"
    )
    assert 'OneHotEncoder(drop="first")' in message
    assert table.std_error[3] == 0.0


@pytest.mark.parametrize("kind", ["information", "sandwich"])
def test_a_level_that_a_likelihood_left_out_is_unknown(kind):
    X, level, y = levels()
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    model.weights_ = np.where(level == 3, 0.0, np.maximum(model.weights_, 1e-3))
    table, said = table_and_warnings(model, X, y, covariance=kind)
    assert unknown(table) == ["c"]
    assert any("No row of column 'c' is believed" in message for message in said)
    assert not any("dependent" in message for message in said)


def test_resamples_cannot_know_it_either():
    X, level, y = levels(n=80)
    model = rejecting(RobustRegressor(scale=4.0, random_state=0), X, y, level == 3, {3: 1e3})
    with warnings.catch_warnings():  # refits may say so too
        warnings.simplefilter("ignore")
        table, said = table_and_warnings(
            model, X, y, covariance="bootstrap", n_resamples=20, random_state=0
        )
    assert unknown(table) == ["c"]
    assert said == ["No row of column 'c' is believed: its standard error is infinite."]


def test_targets_have_each_their_own():
    X, level, y = levels()
    first = RobustRegressor(scale=4.0, random_state=0).fit(X, y)
    second = RobustRegressor(scale=4.0, random_state=0)
    second = rejecting(second, X, -y, level == 2, {2: 1e3})
    both = pd.DataFrame({"first": y, "second": -y})
    model = RobustRegressor(scale=4.0, random_state=0).fit(X, both)
    model.coef_ = np.stack([first.coef_, second.coef_])
    model.intercept_ = np.array([first.intercept_, second.intercept_])
    table, said = table_and_warnings(model, X, both)
    assert unknown(table, 0) == []
    assert unknown(table, 1) == ["b"]
    assert said == [
        "No row of column 'b' is believed of target 'second': its standard error is infinite."
    ]


def test_a_warning_names_ten_columns():
    rng = np.random.default_rng(0)
    level = np.arange(300) % 30
    X = np.column_stack([rng.normal(size=300), np.eye(30)[level][:, 1:]])
    y = rng.normal(size=300)
    far, model = (level > 0) & (level < 16), RobustRegressor(scale=4.0, random_state=0)
    model = rejecting(model, X, y, far, dict.fromkeys(range(1, 16), 1e3))
    table, said = table_and_warnings(model, X, y)
    assert len(unknown(table)) == 15
    assert "columns 'x1', 'x2', 'x3'" in said[0]
    assert "'x10' and 5 more is believed: their standard errors are infinite" in said[0]


def test_of_two_rows_that_contradict_each_other_one_is_information():
    X, _, y = levels()
    X["rare"] = 0.0
    X.loc[[3, 4], "rare"] = 1.0
    y[[3, 4]] += [1e6, -1e6]
    model = RobustRegressor(random_state=0).fit(X, y)
    assert sorted(model.weights_[[3, 4]] > 0.9) == [False, True]
    table, said = table_and_warnings(model, X, y)
    assert unknown(table) == []
    assert not said
    assert table.std_error[4] == pytest.approx(model.sigma_, rel=0.2)
