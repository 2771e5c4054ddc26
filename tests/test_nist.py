"""Least squares on NIST's certified problems: no digit fewer than scikit-learn's."""

from decimal import Decimal

import mpmath as mp
import numpy as np
import pytest
from problems import read_reference
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from sklearn_robust import RobustRegressor

CERTIFIED = read_reference("nist/certified.csv")
PROBLEMS = list(dict.fromkeys(row["problem"] for row in CERTIFIED))

PEERS = [
    pytest.param({}, id="default"),
    pytest.param(
        {"tol": np.finfo(float).eps},
        id="tol=eps",
        marks=pytest.mark.skipif(
            "tol" not in LinearRegression().get_params(), reason="tol is new in scikit-learn 1.7"
        ),
    ),
]


def _read(problem):
    """Return the certified rows of a problem, and the texts of its X and y."""
    certified = [row for row in CERTIFIED if row["problem"] == problem]
    y, *columns = zip(*(row.values() for row in read_reference(f"nist/{problem}.csv")), strict=True)
    return certified, list(zip(*columns, strict=True)), y


def _half_a_unit(text):
    """Return half a unit of the last printed digit."""
    return mp.mpf(10) ** Decimal(text).as_tuple().exponent / 2


@pytest.mark.parametrize("problem", PROBLEMS)
@mp.workdps(80)
def test_certified_values_follow_from_the_data(problem):
    certified, X, y = _read(problem)
    size = len(certified)
    X = [[mp.mpf(text) for text in row] for row in X]
    if len(X[0]) == 1:
        X = [[x**power for power in range(1, size)] for (x,) in X]
    X = mp.matrix([[1, *row] for row in X])
    y = mp.matrix([mp.mpf(text) for text in y])
    inverse = (X.T * X) ** -1
    estimates = inverse * (X.T * y)
    variance = mp.norm(y - X * estimates) ** 2 / (len(y) - size)
    for j, row in enumerate(certified):
        error = estimates[j] - mp.mpf(row["estimate"])
        assert abs(error) <= _half_a_unit(row["estimate"])
        error = mp.sqrt(variance * inverse[j, j]) - mp.mpf(row["std_error"])
        assert abs(error) <= _half_a_unit(row["std_error"])


def _digits(model, problem):
    """Return the correct digits of the worst coefficient, 15 at most."""
    certified, X, y = _read(problem)
    certified = np.array([float(row["estimate"]) for row in certified])
    X, y = np.array(X, dtype=float), np.array(y, dtype=float)
    if X.shape[1] == 1:
        X = PolynomialFeatures(len(certified) - 1, include_bias=False).fit_transform(X)
    model.fit(X, y)
    errors = np.abs(np.append(model.intercept_, model.coef_) - certified)
    errors /= np.where(certified == 0.0, 1.0, np.abs(certified))
    return -np.log10(max(errors.max(), 1e-15))


@pytest.mark.filterwarnings("ignore:More than half of the rows are fitted exactly")
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_fewer_digits_than_scikit_learn(problem, peer):
    assert _digits(RobustRegressor(2.0), problem) >= _digits(LinearRegression(**peer), problem)
