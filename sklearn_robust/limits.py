"""Sizes of a problem that decide how it is solved; they change the solution only by rounding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Limits:
    """Sizes up to which a method is used, chosen by measured times.

    Attributes
    ----------
    packed : int
        Largest table, in numbers, that is standardised, copied and fitted in compiled code.
    widest : int
        Most columns for which a Gram matrix is formed; with more, it costs more than it saves.
    subsampled : float
        Least ratio of all rows to the subsample for which the subsample is fitted first.
    gathered : int
        Most residuals of a collection that are gathered to find a quantile.
    leverages : int
        Most coefficients for which a fit keeps a root of the Gram matrix, which then takes 2 MB.
    kept : int
        Most numbers in the evenly spaced rows of a collection that stay in this process.
    """

    packed: int = 1 << 18
    widest: int = 2000
    subsampled: float = 3.0
    gathered: int = 1_000_000
    leverages: int = 500
    kept: int = 1 << 24


LIMITS = Limits()
"""The limits of this process."""


@contextmanager
def changed_limits(**changes) -> Iterator[None]:
    """Change limits within a context; for tests and benchmarks.

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
