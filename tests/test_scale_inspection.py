"""Tests, tables and displays of a scale that depends on columns of X."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.distribution import general_robust
from sklearn_robust.inspection import (
    coef_table,
    compare,
    covariance,
    diagnostics,
    outlier_mask,
    profile_alpha,
    scale_table,
    scale_test,
    summary,
)


def _table(seed, growth=0.7, n=300):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X.sum(axis=1) + np.exp(growth * X[:, 0]) * rng.standard_t(3, size=n)


@pytest.fixture(scope="module")
def fitted():
    X, y = _table(0)
    return AdaptiveRobustRegressor(scale_features=[0, 1], random_state=0).fit(X, y), X, y


@pytest.mark.parametrize("kind", ["score", "likelihood"])
def test_size_and_power(kind):
    """Under the hypothesis few samples are significant; otherwise nearly all are."""
    p_values = []
    for growth in (0.0, 0.5):
        of_growth = []
        for seed in range(25):
            X, y = _table(seed, growth)
            model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
            of_growth.append(scale_test(model, X, y, kind=kind).p_value)
        p_values.append(np.array(of_growth))
    assert np.sum(p_values[0] < 0.01) <= 2
    assert 0.2 < np.mean(p_values[0]) < 0.8
    assert np.mean(p_values[1] < 0.01) > 0.9


@pytest.mark.parametrize("kind", ["score", "likelihood"])
def test_frames_give_what_arrays_give(fitted, kind):
    pandas = pytest.importorskip("pandas")
    _, X, y = fitted
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = AdaptiveRobustRegressor(random_state=0)
    named = scale_test(model.fit(frame, y), frame, y, kind=kind)
    plain = scale_test(model.fit(X, y), X, y, kind=kind)
    assert named.columns == ("a", "b", "c")
    np.testing.assert_allclose(named.statistic, plain.statistic, rtol=1e-9)


def test_bad_rows_do_not_decide_the_score_test():
    X, y = _table(1, 0.0)
    clean = scale_test(RobustRegressor(random_state=0).fit(X, y), X, y).statistic
    X[0], y[0] = 1e6, -1e9
    spoiled = scale_test(RobustRegressor(random_state=0).fit(X, y), X, y).statistic
    assert abs(spoiled - clean) < 0.15 * len(X) ** 0.5


def test_score_test_is_that_of_koenker():
    """Where nothing is limited it is n times the R² of least squares."""
    X = np.clip(_table(2)[0], -1.5, 1.5)
    y = X.sum(axis=1) + np.exp(0.1 * X[:, 0]) * np.random.default_rng(0).uniform(-1, 1, len(X))
    model = RobustRegressor(2.0, random_state=0).fit(X, y)
    sizes = np.abs(y - model.predict(X))
    design = np.column_stack([X, np.ones(len(y))])
    left = sizes - design @ np.linalg.lstsq(design, sizes)[0]
    r2 = 1.0 - np.sum(left**2) / np.sum((sizes - sizes.mean()) ** 2)
    found = scale_test(model, X, y)
    np.testing.assert_allclose(found.statistic, len(y) * r2, 1e-9)
    assert found.df == 3


def test_likelihood_ratio_is_twice_the_gain(fitted):
    _, X, y = fitted
    nlls = [
        AdaptiveRobustRegressor(scale_features=of, init="ols", tol=1e-9, random_state=0)
        .fit(X, y)
        .nll_
        for of in (None, [0, 1])
    ]
    model = AdaptiveRobustRegressor(init="ols", tol=1e-9, random_state=0).fit(X, y)
    found = scale_test(model, X, y, columns=[0, 1], kind="likelihood")
    np.testing.assert_allclose(found.statistic, 2.0 * len(y) * (nlls[0] - nlls[1]), 1e-6)
    assert found.df == 2
    assert "chi-squared" in repr(found)


def test_standard_errors_are_those_of_the_information():
    X, y = _table(3)
    model = AdaptiveRobustRegressor(
        alpha_bounds=(1.0, 1.0), scale_features=[0, 1], init="ols", tol=1e-10, random_state=0
    ).fit(X, y)
    left = y - model.predict(X)

    def nll(at):
        scale = np.exp(X[:, :2] @ at[:2] + at[2])
        return -np.sum(general_robust.logpdf(left, 1.0, scale=scale))

    at = np.append(model.scale_coef_, model.scale_intercept_)
    steps = 1e-4 * np.eye(3)
    slopes = [[approx_fprime(at + sign * step, nll, 1e-6) for sign in (1, -1)] for step in steps]
    information = np.array([(ahead - behind) / 2e-4 for ahead, behind in slopes])
    table = scale_table(model, X, y)
    np.testing.assert_allclose(
        table.std_error, np.sqrt(np.diag(np.linalg.inv(information))), rtol=2e-3
    )
    np.testing.assert_allclose(table.estimate, at)
    assert table.names == ("x0", "x1", "intercept")


def test_table_of_targets_and_of_pipelines(fitted):
    model, X, y = fitted
    both = AdaptiveRobustRegressor(scale_features=[0, 1], random_state=0)
    both.fit(X, np.column_stack([y, -3.0 * y]))
    table, one = scale_table(both, X, np.column_stack([y, -3.0 * y])), scale_table(model, X, y)
    assert table.targets == ("y0", "y1")
    np.testing.assert_allclose(table.std_error[0], one.std_error, 1e-3)
    np.testing.assert_allclose(table.std_error[1], one.std_error, 1e-3)
    steps = make_pipeline(StandardScaler(), AdaptiveRobustRegressor(scale_features=[0, 1]))
    inner = scale_table(steps.fit(X, y), X, y)
    np.testing.assert_allclose(inner.z[:2], one.z[:2], 1e-3)


def test_refusals(fitted):
    model, X, y = fitted
    plain = RobustRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="fitted with scale_features"):
        scale_table(plain, X, y)
    with pytest.raises(ValueError, match='kind must be "score"'):
        scale_test(plain, X, y, kind="likelihood")
    with pytest.raises(ValueError, match="columns must be"):
        scale_test(plain, X, y, columns=["no"])
    with pytest.raises(ValueError, match="not at a minimum"):
        scale_table(model, X, y + X[:, 0] ** 2)


def test_other_inspections_count_the_learned_sizes(fitted):
    """They are those of the fit that is given the sizes."""
    model, X, y = fitted
    sizes = model.predict_scale(X)
    known = AdaptiveRobustRegressor(random_state=0, init="ols").fit(X, y, error_scale=sizes)
    ours, theirs = coef_table(model, X, y), coef_table(known, X, y, error_scale=sizes)
    np.testing.assert_allclose(ours.std_error, theirs.std_error, 1e-4)
    rows, others = diagnostics(model, X, y), diagnostics(known, X, y, error_scale=sizes)
    np.testing.assert_allclose(rows.scaled_residual, others.scaled_residual, 1e-4, 1e-4)
    np.testing.assert_allclose(rows.residual, y - model.predict(X), 1e-9, 1e-9)
    assert np.array_equal(outlier_mask(model, X, y), outlier_mask(known, X, y, error_scale=sizes))
    assert summary(model, X, y).fit.converged
    ours = profile_alpha(model, X, y, [0.0, 1.0]).deviance
    of_known = profile_alpha(known, X, y, [0.0, 1.0], error_scale=sizes)
    np.testing.assert_allclose(ours, of_known.deviance, 1e-3)
    smaller = AdaptiveRobustRegressor(random_state=0, scale_features=[0, 1])
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    larger = AdaptiveRobustRegressor(random_state=0, scale_features=[0, 1]).fit(frame, y)
    tests = compare(smaller.fit(frame[["a", "b"]], y), larger, frame, y)
    assert np.all(tests.p_value < 1e-6)
    draws = covariance(model, X, y, kind="bootstrap", n_resamples=25, random_state=0)
    ratio = np.sqrt(np.diag(draws)) / coef_table(model, X, y).std_error
    assert np.all((ratio > 0.5) & (ratio < 2.0))


def test_display(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    from sklearn_robust.inspection import ScaleDisplay

    model, X, y = fitted
    display = ScaleDisplay.from_estimator(model, X, y, subsample=100)
    assert [name for name, *_ in display.panels] == ["fitted value", "x0", "x1"]
    assert len(display.axes_) == len(display.lines_) == 3
    assert len(display.sizes) == 100
    _, _, grid, curve = display.panels[1]
    np.testing.assert_allclose(
        np.diff(np.log(curve)) / np.diff(grid), np.full(99, model.scale_coef_[0]), 1e-9
    )
    # Half of the errors are above the curve of their own scale.
    whole = ScaleDisplay.from_estimator(model, X, y, subsample=None, columns=[2])
    order = np.argsort(model.predict(X))
    above = np.abs(y - model.predict(X))[order] > whole.panels[0][3]
    assert abs(np.mean(above) - 0.5) < 0.01
    level = ScaleDisplay.from_estimator(RobustRegressor(random_state=0).fit(X, y), X, y)
    assert np.ptp(level.panels[0][3]) == 0.0
    with pytest.raises(ValueError, match="axes must be 3"):
        display.plot(plt.subplots(1, 2)[1])
    plt.close("all")
