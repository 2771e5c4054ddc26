"""Fits of Dask collections: those of the same rows in memory, wherever the blocks are."""

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from problems import LOSSES, contaminated, name
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_hbk
from sklearn_robust.scale import deviation

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor  # noqa: E402
from sklearn_robust.rows.collections import Scheduler, parts_of  # noqa: E402
from sklearn_robust.rows.dask import DaskRows  # noqa: E402

PAIRS = {
    "convex": (RobustRegressor, DaskRobustRegressor, {"alpha": 1.0}),
    "given scale": (RobustRegressor, DaskRobustRegressor, {"alpha": 1.0, "scale": 1.0}),
    "default": (RobustRegressor, DaskRobustRegressor, {}),
    "mad": (RobustRegressor, DaskRobustRegressor, {"init": "ols", "scale": "mad", "alpha": 0.0}),
    "least squares": (RobustRegressor, DaskRobustRegressor, {"alpha": 2.0}),
    "ridge": (RobustRegressor, DaskRobustRegressor, {"l2_regularization": 0.1}),
    "without intercept": (RobustRegressor, DaskRobustRegressor, {"fit_intercept": False}),
    "adaptive": (AdaptiveRobustRegressor, DaskAdaptiveRobustRegressor, {}),
}
N = 30_000


@functools.cache
def many(p=3, seed=0):
    return contaminated(seed=seed, n=N, p=p)


def blocks(array, size=4_000):
    return da.from_array(array, chunks=(size, *array.shape[1:]))


def fits(pair, X, y, weights=None, **more):
    local, other, options = PAIRS[pair]
    options = {"random_state": 0, "tol": 1e-9, "max_iter": 500, **options, **more}
    first = local(**options).fit(X, y, weights)
    cases = None if weights is None else blocks(weights)
    return first, other(**options).fit(blocks(X), blocks(y), cases)


def same(local, other, rtol=1e-8):
    for learned in ("coef_", "intercept_", "scale_", "alpha_"):
        np.testing.assert_allclose(
            getattr(other, learned), getattr(local, learned), rtol=rtol, atol=1e-8
        )
    assert isinstance(other.weights_, da.Array)
    np.testing.assert_allclose(other.weights_.compute(), local.weights_, atol=1e-7)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_fit_is_that_of_the_rows_in_memory(pair):
    local, other = fits(pair, *many())
    same(local, other)
    assert 3 <= other.n_passes_ <= 25


@pytest.mark.parametrize("keywords", LOSSES, ids=name)
def test_every_loss(keywords):
    X, y = many()
    options = {"scale": 1.0, "random_state": 0, "tol": 1e-9, **keywords}
    local = RobustRegressor(**options).fit(X, y)
    same(local, DaskRobustRegressor(**options).fit(blocks(X), blocks(y)))


@pytest.mark.parametrize("solver", ["irls", "lbfgs"])
@pytest.mark.parametrize("pair", ["convex", "adaptive"])
def test_every_solver(pair, solver):
    same(*fits(pair, *many(), solver=solver))


def test_a_given_shape_and_scale_take_few_passes():
    _, other = fits("given scale", *many())
    assert other.n_passes_ <= 12


@pytest.mark.parametrize("pair", PAIRS)
def test_few_rows_are_fitted_as_they_are(pair):
    local, other = fits(pair, *contaminated(n=300))
    same(local, other)
    assert other.n_passes_ == 3


