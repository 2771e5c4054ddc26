"""The losses as objectives of XGBoost and LightGBM."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from closeness import assert_close
from problems import BRANCHES, EACH_LOSS
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import RobustScaler

from sklearn_robust.losses import rho
from sklearn_robust.metrics import s_scale, s_scale_scorer
from sklearn_robust.objectives import RobustObjective, eval_metric, initial_prediction

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

ROUNDS, RATE = 60, 0.2


def table(seed=0, n=600, bad=0.1):
    """Return X, y with outliers on one side, and the true values."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    truth = 10.0 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 10.0 * X[:, 2]
    y = truth + rng.normal(size=n)
    y[rng.random(n) < bad] += 20.0
    # Both libraries hold targets in single precision.
    return X, y.astype(np.float32).astype(float), truth


def xgb(objective, y, **settings):
    settings = {"n_estimators": ROUNDS, "base_score": initial_prediction(y), **settings}
    return xgboost.XGBRegressor(
        objective=objective, learning_rate=RATE, max_depth=3, n_jobs=1, **settings
    )


def lgb(objective, **settings):
    settings = {"n_estimators": ROUNDS, "verbose": -1, "deterministic": True, **settings}
    return lightgbm.LGBMRegressor(
        objective=objective, learning_rate=RATE, num_leaves=7, n_jobs=1, **settings
    )


def centred(booster):
    """Return a booster that begins at the median of the targets, in units of their quartiles."""
    return TransformedTargetRegressor(booster, transformer=RobustScaler())


MODELS = {"xgboost": xgboost.XGBRegressor, "lightgbm": lightgbm.LGBMRegressor}


def model(library, objective, **settings):
    if library == "xgboost":
        return centred(xgb(objective, np.zeros(1), **settings))
    return centred(lgb(objective, **settings))


def error(fitted, X, truth):
    return np.sqrt(np.mean((fitted.predict(X) - truth) ** 2))


# ---- the quadratic -------------------------------------------------------------------


@pytest.mark.parametrize("loss", EACH_LOSS)
def test_gradient_is_the_derivative_of_the_loss(loss):
    c, step = 1.7, 1e-5
    fits = np.array([-9.0, -2.1, -1.0, -0.3, 0.4, 1.1, 3.0, 8.0])
    gradient, _ = RobustObjective(**loss, scale=c)(np.zeros(8), fits)
    above, below = (rho(fits + moved, scale=c, **loss) for moved in (step, -step))
    assert_close(gradient, c**2 * (above - below) / (2.0 * step), tol=1e-8)


@pytest.mark.parametrize("loss", EACH_LOSS)
def test_quadratic_touches_the_loss_and_lies_above_it(loss):
    c = 1.3
    fits, steps = np.linspace(-6.0, 6.0, 41), np.linspace(-15.0, 15.0, 301)[:, None]
    gradient, curvature = RobustObjective(**loss, scale=c)(np.zeros(41), fits)
    values = c**2 * rho(fits, scale=c, **loss)
    quadratic = values + gradient * steps + 0.5 * curvature * steps**2
    assert np.all(curvature > 0.0)
    assert np.all(quadratic >= c**2 * rho(fits + steps, scale=c, **loss) - 1e-9)


def test_squared_error_is_that_of_the_libraries():
    X, y, _ = table()
    gradient, curvature = RobustObjective(2.0)(y, np.zeros(len(y)))
    assert_close(gradient, -y)
    assert np.all(curvature == 1.0)
    ours, theirs = (xgb(of, y).fit(X, y) for of in (RobustObjective(2.0), "reg:squarederror"))
    assert_close(ours.predict(X), theirs.predict(X), tol=1e-4)


@pytest.mark.parametrize("scale", ["auto", "mad", "s", "reweighted"])
@pytest.mark.parametrize("loss", [{}, {"alpha": 1.0}, *({"loss": name} for name in BRANCHES)])
def test_unit_and_offset_of_y_do_not_count(loss, scale):
    _, y, truth = table()
    gradient, curvature = RobustObjective(**loss, scale=scale)(y, truth)
    moved = RobustObjective(**loss, scale=scale)(1000.0 * y + 1e6, 1000.0 * truth + 1e6)
    assert_close(moved[0], 1000.0 * gradient, tol=1e-8)
    assert_close(moved[1], curvature, tol=1e-8)


