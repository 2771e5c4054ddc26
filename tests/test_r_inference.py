"""Standard errors, limits, R² and tests of nested models are those of R's robustbase and MASS."""

import csv
from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from closeness import assert_close
from problems import REFERENCE, read_reference
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import RobustRegressor, datasets
from sklearn_robust.inspection import (
    coef_table,
    compare,
    covariance,
    drop_one,
    robust_information_criteria,
    summary,
    wald_test,
)

SHARP = {"tol": 1e-11, "max_iter": 1000, "random_state": 0}
HUBER = {"Huber": ("huber", 1.345), "bisquare": ("tukey", 4.685)}
"""R's name of psi in rlm: the loss here, and R's tuning constant."""


def figures():
    """Return the figures of every data set: by name arrays with the intercept last."""
    found = {}
    for (data, name), rows in groupby(
        read_reference("inference.csv"), key=lambda row: (row["data"], row["figure"])
    ):
        rows = list(rows)
        if rows[0]["term"] == "intercept":
            rows = [*rows[1:], rows[0]]
        values = np.array([float(row["value"]) for row in rows])
        found.setdefault(data, {"names": [row["term"] for row in rows]})[name] = values
    return found


FIGURES = figures()


def load(data):
    """Return the columns as a frame with R's names, and y."""
    path = REFERENCE / "robustbase" / f"{data}.csv"
    if path.exists():
        with path.open(encoding="utf-8", newline="") as lines:
            rows = np.array(list(csv.reader(lines))[1:], dtype=float)
        X, y = rows[:, :-1], rows[:, -1]
    else:
        X, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    return pd.DataFrame(X, columns=FIGURES[data]["names"][:-1]), y


def mm_estimate(X, y):
    return RobustRegressor(init="s", scale="s", **SHARP).fit(X, y)


@pytest.fixture(params=FIGURES)
def case(request):
    """Return X, y, the MM-estimate and R's figures."""
    X, y = load(request.param)
    return X, y, mm_estimate(X, y), FIGURES[request.param]


def close(actual, expected, tol=1e-8):
    """Compare numbers each of which is known to the same number of digits."""
    assert_close(actual, expected, terms=np.abs(expected), tol=tol)


def test_there_are_ten_data_sets():
    assert len(FIGURES) == 10


def test_table_of_coefficients(case):
    X, y, model, theirs = case
    table = coef_table(model, X, y)
    close(table.estimate, theirs["estimate"])
    close(table.std_error, theirs["vcov.w"])
    close(table.p_value, theirs["p_value"], tol=1e-7)
    size = np.abs(theirs["estimate"]) + theirs["vcov.w"]
    assert_close(table.ci_low, theirs["low"], terms=size, tol=1e-8)
    assert_close(table.ci_high, theirs["high"], terms=size, tol=1e-8)
    assert table.df == theirs["df"]


@pytest.mark.parametrize(("kind", "name"), [("sandwich", "vcov.w"), ("avar1", "vcov.avar1")])
def test_covariance(case, kind, name):
    X, y, model, theirs = case
    close(np.sqrt(np.diag(covariance(model, X, y, kind=kind))), theirs[name])


def test_summary(case):
    """The constant of consistency in R² is 1 + (sigma/c)²; R integrates it to six digits."""
    X, y, model, theirs = case
    fit = summary(model, X, y).fit
    close(fit.sigma, theirs["sigma"])
    assert_close(fit.r2, theirs["r2"], terms=1.0, tol=1e-5)
    assert_close(fit.adjusted_r2, theirs["adjusted_r2"], terms=1.0, tol=1e-5)
    assert fit.df == theirs["df"]
    n, p = len(y), X.shape[1] + 1
    r2, constant = theirs["r2"], 1.0 + (model.sigma_ / model.scale_) ** 2
    ratio = (1.0 - r2) / (
        1.0 + (theirs["consistency"] - 1.0) * r2
    )  # of both weighted sums of squares
    exact = (1.0 - ratio) / (1.0 + (constant - 1.0) * ratio)
    close(fit.r2, exact)
    close(fit.adjusted_r2, 1.0 - (1.0 - exact) * (n - 1) / (n - p))


def test_wald(case):
    X, y, model, theirs = case
    found = wald_test(model, X, y, X.columns[-1])
    close([found.statistic, found.p_value], theirs["wald"], tol=1e-7)


def test_deviance(case):
    """Wood's is negative in R: the smaller model has the smaller loss, and ours is 0."""
    X, y, model, theirs = case
    statistic, p_value = theirs["deviance"]
    if X.shape[1] == 1:  # the smaller model is the intercept, which is no estimator here
        assert drop_one(model, X, y)[X.columns[0], "deviance_p"] == pytest.approx(p_value, rel=1e-7)
        return
    smaller = mm_estimate(X.iloc[:, :-1], y)
    if statistic < 0.0:
        with pytest.warns(UserWarning, match="smaller model has the smaller loss"):
            found = compare(smaller, model, X, y)
        assert found["deviance"].statistic == 0.0
        assert found["deviance"].p_value == 1.0
        return
    found = compare(smaller, model, X, y)
    close([found["deviance"].statistic, found["deviance"].p_value], theirs["deviance"], tol=1e-7)
    close([found["wald"].statistic, found["wald"].p_value], theirs["wald"], tol=1e-7)
    assert found.left_out == (X.columns[-1],)


def test_one_deviance_is_negative():
    assert [data for data, of in FIGURES.items() if of["deviance"][0] < 0.0] == ["wood"]


def test_final_prediction_error(case):
    X, y, model, theirs = case
    close([robust_information_criteria(model, X, y).rfpe], theirs["rfpe"])


@pytest.mark.parametrize("psi", HUBER)
def test_rlm(case, psi):
    """MASS divides the variance of psi' by n - 1, Huber's formula and robustbase by n."""
    X, y, _, theirs = case
    loss, constant = HUBER[psi]
    theirs = {name.removeprefix(f"rlm.{psi}"): of for name, of in theirs.items()}
    start = theirs[""]
    model = RobustRegressor(loss=loss, scale=constant * theirs[".scale"][0], init=start, **SHARP)
    model.fit(X, y)
    close(np.append(model.coef_, model.intercept_), start)
    kappa, n = theirs[".kappa"], len(y)
    ratio = (1.0 + (kappa - 1.0) * (n - 1) / n) / kappa
    for kind, name in (("classical", ".XtX"), ("sandwich", ".XtWX")):
        close(np.sqrt(np.diag(covariance(model, X, y, kind=kind))), ratio * theirs[name])


def test_a_pipeline_that_standardises_has_the_same_tests():
    X, y = load("salinity")
    theirs = FIGURES["salinity"]
    larger, smaller = (
        make_pipeline(StandardScaler(), RobustRegressor(init="s", scale="s", **SHARP)).fit(of, y)
        for of in (X, X.iloc[:, :-1])
    )
    found = compare(smaller, larger, X, y)
    close(found.statistic, [theirs["wald"][0], theirs["deviance"][0]], tol=1e-6)
