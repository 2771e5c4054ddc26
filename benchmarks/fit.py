"""Time whole fits against their peers, in one run, and print medians of ratios.

Every repeat times all models one after the other, so that a ratio compares neighbours in time
and drifts of the machine cancel. Beside stands what accuracy was left: how far the objective lies
above that of a fit that Newton's method has polished at the same scale and shape, relative to it.

R's lmrob is timed where Rscript and robustbase are installed, in a process of R that takes its
own time; its port LmRob where pylmrob is, as are statsmodels and skglm:
python benchmarks/fit.py [--repeats 7].
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    QuantileRegressor,
    RANSACRegressor,
    TheilSenRegressor,
)

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.distribution import log_partition
from sklearn_robust.losses import rho, weight

SIZES = [(200, 5), (1_000, 10), (1_000, 20), (10_000, 20), (100_000, 50), (1_000_000, 20)]
MODELS = {
    "alpha=1, ols, mad": RobustRegressor(1.0, init="ols", scale="mad"),
    "alpha=0.5, ols, mad": RobustRegressor(0.5, init="ols", scale="mad"),
    "default": RobustRegressor(random_state=0),
    "adaptive, ols": AdaptiveRobustRegressor(init="ols"),
    "adaptive, default": AdaptiveRobustRegressor(random_state=0),
}
LIMITS = {
    "alpha=1, ols, mad": {
        (1_000, 10): (1.0, 0.2), (10_000, 20): (0.7, 0.1),
        (100_000, 50): (0.35, 0.06), (1_000_000, 20): (0.3, 0.06),
    },
    "default": {
        (200, 5): (6, 2.5), (1_000, 20): (18, 5.5), (10_000, 20): (6, 1),
        (100_000, 50): (2, 0.4), (1_000_000, 20): (0.6, 0.15),
    },
    "adaptive, ols": {
        (1_000, 10): (2.0, None), (10_000, 20): (1.0, None),
        (100_000, 50): (0.6, None), (1_000_000, 20): (0.5, None),
    },
    "adaptive, default": {
        (1_000, 10): (15, None), (10_000, 20): (7, None),
        (100_000, 50): (2.3, None), (1_000_000, 20): (0.9, None),
    },
}  # fmt: skip
"""What the project wants to reach over LinearRegression and over HuberRegressor."""
LIMITS["alpha=0.5, ols, mad"] = LIMITS["alpha=1, ols, mad"]
_STEPS = 20
_LMROB = """
suppressMessages(library(robustbase))
lines <- file("stdin", "r")
while (length(line <- readLines(lines, 1)) > 0) {
  asked <- strsplit(line, " ")[[1]]
  n <- as.integer(asked[1])
  p <- as.integer(asked[2])
  X <- matrix(readBin(asked[3], "double", n * p), n, p, byrow = TRUE)
  y <- readBin(asked[4], "double", n)
  cat(system.time(lmrob(y ~ X))[["elapsed"]], "\\n")
}
"""
_SLOW = 2e7
"""Rows times columns squared beyond which peers that take minutes are left out."""


def make_data(n, p, seed=0):
    """Return rows of which a tenth lies about 10 standard deviations above the plane."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.normal(size=n)
    bad = rng.random(n) < 0.1
    y[bad] += 10.0 + 5.0 * rng.normal(size=bad.sum())
    return X, y


