"""The search finds the plane of least M-scale, for every seed, order and unit of the rows."""

import numpy as np
import pytest
from problems import contaminated
from sklearn.datasets import load_diabetes

from sklearn_robust import RobustRegressor, datasets, kernels
from sklearn_robust.design.packed import PackedRows
from sklearn_robust.procedures.s_search import search

S_ESTIMATE = {"init": "s", "scale": "s", "tol": 1e-10, "max_iter": 5000}
"""A fit whose ``sigma_`` is the least M-scale."""


def _sigma(X, y, sample_weight=None, seed=0):
    return RobustRegressor(**S_ESTIMATE, random_state=seed).fit(X, y, sample_weight).sigma_


def _heavy_tailed(seed, n=120, p=6, share=0.2):
    """Return X of log-normal columns, and y with a share of rows that lie above the plane."""
    rng = np.random.default_rng(seed)
    X = np.exp(1.5 * rng.normal(size=(n, p)))
    y = X @ rng.normal(size=p) + rng.normal(size=n)
    y[: int(share * n)] += 15.0
    return X, y


@pytest.mark.parametrize("seed", range(6))
def test_one_plane_for_every_seed_from_weights_and_from_written_out_rows(seed):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 4)) + 1.0
    y = X @ [1.0, -2.0, 0.5, 3.0] + 4.0 + rng.laplace(size=80)
    y[rng.permutation(80)[:8]] += 5.0
    cases = rng.integers(1, 4, 80)
    twice = np.repeat(np.arange(80), cases)
    # The least that 100 000 refined random subsets of the written-out rows lead to.
    assert _sigma(X, y, cases, seed) == pytest.approx(1.519162, abs=1e-6)
    assert _sigma(X[twice], y[twice], seed=seed) == pytest.approx(1.519162, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 13, 32, 41, 45, 58])
def test_a_cluster_of_forty_per_cent_in_a_random_direction(seed):
    rng = np.random.default_rng(seed)
    correlation = 0.5 ** np.abs(np.subtract.outer(range(5), range(5)))
    X = rng.normal(size=(200, 5)) @ np.linalg.cholesky(correlation).T
    coef, noise = np.array([2.0, -1.0, 2.0, -1.0, 2.0]), rng.normal(size=200)
    bad = rng.permutation(200)[:80]
    direction = rng.normal(size=5)
    X[bad] = 10.0 * direction / np.linalg.norm(direction) + 0.5 * rng.normal(size=(80, 5))
    noise[bad] -= 100.0
    model = RobustRegressor(random_state=0).fit(X, 1.0 + X @ coef + noise)
    assert np.linalg.norm(model.coef_ - coef) < 2.0
    assert np.all(model.weights_[bad] < 1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_neither_order_nor_mixture_nor_unit_of_the_columns_matters(seed):
    X, y = _heavy_tailed(seed)
    rng = np.random.default_rng(seed)
    order, mix, slope = rng.permutation(len(y)), rng.normal(size=(6, 6)), np.arange(6.0)
    sigma = _sigma(X, y)
    assert _sigma(X[order], y[order]) == pytest.approx(sigma, rel=1e-7)
    assert _sigma(1e3 * X @ mix, 50.0 * (y + X @ slope + 7.0)) == pytest.approx(
        50.0 * sigma, rel=1e-7
    )


@pytest.mark.parametrize("load", [datasets.load_stackloss, datasets.load_salinity])
def test_one_plane_for_every_seed_of_bundled_tables(load):
    X, y = load(return_X_y=True)
    sigmas = [_sigma(X, y, seed=seed) for seed in range(8)]
    np.testing.assert_allclose(sigmas, sigmas[0], rtol=1e-7)


@pytest.mark.parametrize(
    "seed", [7, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 3, 5))]
)
def test_a_thousand_rows_and_some_are_searched_whole(seed):
    """For some seeds, a sample of them leads to another plane than all of them."""
    X, y = _heavy_tailed(seed, n=1300, p=12)
    X[:260, 0] = np.mean(X[:, 0]) + 10.0 * np.std(X[:, 0])
    y[:260] -= 60.0
    sigmas = [_sigma(X, y, seed=of) for of in range(3)]
    np.testing.assert_allclose(sigmas, sigmas[0], rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_least_of_several_minima_of_a_public_table(seed):
    X, y = load_diabetes(return_X_y=True)
    # The least that 100 000 refined random subsets of the rows lead to; another is at 55.235746.
    assert _sigma(X, y, seed=seed) == pytest.approx(55.216769, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_refined_random_subset_has_a_lower_scale(seed):
    """A part of benchmarks/s_minimum.py."""
    X, y = _heavy_tailed(seed, n=60 + 40 * seed, p=4)
    Z = np.ascontiguousarray(np.linalg.qr(np.column_stack([X, np.ones(len(y))]))[0].T)
    Z, cases, half = np.sqrt(len(y)) * Z, np.ones(len(y)), 0.5 * (len(y) - 5)
    draws = np.random.default_rng(seed).integers(len(y), size=(1000, 20))
    planes = kernels.planes_through(Z, y, draws)
    scales = kernels.scales_of(Z, y, cases, half, 1e-9, 1e-6, len(planes), planes)
    kernels.refine(Z, y, cases, half, 1e-9, np.zeros((5, 5)), 1e-6, 1000, 0.2, planes, scales)
    least = kernels.scales_of(Z, y, cases, half, 1e-9, 1e-12, len(planes), planes).min()
    assert _sigma(X, y, seed=seed) <= (1.0 + 1e-6) * least


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 12, 200])
def test_no_number_of_steps_raises_the_scale_of_a_plane(steps):
    X, y = contaminated(0, n=60, p=3, share=0.3)
    Z, cases, half = np.ascontiguousarray(X.T), np.ones(60), 28.5
    planes = np.random.default_rng(0).normal(size=(200, 3)) * 5.0
    before = kernels.scales_of(Z, y, cases, half, 1e-9, 1e-12, 200, planes)
    kernels.refine(
        Z, y, cases, half, 1e-9, np.zeros((3, 3)), 1e-8, steps, 0.2, planes, before.copy()
    )
    after = kernels.scales_of(Z, y, cases, half, 1e-9, 1e-12, 200, planes)
    assert np.all(after <= before * (1.0 + 1e-10))
    assert np.mean(after < before) > 0.9


@pytest.mark.parametrize("columns", ["levels", "mostly zero", "one row"])
def test_where_no_few_rows_determine_a_plane(columns):
    """Draws of rows of rare levels depend on each other; more than half of the rows say nothing."""
    rng = np.random.default_rng(0)
    X = {
        "levels": np.eye(40)[np.minimum(np.arange(400), 39)],
        "mostly zero": np.where(np.arange(400) < 40, rng.normal(size=(3, 400)), 0.0).T,
        "one row": 1.0 * (np.arange(400) == 3)[:, None],
    }[columns]
    y, p = rng.normal(size=400) + 9.0 * X[:, 0], X.shape[1]
    block = PackedRows(np.ascontiguousarray(X.T), y, np.ones(400), p)
    found = search(
        block, half=0.5 * (400 - p), floor=1e-12, penalty=np.zeros(p), given=np.zeros((1, p)),
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    assert 1 <= len(found) <= 3
    assert np.all(np.isfinite(found))
