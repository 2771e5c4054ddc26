"""The way to ONNX: scikit-learn's linear models have a converter, and it fits these too."""

from __future__ import annotations

from .estimators.adaptive import AdaptiveRobustRegressor
from .estimators.cv import RobustRegressorCV
from .estimators.robust import RobustRegressor

__all__ = ["register_converters"]


def register_converters():
    """Teach skl2onnx to convert the estimators, by its own converter of linear models.

    Once called, ``skl2onnx.to_onnx`` takes them alone and inside pipelines. What is converted is
    the prediction.

    Raises
    ------
    ImportError
        Where skl2onnx is not installed.

    See Also
    --------
    RobustRegressor.to_linear_regression : Needs no converter to be registered.

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
