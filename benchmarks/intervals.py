"""How many fresh good rows prediction intervals hold, on average and in the worst fifth of X.

Run as ``python benchmarks/intervals.py [SAMPLES] [ROWS ...]``. Each sample has three normal
features; the errors are normal, Student's with 3 degrees of freedom, Cauchy, or normal with one row
in ten, or three in ten, moved up by 5 to 15 standard deviations. Outliers are not good rows; all
rows of the other distributions are. The probability that a fresh row is in its interval is computed
from the distribution at 500 fresh x, so the only chance left is that of the sample. Shown are, in
per cent, its mean, and that in the fifth of the fresh x, by their distance from the centre, in
which it is furthest from the level; "*" marks figures off by more than 2 and 4. The last column is
the standard error of the mean. With ``--all`` intervals are those of ``rows="all"``. With
``--plane`` it prints the share of the fresh x at which the true plane is in the 95 % interval of
``kind="mean"``, for ``RobustRegressor``.
"""

import argparse
import warnings

import numpy as np
from scipy import stats

from sklearn_robust import AdaptiveRobustRegressor, ReweightedRegressor, RobustRegressor

TRUTH = np.array([1.0, -2.0, 0.5])
NOISES = {
    "normal": (stats.norm, 0.0),
    "student 3": (stats.t(3), 0.0),
    "cauchy": (stats.cauchy, 0.0),
    "10 % outliers": (stats.norm, 0.1),
    "30 % outliers": (stats.norm, 0.3),
}
LEVELS = (0.8, 0.9, 0.95)
FRESH = 500
ALLOWED, ALLOWED_IN_FIFTH = 0.02, 0.04
"""Differences from the level, on average and in the worst fifth."""


def models():
    """Return the models by their names."""
    from sklearn.linear_model import LinearRegression

    return {
        "RobustRegressor": RobustRegressor(random_state=0),
        "Adaptive, good": AdaptiveRobustRegressor(random_state=0),
        "Reweighted": ReweightedRegressor(LinearRegression(), random_state=0),
    }


def draw(noise, n_rows, seed):
    """Return X and y."""
    errors, share = NOISES[noise]
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3))
    error = errors.rvs(size=n_rows, random_state=rng)
    bad = rng.permutation(n_rows)[: round(share * n_rows)]
    error[bad] += rng.uniform(5.0, 15.0, size=len(bad))
    return X, X @ TRUTH + 3.0 + error


def coverages(model, noise, n_rows, seed, kind_of_rows):
    """Return the probability that good rows are in the intervals, (levels, fresh x)."""
    errors = NOISES[noise][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*draw(noise, n_rows, seed))
    X = fresh()
    truth = X @ TRUTH + 3.0
    found = []
    for level in LEVELS:
        low, high = model.predict_interval(X, level, rows=kind_of_rows).T
        found.append(errors.cdf(high - truth) - errors.cdf(low - truth))
    return np.array(found)


def fresh():
    """Return fresh x, nearest to the centre first."""
    X = np.random.default_rng(2**31).normal(size=(FRESH, 3))
    return X[np.argsort(np.linalg.norm(X, axis=1))]


def cell(values, level):
    """Return the text of one cell from coverages, (samples, fresh x)."""
    mean, fifths = values.mean(), values.mean(axis=0).reshape(5, -1).mean(axis=1)
    worst = fifths[np.argmax(np.abs(fifths - level))]
    off = abs(mean - level) > ALLOWED or abs(worst - level) > ALLOWED_IN_FIFTH
    return f"{100 * mean:6.1f} ({100 * worst:.1f}){'*' if off else ' '}"


def print_plane(samples, rows):
    X, model = fresh(), models()["RobustRegressor"]
    truth = X @ TRUTH + 3.0
    for noise in NOISES:
        for n_rows in rows:
            held = []
            for seed in range(samples):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(*draw(noise, n_rows, seed))
                low, high = model.predict_interval(X, 0.95, kind="mean").T
                held.append(np.mean((low <= truth) & (truth <= high)))
            error = np.std(held) / np.sqrt(samples)
            print(f"{noise:<16}{n_rows:>8}{100 * np.mean(held):8.1f}{100 * error:8.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=int, nargs="?", default=200)
    parser.add_argument("rows", type=int, nargs="*", default=[30, 100, 500, 5000])
    parser.add_argument("--only", default="", help="models whose names begin so")
    parser.add_argument("--all", action="store_true", help="intervals for rows as they come")
    parser.add_argument("--plane", action="store_true", help="intervals of the plane")
    given = parser.parse_args()
    if given.plane:
        print_plane(given.samples, given.rows)
        return
    for name, model in models().items():
        if not name.startswith(given.only):
            continue
        heading = "".join(f"{'level ' + format(level, 'g'):>16}" for level in LEVELS)
        print(f"\n{name:<24}{heading}   error")
        for noise in NOISES:
            for n_rows in given.rows:
                every = np.array(
                    [
                        coverages(model, noise, n_rows, seed, "all" if given.all else "good")
                        for seed in range(given.samples)
                    ]
                )
                text = "".join(f"{cell(every[:, k], level):>16}" for k, level in enumerate(LEVELS))
                error = every.mean(axis=2).std(axis=0).max() / np.sqrt(given.samples)
                print(f"{noise:<16}{n_rows:>8}{text}{100 * error:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
