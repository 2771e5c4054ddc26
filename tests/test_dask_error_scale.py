"""Known sizes of the errors of Dask collections."""

import pickle

import numpy as np
import pandas as pd
import pytest
from closeness import assert_close
from in_blocks import N, blocks, same

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor  # noqa: E402

OPTIONS = {"random_state": 0, "tol": 1e-9, "max_iter": 500}
PAIRS = {
    "default": (RobustRegressor, DaskRobustRegressor, {}),
    "convex": (RobustRegressor, DaskRobustRegressor, {"alpha": 1.0}),
    "ridge": (RobustRegressor, DaskRobustRegressor, {"alpha": 2.0, "l2_regularization": 0.1}),
    "without intercept": (RobustRegressor, DaskRobustRegressor, {"fit_intercept": False}),
    "adaptive": (AdaptiveRobustRegressor, DaskAdaptiveRobustRegressor, {}),
}


def table(n, shift=(0.0, 3.0)):
    """Return X with a flag, y with outliers, and the sizes of its errors."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(n, 2)) + shift, rng.uniform(size=n) < 0.1])
    sizes = np.exp(0.7 * rng.normal(size=n))
    y = X @ [1.0, 2.0, 4.0] + 5.0 + sizes * rng.standard_t(3, size=n)
    y[: n // 15] += 30.0
    return X, y, sizes


def fits(pair, X, y, sizes, weights=None, **more):
    local, other, options = PAIRS[pair]
    options = OPTIONS | options | more
    cases = None if weights is None else blocks(weights)
    first = local(**options).fit(X, y, weights, sizes)
    return first, other(**options).fit(blocks(X), blocks(y), cases, blocks(sizes))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("n", [300, N])
def test_the_fit_is_that_of_the_rows_in_memory(pair, n):
    local, other = fits(pair, *table(n))
    same(local, other)
    # What a penalty takes is found from 20 000 rows.
    assert_close(other.n_parameters_, local.n_parameters_, tol=1e-4 if pair == "ridge" else 1e-8)
    if pair == "adaptive":
        assert_close(other.nll_, local.nll_, tol=1e-8)


def test_columns_far_from_zero_lose_no_digits():
    X, y, sizes = table(N, shift=(1e7, -1e5))
    local, other = fits("default", X, y, sizes)
    assert_close(other.coef_, local.coef_, tol=1e-8)
    assert_close(other.predict(X[:9]), local.predict(X[:9]), tol=1e-8)


@pytest.mark.parametrize("pair", ["default", "convex", "adaptive"])
def test_is_the_fit_of_divided_rows(pair):
    X, y, sizes = table(N)
    _, model = fits(pair, X, y, sizes)
    kind, options = PAIRS[pair][1:]
    divided = kind(**OPTIONS | options | {"fit_intercept": False})
    x, s = blocks(X), blocks(sizes)
    columns = da.concatenate([x, da.ones_like(s)[:, None]], axis=1).rechunk({1: -1})
    divided.fit(columns / s[:, None], blocks(y) / s)
    found = np.append(model.coef_, model.intercept_)
    assert_close(found, divided.coef_, terms=10.0, tol=1e-8)
    assert_close(model.scale_, divided.scale_, tol=1e-8)
    assert_close(model.weights_.compute(), divided.weights_.compute(), terms=1.0, tol=1e-7)


@pytest.mark.parametrize("pair", ["default", "adaptive"])
def test_case_weights_and_several_targets(pair):
    X, y, sizes = table(N)
    weights = np.random.default_rng(1).integers(1, 4, size=N).astype(float)
    if pair == "default":
        weights[:5_000] = 0.0  # a block without any
    local, other = fits(pair, X, np.column_stack([y, -2.0 * y + 1e3]), sizes, weights)
    assert_close(other.coef_, local.coef_, terms=10.0, tol=1e-8)
    assert_close(other.scale_, local.scale_, tol=1e-8)
    if pair == "adaptive":
        assert_close(other.nll_, local.nll_, tol=1e-8)


def test_levels_stay_levels():
    """Rare levels whose rows are mostly bad have the coefficients of their other rows."""
    rng = np.random.default_rng(3)
    level = rng.choice(12, p=[0.945] + [0.005] * 11, size=N)
    X = np.column_stack([rng.normal(size=N), np.eye(12)[level][:, 1:]])
    sizes = np.exp(0.5 * rng.normal(size=N))
    y = X @ np.arange(12.0) + 5.0 + 0.1 * sizes * rng.normal(size=N)
    for k in range(1, 12):
        y[np.flatnonzero(level == k)[:60]] += 50.0
    local, other = fits("default", X, y, sizes)
    assert_close(other.coef_, local.coef_, terms=1.0, tol=1e-8)
    np.testing.assert_allclose(other.coef_, np.arange(12.0), atol=0.1)


@pytest.mark.parametrize("persist", [True, False])
def test_kept_or_read_again(persist):
    X, y, sizes = table(N)
    local = AdaptiveRobustRegressor(**OPTIONS).fit(X, y, error_scale=sizes)
    other = DaskAdaptiveRobustRegressor(**OPTIONS, persist=persist)
    same(local, other.fit(blocks(X), blocks(y), error_scale=blocks(sizes)))


def test_frames():
    X, y, sizes = table(N)
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abc")).assign(y=y, s=sizes), npartitions=5)
    rows, s = frame[["a", "b", "c"]], frame["s"]
    local = AdaptiveRobustRegressor(**OPTIONS)
    local.fit(pd.DataFrame(X, columns=list("abc")), y, error_scale=sizes)
    expected = local.predict_interval(pd.DataFrame(X, columns=list("abc")), error_scale=sizes)
    nll = local.nll(pd.DataFrame(X, columns=list("abc")), y, sizes)
    in_array = s.to_dask_array()
    for of_fit, of_new in ((s, s), (frame[["s"]], in_array), (in_array, frame[["s"]])):
        model = DaskAdaptiveRobustRegressor(**OPTIONS)
        same(local, model.fit(rows, frame["y"], error_scale=of_fit))
        found = model.predict_interval(rows, error_scale=of_new)
        assert_close(found.compute(), expected, terms=10.0, tol=1e-3)
        assert_close(model.nll(rows, frame["y"], of_new).compute(), nll, terms=1.0, tol=1e-7)


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("pair", ["default", "adaptive"])
def test_intervals_and_likelihoods_are_lazy(pair, n_targets):
    X, y, sizes = table(N)
    Y = y if n_targets == 1 else np.column_stack([y, -y])
    local, other = fits(pair, X, Y, sizes)
    # Sizes in other blocks of known lengths are joined to those of X.
    lazy = other.predict_interval(blocks(X), 0.8, error_scale=blocks(sizes, 7_000))
    assert isinstance(lazy, da.Array)
    expected = local.predict_interval(X, 0.8, error_scale=sizes)
    # Leverages are those among 20 000 rows.
    assert_close(lazy.compute(), expected, terms=10.0, tol=1e-3)
    plain = local.predict_interval(X, 0.8)
    assert not np.allclose(plain, expected, 1e-2)
    assert_close(other.predict_interval(blocks(X), 0.8).compute(), plain, terms=10.0, tol=1e-3)
    some = other.predict_interval(X[:5], 0.8, error_scale=sizes[:5])
    assert_close(some, expected[:5], terms=10.0, tol=1e-3)
    if pair == "adaptive":
        lazy = other.nll(blocks(X), blocks(Y), blocks(sizes))
        assert isinstance(lazy, da.Array)
        assert_close(lazy.compute(), local.nll(X, Y, sizes), terms=1.0, tol=1e-7)
        found = other.nll(X[:5], Y[:5], sizes[:5])
        assert_close(found, local.nll(X[:5], Y[:5], sizes[:5]), terms=1.0, tol=1e-7)


def test_blocks_of_unknown_lengths():
    X, y, sizes = table(N)
    kept = blocks(X)[:, 0] > -1.0
    data = [blocks(of)[kept] for of in (X, y, sizes)]
    which = X[:, 0] > -1.0
    local = RobustRegressor(**OPTIONS).fit(X[which], y[which], error_scale=sizes[which])
    model = DaskRobustRegressor(**OPTIONS).fit(*data[:2], error_scale=data[2])
    same(local, model)
    found = model.predict_interval(data[0], error_scale=data[2]).compute()
    expected = local.predict_interval(X[which], error_scale=sizes[which])
    assert_close(found, expected, terms=10.0, tol=1e-3)


def test_fitted_models_hold_no_sizes():
    _, model = fits("default", *table(N))
    assert len(pickle.dumps(model.to_local())) < 200_000


@pytest.mark.parametrize("value", [0.0, -1.0, 1e200])
def test_sizes_out_of_range_are_refused_in_their_block(value):
    X, y, sizes = table(N)
    sizes[9_000] = value
    with pytest.raises(ValueError, match=r"error_scale must be numbers in .* in block 2"):
        DaskRobustRegressor().fit(blocks(X), blocks(y), error_scale=blocks(sizes))
    sizes[9_000] = np.nan
    with pytest.raises(ValueError, match=r"error_scale must be finite, got NaN .* in block 2"):
        DaskRobustRegressor().fit(blocks(X), blocks(y), error_scale=blocks(sizes))


def test_sizes_that_do_not_match_are_refused():
    X, y, sizes = table(N)
    model, x = DaskAdaptiveRobustRegressor(random_state=0), blocks(X)
    short = blocks(sizes[:-4_000])
    with pytest.raises(ValueError, match="error_scale must have as many blocks as X, 8, got 7"):
        model.fit(x, blocks(y), error_scale=short)
    with pytest.raises(ValueError, match="error_scale must have as many rows as X, 4000 in block"):
        model.fit(x, blocks(y), error_scale=blocks(sizes[:-7], 3_999))
    with pytest.raises(ValueError, match="error_scale must have as many rows as X"):
        model.fit(x, blocks(y), error_scale=blocks(np.column_stack([sizes, sizes])))
    with pytest.raises(TypeError, match=r"error_scale must be a dask\.array or dask.dataframe"):
        model.fit(x, blocks(y), error_scale=sizes)
    model.fit(x, blocks(y), error_scale=blocks(sizes))
    for ask in (model.predict_interval, lambda X, **of: model.nll(X, blocks(y), **of)):
        with pytest.raises(ValueError, match="error_scale must have as many rows as X, 30000"):
            ask(x, error_scale=short)
        with pytest.raises(TypeError, match=r"error_scale must be a dask\.array or dask.dataframe"):
            ask(x, error_scale=sizes)
        with pytest.raises(ValueError, match="error_scale must be one column, got 2"):
            ask(x, error_scale=blocks(np.column_stack([sizes, sizes])))
        with pytest.raises(ValueError, match="error_scale must be numbers in"):
            ask(x, error_scale=-blocks(sizes)).compute()
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    other = dd.from_pandas(pd.Series(sizes), npartitions=2)
    with pytest.raises(ValueError, match="error_scale must have as many blocks as X, 3, got 2"):
        model.predict_interval(frame, error_scale=other)


def test_estimators_of_rows_in_memory_refuse_collections():
    X, y, sizes = table(300)
    with pytest.raises(TypeError, match="must be given data in memory, got a Dask collection"):
        RobustRegressor().fit(X, y, error_scale=blocks(sizes))
