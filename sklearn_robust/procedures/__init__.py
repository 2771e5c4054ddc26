"""Procedures of a fit: plan, starts, S-estimate, residual scales, regression, likelihood."""

from __future__ import annotations

from .growing import GrowingScale
from .likelihood import LikelihoodResult, MaximumLikelihood
from .m_estimate import SCALES, STARTS, Regression, automatic
from .path import grid, largest_l1, s_estimates_along, starts_along
from .plan import Plan
from .shared_starts import SharedStarts
from .starts import from_params, least_squares

__all__ = [
    "SCALES",
    "STARTS",
    "GrowingScale",
    "LikelihoodResult",
    "MaximumLikelihood",
    "Plan",
    "Regression",
    "SharedStarts",
    "automatic",
    "from_params",
    "grid",
    "largest_l1",
    "least_squares",
    "s_estimates_along",
    "starts_along",
]
