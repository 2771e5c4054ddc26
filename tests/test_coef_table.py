"""Standard errors against their oracles, tests and limits."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from closeness import assert_close
from problems import CONVEX, EACH_LOSS, MODELS, contaminated, name
from scipy import sparse
from scipy.stats import cauchy
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from statsmodels.tools.numdiff import approx_hess

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_hbk, load_stackloss
from sklearn_robust.distribution import general_robust
from sklearn_robust.inspection import coef_table

COLUMNS = ["estimate", "std_error", "t", "p_value", "ci_low", "ci_high"]
SHARP = {"tol": 1e-10, "max_iter": 500, "random_state": 0}


@pytest.fixture(params=MODELS)
def model(request):
    return clone(MODELS[request.param])


def same(first, second, tol):
    """Compare two tables; a p-value moves by t² times what moves t."""
    error, t, p_value = second.std_error, second.t, second.p_value
    size = np.abs(second.estimate) + error
    terms = [size, error, 1.0 + np.abs(t), p_value * (1.0 + t**2), size, size]
    for column, each in zip(COLUMNS, terms, strict=True):
        assert_close(getattr(first, column), getattr(second, column), terms=each, tol=tol)


# ---- standard errors -----------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_least_squares_is_that_of_statsmodels(fit_intercept, weighted):
    X, y = contaminated()
    weights = np.random.default_rng(1).integers(0, 3, size=len(y)) if weighted else None
    model = RobustRegressor(2.0, fit_intercept=fit_intercept).fit(X, y, weights)
    table = coef_table(model, X, y, sample_weight=weights, level=0.9)
    written = np.arange(len(y)) if weights is None else np.repeat(np.arange(len(y)), weights)
    columns = np.column_stack([X, np.ones(len(y))]) if fit_intercept else X
    fit = sm.OLS(y[written], columns[written]).fit(use_t=True)
    low, high = fit.conf_int(0.1).T
    theirs = SimpleNamespace(
        estimate=fit.params, std_error=fit.bse, t=fit.tvalues, p_value=fit.pvalues,
        ci_low=low, ci_high=high,
    )  # fmt: skip
    same(table, theirs, tol=1e-11)


@pytest.mark.parametrize("load", [load_stackloss, contaminated], ids=["stackloss", "made"])
def test_huber_is_that_of_statsmodels(load):
    X, y = load(return_X_y=True) if load is load_stackloss else load()
    model = RobustRegressor(loss="huber", **SHARP).fit(X, y)
    norm = sm.robust.norms.HuberT(t=model.scale_ / model.sigma_)
    rlm = sm.RLM(y, np.column_stack([X, np.ones(len(y))]), M=norm)
    fit = rlm.fit(cov="H1", tol=1e-13, maxiter=1000)
    table = coef_table(model, X, y, covariance="classical", df=np.inf)
    np.testing.assert_allclose(table.std_error, fit.bse, rtol=1e-6)
    assert_close(table.p_value, fit.pvalues, terms=fit.pvalues * (1.0 + fit.tvalues**2), tol=1e-6)


def test_information_at_a_cauchy_is_that_of_scipy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X @ [1.0, -2.0] + rng.standard_cauchy(300)
    model = AdaptiveRobustRegressor(alpha_bounds=(0.0, 0.0), **SHARP).fit(X, y)
    columns = np.column_stack([X, np.ones(len(y))])
    # At alpha = 0 the family is the Cauchy distribution of scale sqrt(2)·c.
    point = np.array([*model.coef_, model.intercept_, np.sqrt(2.0) * model.scale_])
    hessian = approx_hess(
        point, lambda p: -np.sum(cauchy.logpdf(y - columns @ p[:-1], scale=p[-1]))
    )
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))[:-1]
    np.testing.assert_allclose(coef_table(model, X, y).std_error, errors, rtol=1e-5)


@pytest.mark.parametrize("l2_regularization", [0.0, 0.05])
def test_information_is_the_second_derivative_of_the_likelihood(l2_regularization):
    rng = np.random.default_rng(3)
    X = rng.normal(loc=[0.0, 5.0], size=(300, 2))
    y = X @ [1.0, -2.0] + rng.standard_t(3, size=300)
    model = AdaptiveRobustRegressor(l2_regularization=l2_regularization, **SHARP).fit(X, y)
    assert 0.1 < model.alpha_ < 1.9

    def nll(point):
        beta, b, log_c, alpha = point[:2], *point[2:]
        residuals, c = y - X @ beta - b, np.exp(log_c)
        penalty = 0.5 * len(y) * l2_regularization * np.sum(beta**2) / c**2
        return penalty - np.sum(general_robust.logpdf(residuals, alpha, scale=c))

    point = np.array([*model.coef_, model.intercept_, np.log(model.scale_), model.alpha_])
    covariance = np.linalg.inv(approx_hess(point, nll))
    table = coef_table(model, X, y)
    np.testing.assert_allclose(table.std_error, np.sqrt(np.diag(covariance))[:3], rtol=1e-4)


def test_ridge_has_its_closed_form():
    X, y = contaminated()
    model = RobustRegressor(2.0, l2_regularization=0.3).fit(X, y)
    columns = np.column_stack([X - X.mean(axis=0), np.ones(len(y))])
    inverse = np.linalg.inv(columns.T @ columns + len(y) * np.diag([0.3] * X.shape[1] + [0.0]))
    hat = columns @ inverse @ columns.T
    variance = np.sum((y - model.predict(X)) ** 2) / (len(y) - np.trace(hat))
    slopes = np.sqrt(np.diag(variance * inverse @ columns.T @ columns @ inverse))[:-1]
    np.testing.assert_allclose(coef_table(model, X, y).std_error[:-1], slopes, rtol=1e-9)


def test_weight_two_is_the_row_twice(model):
    X, y = contaminated()
    weights = np.random.default_rng(2).integers(0, 3, size=len(y)).astype(float)
    written = np.repeat(np.arange(len(y)), weights.astype(int))
    model.set_params(tol=1e-9)
    first = coef_table(model.fit(X, y, weights), X, y, sample_weight=weights)
    second = coef_table(model.fit(X[written], y[written]), X[written], y[written])
    same(first, second, tol=2e-4)


@pytest.mark.parametrize("scale", [1e-6, 1e8])
def test_units_of_columns_and_target(model, scale):
    X, y = contaminated()
    table = coef_table(model.fit(X, y), X, y)
    longer = coef_table(model.fit(X, scale * y), X, scale * y)
    np.testing.assert_allclose(longer.std_error, scale * table.std_error, rtol=1e-4)
    units = np.geomspace(1.0, scale, X.shape[1])
    other = coef_table(model.fit(X * units, y), X * units, y)
    assert_close(other.t, table.t, terms=1.0 + np.abs(table.t), tol=1e-3)


def test_every_kind_of_data_gives_the_same_table(model):
    X, y = contaminated()
    table = coef_table(model.fit(X, y), X, y)
    frame = pd.DataFrame(X, columns=list("abcd"))
    kinds = (sparse.csr_array(X), frame, pl.from_pandas(frame), np.asfortranarray(X))
    for kind in kinds:
        same(coef_table(model.fit(kind, y), kind, y), table, tol=1e-6)
    assert coef_table(model.fit(frame, y), frame, y).names == ("a", "b", "c", "d", "intercept")


def test_targets_have_each_their_own(model):
    X, y = contaminated()
    other = contaminated(seed=5)[1]
    both = pd.DataFrame({"first": y, "second": other})
    table = coef_table(model.fit(X, both), X, both)
    assert table.targets == ("first", "second")
    for k, target in enumerate((y, other)):
        alone = coef_table(model.fit(X, target), X, target)
        one = SimpleNamespace(**{column: getattr(table, column)[k] for column in COLUMNS})
        same(one, alone, tol=1e-9)
    frame = table.to_frame()
    assert list(frame.columns) == COLUMNS
    assert frame.loc[("second", "x0"), "estimate"] == table.estimate[1, 0]


def test_rejected_leverage_rows_tell_nothing():
    X, y = load_hbk(return_X_y=True)
    model = RobustRegressor(random_state=0)
    table = coef_table(model.fit(X, y), X, y)
    without = coef_table(model.fit(X[10:], y[10:]), X[10:], y[10:])
    np.testing.assert_allclose(table.std_error, without.std_error, rtol=0.1)


@pytest.mark.parametrize("noise", ["normal", "t3", "outliers"])
@pytest.mark.parametrize(
    "alpha", [1.0, *(pytest.param(alpha, marks=pytest.mark.slow) for alpha in (0.0, -2.0))]
)
def test_limits_cover_as_often_as_they_say(alpha, noise):
    truth, covered = np.array([1.0, -2.0, 0.5, 3.0]), []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X, errors = rng.normal(size=(200, 3)), rng.normal(size=200)
        if noise == "t3":
            errors = rng.standard_t(3, size=200)
        elif noise == "outliers":
            errors[:20] += 10.0 * rng.choice([-1.0, 1.0], 20)
        y = X @ truth[:-1] + truth[-1] + errors
        table = coef_table(RobustRegressor(alpha, random_state=0).fit(X, y), X, y)
        covered.append((table.ci_low <= truth) & (truth <= table.ci_high))
    assert 0.92 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_every_loss_has_a_table(keywords):
    X, y = contaminated()
    table = coef_table(RobustRegressor(random_state=0, **keywords).fit(X, y), X, y)
    least = coef_table(RobustRegressor(2.0).fit(X, y), X, y)
    assert np.all((table.std_error > 0.0) & (table.std_error < (1.0 + 1e-9) * least.std_error))


@pytest.mark.parametrize("keywords", [kw for kw in CONVEX if "loss" not in kw], ids=name)
def test_the_sandwich_of_a_learned_shape_is_that_of_the_shape(keywords):
    X, y = contaminated()
    bounds = (keywords["alpha"], keywords["alpha"])
    model = AdaptiveRobustRegressor(alpha_bounds=bounds, init="ols", tol=1e-9).fit(X, y)
    given = RobustRegressor(scale=model.scale_, init="ols", tol=1e-9, **keywords).fit(X, y)
    table = coef_table(model, X, y, covariance="sandwich")
    same(table, coef_table(given, X, y), tol=1e-6)


def test_rows_left_out_of_the_likelihood_are_not_in_its_errors():
    X, y = load_hbk(return_X_y=True)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    kept = model.weights_ > 0.0
    assert kept.sum() < len(y)
    alone = AdaptiveRobustRegressor(init="ols").fit(X[kept], y[kept])
    same(coef_table(model, X, y), coef_table(alone, X[kept], y[kept]), tol=1e-3)


def test_pipelines_searches_and_cross_validated_fits():
    data = load_stackloss(as_frame=True)
    X, y = data.data, data.target
    model = RobustRegressor(1.0)
    pipe = make_pipeline(StandardScaler(), model).fit(X, y)
    table = coef_table(pipe, X, y)
    assert table.names == (*X.columns, "intercept")
    alone = coef_table(model.fit(X, y), X, y)
    assert_close(table.t[:-1], alone.t[:-1], terms=1.0 + np.abs(alone.t[:-1]), tol=1e-6)
    search = GridSearchCV(pipe, {"robustregressor__alpha": [1.0]}, cv=3).fit(X, y)
    same(coef_table(search, X, y), table, tol=1e-6)
    chosen = RobustRegressorCV([1.0], init="ols", scales=("mad",), cv=3).fit(X, y)
    same(coef_table(chosen, X, y), alone, tol=1e-6)
    options = {"covariance": "bootstrap", "n_resamples": 5, "random_state": 1}
    resampled = coef_table(chosen, X, y, **options)
    # The refits keep what was chosen: they are those of the estimator that has it.
    same(resampled, coef_table(model, X, y, **options), tol=1e-5)


def test_names_come_through_nested_pipelines_and_searches():
    X, y = contaminated()
    X = pd.DataFrame(X, columns=list("abcd"))
    inner = make_pipeline(PolynomialFeatures(include_bias=False), RobustRegressor(2.0))
    search = GridSearchCV(inner, {"robustregressor__alpha": [2.0]}, cv=3)
    with pytest.raises(NotFittedError):
        coef_table(search, X, y)
    for estimator in (
        make_pipeline(StandardScaler().set_output(transform="pandas"), inner),
        make_pipeline(StandardScaler(), "passthrough", inner),
        make_pipeline(StandardScaler(), search),
        GridSearchCV(make_pipeline(StandardScaler(), search), {}, cv=3),
    ):
        names = coef_table(estimator.fit(X, y), X, y).names
        assert (names[0], names[5], names[-1]) == ("a", "a b", "intercept")


def test_columns_that_a_step_does_not_name_are_numbered():
    X, y = contaminated()
    pipe = make_pipeline(FunctionTransformer(np.cbrt), RobustRegressor(1.0)).fit(X, y)
    assert coef_table(pipe, X, y).names == ("x0", "x1", "x2", "x3", "intercept")


def test_shares_of_rows_have_no_jump():
    """Weights that sum to less than the rows are shares; of next to nothing they are nothing."""
    X, y = contaminated(n=60)
    half = np.repeat([1.0, 0.0], 30)
    model = RobustRegressor(2.0)
    with_none = coef_table(model.fit(X, y, half), X, y, sample_weight=half)
    little = np.maximum(half, 1e-9)
    same(coef_table(model.fit(X, y, little), X, y, sample_weight=little), with_none, tol=1e-6)
    tenth = np.full(60, 0.1)
    equal = coef_table(model.fit(X, y, tenth), X, y, sample_weight=tenth)
    same(equal, coef_table(model.fit(X, y), X, y), tol=1e-9)


@pytest.mark.parametrize("model", [RobustRegressor(2.0), RobustRegressor(1.0, tol=1e-9)], ids=str)
def test_nearly_dependent_columns_keep_the_error_of_the_intercept(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    y = X.sum(axis=1) + rng.normal(size=100)
    apart = rng.normal(size=100)
    far = coef_table(model.fit(np.column_stack([X, apart]), y), np.column_stack([X, apart]), y)
    near = np.column_stack([X, X[:, 0] + 1e-6 * apart])
    table = coef_table(model.fit(near, y), near, y)
    np.testing.assert_allclose(table.std_error[[1, 3]], far.std_error[[1, 3]], rtol=1e-3)
    np.testing.assert_allclose(table.std_error[2], 1e6 * far.std_error[2], rtol=1e-3)


def test_extreme_units(model):
    X, y = contaminated()
    table = coef_table(model.fit(X, y), X, y)
    for x_unit, y_unit in ((1.0, 1e-140), (1e-100, 1e100), (1e100, 1e-100)):
        other = coef_table(model.fit(x_unit * X, y_unit * y), x_unit * X, y_unit * y)
        units = np.append(np.full(4, y_unit / x_unit), y_unit)
        np.testing.assert_allclose(other.std_error / units, table.std_error, rtol=1e-3)


def test_a_scale_held_at_its_bound_is_given():
    X, y = contaminated()
    for bound in (0.16, 0.35):
        bounds = AdaptiveRobustRegressor(scale_bounds=(0.001, bound), random_state=0).fit(X, y)
        start = np.append(bounds.coef_, bounds.intercept_)
        held = AdaptiveRobustRegressor(scale_bounds=(bound, bound), init=start).fit(X, y)
        same(coef_table(bounds, X, y), coef_table(held, X, y), tol=1e-4)


def test_dependent_columns_have_the_errors_of_least_norm():
    X, y = contaminated()
    twice = np.column_stack([X, X[:, 0]])
    model = RobustRegressor(1.0)
    single = coef_table(model.fit(X, y), X, y)
    with pytest.warns(UserWarning, match="dependent"):
        double = coef_table(model.fit(twice, y), twice, y)
    np.testing.assert_allclose(double.std_error[[0, 4]], 0.5 * single.std_error[0], rtol=1e-5)
    np.testing.assert_allclose(double.std_error[1:4], single.std_error[1:4], rtol=1e-5)


def test_a_constant_column_is_not_estimated():
    X, y = contaminated()
    X[:, 1] = 0.0
    with pytest.warns(UserWarning, match="dependent"):
        table = coef_table(RobustRegressor(1.0).fit(X, y), X, y)
    assert (table.std_error[1], table.t[1], table.p_value[1]) == (0.0, 0.0, 1.0)
    assert all(np.all(np.isfinite(getattr(table, column))) for column in COLUMNS)


def test_data_of_another_fit_are_noticed(model):
    X, y = contaminated()
    model = model.fit(X, y)
    with pytest.warns(UserWarning, match="should be those of the fit"):
        coef_table(model, X, y + 0.2 * X[:, 0])
    with pytest.raises(ValueError, match=r"X and y must be those of the fit"):
        coef_table(model, X[:-1], y[:-1])


def test_what_is_refused():
    X, y = contaminated(n=20)
    model = RobustRegressor(1.0)
    with pytest.raises(NotFittedError):
        coef_table(model, X, y)
    with pytest.raises(TypeError, match="estimator must be a linear estimator of sklearn_robust"):
        coef_table(LinearRegression().fit(X, y), X, y)
    model.fit(X, y)
    for wrong in (
        {"level": 1.0},
        {"covariance": "H2"},
        {"df": 0.0},
        {"n_resamples": 1},
        {"random_state": "a"},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            coef_table(model, X, y, **wrong)
    with pytest.raises(ValueError, match="for a fit of given shape"):
        coef_table(model, X, y, covariance="information")
    with pytest.warns(UserWarning, match="fitted exactly"):
        few = RobustRegressor(2.0).fit(X[:5, :4], y[:5])
    with pytest.raises(ValueError, match="more rows than the 5 free parameters"):
        coef_table(few, X[:5, :4], y[:5])
    adaptive = AdaptiveRobustRegressor(scale_bounds=(1.0, 1.0), init="ols").fit(X[:3, :2], y[:3])
    with pytest.raises(ValueError, match=r"more rows than the \d free parameters"):
        coef_table(adaptive, X[:3, :2], y[:3])
    with pytest.warns(UserWarning, match="No row has any weight"):
        lost = RobustRegressor(scale=1e-9, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match='covariance="bootstrap" needs none'):
        coef_table(lost, X, y)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        lost = AdaptiveRobustRegressor(init=np.full(5, 100.0), max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="estimator must be at a minimum"):
        coef_table(lost, X, y, covariance="information")
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        coef_table(model, X, y)


def test_a_table_prints_and_is_written_as_html():
    X, y = load_stackloss(return_X_y=True, as_frame=True)
    X.columns = ["air<&>", "water", "acid"]
    table = coef_table(RobustRegressor(2.0).fit(X, y), X, y)
    lines = str(table).splitlines()
    assert lines[0].split() == COLUMNS
    assert lines[1].split() == [
        "air<&>", "0.71564", "0.1349", "5.31", "5.8e-05", "0.431114", "1.00017"
    ]  # fmt: skip
    assert lines[-1] == "(95 % confidence limits, sandwich, t with 17 degrees of freedom)"
    assert "<td>air&lt;&amp;&gt;</td>" in table._repr_html_()
    assert table._repr_html_().count("<tr>") == 5
    frame = table.to_frame()
    assert list(frame.index) == list(table.names)
    np.testing.assert_array_equal(frame["std_error"], table.std_error)


def test_a_table_of_targets_names_them():
    X, y = contaminated()
    both = np.column_stack([y, -y])
    lines = str(coef_table(RobustRegressor(1.0).fit(X, both), X, both)).splitlines()
    labels = [line.split()[:2] for line in lines[1:-1]]
    names = ["x0", "x1", "x2", "x3", "intercept"]
    assert labels == [[target, name] for target in ("y0", "y1") for name in names]


def test_a_frame_needs_pandas(monkeypatch):
    X, y = contaminated()
    table = coef_table(RobustRegressor(1.0).fit(X, y), X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas: pip install pandas"):
        table.to_frame()
