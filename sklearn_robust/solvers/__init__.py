"""Minimising an objective or the likelihood from a start; where the rows are is not known here."""

from __future__ import annotations

from .likelihood import SOLVERS as LIKELIHOOD_SOLVERS
from .result import SolverResult, Start
from .solver import SOLVERS

__all__ = ["LIKELIHOOD_SOLVERS", "SOLVERS", "SolverResult", "Start"]
