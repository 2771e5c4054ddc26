"""Compare errors of the coefficients in tables of 20 to 100 rows.

A figure is the root mean square error of all coefficients but the intercept, over all samples,
divided by that of least squares on the rows that are not bad, with normal noise: 1 is a fit that
loses nothing. Columns and noise are standard normal. "student-3" and "cauchy" draw the noise from
Student's distribution with 3 and 1 degrees of freedom. For "cauchy" the median of the samples'
errors counts, since a mean has no limit. "one-sided" adds 8 standard deviations to the first 10 or
20 % of the rows. The most a figure may be is printed beside those that are above it. The constants
of the scale were chosen with other seeds.

With R and its package robustbase, lmrob's MM-estimate (bisquare, its default) and KS2014 (Koller &
Stahel 2011 and 2017) are fitted to the same samples. With `--bundled`, the models are instead
compared by leave-one-out residuals on the data sets of the package.
"""

import argparse
import math
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, TheilSenRegressor
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from sklearn_robust import (
    AdaptiveRobustRegressor,
    RobustRegressor,
    RobustRegressorCV,
    datasets,
)
from sklearn_robust.metrics import tau_size

SIZES = [(20, 4), (38, 9), (50, 10), (100, 20), (100, 33)]
CASES = ("clean", "student-3", "cauchy", "one-sided-10", "one-sided-20")
MODELS = {
    "default": RobustRegressor(random_state=0),
    "MM": RobustRegressor(scale="s", random_state=0),
    "Huber": RobustRegressor(1.0),
    "adaptive": AdaptiveRobustRegressor(random_state=0),
}
FIRST_SEED = 10_000
OF_R = ("lmrob", "KS2014")
FIT_IN_R = """
suppressMessages(library(robustbase))
a <- commandArgs(TRUE); n <- as.integer(a[2]); p <- as.integer(a[3]); samples <- as.integer(a[4])
values <- matrix(scan(a[1], quiet = TRUE), ncol = p + 1, byrow = TRUE)
of <- function(formula, data, control) tryCatch(suppressWarnings(
    coef(lmrob(formula, data, control = control))[-1]), error = function(e) rep(NA, p))
for (i in seq_len(samples)) {
    data <- as.data.frame(values[(i - 1) * n + seq_len(n), ])
    names(data) <- c(paste0("x", seq_len(p)), "y")
    set.seed(i)
    for (control in list(lmrob.control(max.it = 500, k.max = 2000),
                         lmrob.control("KS2014", max.it = 500, k.max = 2000)))
        cat(of(y ~ ., data, control), "\\n")
}
"""


def make_sample(n, p, case, seed):
    """Return X, y, the true coefficients, and X and y of clean rows with normal noise."""
    rng = np.random.default_rng([seed, n, p])
    X, coef, clean = rng.normal(size=(n, p)), rng.normal(size=p), rng.normal(size=n)
    noise, n_bad = clean.copy(), 0
    if case == "student-3":
        noise = rng.standard_t(3, size=n)
    elif case == "cauchy":
        noise = rng.standard_cauchy(size=n)
    elif case.startswith("one-sided"):
        n_bad = round(int(case[-2:]) / 100 * n)
        noise[:n_bad] += 8.0
    return X, X @ coef + noise, coef, X[n_bad:], (X @ coef + clean)[n_bad:]


