"""Predictions block by block, for collections of Dask."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np


def by_block(local, X, shape, method="predict", options=None, error_scale=None):
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
    error_scale : dask.array, dask.dataframe or array in memory, as X; optional
        Sizes of the errors, which the method takes by this name.
    """
    told = {"local": local, "shape": shape, "method": method, "options": options or {}}
    if not dask.is_dask_collection(X):
        more = {} if error_scale is None else {"error_scale": error_scale}
        return getattr(local, method)(X, **told["options"], **more)
    if not isinstance(X, da.Array):
        sizes = () if error_scale is None else (_sizes_like_frame(error_scale, X),)
        flat = X.map_partitions(
            _frame, *sizes, **told, meta=_framed(np.empty((0, *shape))), align_dataframes=False
        ).to_dask_array()
        if len(shape) < 2:
            return flat
        return flat.map_blocks(
            lambda of: of.reshape(len(of), *shape), dtype=np.float64,
            chunks=(flat.chunks[0], *((size,) for size in shape)), new_axis=[2],
        )  # fmt: skip
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    sizes = () if error_scale is None else (sizes_like(error_scale, X),)
    axes: dict = {"drop_axis": 1}
    if shape:
        axes = {"chunks": (X.chunks[0], *((size,) for size in shape))}
        axes |= {"new_axis": [2]} if len(shape) > 1 else {}
    meta = np.empty((0,) * (1 + len(shape)))
    return X.map_blocks(_block, *sizes, **told, dtype=np.float64, meta=meta, **axes)


def sizes_like(error_scale, like):
    """Return sizes of errors in the blocks of an array, with as many dimensions, or raise."""
    sizes = _checked(error_scale, like.numblocks[0], like.shape[0])
    if not isinstance(sizes, da.Array):
        sizes = sizes.to_dask_array()
    if sizes.chunks[0] != like.chunks[0]:
        if not np.isnan(sizes.shape[0] + like.shape[0]):
            sizes = sizes.rechunk((like.chunks[0],))
        else:  # the lengths of blocks are compared once they are known
            sizes = da.Array(sizes.dask, sizes.name, (like.chunks[0],), meta=np.empty(0))
    return sizes if like.ndim == 1 else sizes[:, None]


def _sizes_like_frame(error_scale, frame):
    """Return sizes of errors in the partitions of a data frame, or raise."""
    sizes = _checked(error_scale, frame.npartitions, np.nan)
    if not isinstance(sizes, da.Array):
        return sizes
    import dask.dataframe as dd

    blocks = [dask.delayed(_framed)(of) for of in sizes.to_delayed().ravel()]
    return dd.from_delayed(blocks, meta=_framed(np.empty(0)))


def _checked(error_scale, n_blocks, n_rows):
    """Return sizes of errors of a collection, or raise; ``n_rows`` may be NaN."""
    if not dask.is_dask_collection(error_scale) or not hasattr(error_scale, "to_delayed"):
        raise TypeError(
            "error_scale must be a dask.array or dask.dataframe collection, as X is, got "
            f"{type(error_scale).__name__}."
        )
    if getattr(error_scale, "ndim", 1) == 2:
        if error_scale.shape[1] != 1:
            raise ValueError(f"error_scale must be one column, got {error_scale.shape[1]}.")
        array = isinstance(error_scale, da.Array)
        error_scale = error_scale[:, 0] if array else error_scale[error_scale.columns[0]]
    known = isinstance(error_scale, da.Array) and not np.isnan(error_scale.shape[0] + n_rows)
    if known and error_scale.shape[0] != n_rows:
        raise ValueError(
            f"error_scale must have as many rows as X, {n_rows}, got {error_scale.shape[0]}."
        )
    found = (
        error_scale.numblocks[0] if isinstance(error_scale, da.Array) else error_scale.npartitions
    )
    if not known and found != n_blocks:
        raise ValueError(f"error_scale must have as many blocks as X, {n_blocks}, got {found}.")
    return error_scale


def _block(X, *sizes, local, shape, method, options):
    # Filters may leave empty blocks, which scikit-learn does not accept.
    if not len(X):
        return np.empty((0, *shape))
    more = {"error_scale": np.ravel(sizes[0])} if sizes else {}
    return getattr(local, method)(X, **options, **more)


def _frame(X, *sizes, **told):
    return _framed(_block(X, *sizes, **told), X.index)


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
