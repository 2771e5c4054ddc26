"""The solvers of a fixed shape and scale, by name."""

from __future__ import annotations

from .irls import irls
from .lbfgs import lbfgs

SOLVERS = {"irls": irls, "lbfgs": lbfgs}
"""Every solver of a fixed shape that has a name."""

_SMALL = 30_000_000
"""Multiplications in a Gram matrix below which its normal equations are the faster way."""


def choose(name, design):
    """Return the solver of a name, or for any other the one that is faster for so many rows.

    Others are "auto" and the names of solvers that only the likelihood has.
    """
    if name in SOLVERS:
        return SOLVERS[name]
    small = design.n_rows * (design.n_features + 1) ** 2 <= _SMALL
    return irls if small else lbfgs
