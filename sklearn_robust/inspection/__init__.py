"""Inspection of a fit: standard errors, rejected rows and levels, displays."""

from .coefficients import CoefTable, coef_table
from .covariances import covariance
from .displays import AlphaProfileDisplay, RobustFitDisplay
from .levels import RejectedLevels, rejected_levels
from .loss_display import LossDisplay
from .outliers import outlier_mask
from .profile import AlphaProfile, profile_alpha

__all__ = [
    "AlphaProfile",
    "AlphaProfileDisplay",
    "CoefTable",
    "LossDisplay",
    "RejectedLevels",
    "RobustFitDisplay",
    "coef_table",
    "covariance",
    "outlier_mask",
    "profile_alpha",
    "rejected_levels",
]
