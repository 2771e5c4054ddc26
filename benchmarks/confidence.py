"""How often 95 % confidence limits hold the true coefficient, beside least squares'.

Run as ``python benchmarks/confidence.py [SIMULATIONS]``. Each simulation draws 200 rows of three
normal features and an intercept; the errors are normal, Student's with 3 degrees of freedom, or
normal with one row in ten moved 10 standard deviations up or down. Shown are the share of all
limits that hold, in per cent, and the mean width of those of the slopes.
"""

import sys

import numpy as np

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.inspection import coef_table

TRUTH = np.array([1.0, -2.0, 0.5, 3.0])
ERRORS = ("normal", "student 3", "10 % outliers")
MODELS = {
    "least squares": (RobustRegressor(2.0), "sandwich"),
    "alpha 1": (RobustRegressor(1.0, random_state=0), "sandwich"),
    "alpha 0": (RobustRegressor(0.0, random_state=0), "sandwich"),
    "alpha -2": (RobustRegressor(-2.0, random_state=0), "sandwich"),
    "alpha -inf": (RobustRegressor(random_state=0), "sandwich"),
    "adaptive, information": (AdaptiveRobustRegressor(random_state=0), "information"),
    "adaptive, sandwich": (AdaptiveRobustRegressor(random_state=0), "sandwich"),
}


def draw(errors, seed):
    rng = np.random.default_rng(seed)
    X, noise = rng.normal(size=(200, 3)), rng.normal(size=200)
    if errors == "student 3":
        noise = rng.standard_t(3, size=200)
    elif errors == "10 % outliers":
        bad = rng.random(200) < 0.1
        noise[bad] += 10.0 * rng.choice([-1.0, 1.0], size=bad.sum())
    return X, X @ TRUTH[:-1] + TRUTH[-1] + noise


def main(simulations=500):
    print(f"{'':<23}" + "".join(f"{errors:>22}" for errors in ERRORS))
    for name, (model, kind) in MODELS.items():
        line = f"{name:<23}"
        for errors in ERRORS:
            held, widths = [], []
            for seed in range(simulations):
                X, y = draw(errors, seed)
                table = coef_table(model.fit(X, y), X, y, covariance=kind)
                held.append((table.ci_low <= TRUTH) & (table.ci_high >= TRUTH))
                widths.append(np.mean((table.ci_high - table.ci_low)[:-1]))
            line += f"{100.0 * np.mean(held):>13.1f} ({np.mean(widths):.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
