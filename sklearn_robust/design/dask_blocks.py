"""The blocks of Dask collections, and the scheduler that computes them."""

from __future__ import annotations

import math

import dask
import dask.array as da
import numpy as np
from dask import delayed

from .dask_parts import read

_SHARE_OF_MEMORY = 0.3
"""Largest share of the workers' memory for kept blocks; reading needs the rest."""


class Scheduler:
    """Computes Delayed objects by the workers of a client, or by Dask in this process."""

    def __init__(self, client):
        self._client = client

    def compute(self, value):
        """Return the result of a Delayed."""
        if self._client is None:
            return dask.compute(value)[0]
        return self._client.compute(value).result()

    def persist(self, values):
        """Return Delayed objects whose results stay where they are computed."""
        if self._client is None:
            return list(dask.persist(*values))
        return list(self._client.persist(values))

    def memory(self) -> float:
        """Return how many bytes the workers, or this process, may keep."""
        if self._client is None:
            from distributed.system import MEMORY_LIMIT  # it respects the limit of a container

            return _SHARE_OF_MEMORY * MEMORY_LIMIT
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [float(worker["memory_limit"] or math.inf) for worker in workers]
        return _SHARE_OF_MEMORY * min(limits, default=0.0) * len(limits)


def parts_of(X, y, sample_weight, error_scale=None) -> tuple[list, list]:
    """Return the blocks of collections, each a Delayed :class:`Part`, checked and unchecked.

    Raises
    ------
    TypeError
        If an argument is not an array or data frame of Dask.
    ValueError
        If they do not have the same number of blocks.
    """
    names = _column_names(X)
    given = {"X": X, "y": y, "sample_weight": sample_weight, "error_scale": error_scale}
    given = {name: of for name, of in given.items() if of is not None or name in ("X", "y")}
    together = _side_by_side
    if not any(isinstance(of, da.Array) for of in given.values()):
        together = _frames_together
    blocks = together(given)
    checked, unchecked = (
        [
            delayed(read, pure=False)(number, names, check, tuple(given), block)
            for number, block in enumerate(blocks)
        ]
        for check in (True, False)
    )
    return checked, unchecked


def _frames_together(given) -> list:
    """Return the blocks of data frames, each a Delayed tuple.

    They are one expression, so that Dask reads a file once for all frames. It may also read several
    files at once, and not the same number for every frame.
    """
    frames = list(given.values())
    for name, frame in given.items():
        _check_collection(name, frame)
        _check_blocks(name, frame.npartitions, frames[0].npartitions)
    import dask.dataframe as dd

    packed = dd.map_partitions(
        _packed, *frames, meta=frames[1]._meta, enforce_metadata=False, align_dataframes=False
    )
    return list(packed.to_delayed())


def _packed(*frames):
    return frames


def _side_by_side(given) -> list:
    """Return the blocks of collections, of which at least one is an array; each is a list."""
    X = given["X"]
    aligned = [_blocks("X", X)]
    for name, of in given.items():
        if name != "X":
            others = _blocks(name, _like(of, X))
            _check_blocks(name, len(others), len(aligned[0]))
            aligned.append(others)
    return [list(block) for block in zip(*aligned, strict=True)]


def _check_blocks(name, count, wanted):
    if count != wanted:
        raise ValueError(f"{name} must have as many blocks as X, {wanted}, got {count}.")


def _column_names(X):
    """Return the names of the columns of a data frame, or the number of columns of an array."""
    if isinstance(X, da.Array):
        if X.ndim != 2:
            raise ValueError(f"X must be 2-D, got shape {X.shape}.")
        if math.isnan(X.shape[1]):
            raise ValueError("X must have a known number of columns, got nan.")
        return int(X.shape[1])
    return list(map(str, getattr(X, "columns", [])))


def _like(collection, X):
    """Return a collection with the blocks of X, if both are known."""
    arrays = isinstance(collection, da.Array) and isinstance(X, da.Array)
    if not arrays or math.isnan(X.shape[0]) or collection.shape[0] != X.shape[0]:
        return collection
    return collection.rechunk({0: X.chunks[0]})


def _blocks(name, collection) -> list:
    """Return the blocks of rows of a collection."""
    _check_collection(name, collection)
    if isinstance(collection, da.Array) and collection.ndim == 2 and collection.numblocks[1] > 1:
        collection = collection.rechunk({1: -1})
    # Separate optimisation would make X and y compute their common source twice, and could change
    # the number of blocks of a frame.
    return list(np.ravel(collection.to_delayed(optimize_graph=False)))


def _check_collection(name, collection):
    if not dask.is_dask_collection(collection) or not hasattr(collection, "to_delayed"):
        raise TypeError(
            f"{name} must be a dask.array or dask.dataframe collection, got "
            f"{type(collection).__name__}."
        )
