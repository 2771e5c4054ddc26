"""Time whole fits against scikit-learn's, in one run, and print medians of ratios.

Every repeat times all models one after the other, so that a ratio compares neighbours in time
and drifts of the machine cancel. Accuracy is printed beside: the largest difference of a
coefficient from a fit at tol=1e-9, in units of scale over the root mean square of its column.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor, LinearRegression

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

SIZES = [(1_000, 10), (10_000, 20), (100_000, 50), (1_000_000, 20)]
ROBUST = {
    "alpha=1": RobustRegressor(1.0, init="ols", scale="mad"),
    "alpha=0.5": RobustRegressor(0.5, init="ols", scale="mad"),
    "alpha=-inf": RobustRegressor(-np.inf, init="ols", scale="mad"),
    "adaptive, ols": AdaptiveRobustRegressor(init="ols"),
    "adaptive": AdaptiveRobustRegressor(random_state=0),
}


def make_data(n, p, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.normal(size=n)
    bad = rng.random(n) < 0.1
    y[bad] += 10.0 + 5.0 * rng.normal(size=bad.sum())
    return X, y


def seconds(model, X, y):
    begin = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - begin


def compare(n, p, repeats):
    """Return median seconds of LinearRegression, and each model's median ratios to peers."""
    X, y = make_data(n, p)
    peers = {"linear": LinearRegression(), "huber": HuberRegressor(max_iter=1000)}
    models = {**peers, **ROBUST}
    for model in models.values():
        model.fit(X, y)
    times = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            times[name].append(seconds(model, X, y))
    rows = []
    for name, model in ROBUST.items():
        exact = clone(model).set_params(tol=1e-9, max_iter=1000).fit(X, y)
        error = np.max(np.abs(model.coef_ - exact.coef_) * X.std(axis=0)) / exact.scale_
        ratios = [
            statistics.median(a / b for a, b in zip(times[name], times[peer], strict=True))
            for peer in peers
        ]
        rows.append((name, *ratios, error))
    return statistics.median(times["linear"]), rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore", ConvergenceWarning)  # HuberRegressor's
    print(f"{'rows x columns':>16} {'model':>14} {'/ Linear':>9} {'/ Huber':>8} {'error':>9}")
    for n, p in SIZES:
        linear, rows = compare(n, p, repeats)
        for name, over_linear, over_huber, error in rows:
            print(
                f"{f'{n} x {p}':>16} {name:>14} {over_linear:9.2f} {over_huber:8.2f} {error:9.1e}"
            )
        print(f"{'':>16} LinearRegression itself: {1e3 * linear:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
