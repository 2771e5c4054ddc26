"""Conversion to ONNX by skl2onnx's converter of linear models."""

from __future__ import annotations

from .estimators.adaptive import AdaptiveRobustRegressor
from .estimators.cv import RobustRegressorCV
from .estimators.robust import RobustRegressor

__all__ = ["register_converters"]


def register_converters():
    """Register the estimators with skl2onnx, whose converter of linear models serves them.

    ``skl2onnx.to_onnx`` then takes the estimators, alone and inside pipelines. It converts their
    predictions.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    RobustRegressor.to_linear_regression : Returns a model that needs no registration.

    Examples
    --------
    >>> from sklearn_robust.onnx import register_converters
    >>> register_converters()  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes
        from skl2onnx.operator_converters.linear_regressor import convert_sklearn_linear_regressor
    except ImportError as error:
        raise ImportError("register_converters needs skl2onnx: pip install skl2onnx.") from error
    for estimator in (AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV):
        update_registered_converter(
            estimator,
            f"SklearnRobust{estimator.__name__}",
            calculate_linear_regressor_output_shapes,
            convert_sklearn_linear_regressor,
        )
