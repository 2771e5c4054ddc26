"""Tables as people have them, with categories, and ways to spoil them."""

import numpy as np


def dummies(codes, *, first=1):
    """Return the 0/1 columns of the levels from ``first`` on."""
    return np.eye(codes.max() + 1)[codes][:, first:]


def rare_levels(rng, n, count, power=1.2):
    """Return codes of a factor whose levels become rare as in Zipf's law."""
    shares = np.arange(1, count + 1) ** -power
    return rng.choice(count, size=n, p=shares / shares.sum())


def one_factor(rng, n):
    return np.c_[rng.normal(size=(n, 3)), dummies(rare_levels(rng, n, 30))]


def two_factors(rng, n):
    first, second = rare_levels(rng, n, 30), rare_levels(rng, n, 10)
    return np.c_[rng.normal(size=(n, 3)), dummies(first), dummies(second)]


def hour_and_weekday(rng, n):
    hours, days = rng.integers(24, size=n), rng.integers(7, size=n)
    return np.c_[rng.normal(size=(n, 2)), dummies(hours), dummies(days)]


def all_dummies(rng, n):
    return np.c_[rng.normal(size=(n, 2)), dummies(rng.integers(12, size=n), first=0)]


def flags(rng, n):
    return np.c_[rng.normal(size=(n, 2)), (rng.random((n, 10)) < 0.05) * 1.0]


def slopes(rng, n):
    x, levels = rng.normal(size=(n, 1)), dummies(rare_levels(rng, n, 12, 0.7))
    return np.c_[x, levels, levels * x]


def money(rng, n):
    paid = (rng.random((n, 3)) < 0.08) * np.exp(8.0 + rng.normal(size=(n, 3)))
    return np.c_[rng.normal(size=(n, 3)), paid]


TABLES = [one_factor, two_factors, hour_and_weekday, all_dummies, flags, slopes, money]

SPOILT = {"clean": 0.0, "one-sided": 0.3, "leverage": 0.2}
"""The share of bad rows: far above the plane, or far off in the first column and below."""


def spoilt_table(make, how, seed, n=500):
    """Return X, y, the mask of bad rows and the true values of y."""
    rng = np.random.default_rng(seed)
    X = make(rng, n)
    truth = X @ (rng.normal(size=X.shape[1]) / np.maximum(X.std(axis=0), 1e-9))
    y, bad = truth + rng.normal(size=n), np.zeros(n, dtype=bool)
    bad[rng.permutation(n)[: int(SPOILT[how] * n)]] = True
    if how == "one-sided":
        y[bad] += 15.0 + 5.0 * rng.normal(size=bad.sum())
    if how == "leverage":
        X[bad, 0] = X[:, 0].mean() + 10.0 * X[:, 0].std() + 0.3 * rng.normal(size=bad.sum())
        y[bad] = truth[bad] - 60.0 + rng.normal(size=bad.sum())
    return X, y, bad, truth


def decidable(X, bad):
    """Return the good rows all of whose levels have few bad rows and are not too rare.

    No fit could know where a level is of which bad rows are the majority.
    """
    counted = ~bad
    for column in X.T:
        values, counts = np.unique(column, return_counts=True)
        shared = values[np.argmax(counts)]
        if counts.max() < 0.4 * len(X):
            continue
        rows = column != shared
        if rows.any() and (rows.sum() < 4 or bad[rows].mean() > 0.4):
            counted &= ~rows
    return counted
