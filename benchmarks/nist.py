"""Print the correct digits of least squares on NIST's certified linear problems, side by side.

Digits are -log10 of the relative error of the worst coefficient, the intercept among them, and
15 at most. All models are given the columns x, x², ... as they are; only ``lstsq`` is also given
a column of ones.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from sklearn_robust import RobustRegressor

FIGURES = Path(__file__).parents[1] / "tests" / "reference" / "nist"


def coefficients(model, X, y):
    model.fit(X, y)
    return np.append(model.intercept_, model.coef_)


def raw_lstsq(X, y):
    return np.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y)[0]


def models():
    """Return by name what takes X, y and returns the intercept and the coefficients."""
    named = {
        "robust": RobustRegressor(2.0),
        "irls": RobustRegressor(2.0, solver="irls"),
        "lbfgs": RobustRegressor(2.0, solver="lbfgs"),
        "Linear": LinearRegression(),
        "tol=eps": LinearRegression(tol=np.finfo(float).eps),
    }
    fits = {
        name: lambda X, y, model=model: coefficients(model, X, y) for name, model in named.items()
    }
    return {**fits, "lstsq": raw_lstsq}


def problems():
    """Yield the name, X, y and certified coefficients of each problem."""
    with (FIGURES / "certified.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for name in dict.fromkeys(row["problem"] for row in rows):
        certified = np.array([float(row["estimate"]) for row in rows if row["problem"] == name])
        figures = np.loadtxt(FIGURES / f"{name}.csv", delimiter=",", skiprows=1)
        y, X = figures[:, 0], figures[:, 1:]
        if X.shape[1] == 1:
            X = PolynomialFeatures(len(certified) - 1, include_bias=False).fit_transform(X)
        yield name, X, y, certified


def digits(estimates, certified):
    errors = np.abs(estimates - certified) / np.where(certified == 0.0, 1.0, np.abs(certified))
    return -np.log10(max(errors.max(), 1e-15))


def main():
    warnings.filterwarnings("ignore", "More than half of the rows are fitted exactly")
    fits = models()
    print(f"{'problem':>9}", *(f"{name:>8}" for name in fits))
    for name, X, y, certified in problems():
        row = [digits(fit(X, y), certified) for fit in fits.values()]
        print(f"{name:>9}", *(f"{value:8.1f}" for value in row))


if __name__ == "__main__":
    main()
