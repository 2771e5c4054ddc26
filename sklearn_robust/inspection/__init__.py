"""Inspection of a fit: standard errors, rejected rows and levels, displays."""

from .coefficients import CoefTable, coef_table
from .diagnostics import RowDiagnostics, diagnostics
from .displays import RobustFitDisplay
from .intervals import predict_interval
from .levels import RejectedLevels, rejected_levels
from .loss_display import LossDisplay
from .outliers import outlier_mask
from .path_display import PathDisplay
from .profile import AlphaProfile, profile_alpha
from .profile_display import AlphaProfileDisplay
from .selection import degrees_of_freedom, selected_columns

__all__ = [
    "AlphaProfile",
    "AlphaProfileDisplay",
    "CoefTable",
    "LossDisplay",
    "PathDisplay",
    "RejectedLevels",
    "RobustFitDisplay",
    "RowDiagnostics",
    "coef_table",
    "degrees_of_freedom",
    "diagnostics",
    "outlier_mask",
    "predict_interval",
    "profile_alpha",
    "rejected_levels",
    "selected_columns",
]