@pytest.mark.parametrize("pair", ["convex", "default", "adaptive"])
@pytest.mark.parametrize("n", [300, N])
def test_case_weights(pair, n):
    X, y = contaminated(n=n, p=3)
    weights = np.random.default_rng(1).integers(0, 3, size=n).astype(float)
    weights[: n // 8] = 0.0  # a block without any
    local, other = fits(pair, X, y, weights)
    same(local, other)


@pytest.mark.parametrize("n", [300, N])
def test_targets_have_each_their_own(n):
    X, y = contaminated(n=n, p=3)
    both = np.column_stack([y, contaminated(n=n, p=3, seed=3)[1]])
    for pair in ("convex", "adaptive"):
        same(*fits(pair, X, both))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_kinds_of_numbers(dtype):
    X, y = many()
    X = (10.0 * X).astype(dtype)
    same(*fits("convex", X, y))


def test_bad_leverage_rows_are_left_out_in_their_blocks():
    X, y = load_hbk(return_X_y=True)
    local = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    other = DaskAdaptiveRobustRegressor(random_state=0).fit(blocks(X, 20), blocks(y, 20))
    same(local, other)
    rng = np.random.default_rng(0)
    X, y = many()
    X, y = X.copy(), y.copy()
    bad = rng.choice(N, 3_000, replace=False)
    X[bad] = 100.0 + rng.normal(size=(3_000, 3))
    y[bad] = 2_000.0 + rng.normal(size=3_000)
    local, other = fits("adaptive", X, y)
    assert np.sum(local.weights_ == 0.0) == 3_000
    same(local, other)


def test_frames_with_blocks_of_unknown_length():
    X, y = many()
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y, w=1.0)
    collection = dd.from_pandas(frame, npartitions=7)
    collection = collection[collection["a"] > -1e9]  # lengths are no longer known
    local = RobustRegressor(random_state=0).fit(frame[list("abc")], y)
    columns, target = collection[list("abc")], collection["y"]
    other = DaskRobustRegressor(random_state=0).fit(columns, target, collection["w"])
    same(local, other)
    np.testing.assert_array_equal(other.feature_names_in_, list("abc"))
    predicted = other.predict(columns)
    assert isinstance(predicted, da.Array)
    np.testing.assert_allclose(predicted.compute(), local.predict(frame[list("abc")]))
    unknown = DaskRobustRegressor(random_state=0).fit(columns.to_dask_array(), target)
    same(local, unknown)
    with pytest.raises(ValueError, match="feature names"):
        other.predict(columns.rename(columns={"a": "z"})).compute()


def test_blocks_of_columns_and_of_other_lengths_are_joined():
    X, y = many()
    local = RobustRegressor(1.0, scale=1.0).fit(X, y)
    other = DaskRobustRegressor(1.0, scale=1.0)
    same(local, other.fit(da.from_array(X, (5_000, 2)), da.from_array(y, 7_000)))
    predicted = other.predict(da.from_array(X, (5_000, 2)))
    assert predicted.shape == (N,)
    np.testing.assert_allclose(predicted.compute(), local.predict(X), atol=1e-8)


