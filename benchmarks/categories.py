"""Tables with categories, spoilt: how far fits are from one that was told where to begin.

The error of the fitted values on good rows, over that of a fit with the same loss that starts at
least squares on the good rows, at 2.11 times the true deviation: median and worst. Rows of levels
of which over 40 % of the rows are bad, or that have fewer than four, are not counted: no fit could
know. "wild" counts fits that predict beyond 3 times the largest target without a warning. Where R
and its robustbase are installed, lmrob stands beside, from its S- and its M-S-estimate:
python benchmarks/categories.py [--rows 500] [--samples 10].
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import HuberRegressor, LinearRegression

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from tables import SPOILT, TABLES, decidable, spoilt_table

MODELS = {
    "Huber": lambda: HuberRegressor(max_iter=2000),
    "default": lambda: RobustRegressor(random_state=0),
    "adaptive": lambda: AdaptiveRobustRegressor(random_state=0),
}
# Columns of two values are told to R as factors: only then it treats them apart. A fit that fails
# is one of NaN.
_LMROB = """
suppressMessages(library(robustbase))
asked <- commandArgs(trailingOnly = TRUE)
n <- as.integer(asked[1]); p <- as.integer(asked[2])
X <- matrix(readBin(asked[3], "double", n * p), n, p, byrow = TRUE)
y <- readBin(asked[4], "double", n)
distinct <- apply(X, 2, function(x) length(unique(x)))
data <- data.frame(y = y)
for (j in which(distinct > 1))
  data[[paste0("x", j)]] <- if (distinct[j] == 2) factor(X[, j]) else X[, j]
for (init in c("S", "M-S")) {
  set.seed(1)
  fitted <- tryCatch(
    suppressWarnings(fitted(lmrob(y ~ ., data, init = init, k.max = 2000, maxit.scale = 2000))),
    error = function(e) rep(NaN, n))
  cat(fitted, "\\n")
}
"""


def fitted_by_r(X, y):
    """Return the fitted values of lmrob from its S- and its M-S-estimate."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("X", "y")]
        for path, array in zip(paths, (X, y), strict=True):
            np.ascontiguousarray(array).tofile(path)
        shape = [str(size) for size in X.shape]
        told = subprocess.run(
            ["Rscript", "-e", _LMROB, *shape, *map(str, paths)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return [np.array(line.split(), dtype=float) for line in told.stdout.strip().split("\n")]


def errors_of(make, how, seed, n, with_r):
    """Return relative errors by model, and the models whose predictions are wild."""
    X, y, bad, truth = spoilt_table(make, how, seed, n)
    counted = decidable(X, bad)
    oracle = LinearRegression().fit(X[~bad], y[~bad])

    def error(fitted):
        return np.sqrt(np.mean((fitted - truth)[counted] ** 2))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = np.append(oracle.coef_, oracle.intercept_)
        told = error(RobustRegressor(init=begin, scale=2.11).fit(X, y).predict(X))
    errors, wild = {}, []
    for name, model in MODELS.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = model().fit(X, y).predict(X)
        errors[name] = error(fitted) / told
        if not caught and np.abs(fitted).max() > 3.0 * np.abs(y).max():
            wild.append(name)
    if with_r:
        for name, fitted in zip(("lmrob S", "lmrob M-S"), fitted_by_r(X, y), strict=True):
            errors[name] = error(fitted) / told
    return errors, wild


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--samples", type=int, default=10)
    asked = parser.parse_args()
    with_r = shutil.which("Rscript") is not None
    for make in TABLES:
        for how in SPOILT:
            found = [
                errors_of(make, how, seed, asked.rows, with_r) for seed in range(asked.samples)
            ]
            wild = sum(len(of) for _, of in found)
            parts = []
            for name in found[0][0]:
                ratios = [errors[name] for errors, _ in found]
                parts.append(f"{name} {np.median(ratios):5.2f} / {np.max(ratios):6.3g}")
            print(
                f"{make.__name__:>16} {how:>9}  " + "  ".join(parts) + f"  wild {wild}", flush=True
            )


if __name__ == "__main__":
    main()
