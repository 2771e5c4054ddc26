"""Sizes from which a fit goes another way: no result depends on them, but for rounding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Limits:
    """Sizes up to which a way is taken, chosen by the time it costs.

    Attributes
    ----------
    packed : int
        Numbers of a table that are copied, standardised, to be searched by compiled code alone.
    widest : int
        Columns beyond which a Gram matrix costs more than the iterations that it saves.
    subsampled : float
        Rows for one of a subsample from which the subsample is fitted first.
    gathered : int
        Residuals of a collection that are brought together where a quantile is looked for.
    kept : int
        Numbers of the evenly spaced rows of a collection that are kept in this process.
    """

    packed: int = 1 << 18
    widest: int = 2000
    subsampled: float = 3.0
    gathered: int = 1_000_000
    kept: int = 1 << 24


LIMITS = Limits()
"""The limits of this process."""


@contextmanager
def changed_limits(**changes) -> Iterator[None]:
    """Change limits for as long as a context lasts; for tests and benchmarks.

    Parameters
    ----------
    **changes : int or float
        New values by the names of :class:`Limits`.
    """
    before = dict(vars(LIMITS))
    vars(LIMITS).update(changes)
    try:
        yield
    finally:
        vars(LIMITS).update(before)
