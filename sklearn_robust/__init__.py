"""Regression that stays right when some of the rows are wrong."""

from __future__ import annotations

from .estimators.adaptive import AdaptiveRobustRegressor
from .estimators.cv import RobustRegressorCV
from .estimators.path import RobustPath, robust_path
from .estimators.reweighted import ReweightedRegressor
from .estimators.robust import RobustRegressor

__version__ = "0.2.0"

__all__ = [
    "AdaptiveRobustRegressor",
    "ReweightedRegressor",
    "RobustPath",
    "RobustRegressor",
    "RobustRegressorCV",
    "robust_path",
]
