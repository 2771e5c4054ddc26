"""What a fit of a Dask collection costs: readings, and each beside ``X.sum()``.

Run as ``python benchmarks/out_of_memory.py [ROWS]``, default ten million, with 20 columns, on two
workers of one thread. Shape and scale are given. Each number of blocks is fitted three times,
sums and fits taking turns; medians are shown. All is kept in the memory of the workers, so that no
disk is measured.
"""

import statistics
import sys
import time

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from sklearn_robust.dask import DaskRobustRegressor

COLUMNS, REPEATS = 20, 3


def block(number, n_rows):
    """Return rows of X with y behind them: a tenth is 20 standard deviations off."""
    rng = np.random.default_rng(number)
    rows = rng.standard_normal((n_rows, COLUMNS + 1))
    rows[:, -1] += rows[:, :-1].sum(axis=1)
    rows[: n_rows // 10, -1] += 20.0
    return rows


def collection(n_rows, n_blocks):
    size = n_rows // n_blocks
    return da.concatenate([
        da.from_delayed(dask.delayed(block)(k, size), (size, COLUMNS + 1), float)
        for k in range(n_blocks)
    ])  # fmt: skip


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main(n_rows=10_000_000):
    print(f"{n_rows} x {COLUMNS}, two workers of one thread\n"
          f"{'blocks':>6} {'readings':>9} {'fit, s':>8} {'a reading, s':>13} {'X.sum(), s':>11} "
          f"{'ratio':>6} {'of no rows, s':>14}")  # fmt: skip
    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        for n_blocks in (8, 32, 128):
            data = collection(n_rows, n_blocks)
            X = data[:, :-1].map_blocks(np.ascontiguousarray).persist()
            y = data[:, -1].persist()
            X.sum().compute()
            model = DaskRobustRegressor(1.0, scale=1.3)
            model.fit(X, y)
            sums, fits = [], []
            for _ in range(REPEATS):
                sums.append(seconds(lambda X=X: X.sum().compute()))
                fits.append(seconds(lambda m=model, X=X, y=y: m.fit(X, y)))
            empty = collection(n_blocks, n_blocks).persist()
            tiny = [seconds(lambda e=empty: e.sum(axis=0).compute()) for _ in range(REPEATS)]
            fit, total = statistics.median(fits), statistics.median(sums)
            reading = fit / model.n_passes_
            print(f"{n_blocks:>6} {model.n_passes_:>9} {fit:>8.2f} {reading:>13.3f} "
                  f"{total:>11.3f} {reading / total:>6.2f} {statistics.median(tiny):>14.3f}",
                  flush=True)  # fmt: skip
            del X, y


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
