"""Count the tables on which the S-search finds the least M-scale that anybody finds.

The S-estimate of each generated table competes with planes through random subsets of the rows,
with the truth, and in tables with levels with starts whose level coefficients come from a row
each; all of them are refined to the end. "found" is the share of tables on which the M-scale of
the S-estimate is at most 1 + 1e-6 times the least of those; the other columns count who found the
better one. The plain tables vary in size, columns and contamination. The tables with levels are of
the kinds that pipelines make: factors of which some levels are rare, flags, slopes by level,
amounts that are mostly zero. A second list names every table that was lost.

python benchmarks/s_minimum.py [--problems 20] [--subsets 5000] [--first 0] [--only plain]
"""

import argparse
import math
import warnings

import numpy as np
from sklearn.linear_model import HuberRegressor, LinearRegression

from sklearn_robust import RobustRegressor, kernels

ALLOWED = 1e-6
COLUMNS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "log-normal": lambda rng, shape: np.exp(1.5 * rng.normal(size=shape)),
    "heavy-tailed": lambda rng, shape: rng.standard_t(2.0, size=shape),
}
PLAIN = ("clean", "one-sided 10 %", "one-sided 30 %", "leverage 10 %", "leverage 20 %",
         "leverage 40 %")  # fmt: skip
WITH_LEVELS = PLAIN[:-1]


def levels(rng, n, count, power=1.2):
    """Return the dummies of a factor whose levels become rare as in Zipf's law."""
    p = np.arange(1, count + 1) ** -power
    codes = rng.choice(count, size=n, p=p / p.sum())
    return np.eye(count)[codes][:, 1:]


def slopes(numeric, dummies):
    """Return numeric columns and dummies, and the product of the first column with each."""
    return np.hstack([numeric, dummies, dummies * numeric[:, :1]])


LEVELS = {
    "factor of 30": lambda r, n: np.hstack([r.normal(size=(n, 3)), levels(r, n, 30)]),
    "factors of 50, 20": lambda r, n: np.hstack(
        [r.normal(size=(n, 3)), levels(r, n, 50), levels(r, n, 20)]
    ),
    "hour and weekday": lambda r, n: np.hstack(
        [r.normal(size=(n, 2)), levels(r, n, 24, 0.0), levels(r, n, 7, 0.0)]
    ),
    "ten flags": lambda r, n: np.hstack([r.normal(size=(n, 2)), 1.0 * (r.random((n, 10)) < 0.05)]),
    "slopes by level": lambda r, n: slopes(r.normal(size=(n, 1)), levels(r, n, 12, 0.7)),
    "mostly zero": lambda r, n: np.hstack(
        [r.normal(size=(n, 3)), (r.random((n, 3)) < 0.08) * np.exp(8.0 + r.normal(size=(n, 3)))]
    ),
}
"""Columns of the kinds of tables with levels."""


def contaminate(rng, X, how):
    """Return X, y and the mask of the bad rows: outliers in y, or a cluster far off in X too."""
    n, p = X.shape
    spread = X.std(axis=0)
    X, noise, bad = X.copy(), rng.normal(size=n), np.zeros(n, dtype=bool)
    coef = rng.normal(size=p) / np.where(spread > 0.0, spread, 1.0)
    share = 0.0 if how == "clean" else float(how.split()[-2]) / 100.0
    bad[rng.permutation(n)[: int(share * n)]] = True
    y = X @ coef + noise
    if how.startswith("one-sided"):
        y[bad] += 15.0 + 5.0 * rng.normal(size=bad.sum())
    if how.startswith("leverage"):
        X[bad, 0] = X[:, 0].mean() + spread[0] * (10.0 + 0.3 * rng.normal(size=bad.sum()))
        y[bad] -= 60.0
    return X, y, bad