@pytest.mark.parametrize("persist", [True, False, "auto"])
def test_blocks_are_read_as_often_as_said(persist):
    X, y = many()
    reads = []

    def read(block):
        reads.append(len(block))
        return block

    lazy = blocks(X).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        model = DaskRobustRegressor(1.0, scale=1.0, persist=persist).fit(lazy, blocks(y))
    n_blocks = -(-N // 4_000)
    assert len(reads) == {True: 1, "auto": 2, False: model.n_passes_}[persist] * n_blocks


def test_predictions_and_likelihoods_are_lazy():
    X, y = many()
    local, other = fits("adaptive", X, np.column_stack([y, -y]))
    columns, targets = blocks(X), blocks(np.column_stack([y, -y]))
    for lazy, expected in (
        (other.predict(columns), local.predict(X)),
        (other.nll(columns, targets), local.nll(X, np.column_stack([y, -y]))),
        (other.predict_interval(columns), local.predict_interval(X)),
    ):
        assert isinstance(lazy, da.Array)
        assert lazy.shape == expected.shape
        np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(other.predict(X[:5]), local.predict(X[:5]))
    assert other.score(columns, targets) == pytest.approx(local.score(X, np.column_stack([y, -y])))


@pytest.mark.parametrize("pair", ["default", "adaptive"])
def test_to_local_is_the_plain_estimator(pair):
    local, other = fits(pair, *many())
    handed_on = other.to_local()
    assert type(handed_on) is type(local)
    assert handed_on.get_params() == local.get_params()
    np.testing.assert_array_equal(handed_on.coef_, other.coef_)
    assert not hasattr(handed_on, "weights_")
    again = pickle.loads(pickle.dumps(handed_on))
    np.testing.assert_array_equal(again.predict(many()[0]), handed_on.predict(many()[0]))
    assert type(other.to_linear_regression()).__name__ == "LinearRegression"
    with pytest.raises(NotFittedError):
        clone(other).to_local()


def test_the_client_is_no_parameter():
    model = DaskRobustRegressor()
    model.client = object()
    assert "client" not in model.get_params()
    assert clone(model).client is None
    assert pickle.loads(pickle.dumps(DaskRobustRegressor())).client is None


def test_warm_start_and_given_coefficients():
    X, y = many()
    model = DaskRobustRegressor(1.0, warm_start=True).fit(blocks(X), blocks(y))
    first = model.n_iter_
    assert model.fit(blocks(X), blocks(y)).n_iter_ <= first
    start = np.append(model.coef_, model.intercept_)
    same(RobustRegressor(1.0, init=start).fit(X, y), DaskRobustRegressor(1.0, init=start).fit(
        blocks(X), blocks(y)
    ), rtol=1e-6)  # fmt: skip


def test_dependent_columns():
    X, y = many()
    twice = np.column_stack([X, X[:, 0]])
    for pair in ("least squares", "convex", "adaptive"):
        same(*fits(pair, twice, y), rtol=1e-7)


def test_quantiles_are_exact_however_many_lie_near_them(monkeypatch):
    X, y = many()
    local = RobustRegressor(1.0).fit(X, y)
    for gathered in (10_000, 100, 1):
        monkeypatch.setattr("sklearn_robust.rows.dask._GATHERED", gathered)
        same(local, DaskRobustRegressor(1.0).fit(blocks(X), blocks(y)), rtol=1e-6)
        default = DaskRobustRegressor(random_state=0).fit(blocks(X), blocks(y))
        assert default.scale_ == pytest.approx(fits("default", X, y)[0].scale_, rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_quantiles_of_rows_in_an_order_that_misleads(share, monkeypatch):
    """Every second row is large: evenly spaced ones need not be like the others."""
    y = np.random.default_rng(0).normal(size=N)
    y[::2] *= 1e6
    X = np.zeros((N, 1))
    for gathered in (1_000_000, 100):
        monkeypatch.setattr("sklearn_robust.rows.dask._GATHERED", gathered)
        parts = parts_of(blocks(X), blocks(y), None)
        rows = DaskRows(parts, Scheduler(None), fit_intercept=False, persist=True)
        found = rows.deviation(np.zeros(1), share)
        assert found == pytest.approx(deviation(y, share), rel=1e-11)


# ---- what is refused -----------------------------------------------------------------


def refused(match, X, y, weights=None, error=ValueError, **options):
    with pytest.raises(error, match=match):
        DaskRobustRegressor(1.0, **options).fit(X, y, weights)


def test_blocks_are_named():
    X, y = many()
    bad = X.copy()
    bad[9_000, 1] = np.nan
    refused("X must be finite, got NaN or infinity in block 2", blocks(bad), blocks(y))
    late = y.copy()
    late[-1] = np.inf
    refused("y must be finite, got NaN or infinity in block 7", blocks(X), blocks(late))
    weights = np.ones(N)
    weights[5_000] = -1.0
    refused(r"sample_weight must be in \[0, inf\), got -1.0 in block 1", blocks(X), blocks(y),
            blocks(weights))  # fmt: skip
    refused("got all zeros", blocks(X), blocks(y), blocks(np.zeros(N)))
    parts = [da.from_array(X[:10]), da.from_array(X[10:20, :2]), da.from_array(X[20:30])]
    delayed = [dask.delayed(part.compute)() for part in parts]
    columns = da.concatenate([da.from_delayed(one, (10, 3), float) for one in delayed])
    refused(r"X must have 3 columns in block 1, got shape \(10, 2\)", columns, blocks(y[:30], 10))
    lengths = da.concatenate(
        [da.from_delayed(dask.delayed(X[:k]), (np.nan, 3), float) for k in (5, 9)]
    )
    refused("y must have as many rows as X, 9 in block 1, got 5", lengths, blocks(y[:10], 5))


def test_frames_are_named_too():
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0)})
    collection = dd.from_pandas(frame, npartitions=2)

    def spoil(part, partition_info=None):
        return part.rename(columns={"b": "z"}) if part["a"].iloc[0] == 10.0 else part

    meta = frame.iloc[:0]
    odd = collection.map_partitions(spoil, meta=meta, enforce_metadata=False)
    refused("must have the columns .*'a', 'b'.* in block 1", odd, collection["a"])
    words = collection.assign(b="word")
    refused(r"X must hold numbers, got others in block [01]", words, collection["a"])