@pytest.mark.parametrize("loss", [{}, {"alpha": 0.0}, {"loss": "huber"}])
def test_weights_are_cases(loss):
    _, y, truth = table(n=300)
    objective, times = RobustObjective(**loss), np.arange(300) % 3
    weighted = np.array(objective(y, truth, times))
    written = np.array(objective(np.repeat(y, times), np.repeat(truth, times)))
    assert_close(np.repeat(weighted / np.maximum(times, 1), times, axis=1), written, tol=1e-9)
    assert np.all(weighted[:, times == 0] == 0.0)


def test_order_of_rows_does_not_count():
    _, y, truth = table()
    shuffled = np.random.default_rng(0).permutation(len(y))
    there = np.array(RobustObjective()(y, truth))[:, shuffled]
    assert_close(np.array(RobustObjective()(y[shuffled], truth[shuffled])), there, tol=1e-9)


def test_weights_are_judged_about_the_good_rows():
    """Three rows in ten far on one side, and a fit drawn to them by three deviations."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)
    y[:300] += 15.0
    _, curvature = RobustObjective()(y, np.full(1000, 3.0))
    assert curvature[:300].max() < 0.5 < curvature[300:].mean()


def test_scale_is_of_some_rows_where_there_are_many():
    y = np.random.default_rng(0).normal(size=100_000)
    few, many = y[::5], y
    ours = [RobustObjective()(rows, np.zeros(len(rows)))[1] for rows in (few, many)]
    assert_close(ours[1][::5], ours[0])


# ---- rounds --------------------------------------------------------------------------


def test_scale_falls_no_faster_than_the_residuals_are_taken_up():
    _, y, truth = table(bad=0.0)
    objective, start, rate = RobustObjective(), np.full(len(y), np.median(y)), 0.3
    first = objective(y, start)
    objective(y, start - rate * first[0] / first[1])
    sigma = objective._memory.last.sigma
    spread = RobustObjective()
    spread(y, start)
    assert_close(sigma, spread._memory.last.sigma * (1.0 - rate) ** 0.5, tol=1e-9)
    fresh = RobustObjective()
    fresh(y, truth)
    assert sigma > 2.0 * fresh._memory.last.sigma


@pytest.mark.parametrize("library", MODELS)
def test_a_second_fit_gives_the_same_result(library):
    X, y, _ = table()
    objective = RobustObjective()
    first = model(library, objective).fit(X, y).predict(X)
    for other in (y, y[::-1], 2.0 * y, y):
        again = model(library, objective).fit(X, other)
    assert np.array_equal(again.predict(X), first)


def test_a_fit_of_the_same_y_from_predictions_of_its_own_begins_anew():
    _, y, truth = table()
    used, rng = RobustObjective(), np.random.default_rng(1)
    for other in (truth + 3.0 * rng.normal(size=len(y)), truth, 0.9 * truth):
        for fit in (np.full(len(y), 5.0), truth - 0.1):
            used(y, fit)
        assert np.array_equal(used(y, other), RobustObjective()(y, other))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, clone, lambda of: pickle.loads(pickle.dumps(of))]
)
def test_copies_are_equal_and_remember_nothing(copied):
    _, y, truth = table()
    objective = RobustObjective(-2.0, scale="s", efficiency=0.9)
    for fit in (np.full(len(y), 5.0), truth):
        objective(y, fit)
    other = copied(objective) if copied is not clone else copied(objective, safe=False)
    assert other == objective
    assert repr(other) == repr(objective)
    assert np.array_equal(
        other(y, truth), RobustObjective(-2.0, scale="s", efficiency=0.9)(y, truth)
    )


def test_repr_is_what_was_typed():
    assert eval(repr(RobustObjective(0.0, scale=2.0))) == RobustObjective(0.0, scale=2.0)


@pytest.mark.parametrize(
    "y", [np.zeros(9), np.r_[np.zeros(9), 5.0], np.array([2.0]), np.ones(3) * 1e30]
)
@pytest.mark.parametrize("loss", [{}, {"alpha": 1.0}, {"loss": "tukey"}])
def test_degenerate_targets_give_finite_numbers(y, loss):
    for fit in (np.zeros(len(y)), y, np.linspace(-1.0, 1.0, len(y))):
        gradient, curvature = RobustObjective(**loss)(y, fit)
        assert np.all(np.isfinite(gradient))
        assert np.all(curvature > 0.0)


# ---- in the libraries ----------------------------------------------------------------


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("bad", [0.0, 0.1, 0.3])
def test_outliers_do_not_count(library, bad):
    """Errors on new rows are near those of squared error on the good rows, or below the peers'."""
    squared, absolute = {
        "xgboost": ("reg:squarederror", "reg:absoluteerror"),
        "lightgbm": ("regression", "regression_l1"),
    }[library]
    X, y, truth = table(n=1200, bad=bad)
    good, new = np.abs(y - truth) < 10.0, table(seed=1)
    told = error(model(library, squared).fit(X[good], y[good]), new[0], new[2])
    robust = error(model(library, RobustObjective()).fit(X, y), new[0], new[2])
    if bad < 0.3:
        assert robust < 1.2 * told
    else:
        assert robust < 0.75 * error(model(library, absolute).fit(X, y), new[0], new[2])


