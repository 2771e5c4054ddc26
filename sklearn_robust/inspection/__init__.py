"""Inspection of a fit: standard errors and tests, rejected rows and levels, displays."""

from .coefficients import CoefTable, coef_table
from .covariances import covariance
from .criteria import (
    DroppedColumns,
    InformationCriteria,
    drop_one,
    robust_information_criteria,
)
from .displays import AlphaProfileDisplay, RobustFitDisplay
from .hypotheses import Comparison, WaldTest, compare, wald_test
from .levels import RejectedLevels, rejected_levels
from .loss_display import LossDisplay
from .outliers import outlier_mask
from .profile import AlphaProfile, profile_alpha
from .summaries import FitSummary, FitTable, WorstRows, summary

__all__ = [
    "AlphaProfile",
    "AlphaProfileDisplay",
    "CoefTable",
    "Comparison",
    "DroppedColumns",
    "FitSummary",
    "FitTable",
    "InformationCriteria",
    "LossDisplay",
    "RejectedLevels",
    "RobustFitDisplay",
    "WaldTest",
    "WorstRows",
    "coef_table",
    "compare",
    "covariance",
    "drop_one",
    "outlier_mask",
    "profile_alpha",
    "rejected_levels",
    "robust_information_criteria",
    "summary",
    "wald_test",
]
