"""The fits of the targets of a model, and their rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..callers import level_of_caller
from ..design import LocalDesign
from ..estimators.adaptive import AdaptiveRobustRegressor
from ..estimators.base import RobustLinearModel
from ..estimators.reweighted import ReweightedRegressor
from ..losses import Loss, resolve
from ..pipelines import Unwrapped, unwrapped
from ..problem import Likelihood, Problem
from ..validation import check_error_scale, check_integer, check_unmasked
from .names import column_names

NOT_OF_THESE = (
    "The coefficients are not at a minimum for these rows: X, y and sample_weight should be those "
    "of the fit, and the fit should have converged."
)
"""The warning if a fit does not minimise the objective on the given rows."""


@dataclass(frozen=True)
class FittedTarget:
    """The fit of one target, in the user's units.

    Attributes
    ----------
    coef : ndarray of shape (n_features,)
    intercept : float
    loss : Loss
    scale : float
        The scale c.
    """

    coef: np.ndarray
    intercept: float
    loss: Loss
    scale: float


def model_of(estimator, X):
    """Return the fitted estimator that others stand around, and X as this estimator gets it.

    The estimator is a copy that knows the index of X and how its target was transformed, see
    :func:`target_of_fit`, and the sizes of the errors once :func:`training_data` has been given
    them.
    """
    within = linear_within(estimator)
    model = copy(within.last._plain())
    model._error_scale = None
    model._transformers_of_target = within.of_target
    model._index_of_X = _index(X)
    return model, within.transform(check_unmasked("X", X))


def linear_within(estimator) -> Unwrapped:
    """Return what stands around a fitted linear estimator of this package, or raise."""
    within = unwrapped(estimator)
    if isinstance(within.last, RobustLinearModel):
        check_is_fitted(within.last)
        return within
    # A search or a TransformedTargetRegressor that may not have been fitted.
    if hasattr(within.last, "estimator") or hasattr(within.last, "regressor"):
        check_is_fitted(within.last)
    of_reweighted = (
        " `outlier_mask` and `predict_interval` accept it. How much it believes each row of its "
        f"fit is in `estimator{within.path}.weights_`; `RobustFitDisplay.from_predictions` draws "
        "the residuals of any regressor."
    )
    raise TypeError(
        "estimator must be a linear estimator of sklearn_robust, or a pipeline, search or "
        f"TransformedTargetRegressor around one, got {_described(estimator, within.last)}."
        + (of_reweighted if isinstance(within.last, ReweightedRegressor) else "")
    )


def _described(estimator, last) -> str:
    kind, inner = type(estimator).__name__, type(last).__name__
    return repr(estimator) if estimator is last else f"{kind} around {inner}"


def check_target(target, n_targets):
    """Raise unless ``target`` is the index of a target."""
    check_integer("target", target, 0)
    if target >= n_targets:
        raise ValueError(f"target must be below {n_targets}, the number of targets, got {target}.")


def target_of_fit(model, y):
    """Return y in the units that a model of :func:`model_of` was fitted in.

    Rows of X and y belong together by their places, as in ``fit``. A warning says so where the
    labels of the rows differ: one of the two may have been put in another order.
    """
    index = _index(y)
    if (
        hasattr(model._index_of_X, "equals")
        and hasattr(index, "equals")
        and not index.equals(model._index_of_X)
    ):
        warnings.warn(
            "The index of y differs from that of X. Rows are matched by their places, not by "
            "their labels: is one of the two in another order?",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    for transformer in model._transformers_of_target:
        y = np.asarray(check_unmasked("y", y))
        transformed = np.asarray(transformer.transform(y.reshape(len(y), -1)))
        y = (
            transformed[:, 0]
            if transformed.ndim == 2 and transformed.shape[1] == 1
            else transformed
        )
    return y


def is_adaptive(model) -> bool:
    """Return whether scale and shape were learned by maximum likelihood."""
    return isinstance(model, AdaptiveRobustRegressor)


def coefficients_of(model) -> np.ndarray:
    """Return coefficients and, if fitted, intercept, shape (n_targets, n_parameters)."""
    coefs = np.atleast_2d(model.coef_)
    if not model.fit_intercept:
        return coefs
    return np.column_stack([coefs, np.atleast_1d(model.intercept_)])


def targets_of(model) -> list[FittedTarget]:
    """Return the fit of every target."""
    per_target = map(np.atleast_1d, (model.intercept_, model.scale_, model.alpha_))
    name = getattr(model, "loss", "general")
    return [
        FittedTarget(coef, float(intercept), resolve(name, alpha), float(scale))
        for coef, intercept, scale, alpha in zip(
            np.atleast_2d(model.coef_), *per_target, strict=True
        )
    ]


def taken_in(model) -> np.ndarray:
    """Return whether a training row counts, for every target: (n_targets, n_rows)."""
    weights = np.atleast_2d(model.weights_.T)
    # In the likelihood every row has a positive weight; only rows left out have weight 0.
    return weights > 0.0 if is_adaptive(model) else np.ones(weights.shape, dtype=bool)


def training_data(model, X, y, sample_weight, error_scale=None):
    """Return validated data, or raise if they cannot be those of the fit.

    The sizes of the errors are kept in the model, a copy of :func:`model_of`.
    """
    X, y, sample_weight = model._validated(X, target_of_fit(model, y), sample_weight, reset=False)
    y = one_column_as(model.weights_.shape, y)
    if y.shape != model.weights_.shape:
        raise ValueError(
            f"X and y must be those of the fit, with y of shape {model.weights_.shape}, got y of "
            f"shape {y.shape}."
        )
    model._error_scale = check_error_scale(error_scale, len(y))
    return X, y, sample_weight


def one_column_as(shape, y):
    """Return y with the axis of targets that the fit had, or without, if there is one target."""
    one_target = y.ndim <= 2 and len(shape) <= 2 and y.size == len(y) == math.prod(shape)
    return y.reshape(shape) if one_target else y


def feature_names(model, estimator) -> tuple[str, ...]:
    """Return the names of a model's columns; the steps of a pipeline may give them."""
    return column_names(model, unwrapped(estimator).steps)


