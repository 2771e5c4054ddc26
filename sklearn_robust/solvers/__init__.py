"""Solvers: they minimise an objective or the likelihood from a start."""

from __future__ import annotations

from .likelihood import SOLVERS as LIKELIHOOD_SOLVERS
from .result import SolverResult, Start
from .solver import SOLVERS

__all__ = ["LIKELIHOOD_SOLVERS", "SOLVERS", "SolverResult", "Start"]
