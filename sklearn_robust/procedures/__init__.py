"""What a fit does: starts, the search of the S-estimate, residual scales, the fit itself."""

from __future__ import annotations

from .level_moves import most_likely_with_level_moves
from .likelihood_starts import STARTS as LIKELIHOOD_STARTS
from .likelihood_starts import LikelihoodStart, at_params, choose_start
from .m_estimate import SCALES, STARTS, Regression, automatic
from .shared_starts import SharedStarts
from .starts import from_params, least_squares

__all__ = [
    "LIKELIHOOD_STARTS",
    "SCALES",
    "STARTS",
    "LikelihoodStart",
    "Regression",
    "SharedStarts",
    "at_params",
    "automatic",
    "choose_start",
    "from_params",
    "least_squares",
    "most_likely_with_level_moves",
]