class Lmrob:
    """R's lmrob at its defaults, in one process of R."""

    def __init__(self):
        self._process = subprocess.Popen(
            ["Rscript", "-e", _LMROB],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    @staticmethod
    def is_installed():
        """Return whether R and its robustbase are there."""
        if shutil.which("Rscript") is None:
            return False
        asked = subprocess.run(
            ["Rscript", "-e", "library(robustbase)"], capture_output=True, check=False
        )
        return asked.returncode == 0

    def seconds(self, X, y):
        """Return what a fit took by R's own clock: X and y go there through files."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("X", "y")]
            for path, array in zip(paths, (X, y), strict=True):
                array.tofile(path)
            print(*X.shape, *paths, file=self._process.stdin)
            return float(self._process.stdout.readline())


def peers():
    """Return what times the fits of others, as far as they are installed."""
    models = {
        "RANSACRegressor": RANSACRegressor(random_state=0),
        "TheilSenRegressor": TheilSenRegressor(random_state=0, max_subpopulation=1_000),
        "QuantileRegressor": QuantileRegressor(alpha=0.0),
    }
    try:
        from statsmodels.robust.robust_linear_model import RLM

        models["statsmodels RLM"] = lambda X, y: RLM(y, np.column_stack([X, np.ones(len(X))])).fit()
    except ImportError:
        pass
    try:
        from skglm import GeneralizedLinearEstimator
        from skglm.datafits import Huber
        from skglm.penalties import L1
        from skglm.solvers import FISTA

        models["skglm Huber"] = GeneralizedLinearEstimator(Huber(1.345), L1(0.0), FISTA())
    except ImportError:
        pass
    try:
        from pylmrob import LmRob

        models["LmRob"] = LmRob()
    except ImportError:
        pass
    timed = {name: partial(seconds, model) for name, model in models.items()}
    if Lmrob.is_installed():
        timed["lmrob of R"] = Lmrob().seconds
    return timed


def seconds(model, X, y):
    fit = getattr(model, "fit", model)
    begin = time.perf_counter()
    fit(X, y)
    return time.perf_counter() - begin


def excess(model, X, y):
    """Return how far the objective is above that of Newton's method, relative to it."""
    full = np.column_stack([X, np.ones(len(X))])
    params, c, alpha = np.append(model.coef_, model.intercept_), model.scale_, model.alpha_

    def objective(params):
        value = np.mean(rho((y - full @ params) / c, alpha))
        return value + float(log_partition(alpha)) if hasattr(model, "nll_") else value

    found = best = objective(params)
    for _ in range(_STEPS):
        u = (y - full @ params) / c
        w = weight(u, alpha)
        ahead = weight(u * (1.0 + 1e-6), alpha)
        slope = np.maximum(w + (ahead - w) / 1e-6, -0.5)  # psi' = w + u·dw/du
        hessian = (full * slope[:, None]).T @ full
        step = c * np.linalg.solve(hessian, full.T @ (w * u))
        if not objective(params + step) < best:
            break
        params = params + step
        best = objective(params)
    return (found - best) / abs(best)


def compare(n, p, repeats, others):
    """Print median seconds, ratios of every model to the two peers, and excesses."""
    X, y = make_data(n, p)
    models = {"linear": LinearRegression(), "huber": HuberRegressor(), **MODELS}
    times = {name: [] for name in models}
    for model in models.values():
        model.fit(X, y)
    for _ in range(repeats):
        for name, model in models.items():
            times[name].append(seconds(model, X, y))
    rows = []
    for name, model in MODELS.items():
        ratios = [
            statistics.median(a / b for a, b in zip(times[name], times[peer], strict=True))
            for peer in ("linear", "huber")
        ]
        rows.append((name, statistics.median(times[name]), *ratios, excess(model, X, y)))
    linear = statistics.median(times["linear"])
    print(f"\n{n} x {p}: LinearRegression {1e3 * linear:.1f} ms", flush=True)
    for name, took, over_linear, over_huber, above in rows:
        limits = LIMITS[name].get((n, p), (None, None))
        wanted = " ".join("" if limit is None else f"<= {limit:g}" for limit in limits)
        print(
            f"{name:>20} {1e3 * took:9.1f} ms  {over_linear:7.2f} x linear  "
            f"{over_huber:7.3f} x huber  excess {above:8.1e}  {wanted}", flush=True,
        )  # fmt: skip
    if n * p * p <= _SLOW:
        for name, timed in others.items():
            took = min(timed(X, y) for _ in range(2))
            ours = statistics.median(times["default"])
            print(f"{name:>20} {1e3 * took:9.1f} ms  default / it {ours / took:7.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")  # peers that do not converge
    others = peers()
    for n, p in SIZES:
        compare(n, p, repeats, others)


if __name__ == "__main__":
    main()
