"""Predictions block by block, for collections of Dask."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np


def by_block(local, X, shape, method="predict", options=None):
    """Return what a method of a fitted estimator returns, lazily for a collection.

    Parameters
    ----------
    local : estimator
        It takes blocks in memory.
    X : dask.array, dask.dataframe or array in memory
    shape : tuple of int
        The shape of the result for one row.
    method : str
    options : dict, optional
        Arguments of the method after X.
    """
    told = {"local": local, "shape": shape, "method": method, "options": options or {}}
    if not dask.is_dask_collection(X):
        return getattr(local, method)(X, **told["options"])
    if not isinstance(X, da.Array):
        flat = X.map_partitions(_frame, **told, meta=_framed(np.empty((0, *shape)))).to_dask_array()
        if len(shape) < 2:
            return flat
        return flat.map_blocks(
            lambda of: of.reshape(len(of), *shape), dtype=np.float64,
            chunks=(flat.chunks[0], *((size,) for size in shape)), new_axis=[2],
        )  # fmt: skip
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    axes: dict = {"drop_axis": 1}
    if shape:
        axes = {"chunks": (X.chunks[0], *((size,) for size in shape))}
        axes |= {"new_axis": [2]} if len(shape) > 1 else {}
    meta = np.empty((0,) * (1 + len(shape)))
    return X.map_blocks(_block, **told, dtype=np.float64, meta=meta, **axes)


def _block(X, local, shape, method, options):
    # Filters may leave empty blocks, which scikit-learn does not accept.
    return getattr(local, method)(X, **options) if len(X) else np.empty((0, *shape))


def _frame(X, local, shape, method, options):
    return _framed(_block(X, local, shape, method, options), X.index)


def _framed(values, index=None):
    import pandas as pd

    if values.ndim > 2:
        values = values.reshape(len(values), values.shape[1] * values.shape[2])
    return (pd.Series if values.ndim == 1 else pd.DataFrame)(values, index=index)


def nothing_like(X):
    """Return an array or frame of no rows with the columns of a collection."""
    if isinstance(X, da.Array):
        return np.empty((0, int(X.shape[1])))
    return X._meta
