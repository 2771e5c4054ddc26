"""Solvers, which minimise an objective or the likelihood from a start."""

from __future__ import annotations

from .irls import irls
from .lbfgs import lbfgs
from .likelihood import LIKELIHOOD_SOLVERS
from .result import SolverResult, Start, Status

__all__ = ["LIKELIHOOD_SOLVERS", "SOLVERS", "SolverResult", "Start", "Status"]

SOLVERS = {"irls": irls, "lbfgs": lbfgs}
"""Every solver for a fixed shape and scale that users can name."""
