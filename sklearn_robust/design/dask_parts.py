"""Operations on one block of a collection, which run where the block is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import assert_all_finite

from ..validation import check_error_scale, check_unmasked
from .base import Frame
from .dense import DenseDesign


class Description(NamedTuple):
    """Description of a block.

    Attributes
    ----------
    n_rows, n_features, n_present : int
        The last is the number of rows with a weight.
    total, largest, squares : float
        Sum of the case weights, the largest, and the sum of squares in units of that.
    low, high : ndarray of shape (n_targets,)
        Least and largest targets of the rows with a weight.
    size : int
        Size in bytes.
    logs : float
        Sum of the logarithms of the sizes of the errors, times the case weights.
    """

    n_rows: int
    n_features: int
    n_present: int
    total: float
    largest: float
    squares: float
    low: np.ndarray
    high: np.ndarray
    size: int
    logs: float


@dataclass(frozen=True)
class Part:
    """One block.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features), float32 or float64
    y : ndarray of shape (n_rows, n_targets), float64
    cases : ndarray of shape (n_rows,), float64, or None
        Case weights.
    sizes : ndarray of shape (n_rows,), float64, or None
        Sizes of the errors.
    """

    X: np.ndarray
    y: np.ndarray
    cases: np.ndarray | None
    sizes: np.ndarray | None = None

    def rows(self, target, frame: Frame) -> DenseDesign:
        """Return the rows with one target, to be read by one thread."""
        y = np.ascontiguousarray(self.y[:, target])
        return DenseDesign.placed(self.X, y, self.cases, frame, n_threads=1)

    def present_numbers(self, places) -> np.ndarray:
        """Return the numbers of rows from their positions among those with a weight."""
        return places if self.cases is None else np.flatnonzero(self.cases > 0.0)[places]


def read(number, names, check, given, block) -> Part:
    """Return a validated block, or raise an error that has its number.

    Parameters
    ----------
    number : int
        The number of the block.
    names : list of str or int
        Required names of the columns of X, or their number.
    check : bool
        Whether to check for NaN and infinity.
    given : tuple of str
        What a block holds: X, y and, if given, sample_weight and error_scale.
    block : sequence of array or data frame
        The values of these.
    """
    found = dict(zip(given, block, strict=True))
    X, where = found["X"], f"block {number}"
    n_features = names if isinstance(names, int) else len(names)
    if not isinstance(names, int) and list(map(str, getattr(X, "columns", names))) != names:
        raise ValueError(f"X must have the columns {names} in {where}, got {list(X.columns)}.")
    X = _numbers("X", X, where, check)
    if X.ndim != 2 or X.shape[1] != n_features:
        raise ValueError(f"X must have {n_features} columns in {where}, got shape {X.shape}.")
    y = _numbers("y", found["y"], where, check).astype(np.float64, copy=False)
    y = y[:, None] if y.ndim == 1 else y
    cases = _of_rows("sample_weight", found, where, check)
    if cases is not None and np.any(cases < 0.0):
        raise ValueError(
            f"sample_weight must be in [0, inf), got {float(cases.min())!r} in {where}."
        )
    sizes = _of_rows("error_scale", found, where, check)
    for name, of in (("y", y), ("sample_weight", cases), ("error_scale", sizes)):
        if of is not None and len(of) != len(X):
            raise ValueError(
                f"{name} must have as many rows as X, {len(X)} in {where}, got {len(of)}."
            )
    if sizes is not None:
        sizes = check_error_scale(sizes, len(X), f" in {where}")
    return Part(X, y, cases, sizes)


def _of_rows(name, found, where, check):
    """Return one number for each row as float64, or None if they are not given."""
    if name not in found:
        return None
    return _numbers(name, found[name], where, check).astype(np.float64, copy=False).ravel()


def _numbers(name, values, where, check):
    """Return a block as float32 or float64, or raise; ``check`` requires finite numbers."""
    if hasattr(values, "toarray"):
        raise ValueError(f"{name} must be dense arrays or data frames, got a sparse {where}.")
    values = check_unmasked(name, values, f" in {where}")
    try:
        array = np.asarray(values)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, got others in {where}: {error}") from error
    try:
        if check:
            assert_all_finite(array)
    except ValueError as error:
        raise ValueError(f"{name} must be finite, got NaN or infinity in {where}.") from error
    return array


def described(part: Part) -> list[Description]:
    """Return a list with the description of a block."""
    present = part.present_numbers(slice(None))
    y, n_rows = part.y[present], len(part.y)
    cases = np.ones(len(y)) if part.cases is None else part.cases[present]
    largest = float(np.max(cases, initial=0.0))
    logs = 0.0 if part.sizes is None else float(cases @ np.log(part.sizes[present]))
    description = Description(
        n_rows=n_rows,
        n_features=part.X.shape[1],
        n_present=len(y),
        total=float(cases.sum()),
        largest=largest,
        squares=float(np.sum((cases / largest) ** 2)) if largest > 0.0 else 0.0,
        low=np.min(y, axis=0, initial=np.inf),
        high=np.max(y, axis=0, initial=-np.inf),
        size=part.X.nbytes + part.y.nbytes,
        logs=logs,
    )
    return [description]


def taken(part: Part, places):
    """Return a list with a block of some of the rows with a weight."""
    numbers = part.present_numbers(places)
    cases = None if part.cases is None else part.cases[numbers]
    sizes = None if part.sizes is None else part.sizes[numbers]
    return [Part(part.X[numbers], part.y[numbers], cases, sizes)]


def together(parts) -> Part:
    """Return the rows of several blocks as one."""

    def joined(arrays):
        return None if arrays[0] is None else np.concatenate(arrays)

    cases, sizes = joined([of.cases for of in parts]), joined([of.sizes for of in parts])
    X, y = np.concatenate([of.X for of in parts]), np.concatenate([of.y for of in parts])
    return Part(X, y, cases, sizes)


def apart(part: Part, columns, base):
    """Return a list with the numbers of rows with a weight that differ from given values."""
    present = part.present_numbers(slice(None))
    return [np.count_nonzero(part.X[present][:, columns] != base, axis=0)]


def taken_apart(part: Part, columns, base):
    """Return the result of :func:`taken` for the rows that differ from one of the values."""
    present = part.present_numbers(slice(None))
    return taken(part, np.flatnonzero(np.any(part.X[present][:, columns] != base, axis=1)))


@dataclass(frozen=True)
class Job:
    """A function of the rows of every block, with target and frame of the rows."""

    ask: Callable[..., Any]
    target: int
    frame: Frame

    def __call__(self, part: Part, *numbers):
        """Return the result for a block; ``numbers`` are rows to pass on, if any."""
        return self.ask(part.rows(self.target, self.frame), *numbers)


def answered(job, part, *numbers):
    """Return the result of a job for a block."""
    return job(part, *numbers)


def without(part, numbers):
    """Return a block in which some rows have no weight."""
    cases = np.ones(len(part.y)) if part.cases is None else part.cases.copy()
    cases[numbers] = 0.0
    return replace(part, cases=cases)


def chained(parts):
    """Return the concatenation of lists."""
    return [item for part in parts for item in part]


def counted(numbers):
    """Return a list with the number of elements."""
    return [len(numbers)]
