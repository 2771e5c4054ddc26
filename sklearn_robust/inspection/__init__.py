"""Inspection of a fit: standard errors, rejected rows and levels, displays."""

from .coefficients import CoefTable, coef_table
from .displays import AlphaProfileDisplay, RobustFitDisplay
from .levels import RejectedLevels, rejected_levels
from .loss_display import LossDisplay
from .outliers import outlier_mask
from .path_display import PathDisplay
from .profile import AlphaProfile, profile_alpha
from .selection import degrees_of_freedom, selected_columns

__all__ = [
    "AlphaProfile",
    "AlphaProfileDisplay",
    "CoefTable",
    "LossDisplay",
    "PathDisplay",
    "RejectedLevels",
    "RobustFitDisplay",
    "coef_table",
    "degrees_of_freedom",
    "outlier_mask",
    "profile_alpha",
    "rejected_levels",
    "selected_columns",
]
