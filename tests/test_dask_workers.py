"""Fits of Dask collections by the workers of a cluster."""

import numpy as np
import pytest
from in_blocks import blocks, many, same

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

dask = pytest.importorskip("dask")

from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor  # noqa: E402


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
        model = DaskAdaptiveRobustRegressor(random_state=0, tol=1e-9)
        model.client = client
        model.fit(blocks(X), blocks(y))
        learned.append([*model.coef_, model.intercept_, model.scale_, model.alpha_, model.nll_])
    assert learned[0] == learned[1]
    same(AdaptiveRobustRegressor(random_state=0, tol=1e-9).fit(X, y), model)


def test_the_active_client_is_taken(cluster):
    from distributed import Client

    with Client(cluster):
        X, y = many()
        options = {"alpha": 1.0, "scale": 1.0, "tol": 1e-9}
        model = DaskRobustRegressor(**options).fit(blocks(X), blocks(y))
        same(RobustRegressor(**options).fit(X, y), model)


def test_a_worker_that_dies_is_done_without(cluster, client):
    X, y = many()
    alive = list(client.scheduler_info()["workers"])
    callers = []

    class Model(DaskRobustRegressor):
        def _designs(self, *data):
            for rows in super()._designs(*data):

                def dying(*args, read=rows.read):
                    callers.append(args)
                    if len(callers) == 3:
                        process = cluster.workers[next(iter(cluster.workers))].process
                        process.process.terminate()
                    return read(*args)

                rows.read = dying
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