def fit_in_r(samples):
    """Return the coefficients of lmrob's two estimates, or nothing without R."""
    if shutil.which("Rscript") is None:
        return {}
    n, p = samples[0][0].shape
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder, "samples"), Path(folder, "fit.R")
        np.savetxt(table, np.vstack([np.column_stack([X, y]) for X, y, *_ in samples]))
        script.write_text(FIT_IN_R)
        command = ["Rscript", script, table, str(n), str(p), str(len(samples))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {}
    coefs = np.array(done.stdout.replace("NA", "nan").split(), dtype=float)
    coefs = coefs.reshape(len(samples), len(OF_R), p)
    return {name: coefs[:, k] for k, name in enumerate(OF_R)}


def relative_errors(n, p, case, seeds, models, r_samples):
    """Return the error of every model over that of least squares on clean rows."""
    samples = [make_sample(n, p, case, seed) for seed in seeds]
    coefs = {
        name: np.array([clone(model).fit(X, y).coef_ for X, y, *_ in samples])
        for name, model in models.items()
    }
    if r_samples:
        coefs |= fit_in_r(samples[:r_samples])
    truth = np.array([coef for _, _, coef, *_ in samples])
    clean = np.array([LinearRegression().fit(X, y).coef_ for *_, X, y in samples])
    return {
        name: size(found - truth[: len(found)], case)
        / size(clean[: len(found)] - truth[: len(found)], "clean")
        for name, found in coefs.items()
    }


def size(errors, case):
    """Return the size of errors, shape (n_samples, p), of the samples that have a fit."""
    squares = np.sum(errors**2, axis=1)
    return math.sqrt(np.nanmedian(squares) if case == "cauchy" else np.nanmean(squares))


def limits(n, p, case, errors):
    """Return the limits of those models that have one."""
    if case == "clean":
        return {"default": 1.08 if n / p < 4.0 else 1.06, "adaptive": 1.08}
    if case == "student-3" and {"MM", "Huber"} <= errors.keys():
        return {"default": 1.03 * min(errors["MM"], errors["Huber"])}
    if case.startswith("one-sided") and (n, p) in ((50, 10), (100, 20)):
        return {"default": 1.15}
    return {}


def print_errors(options):
    """Print a line for every size and kind of noise."""
    models = {name: MODELS[name] for name in options.models}
    seeds = range(FIRST_SEED, FIRST_SEED + options.samples)
    for n, p in options.sizes:
        for case in options.cases:
            errors = relative_errors(n, p, case, seeds, models, options.r)
            allowed = limits(n, p, case, errors)
            cells = [cell(name, error, allowed.get(name)) for name, error in errors.items()]
            print(f"{n:4d} x {p:<3d} {case:>13}  " + "  ".join(cells), flush=True)


def cell(name, error, allowed):
    """Return a figure, and its limit if it is above that."""
    above = allowed is not None and error > allowed
    return f"{name} {error:.3f}" + (f" > {allowed:.3f}" if above else "")


def print_bundled():
    """Print the leave-one-out residuals of every model on every data set of the package."""
    models = {
        **MODELS,
        "CV": RobustRegressorCV([1.0, 0.0, -2.0, -math.inf], random_state=0),
        "Theil-Sen": TheilSenRegressor(random_state=0),
    }
    print("leave-one-out residuals: median size, tau size")
    for load in datasets.__all__:
        X, y = getattr(datasets, load)(return_X_y=True)
        if X.dtype == object:
            X = X[:, [isinstance(value, (int, float)) for value in X[0]]].astype(float)
        for name, model in models.items():
            predicted = cross_val_predict(clone(model), X, y, cv=LeaveOneOut())
            median, tau = np.median(np.abs(y - predicted)), tau_size(y, predicted)
            print(f"{load[5:]:>17} {name:>9}  {median:.4g}  {tau:.4g}", flush=True)


def main():
    """Print the table, or the residuals on the bundled data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = {f"{n}x{p}": (n, p) for n, p in SIZES}
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--r", type=int, default=300, help="samples that R fits too; 0 for none")
    parser.add_argument("--sizes", nargs="+", choices=size, default=list(size))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--bundled", action="store_true")
    options = parser.parse_args()
    options.sizes = [size[name] for name in options.sizes]
    warnings.simplefilter("ignore")  # of fits that reject all rows of a column, and of peers
    if options.bundled:
        print_bundled()
    else:
        print_errors(options)


if __name__ == "__main__":
    main()
