"""Minimising an objective; what X is, and where it lives, is not known here."""

from __future__ import annotations

from . import likelihood as _likelihood
from . import multistart as _multistart
from .groundwork import Groundwork
from .level_moves import most_likely_with_level_moves
from .likelihood import Likelihood, minimise_likelihood
from .linear import InverseRoot, minimum_norm
from .multistart import Outset, at_params, outset
from .objective import Objective
from .regression import SCALES, STARTS, Regression, automatic
from .result import SolverResult, Start
from .solver import SOLVERS
from .start import from_params, least_squares

__all__ = [
    "LIKELIHOOD_SOLVERS",
    "LIKELIHOOD_STARTS",
    "SCALES",
    "SOLVERS",
    "STARTS",
    "Groundwork",
    "InverseRoot",
    "Likelihood",
    "Objective",
    "Outset",
    "Regression",
    "SolverResult",
    "Start",
    "at_params",
    "automatic",
    "from_params",
    "least_squares",
    "minimise_likelihood",
    "minimum_norm",
    "most_likely_with_level_moves",
    "outset",
]

LIKELIHOOD_SOLVERS = _likelihood.SOLVERS
LIKELIHOOD_STARTS = _multistart.STARTS
