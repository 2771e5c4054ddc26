"""Inspection of a fit: standard errors and tests, rejected rows and levels, displays."""

from .coefficients import CoefTable, coef_table
from .covariances import covariance
from .criteria import (
    DroppedColumns,
    InformationCriteria,
    drop_one,
    robust_information_criteria,
)
from .diagnostics import RowDiagnostics, diagnostics
from .displays import RobustFitDisplay
from .growing import ScaleTable, ScaleTest, scale_table, scale_test
from .hypotheses import Comparison, WaldTest, compare, wald_test
from .intervals import predict_interval
from .levels import RejectedLevels, rejected_levels
from .loss_display import LossDisplay
from .outliers import outlier_mask
from .path_display import PathDisplay
from .profile import AlphaProfile, profile_alpha
from .profile_display import AlphaProfileDisplay
from .scale_display import ScaleDisplay
from .selection import degrees_of_freedom, selected_columns
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
    "PathDisplay",
    "RejectedLevels",
    "RobustFitDisplay",
    "RowDiagnostics",
    "ScaleDisplay",
    "ScaleTable",
    "ScaleTest",
    "WaldTest",
    "WorstRows",
    "coef_table",
    "compare",
    "covariance",
    "degrees_of_freedom",
    "diagnostics",
    "drop_one",
    "outlier_mask",
    "predict_interval",
    "profile_alpha",
    "rejected_levels",
    "robust_information_criteria",
    "scale_table",
    "scale_test",
    "selected_columns",
    "summary",
    "wald_test",
]


def __dir__():
    """Return the public names, without the files in which they are."""
    return list(__all__)
