"""Rare categories: coefficients of their own, or one column for all of them.

Prints the error of predictions for good new rows, relative to the deviation of the noise, of the
rows with rare categories alone. A category is rare if it has fewer than five rows of the fit.
Categories differ by a normal amount whose deviation is given in units of the noise.

    python benchmarks/rare_levels.py [REPETITIONS]
"""

import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_robust import RobustRegressor

N_ROWS, N_LEVELS, N_NEW = 1000, 40, 4000
ENCODERS = {
    "own": {"drop": "first", "handle_unknown": "ignore"},
    "merged": {"drop": "first", "min_frequency": 5, "handle_unknown": "infrequent_if_exist"},
}
REGRESSORS = {
    "default": RobustRegressor(random_state=0),
    "default, penalty 1/n": RobustRegressor(l2_regularization=1.0 / N_ROWS, random_state=0),
    "alpha=1": RobustRegressor(1.0),
    "Ridge": Ridge(),
}


def drawn(rng, n, effects):
    """Return a number, a category whose frequency falls with its number, and the truth."""
    level = np.minimum(rng.geometric(0.12, size=n) - 1, N_LEVELS - 1)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "level": [f"{k:02d}" for k in level]}), x + effects[level]


def errors(rng, spread, share):
    """Return the root mean square error for rare categories, for every encoder and regressor."""
    effects = spread * rng.normal(size=N_LEVELS)
    X, truth = drawn(rng, N_ROWS, effects)
    y = truth + rng.normal(size=N_ROWS)
    y += (rng.random(N_ROWS) < share) * rng.choice([-1.0, 1.0], size=N_ROWS) * 20.0
    new, expected = drawn(rng, N_NEW, effects)
    rare = new["level"].map(X["level"].value_counts()).between(1, 4).to_numpy()
    found = {}
    for encoder, options in ENCODERS.items():
        for name, regressor in REGRESSORS.items():
            columns = make_column_transformer(
                (OneHotEncoder(**options), ["level"]), remainder="passthrough"
            )
            model = make_pipeline(columns, regressor).fit(X, y)
            off = model.predict(new)[rare] - expected[rare]
            found[name, encoder] = np.sqrt(np.mean(off**2))
    return found


def main(repetitions=20):
    warnings.filterwarnings("ignore", "Most rows of level|No believed|Found unknown categories")
    for spread in (0.0, 1.0, 3.0, 10.0):
        for share in (0.0, 0.05):
            table = pd.DataFrame(
                errors(np.random.default_rng(seed), spread, share) for seed in range(repetitions)
            )
            table.columns = pd.MultiIndex.from_tuples(table.columns)
            print(f"\ncategories differ by {spread:g} sd, {share:.0%} of the rows are bad")
            print(table.mean().unstack().round(2).to_string(), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
