"""Time whole fits against their peers, in one run, and print medians of ratios.

The yardsticks are the cheapest least squares of scikit-learn (Ridge by Cholesky), HuberRegressor
and X.sum(). Every repeat times all models one after the other, so that a ratio compares neighbours
in time and drifts of the machine cancel. All run in processes with the same number of threads,
first one and then two. Beside stands what accuracy was left: how far the objective lies above that
of a fit that Newton's method has polished at the same scale and shape, relative to it. "*" marks
ratios above the limit that the project wants to reach.

R's lmrob is timed where Rscript and robustbase are installed, in a process of R that takes its
own time; its port LmRob where pylmrob is, as are statsmodels and skglm:
python benchmarks/fit.py [--repeats 15] [--threads 1 2].
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import (
    HuberRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    TheilSenRegressor,
)

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.distribution import log_partition
from sklearn_robust.losses import rho, weight

SIZES = [(200, 5), (1_000, 10), (10_000, 20), (100_000, 50), (1_000_000, 20)]
YARDSTICKS = {"Ridge": Ridge(1e-6, solver="cholesky"), "HuberRegressor": HuberRegressor()}
MODELS = {
    "alpha=1": RobustRegressor(1.0),
    "default": RobustRegressor(),
    "adaptive": AdaptiveRobustRegressor(),
}
LIMITS = {
    ("alpha=1", "Ridge"): (1.15, 1.3, 1.6, 1.0, 1.2),
    ("default", "Ridge"): (None, None, None, 1.6, 1.6),
    ("default", "HuberRegressor"): (1.0, 1.0, 1.0, 0.2, 0.12),
    ("adaptive", "HuberRegressor"): (1.3, 1.3, 1.3, None, None),
}
"""What the project wants to reach at each size."""
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
    """Print median seconds, ratios of every model to the yardsticks, and excesses."""
    X, y = make_data(n, p)
    models = {**YARDSTICKS, **MODELS, "X.sum()": lambda X, y: X.sum()}
    times = {name: [] for name in models}
    for repeat in range(repeats + 1):
        for name, model in models.items():
            took = seconds(model, X, y)
            if repeat:
                times[name].append(took)
    middle = {name: 1e3 * statistics.median(of) for name, of in times.items()}
    of_yardsticks = ", ".join(f"{name} {middle[name]:.2f} ms" for name in (*YARDSTICKS, "X.sum()"))
    print(f"\n{n} x {p}: {of_yardsticks}", flush=True)
    for name, model in MODELS.items():
        text = f"{name:>20} {middle[name]:9.2f} ms"
        for yardstick in (*YARDSTICKS, "X.sum()"):
            pairs = zip(times[name], times[yardstick], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            limit = LIMITS.get((name, yardstick), (None,) * len(SIZES))[SIZES.index((n, p))]
            missed = "*" if limit is not None and ratio > limit else " "
            text += f"  {ratio:8.2f}{missed}x {yardstick}"
        print(f"{text}  excess {excess(model, X, y):8.1e}", flush=True)
    if n * p * p <= _SLOW:
        for name, timed in others.items():
            took = 1e3 * min(timed(X, y) for _ in range(2))
            ratio = middle["default"] / took
            print(f"{name:>20} {took:9.1f} ms  default / it {ratio:7.3f}", flush=True)


def in_threads(count, repeats):
    """Run this file with a number of threads for every library."""
    names = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA")
    pinned = {f"{name}_NUM_THREADS": str(count) for name in names}
    asked = [sys.executable, __file__, "--repeats", str(repeats), "--here"]
    subprocess.run(asked, env=os.environ | pinned, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--here", action="store_true", help="with the threads of this process")
    given = parser.parse_args()
    if not given.here:
        for count in given.threads:
            print(f"\n{count} thread{'s' * (count > 1)}", flush=True)
            in_threads(count, given.repeats)
        return
    warnings.simplefilter("ignore")  # peers that do not converge
    others = peers()
    for n, p in SIZES:
        compare(n, p, given.repeats, others)


if __name__ == "__main__":
    main()
