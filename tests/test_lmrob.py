"""MM-estimates, their S-estimates and their standard errors are those of R's robustbase."""

from itertools import groupby

import numpy as np
import pytest
from problems import SOLVERS, read_reference

from sklearn_robust import RobustRegressor, datasets
from sklearn_robust.inspection import coef_table
from sklearn_robust.losses import tuning_constant

SHARP = {"tol": 1e-11, "max_iter": 1000, "random_state": 0}
LOSSES = {"welsh": {"alpha": -np.inf}, "bisquare": {"loss": "tukey"}}


def fits():
    """Return data set, psi, tuning constant, scale, and arrays with the intercept last."""
    table = groupby(read_reference("lmrob.csv"), key=lambda row: (row["data"], row["psi"]))
    for (data, psi), rows in table:
        first, *others = rows
        ordered = [*others, first]
        arrays = {
            name: np.array([float(row[name]) for row in ordered])
            for name in ("start", "estimate", "std_error")
        }
        tuning, scale = float(first["tuning"]), float(first["scale"])
        yield pytest.param(data, psi, tuning, scale, arrays, id=f"{data}-{psi}")


FITS = list(fits())
WELSH = [fit for fit in FITS if fit.values[1] == "welsh"]
COLUMNS = ("data", "psi", "tuning", "scale", "expected")


def load(data):
    return getattr(datasets, f"load_{data}")(return_X_y=True)


def m_estimate(data, psi, tuning, scale, expected, **keywords):
    """Return the M-estimate that begins at R's S-estimate and keeps its scale."""
    held = {"init": expected["start"], "scale": tuning * scale}
    return RobustRegressor(**LOSSES[psi], **held, **keywords, **SHARP).fit(*load(data))


def params(model):
    return np.append(model.coef_, model.intercept_)


def test_every_data_set_of_numbers_is_there():
    assert {fit.values[0] for fit in FITS} == {"stackloss", "phones", "starscyg", "hbk", "salinity"}
    assert len(FITS) == 2 * len(WELSH) == 10


@pytest.mark.parametrize(COLUMNS, FITS)
def test_tuning_constant(data, psi, tuning, scale, expected):
    assert tuning_constant(**LOSSES[psi], efficiency=0.95) == pytest.approx(tuning, rel=1e-10)


@pytest.mark.parametrize(COLUMNS, WELSH)
def test_s_estimate(data, psi, tuning, scale, expected):
    """An S-estimate is the M-estimate at its own scale and breakdown constant."""
    X, y = load(data)
    c = scale * tuning_constant(breakdown=0.5)
    model = RobustRegressor(init="s", scale=c, **SHARP).fit(X, y)
    np.testing.assert_allclose(params(model), expected["start"], rtol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(COLUMNS, WELSH)
def test_mm_estimate(data, psi, tuning, scale, expected, solver):
    model = RobustRegressor(init="s", scale="s", solver=solver, **SHARP).fit(*load(data))
    assert model.sigma_ == pytest.approx(scale, rel=1e-9)
    np.testing.assert_allclose(params(model), expected["estimate"], rtol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(COLUMNS, FITS)
def test_m_estimate_from_the_s_estimate(data, psi, tuning, scale, expected, solver):
    model = m_estimate(data, psi, tuning, scale, expected, solver=solver)
    np.testing.assert_allclose(params(model), expected["estimate"], rtol=1e-8)


@pytest.mark.parametrize(COLUMNS, FITS)
def test_standard_errors(data, psi, tuning, scale, expected):
    table = coef_table(m_estimate(data, psi, tuning, scale, expected), *load(data))
    np.testing.assert_allclose(table.std_error, expected["std_error"], rtol=1e-8)
