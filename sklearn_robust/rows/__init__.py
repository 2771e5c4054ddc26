"""Where the rows live: the only code that reads X during a fit."""

from __future__ import annotations

from scipy.sparse import issparse

from .base import Rows
from .dense import DenseRows
from .local import LocalRows
from .sparse import SparseRows
from .standardisation import Standardisation
from .threads import serial_algebra

__all__ = ["LocalRows", "Rows", "Standardisation", "make_rows", "serial_algebra"]

_KINDS = ((issparse, SparseRows),)
"""Which rows hold an X for which the test is true; dense rows hold the rest."""


def make_rows(X, y, sample_weight=None, *, fit_intercept=True) -> LocalRows:
    """Return the rows object for a validated X; the parameters are those of :class:`Rows`."""
    kind = next((rows for holds, rows in _KINDS if holds(X)), DenseRows)
    return kind(X, y, sample_weight, fit_intercept=fit_intercept)