def test_xgboost_does_the_same_natively_and_by_its_estimator():
    X, y, _ = table()
    weights = np.arange(len(y)) % 3 + 1.0
    by_estimator = xgb(RobustObjective(), y).fit(X, y, sample_weight=weights).predict(X)
    rows = xgboost.DMatrix(X, y, weight=weights)
    settings = {"learning_rate": RATE, "max_depth": 3, "base_score": initial_prediction(y)}
    native = xgboost.train(settings | {"nthread": 1}, rows, ROUNDS, obj=RobustObjective())
    assert np.array_equal(native.predict(rows), by_estimator)


def test_lightgbm_does_the_same_natively_and_by_its_estimator():
    X, y, _ = table()
    weights = np.arange(len(y)) % 3 + 1.0
    start = np.full(len(y), initial_prediction(y))
    estimator = lgb(RobustObjective()).fit(X, y, sample_weight=weights, init_score=start)
    settings = {"objective": RobustObjective(), "learning_rate": RATE, "num_leaves": 7}
    settings |= {"num_threads": 1, "verbose": -1, "deterministic": True}
    rows = lightgbm.Dataset(X, y, weight=weights, init_score=start)
    native = lightgbm.train(settings, rows, ROUNDS)
    assert np.array_equal(native.predict(X), estimator.booster_.predict(X))


@pytest.mark.parametrize("library", MODELS)
def test_weight_two_is_the_row_twice_in_a_fit(library):
    X, y, _ = table(n=300)
    times = np.random.default_rng(0).integers(1, 3, size=300)
    # Numbers of rows that a leaf needs count rows, whatever these weigh.
    settings = {} if library == "xgboost" else {"min_child_samples": 1, "min_data_in_bin": 1}
    settings |= {"n_estimators": 10}
    X = np.round(X, 1)  # the bins are the values, for either table
    weighted = clone(model(library, RobustObjective(), **settings)).regressor
    twice = clone(weighted).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    once = weighted.fit(X, y, sample_weight=times)
    assert_close(once.predict(X), twice.predict(X), tol=1e-4)


@pytest.mark.parametrize("library", MODELS)
def test_predictions_follow_unit_and_offset(library):
    X, y, _ = table()
    there = model(library, RobustObjective()).fit(X, 1000.0 * y + 1e6).predict(X)
    # The targets that a library sees differ by their rounding to single precision only.
    assert_close(
        (there - 1e6) / 1000.0, model(library, RobustObjective()).fit(X, y).predict(X), tol=1e-3
    )


def test_a_start_far_off_is_made_up_for():
    X, y, truth = table()
    near = error(xgb(RobustObjective(), y).fit(X, y), X, truth)
    far = error(xgb(RobustObjective(), y, n_estimators=120, base_score=-1000.0).fit(X, y), X, truth)
    assert far < 1.3 * near


@pytest.mark.parametrize("library", MODELS)
def test_grid_search_over_shapes(library):
    X, y, _ = table(n=300)
    shapes = [RobustObjective(2.0), RobustObjective(), RobustObjective(0.0)]
    booster = model(library, RobustObjective(), n_estimators=20)
    search = GridSearchCV(booster, {"regressor__objective": shapes}, scoring=s_scale_scorer, cv=3)
    assert search.fit(X, y).best_params_["regressor__objective"] != shapes[0]
    restored = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(restored.predict(X), search.predict(X))


# ---- early stopping ------------------------------------------------------------------


def parts():
    X, y, _ = table()
    return X[:400], y[:400], X[400:], y[400:]


def stops_at_the_least(scales, best, patience=5):
    assert np.argmin(scales) == best < ROUNDS * 5 - 1
    assert len(scales) == best + patience + 1


