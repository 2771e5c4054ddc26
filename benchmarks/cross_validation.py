"""What cross-validation chooses under outliers, by several criteria, and what it costs.

The error of the chosen fit is printed relative to that of the best shape in the grid, both as
medians over samples; the time relative to a grid search with the same criterion.
"""

import statistics
import time

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_robust import RobustRegressor, RobustRegressorCV
from sklearn_robust.metrics import (
    s_scale_scorer,
    tau_size_scorer,
    trimmed_mean_squared_error_scorer,
)

ALPHAS = (2.0, 1.0, 0.0, -2.0, -np.inf)
CRITERIA = {
    "S-scale": s_scale_scorer,
    "tau-size": tau_size_scorer,
    "trimmed": trimmed_mean_squared_error_scorer,
    "MSE": "neg_mean_squared_error",
    "MAE": "neg_mean_absolute_error",
    "R2": "r2",
}
SAMPLES, N_ROWS, N_COLUMNS = 50, 200, 5


def clean(X, noise, rng):
    return X, noise


def one_sided(X, noise, rng):
    bad = rng.random(len(X)) < 0.3
    return X, np.where(bad, rng.uniform(5.0, 15.0, len(X)), noise)


def leverage(X, noise, rng):
    bad = rng.random(len(X)) < 0.2
    X = np.where(bad[:, None], 10.0 * np.eye(X.shape[1])[0] + 0.1 * X, X)
    return X, np.where(bad, 150.0 + noise, noise)


def cauchy(X, noise, rng):
    return X, rng.standard_cauchy(len(X))


def choices():
    print("error of the chosen fit over that of the best shape")
    print(f"{'':>10}  best shape  " + "".join(f"{name:>10}" for name in CRITERIA))
    for kind in (clean, one_sided, leverage, cauchy):
        errors = {alpha: [] for alpha in ALPHAS}
        chosen = {name: [] for name in CRITERIA}
        for seed in range(SAMPLES):
            rng = np.random.default_rng(seed)
            coef = rng.normal(size=N_COLUMNS)
            X, noise = kind(
                rng.normal(size=(N_ROWS, N_COLUMNS)), rng.normal(size=N_ROWS), rng
            )  # fmt: skip
            y = X @ coef + noise
            own = {}
            for alpha in ALPHAS:
                fit = RobustRegressor(alpha, init="s", random_state=0).fit(X, y)
                own[alpha] = float(np.linalg.norm(fit.coef_ - coef))
                errors[alpha].append(own[alpha])
            for name, scoring in CRITERIA.items():
                search = RobustRegressorCV(ALPHAS, scoring=scoring, random_state=0).fit(X, y)
                chosen[name].append(own[search.alpha_])
        best = min(ALPHAS, key=lambda alpha: statistics.median(errors[alpha]))
        least = statistics.median(errors[best])
        figures = "".join(f"{statistics.median(of) / least:10.2f}" for of in chosen.values())
        print(f"{kind.__name__:>10}  {best:>10}  {figures}", flush=True)


def cost(n_rows=20_000, n_columns=20, repeats=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    y = X.sum(axis=1) + np.where(rng.random(n_rows) < 0.1, 10.0, 1.0) * rng.normal(size=n_rows)
    alphas, penalties = (2.0, 1.0, 0.5, 0.0, -1.0, -2.0, -np.inf), (0.0, 1e-3, 1e-2, 1e-1)
    ours = RobustRegressorCV(alphas, l2_regularizations=penalties, random_state=0)
    grid = GridSearchCV(
        RobustRegressor(init="s", random_state=0),
        {"alpha": alphas, "l2_regularization": penalties, "scale": ["auto"]},
        scoring=s_scale_scorer,
    )
    ours.fit(X[:1000], y[:1000])
    ratios = []
    for _ in range(repeats):
        seconds = []
        for search in (ours, grid):
            begin = time.perf_counter()
            search.fit(X, y)
            seconds.append(time.perf_counter() - begin)
        ratios.append(seconds[0] / seconds[1])
    scores = (search.cv_results_["mean_test_score"] for search in (ours, grid))
    apart = np.max(np.abs(np.subtract(*scores))) / abs(grid.best_score_)
    same = ours.best_params_ == grid.best_params_
    print(f"{n_rows} x {n_columns}, {len(alphas)} shapes, {len(penalties)} penalties, 5 folds")
    print(f"  {statistics.median(ratios):.2f} x GridSearchCV, {seconds[1]:.1f} s")
    print(f"  same choice: {same}, largest difference of scores {apart:.1e}")


def over_one_fit(n_rows, n_columns, repeats=15):
    """Print the time of 5 shapes in 5 folds over that of one default fit."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    y = X.sum(axis=1) + np.where(rng.random(n_rows) < 0.1, 10.0, 1.0) * rng.normal(size=n_rows)
    grid = {"alpha": ALPHAS}
    models = {
        "default": RobustRegressor(random_state=0),
        "RobustRegressorCV": RobustRegressorCV(random_state=0),
        "GridSearchCV": GridSearchCV(
            RobustRegressor(init="s", random_state=0), grid, scoring=s_scale_scorer
        ),
    }
    times = {name: [] for name in models}
    for repeat in range(repeats + 1):
        for name, model in models.items():
            begin = time.perf_counter()
            model.fit(X, y)
            if repeat:
                times[name].append(time.perf_counter() - begin)
    for name in ("RobustRegressorCV", "GridSearchCV"):
        pairs = zip(times[name], times["default"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{n_rows} x {n_columns}: {name} takes {ratio:.1f} x one default fit", flush=True)


if __name__ == "__main__":
    cost()
    over_one_fit(200, 5)
    over_one_fit(1_000, 20)
    choices()
