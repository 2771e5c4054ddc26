"""Write skglm_huber.csv: Huber's loss with an absolute penalty, by skglm 0.5 (pip install skglm).

Rows of the file: the number of the data set, the threshold c, the penalty, then the coefficients
and the intercept. The data are those of ``wide`` below, which tests/test_paths.py makes too.
"""

import csv
from pathlib import Path

import numpy as np


def wide(n, p, k, seed):
    """Return columns in different units, of which the first few count."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.exp(0.5 * rng.normal(size=p)) + rng.normal(size=p)
    return X, 3.0 * X[:, :k].sum(axis=1) + rng.normal(size=n)


def main():
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Huber
    from skglm.penalties import L1
    from skglm.solvers import AndersonCD

    with (Path(__file__).parent / "skglm_huber.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for seed, (n, p) in enumerate([(100, 30), (60, 120)]):
            X, y = wide(n, p, 6, seed)
            y[:8] += 30.0
            for threshold in (1.0, 3.0):
                for penalty in (0.3, 1.0):
                    solver = AndersonCD(
                        tol=1e-12, fit_intercept=True, max_iter=1000, max_epochs=100_000
                    )
                    model = GeneralizedLinearEstimator(Huber(threshold), L1(penalty), solver)
                    model.fit(np.asfortranarray(X), y)
                    values = [*model.coef_.ravel(), *np.ravel(model.intercept_)]
                    writer.writerow(
                        [seed, threshold, penalty, *(f"{value:.10g}" for value in values)]
                    )


if __name__ == "__main__":
    main()
