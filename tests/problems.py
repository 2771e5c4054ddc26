"""The lists and the data that feed all tests."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.design import make_design
from sklearn_robust.losses import NAMED
from sklearn_robust.penalties import ElasticNet
from sklearn_robust.problem import Problem

ALPHAS = [-np.inf, -10.0, -2.0, -1e-6, 0.0, 1e-10, 0.5, 1.0, 1.5, 2.0 - 1e-9, 2.0]
"""Shapes that a regressor takes: every branch of the kernels, and near each one."""

BRANCHES = ["huber", "tukey", "balanced_l1", "optimal"]
"""Losses with a branch of their own."""

LOSSES = [*({"alpha": alpha} for alpha in ALPHAS), *({"loss": name} for name in BRANCHES)]
"""Every loss, as the keywords that choose it."""

_NEAR_A_BRANCH = [-10.0, -1e-6, 1e-10, 0.5, 1.5, 2.0 - 1e-9]

EACH_LOSS = [
    pytest.param(
        keywords,
        id="-".join(map(str, keywords.values())),
        marks=[pytest.mark.slow] if keywords.get("alpha") in _NEAR_A_BRANCH else [],
    )
    for keywords in LOSSES
]
"""Every loss, to parametrize tests; the fast ones take each branch of the kernels once."""

CONVEX = [
    kw
    for kw in LOSSES
    if kw.get("alpha", 2.0) >= 1.0 and not NAMED.get(kw.get("loss", "l2"), NAMED["l2"]).redescending
]
"""The losses under which a problem has one optimum."""

SOLVERS = ["irls", "lbfgs"]

MODELS = {
    "convex": RobustRegressor(1.0, random_state=0),
    "redescending": RobustRegressor(random_state=0),
    "adaptive": AdaptiveRobustRegressor(random_state=0),
}
"""A fit of every kind that can be inspected; cloned before it is used."""

REFERENCE = Path(__file__).parent / "reference"


def name(keywords):
    """Return a test id of a loss."""
    return "-".join(str(value) for value in keywords.values())


def read_reference(file):
    """Return the rows of a reference table as dictionaries of text."""
    with (REFERENCE / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def contaminated(seed=0, n=200, p=4, share=0.1, sparse=False):
    """Return correlated X, y with normal noise, and a share of rows far above the plane."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + rng.normal(size=p)
    if sparse:
        X *= rng.random(size=(n, p)) < 0.3
    y = X @ rng.normal(size=p) + 3.0 + rng.normal(size=n)
    bad = rng.random(n) < share
    y[bad] += 15.0 + 5.0 * rng.normal(size=bad.sum())
    return X, y


def rms(X):
    """Return the root mean square of the centred columns, the unit of the tolerance."""
    return np.std(X, axis=0)


def problem_of(X, y, sample_weight=None, *, l2=0.0, fit_intercept=True):
    """Return the problem of a table with a ridge penalty."""
    return Problem(
        make_design(X, y, sample_weight, fit_intercept=fit_intercept), ElasticNet(0.0, l2)
    )
