"""Fit tables whose rows lie on a plane, all or most of them, in every way, and list what is wrong.

The product is that of losses, starts, scales, tables, sizes and layouts, and of the solvers of the
adaptive regressor. Wrong are an exception, what is not finite, a second warning, the warning of
an exact fit where no more than half of the rows are fitted exactly or its absence where they are,
and another plane where theory says which one:

- all rows on a plane: that plane, whatever the loss and scale;
- all but a few, far off: that plane, for every robust loss whose scale is estimated;
- 55 per cent: that plane, where the scale is that of the S-estimate, and from the adaptive
  regressor. Of a convex loss nothing is asked where the absolute residuals of another plane
  have a smaller sum; it may take more iterations than there are.

With --adaptive the solvers of the adaptive regressor are compared on tables of 4 to 20 000 rows of
which 51 to 93 per cent lie on a plane: so many that its M-scale is zero.

The command exits with 1 where something was wrong.
"""

import argparse
import sys
import warnings
from collections import Counter
from itertools import product

import numpy as np
from scipy import sparse

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.scales import abs_residual_quantile, scale_floor

LOSSES = [
    {"alpha": 2.0}, {"alpha": 1.0}, {"alpha": 0.0}, {"alpha": -2.0}, {"alpha": -np.inf},
    {"loss": "huber"}, {"loss": "tukey"},
]  # fmt: skip
STARTS = ["ols", "gnc", "s"]
SCALES = ["mad", "s", "reweighted", 1.0]
TABLES = ["exact", "few off", "zeros", "55 % exact", "counts"]
SIZES = [100, 20_000, 120_000, 300_000]
LAYOUTS = {
    "float64": np.asarray,
    "float32": np.float32,
    "sparse": lambda X: sparse.csr_array(np.where(X > 0.5, X, 0.0)),
}
OFF = {
    "one-sided": lambda rng, n: 50.0 + 10.0 * rng.random(n),
    "symmetric": lambda rng, n: 50.0 * rng.normal(size=n),
    "far": lambda rng, n: 1e6 * (1.0 + rng.random(n)),
    "near": lambda rng, n: rng.normal(size=n),
    "leverage": None,
}
MESSAGE = "More than half of the rows are fitted exactly"
ACCURACY = 1e-9
"""Of fitted values, in units of the largest."""


