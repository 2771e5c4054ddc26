"""Compare models of wide tables with LassoCV fitted to the good rows alone.

Columns are normal with correlation 0.5 to the power of their distance. A few have coefficients of
size 1 to 2, and the noise has deviation 1. Bad rows are 20 too high on one side (a tenth of the
rows), or a fifth of the rows is moved by 8 in five columns and 20 too low (bad leverage).

For every model there are two ratios to the fit of the good rows, medians over the seeds: "fresh" is
the root mean square error of predictions of fresh good rows, with their noise; "truth" is that of
predictions of the truth, without noise, which is stricter. "F1" is that of the selected columns,
less that of the fit of the good rows. The limits of "fresh" are marked. skglm is compared where it
is installed.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import HuberRegressor, LassoCV, QuantileRegressor, SGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import RobustRegressorCV

SIZES = ((200, 50, 8), (100, 200, 10), (300, 2000, 15))
LIMITS = {"clean": 1.10, "student": 1.10, "one-sided": 1.20, "leverage": 1.30}
N_PENALTIES, FOLDS = 30, 5


def correlated(rng, n, p):
    """Return normal columns with correlation 0.5 to the power of their distance."""
    X = rng.normal(size=(n, p))
    for column in range(1, p):
        X[:, column] = 0.5 * X[:, column - 1] + np.sqrt(0.75) * X[:, column]
    return X


def table(case, n, p, n_used, seed):
    """Return X, y, coefficients, and which rows are bad, in random order."""
    rng = np.random.default_rng(seed)
    X, coef, bad = correlated(rng, n, p), np.zeros(p), np.zeros(n, dtype=bool)
    used = rng.choice(p, n_used, replace=False)
    coef[used] = rng.choice([-1.0, 1.0], n_used) * rng.uniform(1.0, 2.0, n_used)
    noise = rng.standard_t(3, size=n) if case == "student" else rng.normal(size=n)
    y = X @ coef + noise
    if case == "one-sided":
        bad[rng.permutation(n)[: n // 10]] = True
        y[bad] += 20.0
    if case == "leverage":
        bad[rng.permutation(n)[: n // 5]] = True
        X[np.ix_(bad, rng.choice(p, 5, replace=False))] += 8.0
        y[bad] -= 20.0
    return X, y, coef, bad


def models(n, p):
    """Return the models by name."""
    penalties = np.geomspace(0.5, 0.005, 15)
    searched = {"cv": FOLDS, "scoring": "neg_median_absolute_error"}
    robust = {"l1_regularizations": N_PENALTIES, "cv": FOLDS, "random_state": 0}
    found = {
        "RobustRegressorCV": RobustRegressorCV((-np.inf,), **robust),
        "adaptive": RobustRegressorCV((-np.inf,), adaptive_penalty=True, **robust),
        "alpha=1": RobustRegressorCV((1.0,), init="ols", **robust),
        "LassoCV": LassoCV(cv=FOLDS),
        "SGDRegressor": make_pipeline(StandardScaler(), GridSearchCV(
            SGDRegressor("huber", penalty="l1", epsilon=1.35, random_state=0, max_iter=2000),
            {"alpha": penalties}, **searched,
        )),
        "HuberRegressor": GridSearchCV(
            HuberRegressor(max_iter=1000), {"alpha": n * np.geomspace(1e-4, 1.0, 7)}, **searched
        ),
    }  # fmt: skip
    if n * p <= 20_000:  # a linear program for every fit
        found["QuantileRegressor"] = GridSearchCV(
            QuantileRegressor(solver="highs"), {"alpha": penalties[::2]}, **searched
        )
    try:
        from skglm import GeneralizedLinearEstimator
        from skglm.datafits import Huber
        from skglm.penalties import L1
    except ImportError:
        return found
    each = [L1(float(alpha)) for alpha in penalties]
    found["skglm Huber"] = GridSearchCV(
        GeneralizedLinearEstimator(Huber(1.35), L1(0.1)), {"penalty": each}, **searched
    )
    return found


def coefficients(model):
    """Return coefficients and intercept in the units of the table."""
    scaler = model[0] if hasattr(model, "steps") else None
    last = getattr(model[-1] if scaler else model, "best_estimator_", model)
    coef, intercept = np.ravel(last.coef_), float(np.ravel(last.intercept_)[0])
    if scaler is not None:
        coef = coef / scaler.scale_
        intercept -= float(scaler.mean_ @ coef)
    return coef, intercept


def squared_error(coef, intercept, truth):
    """Return the mean squared error of predictions of the truth of fresh rows."""
    apart = coef - truth
    # The covariance of the columns is that of an autoregression: multiply by its square root.
    places = np.flatnonzero(apart)
    covariance = 0.5 ** np.abs(np.subtract.outer(places, places))
    return float(apart[places] @ covariance @ apart[places] + intercept**2)


def f1(coef, truth):
    """Return the F1 score of the columns in use."""
    used, right = coef != 0.0, truth != 0.0
    return 2.0 * np.sum(used & right) / (used.sum() + right.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n_seeds", nargs="?", type=int, default=30)
    parser.add_argument("--only", help="a part of the names of the models")
    parser.add_argument("--sizes", type=int, nargs="*", default=[0, 1, 2], help="0, 1, 2")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for n, p, n_used in (SIZES[k] for k in options.sizes):
        for case, limit in LIMITS.items():
            print(f"\n{n} x {p}, {n_used} columns used, {case}; limit {limit:.2f}")
            noise = 3.0 if case == "student" else 1.0
            found = {}
            for seed in range(options.n_seeds):
                X, y, truth, bad = table(case, n, p, n_used, seed)
                oracle = LassoCV(cv=FOLDS).fit(X[~bad], y[~bad])
                least, best = (
                    squared_error(oracle.coef_, oracle.intercept_, truth), f1(oracle.coef_, truth)
                )  # fmt: skip
                for name, model in models(n, p).items():
                    if options.only and options.only not in name:
                        continue
                    begin = time.perf_counter()
                    coef, intercept = coefficients(clone(model).fit(X, y))
                    seconds = time.perf_counter() - begin
                    error = squared_error(coef, intercept, truth)
                    found.setdefault(name, []).append((
                        np.sqrt((noise + error) / (noise + least)), np.sqrt(error / least),
                        f1(coef, truth) - best, np.count_nonzero(coef), seconds,
                    ))  # fmt: skip
            for name, rows in found.items():
                fresh, strict, score, count, seconds = np.median(rows, axis=0)
                worst = np.max(rows, axis=0)
                mark = "*" if fresh > limit else " "
                print(
                    f"  {name:18} fresh {fresh:5.2f}{mark} (most {worst[0]:5.2f})  truth "
                    f"{strict:5.2f} ({worst[1]:5.2f})  F1 {score:+.2f}  {count:4.0f} columns "
                    f"{seconds:6.2f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
