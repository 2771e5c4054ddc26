"""Compare the results of fits before and after a change that must not move them.

    python benchmarks/same_results.py write results.npz
    python benchmarks/same_results.py compare results.npz

``write`` fits 60 models: every estimator, start, scale, solver and kind of loss; dense rows in
both orders, float32, sparse rows, case weights, two targets, Dask collections; 20 to 200 000 rows.
``compare`` fits them again and prints the largest relative differences of coefficients, scales and
robust weights, and whether the bits are the same.
"""

import argparse
import math
import warnings

import numpy as np
from scipy import sparse

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV, datasets

LEARNED = ("coef_", "intercept_", "scale_", "alpha_", "n_iter_", "weights_")


def numeric(n, p, seed=0):
    """Return normal columns, and y with a fifth of the rows far above the plane."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 3.0
    y = X @ rng.normal(size=p) + rng.standard_t(3.0, size=n)
    y[: n // 5] += 20.0
    return X, y


def with_levels(n, seed=0):
    """Return two normal columns and the dummies of a factor with rare levels."""
    rng = np.random.default_rng(seed)
    p = np.arange(1, 16) ** -1.2
    codes = rng.choice(15, size=n, p=p / p.sum())
    X = np.hstack([rng.normal(size=(n, 2)), np.eye(15)[codes][:, 1:]])
    y = X @ rng.normal(size=16) * 2.0 + rng.normal(size=n)
    bad = rng.permutation(n)[: n // 10]
    X[bad, 0], y[bad] = 8.0, y[bad] - 30.0
    return X, y


def weighted(X, y, seed=0):
    return X, y, np.random.default_rng(seed).integers(0, 4, len(y)).astype(float)


def two_targets(X, y):
    return X, np.column_stack([y, -2.0 * y + X[:, 0]])


def collections(X, y):
    import dask.array as da

    return da.from_array(X, chunks=(len(X) // 5 + 1, -1)), da.from_array(y, chunks=len(y) // 5 + 1)


def given_shape(**parameters):
    return lambda: RobustRegressor(**{"random_state": 0, **parameters})


def adaptive(**parameters):
    return lambda: AdaptiveRobustRegressor(**{"random_state": 0, **parameters})


def penalised(make):
    return lambda: make().set_params(l2_regularization=0.3)


def on_dask(name):
    from sklearn_robust import dask

    return lambda: getattr(dask, name)(random_state=0)


def fits():
    """Yield names, functions that make an estimator, and data."""
    stackloss = datasets.load_stackloss(return_X_y=True)
    small, medium, levels = numeric(300, 4), numeric(5_000, 8), with_levels(600)
    for init in ("ols", "gnc", "s"):
        for scale in ("mad", "s", "reweighted", 1.5):
            yield f"{init}, {scale}", given_shape(init=init, scale=scale), small
    for loss in ("huber", "tukey", "cauchy", "welsch", "balanced_l1"):
        yield f"loss {loss}", given_shape(loss=loss), small
    for alpha in (2.0, 1.0, 0.0, -2.0, -math.inf):
        yield f"alpha {alpha}", given_shape(alpha=alpha), medium
    for solver in ("irls", "lbfgs"):
        yield f"solver {solver}", given_shape(solver=solver), levels
        yield f"adaptive, solver {solver}", adaptive(solver=solver), levels
    for init in ("ols", "gnc", "s"):
        yield f"adaptive, {init}", adaptive(init=init), medium
    for name, make in {
        "default": given_shape(), "convex": given_shape(alpha=1.0), "adaptive": adaptive(),
        "cv": lambda: RobustRegressorCV(random_state=0),
    }.items():  # fmt: skip
        yield f"{name}, stackloss", make, stackloss
        yield f"{name}, levels", make, levels
        yield f"{name}, weights", make, weighted(*small)
    for name, make in {"default": given_shape(), "adaptive": adaptive()}.items():
        X, y = small
        yield f"{name}, column-major", make, (np.asfortranarray(X), y)
        yield f"{name}, float32", make, (X.astype(np.float32), y)
        yield f"{name}, sparse", make, (sparse.csr_matrix(levels[0]), levels[1])
        yield f"{name}, two targets", make, two_targets(X, y)
        yield f"{name}, penalty", penalised(make), small
        yield f"{name}, 30 000 rows", make, numeric(30_000, 10)
        yield f"{name}, 200 000 rows", make, numeric(200_000, 10)
    yield "no intercept", given_shape(fit_intercept=False), levels
    yield "gnc, levels", given_shape(init="gnc", scale="mad"), levels
    yield "mad, 200 000 rows", given_shape(alpha=1.0), weighted(*numeric(200_000, 5))
    yield "dask", on_dask("DaskRobustRegressor"), collections(*numeric(40_000, 5))
    yield "dask, adaptive", on_dask("DaskAdaptiveRobustRegressor"), collections(*numeric(40_000, 5))


def results():
    found = {}
    for name, make, data in fits():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make().fit(*data)
        found[name] = [np.atleast_1d(np.asarray(getattr(model, of), float)) for of in LEARNED]
    return found


def difference(one, other):
    """Return the largest difference of two arrays relative to the largest number in them."""
    if one.shape != other.shape:
        return math.inf
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.max(np.abs(one[~same] - other[~same]), initial=0.0)
    return apart / max(np.max(np.abs(one[np.isfinite(one)]), initial=0.0), 1e-300)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("file")
    options = parser.parse_args()
    found = results()
    if options.action == "write":
        arrays = {
            f"{name}|{of}": array
            for name, all_of in found.items()
            for of, array in zip(LEARNED, all_of, strict=True)
        }
        np.savez(options.file, **arrays)
        print(f"{len(found)} fits written")
        return
    before, same, worst = np.load(options.file), 0, 0.0
    for name, arrays in found.items():
        apart = [difference(before[f"{name}|{k}"], a) for k, a in zip(LEARNED, arrays, strict=True)]
        same, worst = same + (max(apart) == 0.0), max(worst, max(apart))
        if max(apart) > 0.0:
            print(
                f"{name:30}" + "".join(f" {k} {a:.1e}" for k, a in zip(LEARNED, apart, strict=True))
            )
    print(f"{len(found)} fits: {same} with the same bits, the largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
