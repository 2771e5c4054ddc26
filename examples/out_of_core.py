"""
A fit of more rows than memory holds
====================================

This example writes a Parquet data set, a file at a time, and fits it on two workers whose memory,
together, is a quarter of the size of the data. It prints how often the files were read, how long
the fit took, and the most memory that a worker used.

Run it as ``python examples/out_of_core.py [MEGABYTES [FOLDER]]``. MEGABYTES is the memory of each
worker. The default of 800 makes 6.4 gigabytes of data and takes some minutes. About 350 megabytes
are the libraries that a worker loads; with much less memory the workers stop. Without a folder the
data are written to a temporary one.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from sklearn_robust.dask import DaskRobustRegressor

WORKERS, TIMES, FEATURES, ROWS_OF_A_FILE = 2, 4, 20, 100_000
NAMES = [f"x{k}" for k in range(FEATURES)]


def write(folder, n_files):
    """Write files of 100 000 rows; a tenth of the targets in each is far too high."""
    for number in range(n_files):
        rng = np.random.default_rng(number)
        rows = pd.DataFrame(rng.normal(size=(ROWS_OF_A_FILE, FEATURES)), columns=NAMES)
        rows["y"] = rows.sum(axis=1) + rng.normal(size=ROWS_OF_A_FILE)
        rows.loc[: ROWS_OF_A_FILE // 10, "y"] += 20.0
        rows.to_parquet(folder / f"{number:05d}.parquet")


def peak():
    """Return the most memory that this process had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(megabytes=800, folder=None):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(folder or temporary)
        size = 8 * ROWS_OF_A_FILE * (FEATURES + 1)
        n_files = -(-TIMES * WORKERS * megabytes * 1_000_000 // size)
        write(folder, n_files)
        print(f"data: {n_files * ROWS_OF_A_FILE:,} rows, {n_files * size / 1e6:,.0f} MB; "
              f"memory: {WORKERS} workers of {megabytes:,} MB")  # fmt: skip
        with (
            # Otherwise Dask would read several files at once, too much for a small worker.
            dask.config.set({"dataframe.parquet.minimum-partition-size": 1}),
            LocalCluster(
                WORKERS, threads_per_worker=1, memory_limit=megabytes * 1_000_000,
                dashboard_address=":0",
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            rows = dd.read_parquet(folder)
            begin = time.perf_counter()
            model = DaskRobustRegressor(1.0, scale=1.3).fit(rows[NAMES], rows["y"])
            seconds = time.perf_counter() - begin
            peaks = [f"{value:,.0f} MB" for value in client.run(peak).values()]
        print(f"readings: {model.n_passes_}, seconds: {seconds:.1f}")
        print(f"most memory of a worker: {', '.join(peaks)}")
        print(f"largest error of a coefficient: {np.abs(model.coef_ - 1.0).max():.5f}")
    return model


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:3])