def make_table(table, n, layout, seed):
    """Return X, y and the plane that most rows lie on, None for counts."""
    rng = np.random.default_rng(seed)
    X = LAYOUTS[layout](rng.normal(size=(n, 3)))
    plane = X @ np.array([10.0, 0.0, -3.0]) + 7.0
    if table == "counts":
        return X, rng.poisson(0.5, size=n).astype(float), None
    off = {"exact": 0, "few off": max(3 * n // 1000, 1), "55 % exact": 45 * n // 100}
    which = rng.permutation(n)[: off.get(table, max(4 * n // 1000, 1))]
    if table == "zeros":
        plane = np.zeros(n)
    y = plane.copy()
    y[which] += 50.0 + 10.0 * rng.random(len(which))
    return X, y, plane


def is_right_to_want_the_plane(model, table, n):
    """Return whether the plane is the one answer of a model to a table of so many rows."""
    if table == "counts":
        return False
    if table == "exact":
        return True
    if isinstance(model, AdaptiveRobustRegressor):
        return model.init == "auto"
    if (model.alpha == 2.0 and model.loss == "general") or model.scale == 1.0:
        return False
    if model.scale == "mad":  # the quantile 0.99 is zero too
        return table != "55 % exact" and n > 100
    return True


def is_convex(model):
    """Return whether a model at the floor of its scale minimises the sum of absolute residuals."""
    keywords = model.get_params()
    return keywords.get("alpha") == 1.0 or keywords.get("loss") == "huber"


def faults(model, table, X, y, plane):
    """Yield in a few words what is wrong with a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = model.fit(X, y).predict(X)
        except Exception as error:
            yield f"{type(error).__name__}: {error}"
            return
    messages = [str(warning.message) for warning in caught]
    if len(caught) > 1:
        yield f"{len(caught)} warnings"
    if not np.all(np.isfinite([*model.coef_, model.intercept_, model.scale_])):
        yield "not finite"
        return
    median, floor = abs_residual_quantile(y - fitted, 0.5), scale_floor(y)
    said = any(MESSAGE in message for message in messages)
    if said and median > 10.0 * floor:
        yield f"is said to be exact, median residual {median:.1e}"
    if not said and model.get_params().get("scale") != 1.0 and median < 0.1 * floor:
        yield "is not said to be exact"
    if is_right_to_want_the_plane(model, table, len(y)):
        error = np.max(np.abs(fitted - plane)) / max(np.max(np.abs(plane)), floor / ACCURACY)
        if is_convex(model) and np.sum(np.abs(y - fitted)) < np.sum(np.abs(y - plane)):
            return
        if error > ACCURACY:
            yield f"another plane, off by {error:.1e}"
        if any("No convergence" in message for message in messages):
            yield "no convergence"


def models():
    """Yield every model and what tells it from the others."""
    for keywords, init, scale in product(LOSSES, STARTS, SCALES):
        told = [*map(str, keywords.values()), init, str(scale)]
        yield RobustRegressor(**keywords, init=init, scale=scale, random_state=0), told
    for solver, init in product(["auto", "lbfgs", "irls"], ["auto", *STARTS]):
        yield (
            AdaptiveRobustRegressor(solver=solver, init=init, random_state=0),
            ["adaptive", init, solver],
        )


def make_majority(n, n_off, n_features, off, seed):
    """Return X, y and a plane that some rows are off, of normal columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    plane = X @ np.arange(1.0, n_features + 1.0) + 3.0
    which, y = rng.permutation(n)[:n_off], plane.copy()
    if off == "leverage":
        X[which] += 10.0
        y[which] = rng.normal(size=n_off)
    else:
        y[which] += OFF[off](rng, n_off)
    return X, y, plane, which


def majorities():
    """Yield sizes, rows off, columns and how they are off, where the M-scale of the plane is 0."""
    for n in range(4, 16):
        for n_off in range(1, n // 3 + 1):
            if 2 * n_off <= n - 2:
                yield from ((n, n_off, 1, off) for off in OFF if off != "leverage")
    for n, share in product([50, 100, 200, 1000, 20_000], [0.51, 0.55, 0.6, 0.75, 0.9]):
        n_off = n - int(share * n)
        if 2 * n_off <= n - 3:
            yield from ((n, n_off, 2, off) for off in OFF)


def adaptive(seeds):
    """Return how many fits are wrong, the solvers' likelihoods compared with each other."""
    fits, wrong = 0, 0
    for n, n_off, n_features, off in majorities():
        found = Counter()
        for seed in range(seeds):
            X, y, plane, which = make_majority(n, n_off, n_features, off, seed)
            nll = []
            for solver in ("auto", "lbfgs", "irls"):
                model = AdaptiveRobustRegressor(solver=solver, random_state=seed)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    fitted = model.fit(X, y).predict(X)
                nll.append(model.nll_)
                on = np.delete(np.abs(fitted - plane), which)
                right = np.max(on) <= ACCURACY * np.max(np.abs(plane))
                right = right and len(caught) == 1 and MESSAGE in str(caught[0].message)
                found[solver] += not right
            found["auto is less likely"] += nll[0] > min(nll) + 1e-6
        fits, wrong = fits + 3 * seeds, wrong + sum(found.values())
        if any(found.values()):
            print(f"{n:>7} x {n_features}, {n_off} {off}: {dict(+found)}", flush=True)
    print(f"adaptive: {wrong} of {fits} fits are wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--adaptive", action="store_true", help="of the adaptive regressor alone, more tables"
    )
    options = parser.parse_args()
    if options.adaptive:
        sys.exit(adaptive(options.seeds) > 0)
    fits, wrong = Counter(), Counter()
    for table, n, layout, seed in product(
        options.tables, options.sizes, options.layouts, range(options.seeds)
    ):
        X, y, plane = make_table(table, n, layout, seed)
        for model, told in models():
            found = list(faults(model, table, X, y, plane))
            fits[n] += 1
            wrong[n] += bool(found)
            if found:
                print(f"{table:>10} {n:>7} {layout:>7} {' '.join(told):28} {'; '.join(found)}")
                sys.stdout.flush()
    for n in options.sizes:
        print(f"{n:>7} rows: {wrong[n]} of {fits[n]} fits are wrong")
    sys.exit(any(wrong.values()))


if __name__ == "__main__":
    main()
