"""Compare errors of reweighted regressors under contamination with those of the good rows' fit.

A figure is the root mean square error of the predictions of fresh rows against the truth, over all
seeds, divided by that of the same regressor fitted to the good rows alone: 1 is a fit that loses
nothing by not knowing which rows are bad. Those above their limit are marked. The noise has
deviation 1. One-sided outliers are 10 to 20 too high, anywhere or ("corner") all in the half of the
table where two columns are large; swapped units multiply y by 2.54. Of Cauchy noise the good rows
are those within 5.
"plain" is the regressor itself, "target" the same behind a QuantileTransformer of y, "absolute"
histogram boosting of absolute errors. "rounds" is the median number of rounds, "cost" the median
time of the reweighted fit over that of the plain one with weights, "most" the cost of a fit of all
folds and one of all rows in every round.
"""

import argparse
import math
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import make_friedman1
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

from sklearn_robust import ReweightedRegressor
from sklearn_robust.pipelines import weight_parameter

CASES = ("clean", "cauchy", "one-sided-10", "one-sided-30", "units-10", "corner-20")
LIMITS = {"clean": 1.04, "one-sided-10": 1.10, "one-sided-30": 1.20, "units-10": 1.10}
N_FRESH, FOLDS = 4000, 5


def friedman(n, rng):
    """Return ten numbers a row and the truth of Friedman #1."""
    return make_friedman1(n, random_state=rng.integers(2**31))


def categories(n, rng):
    """Return a data frame with two categories, and the truth."""
    city, kind = rng.integers(12, size=n), rng.integers(3, size=n)
    numbers = rng.uniform(size=(n, 4))
    truth = 10.0 + np.linspace(-4.0, 4.0, 12)[city] + 5.0 * numbers[:, 0] * (kind == 1)
    truth += 4.0 * np.sin(6.0 * numbers[:, 1]) * (kind != 2) + 3.0 * numbers[:, 2]
    table = pd.DataFrame(numbers, columns=["a", "b", "c", "d"])
    table["city"] = pd.Categorical.from_codes(city, [f"city {k}" for k in range(12)])
    table["kind"] = pd.Categorical.from_codes(kind, ["flat", "house", "land"])
    return table, truth


TABLES = {"friedman": friedman, "categories": categories}


def behind(numbers, model):
    """Return a pipeline that transforms numbers, makes dummies of categories, and ends in model."""
    return make_pipeline(
        make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (OneHotEncoder(), make_column_selector(dtype_include="category")),
            sparse_threshold=0.0,
        ),
        model,
    )


BOOSTING = HistGradientBoostingRegressor(max_iter=60, random_state=0)
MODELS = {
    "boosting": BOOSTING,
    "forest": behind("passthrough", RandomForestRegressor(30, random_state=0)),
    "extra trees": behind("passthrough", ExtraTreesRegressor(30, random_state=0)),
    "kernel ridge": behind(StandardScaler(), KernelRidge(kernel="rbf", gamma=0.03, alpha=0.1)),
    "splines": behind(SplineTransformer(), Ridge(1e-2)),
}


def contaminated(case, X, truth, rng):
    """Return y, and which rows are good."""
    n = len(truth)
    noise = rng.standard_cauchy(n) if case == "cauchy" else rng.normal(size=n)
    if case == "cauchy":
        return truth + noise, np.abs(noise) <= 5.0
    share = 0.01 * float(case.split("-")[-1]) if "-" in case else 0.0
    chosen = rng.permutation(n)
    if case.startswith("corner"):
        first = X.iloc[:, :2].to_numpy()
        chosen = rng.permutation(np.argsort(-first.sum(axis=1))[: n // 2])
    bad = chosen[: round(share * n)]
    y = truth + noise
    if case.startswith("units"):
        y[bad] *= 2.54
    else:
        y[bad] += rng.uniform(10.0, 20.0, size=len(bad))
    return y, ~np.isin(np.arange(n), bad)


def fits(model):
    """Return the reweighted regressor and its peers."""
    transformer = QuantileTransformer(output_distribution="normal", random_state=0)
    made = {
        "reweighted": ReweightedRegressor(model, random_state=0),
        "plain": model,
        "target": TransformedTargetRegressor(model, transformer=transformer),
    }
    if model is BOOSTING:
        made["absolute"] = clone(model).set_params(loss="absolute_error")
    return made


def measure(table, model, case, options):
    """Return the errors of all fits over the reference's, and rounds and cost of the reweighted."""
    squares, rounds, costs = {}, [], []
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        (X, truth), (fresh, of_fresh) = TABLES[table](options.n, rng), TABLES[table](N_FRESH, rng)
        X, fresh = pd.DataFrame(X), pd.DataFrame(fresh)
        X.columns = fresh.columns = X.columns.astype(str)
        y, good = contaminated(case, X, truth, rng)
        weight = {weight_parameter(model): np.ones(len(y))}
        for name, fit in {"good": model, **fits(model)}.items():
            rows = good if name == "good" else np.ones(len(y), dtype=bool)
            begin = time.perf_counter()
            fitted = clone(fit).fit(X[rows], y[rows])
            seconds = time.perf_counter() - begin
            error = np.mean((fitted.predict(fresh) - of_fresh) ** 2)
            squares[name] = squares.get(name, 0.0) + error
            if name == "reweighted":
                begin = time.perf_counter()
                clone(model).fit(X, y, **weight)
                costs.append(seconds / (time.perf_counter() - begin))
                rounds.append(fitted.n_iter_)
    good = squares.pop("good")
    errors = {name: math.sqrt(of / good) for name, of in squares.items()}
    return errors, float(np.median(rounds)), float(np.median(costs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of rounds that do not come to rest: the errors say enough
    columns = ["reweighted", "plain", "target", "absolute"]
    head = " ".join(f"{name:>10}" for name in [*columns, "rounds", "cost", "most"])
    print(f"{options.n} rows, {options.seeds} seeds")
    print(f"{'table':>10} {'model':>12} {'case':>12} {head}")
    for table in options.tables:
        for name in options.models:
            for case in options.cases:
                errors, rounds, cost = measure(table, MODELS[name], case, options)
                cells = [f"{errors[of]:.3f}" if of in errors else "" for of in columns]
                cells[0] += "!" if errors["reweighted"] > LIMITS.get(case, math.inf) else " "
                cells += [f"{rounds:g}", f"{cost:.1f}", f"{(FOLDS + 1) * rounds:g}"]
                row = " ".join(f"{cell:>10}" for cell in cells)
                print(f"{table:>10} {name:>12} {case:>12} {row}", flush=True)


if __name__ == "__main__":
    main()
