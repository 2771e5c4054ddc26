"""What is said about every row of a fit."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from closeness import assert_close
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.covariance import MinCovDet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.outliers_influence import variance_inflation_factor

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.datasets import load_hbk, load_stackloss
from sklearn_robust.inspection import diagnostics, outlier_mask


@pytest.fixture(scope="module")
def stackloss():
    return load_stackloss(return_X_y=True)


def test_at_alpha_2_they_are_those_of_statsmodels(stackloss):
    X, y = stackloss
    design = sm.add_constant(X)
    theirs = sm.OLS(y, design).fit()
    influence = theirs.get_influence()
    model = RobustRegressor(2.0, scale=1.0).fit(X, y)
    rows = diagnostics(model, X, y)
    assert_close(rows.leverage, influence.hat_matrix_diag, terms=1.0)
    sigma = (rows.residual / rows.scaled_residual)[0]
    assert_close(rows.cook, influence.cooks_distance[0] * theirs.mse_resid / sigma**2, terms=10.0)
    inflation = [variance_inflation_factor(design, k) for k in (1, 2, 3)]
    assert_close(rows.variance_inflation, inflation, terms=100.0)


def test_they_are_those_of_weighted_least_squares(stackloss):
    X, y = stackloss
    model = RobustRegressor(random_state=0, tol=1e-12).fit(X, y)
    rows = diagnostics(model, X, y)
    of_weights = np.sqrt(model.weights_)[:, None] * sm.add_constant(X)
    assert_close(rows.leverage, np.diag(of_weights @ np.linalg.pinv(of_weights)), terms=1.0)
    assert rows.leverage.sum() == pytest.approx(4.0)
    centred = of_weights - of_weights[:, :1] * np.average(
        sm.add_constant(X), axis=0, weights=model.weights_
    )
    inverse = np.linalg.inv(of_weights.T @ of_weights)
    expected = [inverse[k, k] * np.sum(centred[:, k] ** 2) for k in (1, 2, 3)]
    assert_close(rows.variance_inflation, expected, terms=100.0)


def test_the_artificial_rows_of_hawkins_bradu_kass_are_told_apart():
    """Rousseeuw & van Zomeren (1990): ten bad leverage points, four good ones."""
    X, y = load_hbk(return_X_y=True)
    rows = diagnostics(RobustRegressor(random_state=0).fit(X, y), X, y)
    assert np.flatnonzero(rows.bad_leverage).tolist() == list(range(10))
    assert np.flatnonzero(rows.good_leverage).tolist() == [10, 11, 12, 13]
    expected = MinCovDet(random_state=0).fit(X).mahalanobis(X) ** 0.5
    assert np.corrcoef(rows.distance, expected)[0, 1] > 0.999


@pytest.mark.parametrize("factor", [1.0, -1e6])
def test_distances_do_not_depend_on_units_or_on_dependent_columns(factor):
    X, y = load_hbk(return_X_y=True)
    known = diagnostics(RobustRegressor(random_state=0).fit(X, y), X, y)
    other = np.column_stack([factor * X[:, 0] + 7.0, X[:, 1:], X[:, 1] + X[:, 2]])
    found = diagnostics(RobustRegressor(random_state=0).fit(other, y), other, y)
    # The search of the covariance draws rows; rounding may lead it to another support.
    assert found.distance == pytest.approx(known.distance, rel=0.05)
    np.testing.assert_array_equal(found.bad_leverage, known.bad_leverage)
    assert_close(found.leverage, known.leverage, terms=1.0, tol=1e-4)
    assert np.isinf(found.variance_inflation).tolist() == [False, True, True, True]


def test_level_columns_have_leverage_but_no_distance():
    rng = np.random.default_rng(0)
    level, x = np.repeat([0, 1, 2], [120, 60, 3]), rng.normal(size=183)
    X = np.column_stack([x, np.eye(3)[level]])
    y = x + level + 0.1 * rng.normal(size=183)
    model = RobustRegressor(random_state=0).fit(X, y)
    rows = diagnostics(model, X, y)
    alone = diagnostics(RobustRegressor(random_state=0).fit(X[:, :1], y), X[:, :1], y)
    assert_close(rows.distance, alone.distance, terms=np.max(alone.distance))
    # The coefficient of the rare level rests on its rows alone.
    assert rows.leverage[-3:].sum() == pytest.approx(1.0, abs=0.1)
    none = np.eye(3)[level]
    only = diagnostics(RobustRegressor(random_state=0).fit(none, y), none, y)
    assert not np.any(only.distance)
    assert not np.any(only.good_leverage | only.bad_leverage)


def test_few_rows_for_many_columns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 8)), rng.normal(size=20)
    rows = diagnostics(RobustRegressor(1.0).fit(X, y), X, y)
    middle = np.median(X, axis=0)
    unit = np.median(np.abs(X - middle), axis=0) / 0.6745
    assert_close(rows.distance, np.linalg.norm((X - middle) / unit, axis=1))


@pytest.mark.filterwarnings("ignore:More than half")
@pytest.mark.parametrize("model", [RobustRegressor, AdaptiveRobustRegressor])
def test_an_index_labels_the_rows(model):
    X, y = load_hbk(return_X_y=True)
    X = pd.DataFrame(X, index=[f"row {k}" for k in range(75)], columns=list("abc"))
    fitted = model(random_state=0).fit(X, y)
    rows = diagnostics(fitted, X, y)
    frame = rows.to_frame()
    assert frame.index.equals(X.index.rename("row"))
    assert rows.columns == ("a", "b", "c")
    pd.testing.assert_series_equal(frame["outlier"], outlier_mask(fitted, X, y), check_names=False)
    assert rows.worst(3).names == tuple(frame["scaled_residual"].abs().nlargest(3).index)
    assert len(repr(rows).splitlines()) == 12
    assert "10 of 75 rows, largest residuals first" in repr(rows)
    assert "10 bad leverage" in rows._repr_html_()


@pytest.mark.parametrize("n_targets", [1, 2])
def test_the_names_of_the_index_are_kept(n_targets):
    X, y = load_hbk(return_X_y=True)
    y = y if n_targets == 1 else np.column_stack([y, -y])
    model = RobustRegressor(random_state=0).fit(X, y)
    for index in (
        pd.Index([f"row {k}" for k in range(75)], name="film"),
        pd.MultiIndex.from_product([list("abc"), range(25)], names=["studio", "year"]),
    ):
        frame = diagnostics(model, pd.DataFrame(X, index=index), y).to_frame()
        assert frame.index.names == [*(["target"] if n_targets == 2 else []), *index.names]
        one = frame if n_targets == 1 else frame.xs("y1")
        assert one.index.equals(index)


def test_kinds_of_data_targets_and_cases():
    X, y = load_hbk(return_X_y=True)
    cases = np.random.default_rng(0).integers(0, 3, size=75)
    both = np.column_stack([y, -2.0 * y])
    model = RobustRegressor(random_state=0, tol=1e-10)
    one = diagnostics(model.fit(X, y, cases), X, y, sample_weight=cases)
    rows = diagnostics(model.fit(X, both, cases), X, both, sample_weight=cases)
    assert rows.targets == ("y0", "y1")
    assert_close(rows.leverage, np.array([one.leverage, one.leverage]), terms=1.0, tol=1e-6)
    assert_close(rows.residual[1], -2.0 * one.residual, terms=np.max(np.abs(y)), tol=1e-6)
    assert rows.to_frame().shape == (150, 11)
    thin = sparse.csr_array(X)
    same = diagnostics(model.fit(thin, y, cases), thin, y, sample_weight=cases)
    assert_close(same.cook, one.cook, terms=1.0, tol=1e-6)
    written = np.repeat(np.arange(75), cases)
    twice = diagnostics(model.fit(X[written], y[written]), X[written], y[written])
    first = np.unique(written, return_index=True)[1]
    assert_close(twice.leverage[first], one.leverage[cases > 0], terms=1.0, tol=1e-6)


def test_some_rows_say_how_many_there_are_of_all():
    X, y = load_hbk(return_X_y=True)
    rows = diagnostics(RobustRegressor(random_state=0).fit(X, y), X, y)
    footer = "largest residuals first; of all: 10 outlier, 4 good leverage, 10 bad leverage)"
    assert repr(rows).endswith(f"(10 of 75 rows, {footer}")
    assert repr(rows.worst(3)).endswith(f"(3 of 75 rows, {footer}")
    assert repr(rows.worst(30)).endswith(f"(10 of 75 rows, {footer}")
    assert repr(rows.worst(9).worst(2)).endswith(f"(2 of 75 rows, {footer}")
    chosen = repr(rows.loc[[70, 3]])
    assert "(2 of 75 rows; of all: 10 outlier" in chosen


@pytest.mark.parametrize("n_targets", [1, 2])
def test_what_is_recorded_and_expected_is_in_the_unit_of_y(n_targets):
    X, y = load_hbk(return_X_y=True)
    X = pd.DataFrame(X, columns=list("abc"))
    price = np.exp(0.1 * y) if n_targets == 1 else np.exp(0.1 * np.column_stack([y, -y]))
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), RobustRegressor(random_state=0)),
        func=np.log, inverse_func=np.exp,
    ).fit(X, price)  # fmt: skip
    rows = diagnostics(model, X, price)
    np.testing.assert_array_equal(rows.recorded, price.T)
    np.testing.assert_array_equal(rows.expected, model.predict(X).T)
    assert_close(np.log(rows.recorded) - np.log(rows.expected), rows.residual, terms=10.0)
    frame = rows.worst(5).to_frame()
    assert list(frame.columns[:3]) == ["recorded", "expected", "residual"]


def test_one_target_may_be_a_column_or_a_series():
    X, y = load_hbk(return_X_y=True)
    X, y = pd.DataFrame(X, columns=list("abc")), pd.Series(y, name="price")
    column = y.to_frame()
    fits = [RobustRegressor(random_state=0).fit(X, of) for of in (y, column)]
    known = outlier_mask(fits[0], X, y)
    for model in fits:
        pd.testing.assert_series_equal(outlier_mask(model, X, y), known)
        pd.testing.assert_frame_equal(outlier_mask(model, X, column), known.to_frame("price"))
        weights = [diagnostics(model, X, of).weight.ravel() for of in (y, column)]
        np.testing.assert_array_equal(*weights)


def test_rows_of_another_fit_are_refused():
    X, y = load_hbk(return_X_y=True)
    model = RobustRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="X and y must be those of the fit"):
        diagnostics(model, X[1:], y[1:])
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\), got 1"):
        diagnostics(model, X, y, level=1.0)
    with pytest.raises(ValueError, match="n_rows must be an integer of at least 1, got 0"):
        diagnostics(model, X, y).worst(0)
