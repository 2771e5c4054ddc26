"""Summaries, tests of hypotheses, criteria, and what leaving out columns costs."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from closeness import assert_close
from problems import CONVEX, MODELS, contaminated, name
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.inspection import (
    coef_table,
    compare,
    drop_one,
    robust_information_criteria,
    summary,
    wald_test,
)
from sklearn_robust.losses import psi, psi_prime, rho

SHARP = {"tol": 1e-10, "max_iter": 500, "random_state": 0}


def frame(**keywords):
    X, y = contaminated(**keywords)
    return pd.DataFrame(X, columns=list("abcd")), y


@pytest.fixture(params=MODELS)
def model(request):
    return clone(MODELS[request.param]).set_params(tol=1e-9, max_iter=500)


# ---- lines of a table ----------------------------------------------------------------


def test_lines_of_a_table_by_name():
    X, y = frame()
    table = coef_table(RobustRegressor(1.0).fit(X, y), X, y)
    line = table["b"]
    assert line._fields == ("estimate", "std_error", "t", "p_value", "ci_low", "ci_high")
    assert line.estimate == table.estimate[1] == table["b", "estimate"]
    assert table.loc["b"] == line
    assert isinstance(line.p_value, float)
    some = table[["d", "a"]]
    assert some.names == ("d", "a")
    np.testing.assert_array_equal(some.covariance, table.covariance[np.ix_([3, 0], [3, 0])])
    assert list(some.to_frame().index) == ["d", "a"]
    for wrong, said in (("e", "'e' is none of the names"), (("a", "z"), "'z' is none of the col")):
        with pytest.raises(KeyError, match=said):
            table[wrong]


def test_lines_of_several_targets_are_arrays():
    X, y = frame()
    table = coef_table(RobustRegressor(1.0).fit(X, np.column_stack([y, -y])), X, np.c_[y, -y])
    np.testing.assert_array_equal(table["c"].estimate, table.estimate[:, 2])
    assert table[["c"]].covariance.shape == (2, 1, 1)


# ---- Wald ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classical", "hc1"])
def test_wald_is_that_of_statsmodels(kind):
    X, y = frame()
    model = RobustRegressor(2.0).fit(X, y)
    columns = np.column_stack([X, np.ones(len(y))])
    fit = sm.OLS(y, columns).fit(**({"cov_type": "HC1"} if kind == "hc1" else {}))
    matrix = np.array([[1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0, 1.0]])
    theirs = fit.wald_test((matrix, [0.5, 3.0]), use_f=False, scalar=True)
    found = wald_test(model, X, y, matrix, value=[0.5, 3.0], covariance=kind)
    assert_close(found.statistic, theirs.statistic, tol=1e-9)
    assert_close(found.p_value, theirs.pvalue, tol=1e-8)
    assert found.df == 2


def test_one_constraint_is_the_square_of_t(model):
    X, y = frame()
    model.fit(X, y)
    found, table = wald_test(model, X, y, "b"), coef_table(model, X, y)
    assert_close(found.statistic, table["b", "t"] ** 2, tol=1e-9)
    again = wald_test(model, X, y, [0.0, 5.0, 0.0, 0.0, 0.0])
    assert_close(again.statistic, found.statistic, tol=1e-9)


def test_wald_of_several_targets():
    X, y = frame()
    both = np.column_stack([y, contaminated(seed=5)[1]])
    model = RobustRegressor(1.0, **SHARP)
    found = wald_test(model.fit(X, both), X, both, ["a", "c"])
    alone = wald_test(model.fit(X, y), X, y, ["a", "c"])
    assert found.statistic.shape == found.p_value.shape == (2,)
    assert_close(found.statistic[0], alone.statistic, tol=1e-6)


def test_constraints_that_are_refused():
    X, y = frame()
    model = RobustRegressor(1.0).fit(X, y)
    for wrong in ("e", [], [["a"]], np.zeros((1, 4)), [np.nan] * 5):
        with pytest.raises(ValueError, match="constraints must be"):
            wald_test(model, X, y, wrong)
    with pytest.raises(ValueError, match="linearly independent"):
        wald_test(model, X, y, ["a", "a"])
    with pytest.raises(ValueError, match="value must be"):
        wald_test(model, X, y, "a", value=[1.0, 2.0])


# ---- smaller models ------------------------------------------------------------------


def test_deviance_of_least_squares_is_n_times_the_relative_increase():
    X, y = frame()
    larger, smaller = RobustRegressor(2.0).fit(X, y), RobustRegressor(2.0).fit(X[["a", "c"]], y)
    found = compare(smaller, larger, X, y)
    squares = [np.sum((y - of.predict(X[c])) ** 2) for of, c in
               ((smaller, ["a", "c"]), (larger, list("abcd")))]  # fmt: skip
    assert_close(found["deviance"].statistic, len(y) * (squares[0] / squares[1] - 1.0), tol=1e-9)
    assert found.left_out == ("b", "d")
    np.testing.assert_array_equal(found.df, [2, 2])
    assert_close(found.p_value, chi2.sf(found.statistic, 2), tol=1e-12)


def test_likelihood_ratio_of_learned_shapes():
    X, y = frame()
    model = AdaptiveRobustRegressor(init="ols", **SHARP)
    larger, smaller = clone(model).fit(X, y), clone(model).fit(X[["a", "b", "d"]], y)
    found = compare(smaller, larger, X, y)
    ratio = 2.0 * len(y) * (smaller.nll_ - larger.nll_)
    assert_close(found["deviance"].statistic, ratio, tol=1e-6)


def test_drop_one_is_compare_for_every_column(model):
    X, y = frame()
    model.set_params(init="ols")  # all rows count in every likelihood
    larger = clone(model).fit(X, y)
    table = drop_one(larger, X, y)
    assert table.names == tuple("abcd")
    for column in "ab":
        kept = [other for other in "abcd" if other != column]
        pair = compare(clone(model).fit(X[kept], y), larger, X, y)
        assert_close(table[column, "wald_p"], pair["wald"].p_value, tol=1e-9)
        statistic = pair["deviance"].statistic
        terms = pair["deviance"].p_value * (1.0 + statistic)
        assert_close(table[column, "deviance_p"], pair["deviance"].p_value, terms=terms, tol=1e-4)


def test_criteria_are_those_of_their_definitions():
    X, y = frame()
    model = RobustRegressor(0.0, **SHARP).fit(X, y)
    found = robust_information_criteria(model, X, y)
    loss = np.sum(rho(y - model.predict(X), 0.0, model.scale_))
    terms = 0.5 * (found.aic - 2.0 * loss)  # coefficients times the ratio of psi² to psi'
    r = y - model.predict(X)
    ratio = np.sum(psi(r, 0.0, model.scale_) ** 2) / np.sum(psi_prime(r, 0.0, model.scale_))
    assert_close(terms, 5 * ratio, tol=1e-10)
    assert_close(found.bic, 2.0 * loss + terms * np.log(len(y)), tol=1e-12)
    assert_close(found.rfpe, (loss + terms) / len(y), tol=1e-12)
    least = RobustRegressor(2.0).fit(X, y)
    scale = 3.0
    found = robust_information_criteria(least, X, y, scale=scale)
    squares = np.sum((y - least.predict(X)) ** 2) / scale**2
    assert_close(found.aic, squares * (1.0 + 2.0 * 5 / len(y)), tol=1e-12)


def test_criteria_of_a_likelihood_count_scale_and_shape():
    X, y = frame()
    model = AdaptiveRobustRegressor(init="ols", alpha_bounds=(2.0, 2.0), **SHARP).fit(X, y)
    found = robust_information_criteria(model, X, y)
    fit = sm.OLS(y, np.column_stack([X, np.ones(len(y))])).fit()
    assert_close(found.aic, fit.aic + 2.0, tol=1e-8)  # statsmodels does not count the scale
    assert_close(found.bic, fit.bic + np.log(len(y)), tol=1e-8)


def test_a_column_of_noise_is_better_left_out():
    kept, dropped = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["signal", "noise"])
        y = X["signal"] + rng.standard_t(3, size=80)
        table = drop_one(RobustRegressor(1.0).fit(X, y), X, y)
        kept += table["signal", "rfpe"] > 0.0
        dropped += table["noise", "rfpe"] < 0.0
    assert kept == 20
    assert dropped > 12  # 84 % for normal errors: a chi-squared variable is below 2


def test_factors_are_left_out_together():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=200), "city": rng.choice(["A", "B", "C"], 200)})
    y = X["size"] + 2.0 * (X["city"] == "B") + rng.standard_t(3, size=200)
    encoder = make_column_transformer(
        (OneHotEncoder(drop="first", sparse_output=False), ["city"]),
        remainder="passthrough", verbose_feature_names_out=False,
    )  # fmt: skip
    model = make_pipeline(encoder, RobustRegressor(1.0)).fit(X, y)
    table = drop_one(model, X, y, factors={"city": ["city_B", "city_C"]})
    assert table.names == ("city", "size")
    np.testing.assert_array_equal(table.df, [2, 1])
    together = wald_test(model, X, y, ["city_B", "city_C"])
    assert_close(table["city", "wald_p"], together.p_value, tol=1e-10)
    for wrong in ({"x": ["nowhere"]}, {"x": ["size"], "y": ["size"]}, {"x": []}):
        with pytest.raises(ValueError, match="factors must map"):
            drop_one(model, X, y, factors=wrong)


def test_weight_two_is_the_row_twice(model):
    X, y = contaminated()
    weights = np.random.default_rng(2).integers(0, 3, size=len(y))
    written = np.repeat(np.arange(len(y)), weights)
    model.set_params(init="ols")
    first = clone(model).fit(X, y, weights)
    second = clone(model).fit(X[written], y[written])
    given = (X, y), {"sample_weight": weights}
    alone = (X[written], y[written]), {}
    pairs = [
        [drop_one(fit, *data, **more) for fit, (data, more) in ((first, given), (second, alone))],
        [summary(fit, *data, **more).fit for fit, (data, more) in
         ((first, given), (second, alone))],
    ]  # fmt: skip
    for column in ("rfpe", "aic", "bic"):
        one, other = (getattr(table, column) for table in pairs[0])
        assert_close(one, other, terms=1.0 + np.abs(other), tol=1e-4)
    for column in ("sigma", "df", "r2", "adjusted_r2"):
        assert_close(*(getattr(table, column) for table in pairs[1]), tol=1e-5)


def test_models_that_are_not_nested_are_refused():
    X, y = frame()
    larger = RobustRegressor(1.0).fit(X[["a", "b", "c"]], y)
    for columns in (["a", "d"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="smaller must have some of the columns"):
            compare(RobustRegressor(1.0).fit(X[columns], y), larger, X[["a", "b", "c", "d"]], y)
    plain = RobustRegressor(1.0).fit(X.to_numpy(), y)
    with pytest.raises(ValueError, match="smaller must take X, or be fitted to a data frame"):
        compare(RobustRegressor(1.0).fit(X.to_numpy()[:, :2], y), plain, X.to_numpy(), y)
    fitted = RobustRegressor(1.0).fit(X, y)
    squares = make_pipeline(Squares(), RobustRegressor(1.0)).fit(X[["a"]], y)
    with pytest.raises(ValueError, match="columns of the same values"):
        compare(squares, fitted, X, y)
    ridge = RobustRegressor(1.0, l2_regularization=0.1).fit(X, y)
    with pytest.raises(ValueError, match="no penalty for drop_one"):
        drop_one(ridge, X, y)
    lasso = RobustRegressor(1.0, l1_regularization=0.1).fit(X, y)
    with pytest.raises(ValueError, match="no l1_regularization"):
        robust_information_criteria(lasso, X, y)


class Squares(StandardScaler):
    """Columns that keep their names and not their values."""

    def transform(self, X, copy=None):
        return super().transform(X) ** 2


# ---- summaries -----------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_has_its_r2(weighted):
    X, y = frame()
    weights = np.random.default_rng(1).integers(0, 3, size=len(y)) if weighted else None
    model = RobustRegressor(2.0).fit(X, y, weights)
    written = np.repeat(np.arange(len(y)), 1 if weights is None else weights)
    fit = sm.OLS(y[written], np.column_stack([X, np.ones(len(y))])[written]).fit()
    found = summary(model, X, y, sample_weight=weights).fit
    assert_close(found.r2, fit.rsquared, tol=1e-10)
    assert_close(found.adjusted_r2, fit.rsquared_adj, tol=1e-10)
    assert found.df == fit.df_resid


@pytest.mark.parametrize("keywords", CONVEX, ids=name)
def test_robust_r2_estimates_that_of_the_good_rows(keywords):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 1))
    y = X.ravel() + rng.normal(size=20_000)
    model = RobustRegressor(**keywords).fit(X, y)
    assert summary(model, X, y).fit.r2[0] == pytest.approx(0.5, abs=0.02)


def test_robust_r2_without_the_bad_rows():
    X, y = contaminated(n=1000, share=0.0)
    bad = y.copy()
    bad[:50] += 1e3
    model = RobustRegressor(random_state=0)
    clean = summary(model.fit(X, y), X, y).fit.r2
    assert_close(summary(model.fit(X, bad), X, bad).fit.r2, clean, tol=0.02)


def test_worst_rows_have_the_labels_of_the_frame():
    X, y = frame()
    X.index = [f"row {k}" for k in range(len(y))]
    y[[3, 77]] += [1000.0, -500.0]
    model = RobustRegressor(random_state=0).fit(X, y)
    said = summary(model, X, y, n_worst=2)
    assert said.worst[0].names == ("row 3", "row 77")
    assert_close(said.worst[0]["row 3"].residual, y[3] - model.predict(X)[3])
    assert said.fit.rejected[0] == np.sum(model.weights_ < 0.1)
    assert said.fit.rows[0] == len(y)
    plain = X.to_numpy()
    assert summary(model.fit(plain, y), plain, y, n_worst=1).worst[0].names == (3,)


def test_a_summary_prints_and_is_written_as_html(model):
    X, y = frame()
    said = summary(model.fit(X, y), X, y)
    text, page = repr(said), said._repr_html_()
    for part in ("sigma", "adjusted_r2", "std_error", "intercept", "Worst rows of y", "start"):
        assert part in text
        assert part in page
    assert text.startswith(f"{type(model).__name__}: ")
    assert page.count("<table>") == 3
    assert list(said.fit.to_frame().index) == ["y"]
    assert list(said.coefficients.to_frame().index) == [*"abcd", "intercept"]
    assert len(said.worst[0].to_frame()) == 5
    assert said.fit.converged[0]


def test_summaries_of_pipelines_searches_and_targets():
    X, y = frame()
    both = pd.DataFrame({"first": y, "second": contaminated(seed=5)[1]})
    pipe = make_pipeline(StandardScaler(), RobustRegressor(random_state=0))
    search = GridSearchCV(pipe, {"robustregressor__alpha": [-np.inf, 1.0]}, cv=3)
    said = summary(search.fit(X, both), X, both)
    assert said.fit.names == ("first", "second")
    assert len(said.worst) == 2
    chosen = RobustRegressorCV([0.0, 1.0], cv=3, random_state=0).fit(X, y)
    assert summary(chosen, X, y).fit.alpha == chosen.alpha_


def test_start_and_scale_are_named():
    X, y = frame()
    for keywords, said in (
        ({"random_state": 0}, "shape given, scale 'reweighted', start 's'"),
        ({"alpha": 1.0}, "shape given, scale 'mad', start 'ols'"),
        ({"loss": "huber", "scale": 2.0, "init": np.zeros(5)}, "loss 'huber', scale given"),
    ):  # fmt: skip
        assert said in summary(RobustRegressor(**keywords).fit(X, y), X, y).title


def test_a_fit_that_did_not_converge_is_said_to():
    X, y = frame()
    with pytest.warns(UserWarning, match="max_iter=1"):
        model = RobustRegressor(1.0, max_iter=1, scale=1.0).fit(X, y)
    with pytest.warns(UserWarning, match="not at a minimum"):
        assert not summary(model, X, y).fit.converged[0]


def test_what_a_summary_refuses():
    X, y = frame()
    model = RobustRegressor(1.0).fit(X, y)
    for wrong in ({"level": 0.0}, {"threshold": 2.0}, {"n_worst": -1}, {"covariance": "hc5"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            summary(model, X, y, **wrong)
