"""Paths of absolute penalties, grids made from the data, adaptive penalties, their display."""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from closeness import assert_close
from problems import EACH_LOSS
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge, enet_path
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_robust import (
    AdaptiveRobustRegressor,
    RobustRegressor,
    RobustRegressorCV,
    robust_path,
)
from sklearn_robust.inspection import PathDisplay, degrees_of_freedom, selected_columns
from sklearn_robust.losses import psi

REFERENCE = Path(__file__).parent / "reference"
SHARP = {"tol": 1e-10, "max_iter": 5000}
CONVEX = [{"alpha": 1.0}, {"alpha": 1.5, "scale": 2.0}, {"loss": "huber", "scale": 2.0}]


def wide(n=60, p=120, k=6, seed=0):
    """Return columns in different units, of which the first few count."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.exp(0.5 * rng.normal(size=p)) + rng.normal(size=p)
    return X, 3.0 * X[:, :k].sum(axis=1) + rng.normal(size=n)


def dirty(n=60, p=120, seed=0):
    """Return such a table with a tenth of the rows far off on one side."""
    X, y = wide(n, p, seed=seed)
    y[: n // 10] += 50.0
    return X, y


# ---- against others ------------------------------------------------------------------


def test_hubers_loss_is_that_of_skglm():
    for row in csv.reader((REFERENCE / "skglm_huber.csv").read_text().splitlines()):
        seed, threshold, penalty = int(row[0]), float(row[1]), float(row[2])
        X, y = wide(*((100, 30), (60, 120))[seed], seed=seed)
        y[:8] += 30.0
        model = RobustRegressor(loss="huber", scale=threshold, l1_regularization=penalty, **SHARP)
        model.fit(X, y)
        theirs = np.array(row[3:], dtype=float)
        assert_close(model.coef_, theirs[:-1], terms=np.abs(theirs).max(), tol=1e-8)
        assert_close(model.intercept_, theirs[-1], terms=np.abs(theirs).max(), tol=1e-8)


@pytest.mark.parametrize("n", [200, 60])
def test_squared_error_is_scikit_learns_path(n):
    X, y = wide(n)
    path = robust_path(X, y, alpha=2.0, l1_regularizations=30, eps=1e-2, **SHARP)
    centred = X - X.mean(axis=0), y - y.mean()
    largest = np.max(np.abs(centred[0].T @ centred[1])) / n
    assert_close(path.l1_regularizations, largest * np.geomspace(1.0, 1e-2, 30), tol=1e-11)
    options = {"l1_ratio": 1.0, "alphas": path.l1_regularizations, "tol": 1e-14}
    theirs = enet_path(*centred, **options, max_iter=100_000)[1]
    assert_close(path.coefs, theirs, terms=np.abs(theirs).max(), tol=1e-7)


# ---- the path ------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", CONVEX)
@pytest.mark.parametrize(("n", "p"), [(100, 30), (60, 120)])
def test_a_convex_path_is_its_single_fits(keywords, n, p):
    X, y = dirty(n, p)
    path = robust_path(X, y, l1_regularizations=12, eps=0.05, **keywords, **SHARP)
    for place, penalty in enumerate(path.l1_regularizations):
        fit = RobustRegressor(**keywords, l1_regularization=penalty, **SHARP).fit(X, y)
        assert_close(path.coefs[:, place], fit.coef_, terms=np.abs(path.coefs).max(), tol=1e-7)
        assert path.scales[place] == pytest.approx(fit.scale_, rel=1e-7)
        assert path.intercepts[place] == pytest.approx(fit.intercept_, abs=1e-5)


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_every_point_is_at_rest(keywords):
    X, y = dirty(100, 40)
    path = robust_path(
        X, y, l1_regularizations=8, eps=0.1, scale=20.0, l2_regularization=0.02, random_state=0,
        **keywords, **SHARP,
    )  # fmt: skip
    for place, penalty in enumerate(path.l1_regularizations):
        coef = path.coefs[:, place]
        residuals = y - X @ coef - path.intercepts[place]
        influence = 400.0 * psi(residuals, scale=20.0, **keywords)
        gradient = -(X - X.mean(axis=0)).T @ influence / len(y) + 0.02 * coef
        unit, used = 20.0 * X.std(axis=0), coef != 0.0
        assert np.all(np.abs(gradient + penalty * np.sign(coef))[used] <= 1e-6 * unit[used])
        assert np.all(np.abs(gradient[~used]) <= penalty + 1e-6 * unit[~used])


@pytest.mark.parametrize("keywords", [*CONVEX, {}])
def test_the_grid_begins_where_all_coefficients_are_zero(keywords):
    X, y = wide(100, 30)
    path = robust_path(X, y, l1_regularizations=20, random_state=0, **keywords)
    largest = path.l1_regularizations[0]
    assert not np.any(path.coefs[:, 0])
    assert np.any(path.coefs[:, 1])
    assert path.l1_regularizations[-1] == pytest.approx(1e-3 * largest)
    assert np.all(np.diff(path.l1_regularizations) < 0.0)


def test_the_grid_does_not_follow_values_far_off_in_x():
    X, y = wide(100, 30)
    keywords = {"l1_regularizations": 2, "eps": 0.1, "random_state": 0}
    clean = robust_path(X, y, **keywords).l1_regularizations
    X[:10, 5] += 1e6
    far = robust_path(X, y, **keywords).l1_regularizations
    assert_close(far, clean, tol=0.5)


@pytest.mark.parametrize("convert", [np.asfortranarray, sparse.csr_array, np.float32])
def test_storage_and_weights(convert):
    X, y = dirty(80, 150)
    X *= np.random.default_rng(1).uniform(size=X.shape) < 0.3
    X = X.astype(np.float32).astype(np.float64)
    weights = np.random.default_rng(2).integers(0, 3, size=80)
    twice = np.repeat(np.arange(80), weights)
    keywords = {"alpha": 1.0, "scale": 4.0, "l1_regularizations": [1.0, 0.5, 0.25], **SHARP}
    path = robust_path(X, y, sample_weight=weights, **keywords)
    for other in (
        robust_path(convert(X), y, sample_weight=weights, **keywords),
        robust_path(convert(X[twice]), y[twice], **keywords),
    ):
        assert_close(other.coefs, path.coefs, terms=np.abs(path.coefs).max(), tol=1e-6)
        assert_close(other.intercepts, path.intercepts, terms=np.abs(path.coefs).max(), tol=1e-6)


def test_several_targets_share_the_penalties():
    X, y = dirty(80, 20)
    both = np.column_stack([y, 2.0 * y + 1.0])
    path = robust_path(X, both, alpha=1.0, l1_regularizations=5, **SHARP)
    assert path.coefs.shape == (2, 20, 5)
    assert path.scales.shape == path.intercepts.shape == path.n_selected.shape == (2, 5)
    for place, target in enumerate(both.T):
        one = robust_path(X, target, alpha=1.0, l1_regularizations=path.l1_regularizations, **SHARP)
        assert_close(path.coefs[place], one.coefs, terms=np.abs(one.coefs).max(), tol=1e-7)


def test_the_size_of_outliers_does_not_matter_to_a_redescending_loss():
    X, y = wide(150, 60)
    keywords = {"l1_regularizations": [0.05, 0.2, 0.1], "random_state": 0}
    paths = []
    for size in (1e4, 1e6):
        y[:15] += size
        paths.append(robust_path(X, y, **keywords))
    near, far = paths
    assert near.l1_regularizations.tolist() == [0.2, 0.1, 0.05]
    assert_close(far.coefs, near.coefs, terms=np.abs(near.coefs).max(), tol=1e-5)
    assert_close(far.scales, near.scales, tol=1e-5)


def test_a_constant_target():
    X, _ = wide(40, 10)
    with pytest.warns(UserWarning, match="."):
        fit = RobustRegressor(1.0, l1_regularization=1.0).fit(X, np.ones(40))
    path = robust_path(X, np.ones(40), alpha=1.0, l1_regularizations=3)
    assert not np.any(path.coefs)
    assert_close(path.intercepts, np.full(3, fit.intercept_), tol=1e-12)


def test_penalty_zero_ends_a_path():
    X, y = dirty(80, 10)
    path = robust_path(X, y, alpha=1.0, l1_regularizations=[1.0, 0.0], **SHARP)
    fit = RobustRegressor(1.0, **SHARP).fit(X, y)
    assert_close(path.coefs[:, 1], fit.coef_, terms=np.abs(fit.coef_).max(), tol=1e-7)


def test_unfinished_points_are_counted():
    X, y = dirty(80, 40)
    with pytest.warns(ConvergenceWarning, match=r"at \d+ of 5 penalties, the largest"):
        robust_path(X, y, alpha=1.0, l1_regularizations=5, max_iter=1)


def test_progress_is_printed(capsys):
    X, y = wide(50, 5)
    robust_path(X, y, alpha=1.0, l1_regularizations=2, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "[robust_path] 1 of 2",
        "[robust_path] 2 of 2",
    ]


@pytest.mark.parametrize(("keywords", "text"), [
    ({"l1_regularizations": 0}, "l1_regularizations must be .*got 0"),
    ({"l1_regularizations": [-1.0]}, r"every one of l1_regularizations must be .*got -1\.0"),
    ({"l1_regularizations": []}, r"l1_regularizations must be .*got \[\]"),
    ({"l1_regularizations": 0.5}, r"l1_regularizations must be .*got 0\.5"),
    ({"eps": 1.0}, r"eps must be .*got 1\.0"),
    ({"alpha": 3.0}, r"alpha must be .*got 3\.0"),
    ({"penalty_weights": [1.0]}, r"penalty_weights must be .*got shape \(1,\)"),
])  # fmt: skip
def test_wrong_parameters_are_named(keywords, text):
    X, y = wide(30, 5)
    with pytest.raises(ValueError, match=text):
        robust_path(X, y, **keywords)


# ---- cross-validation ----------------------------------------------------------------


def test_a_number_of_penalties_is_the_grid_of_the_path():
    X, y = dirty(100, 20)
    search = RobustRegressorCV((-np.inf,), l1_regularizations=6, cv=3, random_state=0).fit(X, y)
    path = robust_path(X, y, l1_regularizations=6, random_state=0)
    tried = np.unique([one["l1_regularization"] for one in search.cv_results_["params"]])
    assert_close(tried[::-1], path.l1_regularizations, tol=1e-5)
    assert search.l1_regularization_ in tried


def test_a_number_of_squared_penalties():
    X, y = wide(100, 8)
    X *= 10.0 ** np.arange(8)
    search = RobustRegressorCV((1.0,), l2_regularizations=7, cv=3).fit(X, y)
    tried = search.cv_results_["param_l2_regularization"].astype(float)
    assert len(np.unique(tried)) == 7
    shrunk = RobustRegressor(1.0, l2_regularization=tried.max()).fit(X, y)
    free = RobustRegressor(1.0, l2_regularization=tried.min()).fit(X, y)
    assert np.all(np.abs(shrunk.coef_ * X.std(axis=0)) < np.abs(free.coef_ * X.std(axis=0)))
    scaled = RobustRegressorCV((1.0,), l2_regularizations=7, cv=3).fit(100.0 * X, y)
    scaled = scaled.cv_results_["param_l2_regularization"].astype(float)
    assert_close(scaled, 1e4 * tried, tol=1e-9)


def test_an_adaptive_penalty_is_a_second_search():
    X, y = dirty(150, 40)
    keywords = {"l1_regularizations": (0.05, 0.2, 0.8), "cv": 3, "random_state": 0}
    first = RobustRegressorCV((-np.inf,), **keywords).fit(X, y)
    search = RobustRegressorCV((-np.inf,), adaptive_penalty=True, **keywords).fit(X, y)
    sizes = np.abs(first.coef_) * X.std(axis=0)
    used = sizes > 0.0
    assert_close(search.penalty_weights_[used] * sizes[used] / sizes[used].mean(), 1.0, tol=1e-2)
    assert np.all(search.penalty_weights_[~used] > 1e5)
    assert set(np.flatnonzero(search.coef_)) <= set(np.flatnonzero(used))
    again = RobustRegressorCV((-np.inf,), penalty_weights=search.penalty_weights_, **keywords)
    assert_close(again.fit(X, y).coef_, search.coef_, terms=np.abs(search.coef_).max(), tol=1e-5)
    assert first.penalty_weights_ is None


def test_the_fit_of_all_rows_is_a_single_fit_near_its_s_estimate():
    X, y = dirty(150, 30)
    search = RobustRegressorCV((-np.inf,), l1_regularizations=(0.1, 0.4), cv=3, random_state=0)
    search.fit(X, y)
    single = RobustRegressor(l1_regularization=search.l1_regularization_, random_state=0).fit(X, y)
    assert search.scale_ == pytest.approx(single.scale_, rel=0.1)
    assert_close(search.coef_, single.coef_, terms=np.abs(single.coef_).max(), tol=0.05)


# ---- what a fit has selected ---------------------------------------------------------


def test_degrees_of_freedom():
    X, y = dirty(100, 20)
    chosen = RobustRegressor(1.0, l1_regularization=0.5).fit(X, y)
    assert degrees_of_freedom(chosen, X, y) == np.count_nonzero(chosen.coef_) + 1
    free = RobustRegressor(1.0).fit(X, y)
    assert degrees_of_freedom(free, X, y) == pytest.approx(21.0)
    squares = RobustRegressor(2.0, l2_regularization=0.3).fit(X, y)
    Z = X - X.mean(axis=0)
    hat = Z @ np.linalg.solve(Z.T @ Z + 30.0 * np.eye(20), Z.T)
    assert_close(squares.coef_, Ridge(30.0).fit(X, y).coef_, terms=1.0, tol=1e-6)
    assert degrees_of_freedom(squares, X, y) == pytest.approx(np.trace(hat) + 1.0)
    both = RobustRegressor(1.0, l1_regularization=0.5).fit(X, np.column_stack([y, y]))
    assert_close(
        degrees_of_freedom(both, X, np.column_stack([y, y])),
        np.full(2, degrees_of_freedom(chosen, X, y)), tol=1e-9,
    )  # fmt: skip


def test_selected_columns_have_their_names():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 3)), columns=["age", "height", "noise"])
    table["town"] = np.repeat(["Bern", "Genoa", "Turin"], 40)
    y = 3.0 * table["age"] - 2.0 * table["height"] + 4.0 * (table["town"] == "Genoa")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "height", "noise"]), (OneHotEncoder(), ["town"]),
        verbose_feature_names_out=False,
    )  # fmt: skip
    for regressor in (
        RobustRegressor(1.0, scale=3.0, l1_regularization=0.4),
        AdaptiveRobustRegressor(l1_regularization=0.2, random_state=0),
    ):
        model = make_pipeline(columns, regressor).fit(table, y + rng.normal(size=120))
        assert selected_columns(model).tolist() == ["age", "height", "town_Genoa"]
    several = RobustRegressor(1.0, scale=3.0, l1_regularization=0.5)
    several.fit(table[["age", "noise"]], np.column_stack([table["age"], table["noise"]]))
    assert [list(of) for of in selected_columns(several)] == [["age"], ["noise"]]
    with pytest.raises(NotFittedError):
        selected_columns(RobustRegressor())


# ---- the display ---------------------------------------------------------------------


def test_the_display_of_a_path():
    X, y = dirty(80, 12)
    path = robust_path(X, y, alpha=1.0, l1_regularizations=10)
    display = PathDisplay.from_path(path, chosen=path.l1_regularizations[4], n_labels=3)
    assert len(display.lines_) == 12
    assert_close(display.lines_[3].get_ydata(), path.coefs[3], tol=0.0)
    largest = np.argsort(-np.abs(path.coefs[:, 4]))[:3]
    labels = {text.get_text() for text in display.ax_.get_legend().get_texts()}
    assert labels == {*(f"x{k}" for k in largest), "chosen"}
    assert display.score_ax_ is None
    _, ax = plt.subplots()
    assert display.plot(ax=ax).figure_ is ax.figure
    plt.close("all")


def test_the_display_of_a_search_shows_its_scores():
    X, y = dirty(80, 12)
    table = pd.DataFrame(X, columns=[f"column {k}" for k in range(12)])
    search = RobustRegressorCV((1.0,), l1_regularizations=6, cv=4, random_state=0)
    model = make_pipeline(StandardScaler(), search).fit(table, y)
    display = PathDisplay.from_estimator(model, table, y)
    assert display.chosen == search.l1_regularization_
    assert display.one_standard_error >= display.chosen
    assert_close(np.nanmax(display.scores), search.best_score_, tol=1e-12)
    scores = [search.cv_results_[f"split{k}_test_score"] for k in range(4)]
    errors = np.std(scores, axis=0, ddof=1) / 2.0
    assert_close(np.sort(display.score_errors), np.sort(errors), tol=1e-9)
    assert display.feature_names[0] == "column 0"
    place = np.argmin(np.abs(display.path.l1_regularizations - display.chosen))
    assert_close(
        display.path.coefs[:, place], search.coef_, terms=np.abs(search.coef_).max(), tol=0.05
    )
    assert display.score_ax_ is not None
    plain = RobustRegressor(1.0, l1_regularization=0.3).fit(X, y)
    drawn = PathDisplay.from_estimator(plain, X, y, l1_regularizations=[1.0, 0.3], n_labels=0)
    assert drawn.scores is None
    plt.close("all")


def test_wrong_paths_are_not_drawn():
    X, y = dirty(60, 5)
    path = robust_path(X, np.column_stack([y, y]), alpha=1.0, l1_regularizations=2)
    with pytest.raises(ValueError, match="path must be that of one target, got 2"):
        PathDisplay.from_path(path)
    with pytest.raises(TypeError, match="path must be the result of robust_path"):
        PathDisplay.from_path((1, 2))
    one = robust_path(X, y, alpha=1.0, l1_regularizations=2)
    with pytest.raises(ValueError, match=r"feature_names must be 5 names.*got 1"):
        PathDisplay.from_path(one, feature_names=["a"])
    with pytest.raises(TypeError, match="RobustRegressor or RobustRegressorCV"):
        PathDisplay.from_estimator(AdaptiveRobustRegressor(random_state=0).fit(X, y), X, y)