def target_names(model, y) -> tuple[str, ...] | None:
    """Return the names of the targets of 2-D y."""
    if model.coef_.ndim == 1:
        return None
    return tuple(map(str, getattr(y, "columns", [f"y{k}" for k in range(len(model.coef_))])))


def index_of(X, y):
    """Return the index of the frame or series that holds the rows, or None."""
    return _index(X) if _index(y) is None else _index(y)


def _index(of):
    """Return the index of a frame or series of pandas, else None."""
    return of.index if hasattr(of, "iloc") else None


def likelihood_of(model, problem: Problem) -> Likelihood:
    """Return the likelihood that a fit maximised; ``problem`` holds the rows that counted."""
    bounds = model.scale_bounds or (2.0 * problem.design.floor, np.inf)
    return Likelihood(
        problem, tuple(model.alpha_bounds), tuple(bounds), n_parameters=problem.n_adjusted
    )


def targets_with_rows(
    model, X, y, sample_weight
) -> Iterator[tuple[FittedTarget, LocalDesign, LocalDesign]]:
    """Yield the fit of every target, the rows that count in it, and all rows.

    The data are those that :func:`training_data` returns.
    """
    rows_of_targets = _designs_of(model, X, y, sample_weight)
    for fit, rows, kept in zip(targets_of(model), rows_of_targets, taken_in(model), strict=True):
        left_out = np.flatnonzero(~kept)
        yield fit, rows.without(left_out) if len(left_out) else rows, rows


def sizes_of_errors(model, X, y) -> np.ndarray:
    """Return by what residuals are divided in a model of :func:`model_of`, of the shape of y."""
    sizes = model._sizes_of_errors(X, model._error_scale)
    ones = np.ones(len(y))
    return np.stack([ones if of is None else of for of in sizes], axis=1).reshape(y.shape)


def _designs_of(model, X, y, sample_weight) -> Iterator[LocalDesign]:
    """Yield the design with each target, divided by the sizes of the errors where it was fitted so.

    Learned sizes count as known.
    """
    sizes = model._sizes_of_errors(X, getattr(model, "_error_scale", None))
    if all(of is sizes[0] for of in sizes):
        yield from model._designs(X, y, sample_weight, sizes[0])
        return
    for target, of in zip(y.reshape(len(y), -1).T, sizes, strict=True):
        yield from model._designs(X, target, sample_weight, of)
