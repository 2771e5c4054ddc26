"""Designs: the rows of a fit, and the only code that reads X during a fit."""

from __future__ import annotations

from scipy.sparse import issparse

from .base import Design
from .csr import CsrDesign
from .dense import DenseDesign
from .local import LocalDesign
from .standardisation import Standardisation
from .threads import serial_algebra

__all__ = [
    "Design",
    "LocalDesign",
    "Standardisation",
    "make_design",
    "serial_algebra",
]

_KINDS = ((issparse, CsrDesign),)
"""Tests of X with the design to use if one is true; otherwise X is dense."""


def make_design(X, y, sample_weight=None, *, fit_intercept=True) -> LocalDesign:
    """Return the design of a validated X; the parameters are those of :class:`LocalDesign`."""
    kind = next((kind for holds, kind in _KINDS if holds(X)), DenseDesign)
    return kind(X, y, sample_weight, fit_intercept=fit_intercept)