def test_what_is_no_collection_is_refused():
    X, y = many()
    refused("X must be a dask.array or dask.dataframe collection", X, blocks(y), error=TypeError)
    refused("y must be a dask.array or dask.dataframe", blocks(X), y, error=TypeError)
    refused("y must have as many blocks as X, 8, got 1", blocks(X), da.from_array(y[:-1], N))
    refused("persist must be one of", blocks(X), blocks(y), persist="yes")
    refused("X must be 2-D", blocks(y), blocks(y))


@pytest.mark.parametrize(
    "model", [RobustRegressor(), AdaptiveRobustRegressor(), RobustRegressorCV()], ids=str
)
def test_plain_estimators_name_those_of_collections(model):
    X, y = contaminated(n=50)
    named = type(model).__name__.removesuffix("CV")
    for data in ((blocks(X), blocks(y)), (X, blocks(y)), (X, y, blocks(y))):
        with pytest.raises(TypeError, match=f"sklearn_robust.dask.Dask{named} takes collections"):
            model.fit(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    with pytest.raises(TypeError, match="takes collections"):
        model.predict(blocks(X))


# ---- workers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    # A busy machine may need longer to start a worker again than a cluster waits by default.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit="1GiB"
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        yield client


def test_one_worker_and_two_give_the_same_bits(cluster, client):
    X, y = many()
    learned = []
    for workers in (1, 2):
        cluster.scale(workers)
        client.wait_for_workers(workers)
        model = DaskAdaptiveRobustRegressor(random_state=0)
        model.client = client
        model.fit(blocks(X), blocks(y))
        learned.append([*model.coef_, model.intercept_, model.scale_, model.alpha_, model.nll_])
    assert learned[0] == learned[1]
    same(AdaptiveRobustRegressor(random_state=0).fit(X, y), model)


def test_the_active_client_is_taken(cluster):
    from distributed import Client

    with Client(cluster):
        X, y = many()
        model = DaskRobustRegressor(1.0, scale=1.0).fit(blocks(X), blocks(y))
        same(RobustRegressor(1.0, scale=1.0).fit(X, y), model)


def test_a_worker_that_dies_is_done_without(cluster, client):
    X, y = many()
    alive = list(client.scheduler_info()["workers"])
    callers = []

    class Model(DaskRobustRegressor):
        def _rows_of(self, *data):
            for rows in super()._rows_of(*data):

                def dying(*args, read=rows._read):
                    callers.append(args)
                    if len(callers) == 3:
                        process = cluster.workers[next(iter(cluster.workers))].process
                        process.process.terminate()
                    return read(*args)

                rows._read = dying
                yield rows

    model = Model(1.0, scale=1.0, persist=True)
    model.client = client
    model.fit(blocks(X), blocks(y))
    assert len(callers) >= 4
    client.wait_for_workers(2)
    assert set(client.scheduler_info()["workers"]) != set(alive)
    expected = DaskRobustRegressor(1.0, scale=1.0).fit(blocks(X), blocks(y))
    np.testing.assert_array_equal(model.coef_, expected.coef_)


def test_workers_name_blocks_too(client):
    X, y = many()
    bad = X.copy()
    bad[9_000, 1] = np.nan
    model = DaskRobustRegressor(1.0)
    model.client = client
    with pytest.raises(ValueError, match="NaN or infinity in block 2"):
        model.fit(blocks(bad), blocks(y))
