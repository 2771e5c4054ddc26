"""Minimising an objective; what X is, and where it lives, is not known here."""

from __future__ import annotations

from . import likelihood as _likelihood
from . import multistart as _multistart
from .irls import irls
from .lbfgs import lbfgs
from .likelihood import Likelihood
from .linear import minimum_norm
from .multistart import Outset, at_params
from .objective import Objective
from .regression import SCALES, STARTS, Regression, automatic
from .result import SolverResult, Start
from .start import from_params, least_squares

__all__ = [
    "LIKELIHOOD_SOLVERS",
    "LIKELIHOOD_STARTS",
    "SCALES",
    "SOLVERS",
    "STARTS",
    "Likelihood",
    "Objective",
    "Outset",
    "Regression",
    "SolverResult",
    "Start",
    "at_params",
    "automatic",
    "choose",
    "from_params",
    "least_squares",
    "minimum_norm",
]

SOLVERS = {"irls": irls, "lbfgs": lbfgs}
"""Every solver of a fixed shape that has a name."""
LIKELIHOOD_SOLVERS = _likelihood.SOLVERS
LIKELIHOOD_STARTS = _multistart.STARTS

_SMALL = 3_000_000
"""Multiplications in a Gram matrix below which its normal equations are the faster way."""


def choose(name, rows):
    """Return the solver of a name; "auto" is the one that is faster for so many rows."""
    if name != "auto":
        return SOLVERS[name]
    small = rows.n_rows * (rows.n_features + 1) ** 2 <= _SMALL
    return irls if small else lbfgs
