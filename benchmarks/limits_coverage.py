"""How often 95 % confidence limits hold the true coefficient, for each kind of covariance.

Run as ``python benchmarks/limits_coverage.py [SAMPLES]``; 1000 samples of every cell take three
quarters of an hour on a core, most of it in fits. ``python benchmarks/limits_coverage.py bootstrap
[SAMPLES]`` compares the fast bootstrap with the full one, in coverage and in time.

X is normal. The errors are normal ("clean"); Student's with 3 degrees of freedom; normal with one
row in ten moved up by 10 standard deviations ("one-sided"); normal with a fifth of the rows moved
by 10 in every column of X and down by 50 in y ("leverage"); normal times 0.5 + abs(x) of the first
column ("growing"); or the sum of an error of the row and one of its group of 10, where X too is
such a sum ("groups", 30 groups). Shown is the share of all limits that hold, in per cent. The fits
are ``RobustRegressor()``; with "avar1" ``RobustRegressor(scale="s")`` and with "information"
``AdaptiveRobustRegressor()``.
"""

import sys
import time
import warnings

import numpy as np

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.inspection import coef_table

SIZES = ((40, 5), (100, 5), (500, 5), (30, 9), (20, 4))
ERRORS = ("clean", "student 3", "one-sided", "leverage", "growing")
KINDS = (
    "sandwich", "classical", "hc0", "hc1", "hc2", "hc3", "fast_bootstrap", "avar1", "information"
)  # fmt: skip
GROUPED = ("sandwich", "hc3", "cluster", "fast_bootstrap")
MODELS = {
    "avar1": RobustRegressor(scale="s", random_state=0),
    "information": AdaptiveRobustRegressor(random_state=0),
}
DEFAULT = RobustRegressor(random_state=0)
N_RESAMPLES = 999


def draw(errors, n, p, seed):
    """Return X, y, the true coefficients with the intercept last, and groups or None."""
    rng = np.random.default_rng(seed)
    truth = np.append(np.linspace(-1.0, 1.0, p), 3.0)
    X, noise, groups = rng.normal(size=(n, p)), rng.normal(size=n), None
    if errors == "student 3":
        noise = rng.standard_t(3, size=n)
    elif errors == "one-sided":
        noise[: n // 10] += 10.0
    elif errors == "growing":
        noise *= 0.5 + np.abs(X[:, 0])
    elif errors == "groups":
        groups = np.arange(n) // 10
        X += rng.normal(size=(n // 10, p))[groups]
        noise += rng.normal(size=n // 10)[groups]
    y = X @ truth[:-1] + truth[-1] + noise
    if errors == "leverage":
        X[: n // 5] += 10.0
        y[: n // 5] -= 50.0
    return X, y, truth, groups


def held(model, X, y, truth, kind, groups=None):
    """Return whether each interval holds the truth; NaN where the formula does not apply."""
    options = {"groups": groups} if kind == "cluster" else {}
    if kind == "fast_bootstrap":
        options = {"n_resamples": N_RESAMPLES, "random_state": 0}
    try:
        table = coef_table(model, X, y, covariance=kind, **options)
    except ValueError:
        return np.full(len(truth), np.nan)
    return ((table.ci_low <= truth) & (truth <= table.ci_high)).astype(float)


def cell(errors, n, p, samples, kinds):
    """Return the coverage of every kind, in per cent, and how often it did not apply."""
    found = {kind: [] for kind in kinds}
    for seed in range(samples):
        X, y, truth, groups = draw(errors, n, p, seed)
        default = DEFAULT.fit(X, y)
        for kind in kinds:
            model = MODELS[kind].fit(X, y) if kind in MODELS else default
            found[kind].append(held(model, X, y, truth, kind, groups))
    return {
        kind: (100.0 * np.nanmean(of), int(np.sum(np.isnan(of).all(axis=1))))
        for kind, of in found.items()
    }


def shown(share, failed):
    return f"{share:>10.1f}" + (f" ({failed} no)" if failed else "")


def main(samples=1000):
    warnings.simplefilter("ignore")
    for n, p in SIZES:
        print(f"\n{n} x {p}, {samples} samples\n{'':<16}" + "".join(f"{e:>11}" for e in ERRORS))
        cells = [cell(errors, n, p, samples, KINDS) for errors in ERRORS]
        for kind in KINDS:
            print(f"{kind:<16} " + " ".join(shown(*of[kind]) for of in cells), flush=True)
    grouped = cell("groups", 300, 5, samples, GROUPED)
    print(f"\n300 x 5 in 30 groups, {samples} samples")
    for kind, of in grouped.items():
        print(f"{kind:<16} {shown(*of)}")


def bootstrap(samples=200):
    """Compare the coverage and the time of both bootstraps."""
    warnings.simplefilter("ignore")
    print(f"{samples} samples of 100 x 5, {N_RESAMPLES} resamples: coverage in per cent, seconds")
    models = {
        "alpha 1": (RobustRegressor(1.0), samples),
        "default": (DEFAULT, max(samples // 20, 1)),
    }
    for name, (model, n_samples) in models.items():
        for errors in ("clean", "student 3", "growing"):
            line = f"{name:<8} {errors:<10} {n_samples:>4} samples"
            for kind in ("bootstrap", "fast_bootstrap"):
                found, seconds = [], 0.0
                for seed in range(n_samples):
                    X, y, truth, _ = draw(errors, 100, 5, seed)
                    fit = model.fit(X, y)
                    start = time.perf_counter()
                    options = {"n_resamples": N_RESAMPLES, "random_state": 0}
                    table = coef_table(fit, X, y, covariance=kind, **options)
                    seconds += time.perf_counter() - start
                    found.append((table.ci_low <= truth) & (truth <= table.ci_high))
                line += f"{100.0 * np.mean(found):>8.1f} ({seconds / n_samples:.3f} s)"
            print(line, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["bootstrap"]:
        bootstrap(*map(int, sys.argv[2:3]))
    else:
        main(*map(int, sys.argv[1:2]))
