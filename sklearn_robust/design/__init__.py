"""Designs: the rows of a fit, and the only code that reads X during a fit."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.sparse import issparse

from .base import Design
from .csr import CsrDesign
from .dense import DenseDesign
from .divided import Division
from .local import LocalDesign
from .standardisation import Standardisation
from .threads import serial_algebra

__all__ = [
    "Design",
    "LocalDesign",
    "Standardisation",
    "divided_designs",
    "make_design",
    "serial_algebra",
]

_KINDS = ((issparse, CsrDesign),)
"""Tests of X with the design to use if one is true; otherwise X is dense."""


def divided_designs(
    X, targets, sample_weight, error_scale, *, fit_intercept
) -> Iterator[LocalDesign]:
    """Yield the design of a validated X with each target, rows divided by sizes of their errors."""
    division = Division(X, error_scale, sample_weight, fit_intercept=fit_intercept)
    for y in targets:
        yield division.design(y, make_design)


def make_design(X, y, sample_weight=None, *, fit_intercept=True) -> LocalDesign:
    """Return the design of a validated X; the parameters are those of :class:`LocalDesign`."""
    kind = next((kind for holds, kind in _KINDS if holds(X)), DenseDesign)
    return kind(X, y, sample_weight, fit_intercept=fit_intercept)
