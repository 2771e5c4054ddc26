"""Fits of Dask collections by the workers of a cluster."""

import contextlib
import io
import os
import signal
import time
from collections import Counter

import numpy as np
import pytest
from in_blocks import blocks, many, same

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

dask = pytest.importorskip("dask")

from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor  # noqa: E402


@contextlib.contextmanager
def cluster_of(n_workers):
    """Yield a cluster of so many processes, which are started again where they end."""
    distributed = pytest.importorskip("distributed")
    # A busy machine may need longer to start a worker again than a cluster waits by default.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", memory_limit="1GiB"
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        yield client


def noting(folder):
    """Return a function of a block that notes which process reads it, and returns the block.

    A block is known by its first number. Notes are files, for a process that is killed sends none.
    """

    def read(block):
        name = f"{time.time_ns()} {block.flat[0].hex()} {os.getpid()}"
        (folder / name).touch(exist_ok=False)
        return block

    return read


def notes(folder):
    """Return the blocks that were read, in order, and the process that read each."""
    lines = sorted(path.name.split() for path in folder.iterdir())
    return [(block, int(process)) for _, block, process in lines]


def noted(X, folder):
    """Return X in blocks of which every reading is noted."""
    return blocks(X).map_blocks(noting(folder), dtype=X.dtype, meta=np.empty((0, 0)))


@pytest.mark.slow
def test_one_worker_and_two_give_the_same_bits(client, tmp_path):
    from distributed import Client

    X, y = many()
    learned = []
    with cluster_of(1) as small, Client(small, set_as_default=False) as one:
        for n_workers, of in ((1, one), (2, client)):
            folder = tmp_path / str(n_workers)
            folder.mkdir()
            model = DaskAdaptiveRobustRegressor(random_state=0, tol=1e-9)
            model.client = of
            model.fit(noted(X, folder), blocks(y))
            readers = {process for _, process in notes(folder)}
            assert readers == set(of.run(os.getpid).values())
            assert len(readers) == n_workers
            learned.append([*model.coef_, model.intercept_, model.scale_, model.alpha_, model.nll_])
    assert learned[0] == learned[1]
    same(AdaptiveRobustRegressor(random_state=0, tol=1e-9).fit(X, y), model)


@pytest.mark.slow
def test_the_active_client_is_taken(cluster, tmp_path):
    from distributed import Client

    with Client(cluster) as active:
        X, y = many()
        options = {"alpha": 1.0, "scale": 1.0, "tol": 1e-9}
        model = DaskRobustRegressor(**options).fit(noted(X, tmp_path), blocks(y))
        readers = {process for _, process in notes(tmp_path)}
        assert readers
        assert readers <= set(active.run(os.getpid).values())
        same(RobustRegressor(**options).fit(X, y), model)


class KillingAtTheFirstLine(io.StringIO):
    """What a fit prints its progress to; its first line kills a worker that holds blocks alone."""

    def __init__(self, client):
        super().__init__()
        self.client, self.killed = client, None

    def write(self, text):
        if self.killed is None:
            holders = [workers for workers in self.client.who_has().values() if len(workers) == 1]
            (worker,), _ = Counter(map(tuple, holders)).most_common(1)[0]
            self.killed = self.client.run(os.getpid)[worker]
            os.kill(self.killed, getattr(signal, "SIGKILL", signal.SIGTERM))
        return super().write(text)


@pytest.mark.slow
def test_blocks_that_are_lost_with_their_worker_are_read_again_by_another(tmp_path):
    from distributed import Client

    X, y = many()
    options = {"alpha": 1.0, "scale": 1.0, "persist": True, "solver": "irls", "verbose": 1}
    model, n_blocks = DaskRobustRegressor(**options), blocks(X).numblocks[0]
    with cluster_of(2) as cluster, Client(cluster, set_as_default=False) as client:
        model.client = client
        with contextlib.redirect_stdout(KillingAtTheFirstLine(client)) as printed:
            model.fit(noted(X, tmp_path), blocks(y))
        client.wait_for_workers(2)
    assert len(printed.getvalue().splitlines()) == model.n_iter_ > 1
    before, again = notes(tmp_path)[:n_blocks], notes(tmp_path)[n_blocks:]
    assert len(dict(before)) == n_blocks  # each was read once, and kept
    assert again
    assert printed.killed not in dict(again).values()
    assert len(dict(again)) == len(again)
    with contextlib.redirect_stdout(io.StringIO()):
        undisturbed = DaskRobustRegressor(**options).fit(blocks(X), blocks(y))
    np.testing.assert_array_equal(model.coef_, undisturbed.coef_)
    assert (model.intercept_, model.n_iter_) == (undisturbed.intercept_, undisturbed.n_iter_)


def test_workers_name_blocks_too(client):
    X, y = many()
    bad = X.copy()
    bad[9_000, 1] = np.nan
    model = DaskRobustRegressor(1.0)
    model.client = client
    with pytest.raises(ValueError, match="NaN or infinity in block 2"):
        model.fit(blocks(bad), blocks(y))