def plain_table(rng, columns):
    """Return columns of a kind; how many rows and columns there are is drawn."""
    n = int(np.exp(rng.uniform(np.log(30), np.log(2001))))
    p = int(rng.integers(1, min(20, n // 5) + 1))
    return COLUMNS[columns](rng, (n, p))


def table_with_levels(rng, kind):
    n = int(np.exp(rng.uniform(np.log(200), np.log(2001))))
    return LEVELS[kind](rng, n)


def near_levels(rng, X, y, params, count):
    """Yield parameters in which the coefficient of each column mostly zero is from a row of it."""
    rare = np.flatnonzero(np.mean(X[:, :-1] != 0.0, axis=0) < 0.5)
    left = y - X @ params
    for _ in range(count if len(rare) else 0):
        moved = params.copy()
        for j in rare[rng.random(len(rare)) < rng.random()]:
            row = rng.choice(np.flatnonzero(X[:, j]), 1)
            moved[j] += (left[row] / X[row, j])[0]
        yield moved


def refined(X, y, starts):
    """Return the least M-scale to which any of the starts is refined."""
    orthonormal, root = np.linalg.qr(X)
    orthonormal = orthonormal[:, np.abs(np.diag(root)) > 1e-9 * np.sqrt(np.sum(root**2, axis=0))]
    unit = math.sqrt(len(y))
    Z, planes = np.ascontiguousarray(unit * orthonormal.T), (starts @ X.T) @ orthonormal / unit
    q, cases, ridge = len(Z), np.ones(len(y)), np.zeros((len(Z), len(Z)))
    half, floor = 0.5 * (len(y) - q), 1e-12 * np.abs(y).max()
    for tol, steps, count in ((1e-5, 200, len(planes)), (1e-11, 20_000, 20)):
        scales = kernels.scales_of(Z, y, cases, half, floor, 1e-6, len(planes), planes)
        best = np.argsort(scales)[:count]
        planes, scales = planes[best], scales[best]
        kernels.refine(Z, y, cases, half, floor, ridge, tol, steps, 0.2, planes, scales)
    return np.min(kernels.scales_of(Z, y, cases, half, floor, 1e-12, len(planes), planes))


def through_subsets(rng, X, y, count):
    """Return parameters of planes through as few random rows as determine one."""
    # More rows than parameters are drawn, as dependent ones are passed over.
    draws = rng.integers(len(y), size=(count, 3 * X.shape[1] + 10))
    return kernels.planes_through(np.ascontiguousarray(X.T), y, draws)


def competitors(rng, X, y, truth, count):
    """Return the least M-scale found from each kind of start."""
    ones = np.column_stack([X, np.ones(len(y))])
    huber = HuberRegressor(max_iter=2000).fit(X, y)
    centre = np.append(huber.coef_, huber.intercept_)
    starts = {
        "subsets": through_subsets(rng, ones, y, count),
        "truth": truth[None],
        "levels": np.array([*near_levels(rng, ones, y, truth, count // 20),
                            *near_levels(rng, ones, y, centre, count // 20)]),
    }  # fmt: skip
    return {name: refined(ones, y, these) for name, these in starts.items() if len(these)}


def make_table(kind, how, seed):
    """Return X, y and least squares on the good rows of a table of a kind."""
    rng = np.random.default_rng([seed, [*COLUMNS, *LEVELS].index(kind)])
    make = plain_table if kind in COLUMNS else table_with_levels
    X = make(rng, kind)
    X, y, bad = contaminate(rng, X[:, np.any(X != 0.0, axis=0)], how)
    good = LinearRegression().fit(X[~bad], y[~bad])
    return X, y, np.append(good.coef_, good.intercept_)


def estimate(X, y, seed):
    """Return the M-scale of the S-estimate, followed to the end."""
    model = RobustRegressor(init="s", scale="s", tol=1e-10, max_iter=5000, random_state=seed)
    return model.fit(X, y).sigma_


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=20, help="of each kind")
    parser.add_argument("--subsets", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--only", choices=["plain", "levels"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names, lost, total = ("subsets", "truth", "levels"), [], 0
    print(f"{options.problems} tables a line, {options.subsets} subsets each")
    print(f"{'columns':>18} {'bad rows':>15} {'found':>7}" + "".join(f"{n:>9}" for n in names))
    groups = {"plain": (COLUMNS, PLAIN), "levels": (LEVELS, WITH_LEVELS)}
    for group, (kinds, contaminations) in groups.items():
        cells = [(kind, how) for kind in kinds for how in contaminations]
        for kind, how in cells if options.only in (None, group) else ():
            better = dict.fromkeys(names, 0)
            for seed in range(options.first, options.first + options.problems):
                X, y, truth = make_table(kind, how, seed)
                rng = np.random.default_rng([seed, 1])
                least = competitors(rng, X, y, truth, options.subsets)
                ours, best = estimate(X, y, seed), min(least, key=least.get)
                if ours > (1.0 + ALLOWED) * least[best]:
                    better[best] += 1
                    lost.append(f"{kind}, {how}, {seed}: {X.shape[0]} x {X.shape[1]}, "
                                f"{ours / least[best]:.6f} times that of {best}")  # fmt: skip
            total += options.problems
            found = 1.0 - sum(better.values()) / options.problems
            counts = "".join(f"{better[name]:9d}" for name in names)
            print(f"{kind:>18} {how:>15} {found:7.1%}{counts}", flush=True)
    print(f"found in {1.0 - len(lost) / total:.2%} of {total} tables")
    print(*lost, sep="\n")


if __name__ == "__main__":
    main()
