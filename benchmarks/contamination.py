"""Compare coefficient errors under contamination with those of the clean rows' least squares.

A figure is the root mean square error of all coefficients over all seeds, divided by that of
least squares on the clean rows alone: 1 is a fit that loses nothing by not knowing which rows are
bad. Those above their limit are marked. One-sided outliers are spread evenly from 5 to 15
standard deviations of the noise, or ("normal") normally about 10 with deviation 5, so that some
lie among the good rows; symmetric ones have 10 times the deviation of the noise. Bad leverage
points form a cluster; `--layout`, `--offset`, `--unit` and `--spread` say where. An S-estimate
of breakdown 50 % prefers the plane through the cluster unless that is far off the true plane
for its distance in X: at distance 10, spread 0.1 and many rows by more than 17 standard
deviations of the noise where 20 % of the rows are bad, by more than 65 where 40 % are.
"""

import argparse
import math
import warnings

import numpy as np
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.linear_model import HuberRegressor, LinearRegression

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

try:
    import pylmrob
except ImportError:
    pylmrob = None

SIZES = [(200, 5), (1000, 20)]
CASES = {
    "clean": ("clean", 0.0),
    "one-sided-10": ("one-sided", 0.1),
    "one-sided-30": ("one-sided", 0.3),
    "normal-30": ("normal", 0.3),
    "symmetric-10": ("symmetric", 0.1),
    "leverage-20": ("leverage", 0.2),
    "leverage-40": ("leverage", 0.4),
}
LAYOUTS = ("column", "ordinary", "all", "random")
ROBUST_LIMITS = {
    "clean": 1.03,
    "one-sided": 1.05,
    "normal": 1.05,
    "symmetric": 1.10,
    "leverage": 1.06,
}
ADAPTIVE_LEVERAGE_LIMIT = 1.15
ADAPTIVE_LIMIT_OVER_OLS = 1.02


def of_estimator(model):
    return lambda X, y: parameters(clone(model).fit(X, y))


def parameters(fitted):
    """Return the coefficients and the intercept last."""
    return np.append(fitted.coef_, fitted.intercept_)


def tukey(X, y):
    design = sm.add_constant(X, has_constant="add")
    return (
        sm.RLM(y, design, M=sm.robust.norms.TukeyBiweight())
        .fit()
        .params[np.r_[1 : X.shape[1] + 1, 0]]
    )


def lmrob(X, y):
    control = pylmrob.Control(psi="welsh", cov="none")
    return pylmrob.LmRob(control).fit(X, y, seed=0).result_.coef_[np.r_[1 : X.shape[1] + 1, 0]]


FITS = {
    "Robust": of_estimator(RobustRegressor(random_state=0)),
    "Adaptive": of_estimator(AdaptiveRobustRegressor(random_state=0)),
    "Adaptive-ols": of_estimator(AdaptiveRobustRegressor(init="ols")),
    "Huber": of_estimator(HuberRegressor(max_iter=1000)),
    "RLM": tukey,
}
if pylmrob is not None:
    FITS["LmRob"] = lmrob


def move_to_cluster(X, rng, layout, spread):
    """Put the rows of X around one point; "ordinary" moves their first column only."""
    n, p = X.shape
    if layout == "ordinary":
        X[:, 0] = 10.0 + spread * rng.normal(size=n)
        return
    if layout == "column":
        centre = 10.0 * np.eye(p)[0]
    elif layout == "all":
        centre = np.full(p, 10.0)
    else:
        direction = rng.normal(size=p)
        centre = 10.0 * direction / np.linalg.norm(direction)
    X[:] = centre + spread * rng.normal(size=(n, p))


def make_data(n, p, case, cluster, seed):
    """Return X, y, the true coefficients and how many rows, the first ones, are bad."""
    kind, share = CASES[case]
    rng = np.random.default_rng(seed)
    X, coef, noise = rng.normal(size=(n, p)), rng.normal(size=p), rng.normal(size=n)
    n_bad = round(share * n)
    if kind == "one-sided":
        noise[:n_bad] += rng.uniform(5.0, 15.0, size=n_bad)
    elif kind == "normal":
        noise[:n_bad] += 10.0 + 5.0 * rng.normal(size=n_bad)
    elif kind == "symmetric":
        noise[:n_bad] += 10.0 * rng.normal(size=n_bad)
    elif kind == "leverage":
        move_to_cluster(X[:n_bad], rng, cluster.layout, cluster.spread)
        unit = 1.0 if cluster.unit == "noise" else math.hypot(1.0, np.linalg.norm(coef))
        noise[:n_bad] = cluster.offset * unit + cluster.spread * rng.normal(size=n_bad)
    return X, X @ coef + noise, coef, n_bad


def relative_errors(n, p, case, cluster, seeds, fits):
    """Return each fit's root mean square error over that of the clean rows' least squares."""
    squares = dict.fromkeys([*fits, "oracle"], 0.0)
    for seed in range(seeds):
        X, y, coef, n_bad = make_data(n, p, case, cluster, seed)
        truth = np.append(coef, 0.0)
        oracle = parameters(LinearRegression().fit(X[n_bad:], y[n_bad:]))
        squares["oracle"] += np.sum((oracle - truth) ** 2)
        for name, fit in fits.items():
            squares[name] += np.sum((fit(X, y) - truth) ** 2)
    return {name: math.sqrt(squares[name] / squares["oracle"]) for name in fits}


def limits(case, errors):
    """Return the limits of those fits that have one."""
    kind = CASES[case][0]
    result = {"Robust": ROBUST_LIMITS[kind]}
    if kind == "leverage":
        result["Adaptive"] = ADAPTIVE_LEVERAGE_LIMIT
    elif "Adaptive-ols" in errors:
        result["Adaptive"] = ADAPTIVE_LIMIT_OVER_OLS * errors["Adaptive-ols"]
    return result


def row(case, size, errors):
    """Return a line of the table, with a limit beside each figure that has one."""
    allowed = limits(case, errors)
    cells = []
    for name, error in errors.items():
        cell = f"{error:.3f}"
        if name in allowed:
            cell += f"{'!' if error > allowed[name] else ' '} <= {allowed[name]:.3f}"
        cells.append(f"{cell:>{width(name)}}")
    return f"{case:>12} {size:>9} " + " ".join(cells)


def width(name):
    return 15 if name in ("Robust", "Adaptive") else 12


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--models", nargs="+", choices=FITS, default=list(FITS))
    parser.add_argument("--layout", choices=LAYOUTS, default="column", help="cluster in X")
    parser.add_argument("--offset", type=float, default=150.0, help="cluster off the plane, by")
    parser.add_argument("--unit", choices=("noise", "y"), default="noise", help="of the offset")
    parser.add_argument("--spread", type=float, default=0.1, help="of the cluster, in X and y")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of peers that do not converge: their errors say enough
    fits = {name: FITS[name] for name in options.models}
    print(
        f"cluster: {options.layout}, off by {options.offset:g} standard deviations of "
        f"{options.unit}, spread {options.spread:g}; {options.seeds} seeds"
    )
    print(f"{'case':>12} {'n x p':>9} " + " ".join(f"{name:>{width(name)}}" for name in fits))
    for case in options.cases:
        for n, p in SIZES:
            errors = relative_errors(n, p, case, options, options.seeds, fits)
            print(row(case, f"{n} x {p}", errors), flush=True)


if __name__ == "__main__":
    main()