def test_early_stopping_of_xgboost():
    X, y, X_held, y_held = parts()
    stop = {"early_stopping_rounds": 5, "n_estimators": 5 * ROUNDS}
    fitted = xgb(RobustObjective(), y, eval_metric=s_scale, **stop)
    fitted.fit(X, y, eval_set=[(X_held, y_held)], verbose=False)
    scales = fitted.evals_result()["validation_0"]["s_scale"]
    stops_at_the_least(scales, fitted.best_iteration)
    assert_close(min(scales), s_scale(y_held, fitted.predict(X_held)), tol=1e-5)

    settings = {"learning_rate": RATE, "max_depth": 3, "base_score": initial_prediction(y)}
    found = {}
    native = xgboost.train(
        settings | {"nthread": 1, "disable_default_eval_metric": True},
        xgboost.DMatrix(X, y), 5 * ROUNDS, obj=RobustObjective(), custom_metric=eval_metric,
        evals=[(xgboost.DMatrix(X_held, y_held), "held")], early_stopping_rounds=5,
        evals_result=found, verbose_eval=False,
    )  # fmt: skip
    assert native.best_iteration == fitted.best_iteration
    assert_close(found["held"]["s_scale"], scales, tol=1e-5)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_early_stopping_of_lightgbm():
    X, y, X_held, y_held = parts()
    start = initial_prediction(y)
    fitted = lgb(RobustObjective(), n_estimators=5 * ROUNDS, metric="None")
    fitted.fit(
        X, y, init_score=np.full(len(y), start), eval_set=[(X_held, y_held)],
        eval_init_score=[np.full(len(y_held), start)], eval_metric=eval_metric,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )  # fmt: skip
    scales = fitted.evals_result_["valid_0"]["s_scale"]
    stops_at_the_least(scales, fitted.best_iteration_ - 1)

    found = {}
    rows = lightgbm.Dataset(X, y, init_score=np.full(len(y), start))
    held = rows.create_valid(X_held, y_held, init_score=np.full(len(y_held), start))
    lightgbm.train(
        {"objective": RobustObjective(), "learning_rate": RATE, "num_leaves": 7, "verbose": -1,
         "num_threads": 1, "deterministic": True, "metric": "None"},
        rows, 5 * ROUNDS, valid_sets=[held], feval=eval_metric,
        callbacks=[lightgbm.early_stopping(5, verbose=False), lightgbm.record_evaluation(found)],
    )  # fmt: skip
    assert_close(found["valid_0"]["s_scale"], scales)


def test_metric_takes_weights():
    y, fit, weights = np.arange(5.0), np.array([0.1, 0.8, 2.1, 3.3, 9.0]), np.arange(5.0)
    expected = s_scale(y, fit, sample_weight=weights)
    assert eval_metric(y, fit, weights) == ("s_scale", expected, False)
    rows = xgboost.DMatrix(y[:, None], y, weight=weights)
    assert eval_metric(fit, rows) == ("s_scale", expected)


# ---- starts and refusals -------------------------------------------------------------


def test_initial_prediction_is_the_median():
    y = np.random.default_rng(0).standard_cauchy(101)
    assert initial_prediction(y) == np.median(y)
    times = np.arange(101) % 3
    assert initial_prediction(y, times) == np.median(np.repeat(y, times))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 3.0}, r"alpha must be a number in \[-inf, 2\], got 3.0"),
        ({"alpha": None}, "alpha must be a number"),
        ({"loss": "hinge"}, "loss must be one of .*, got 'hinge'"),
        ({"scale": "iqr"}, "scale must be one of .* or a number in .*, got 'iqr'"),
        ({"scale": 0.0}, "scale must be a number in .*, got 0.0"),
        ({"efficiency": 1.0}, r"efficiency must be a number in \(0, 1\), got 1.0"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        RobustObjective(**parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, np.nan], [0.0, 0.0]), "y_true must be finite numbers, got nan"),
        (([1.0, 2.0], [0.0, np.inf]), "y_pred must be finite numbers, got inf"),
        (([1.0, 2.0], [0.0]), r"y_true and y_pred must have the same shape .* \(2,\) and \(1,\)"),
        (([[1.0], [2.0]], [[0.0], [0.0]]), r"one target .* got \(2, 1\)"),
        (([1.0, 2.0], [0.0, 0.0], [1.0, -1.0]), "sample_weight must be .*, got -1.0"),
        (([1.0, 2.0], [0.0, 0.0], [0.0, 0.0]), "sample_weight must hold .* got all zeros"),
        ((np.ma.masked_equal([1.0, 2.0], 2.0), [0.0, 0.0]), "y_true must be without masked"),
    ],
)
@pytest.mark.parametrize("asked", [RobustObjective(), RobustObjective(scale=1.0), eval_metric])
def test_bad_data_are_named(asked, arguments, message):
    with pytest.raises(ValueError, match=message):
        asked(*arguments)


def test_import_loads_no_library():
    code = (
        "import sys, sklearn_robust.objectives; "
        "sys.exit('xgboost' in sys.modules or 'lightgbm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
