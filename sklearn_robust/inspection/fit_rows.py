"""What a display of a fit draws, in arrays."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from scipy.special import ndtri
from sklearn.utils import check_random_state

from ..distribution import general_robust
from ..losses import Loss
from ..validation import check_error_scale
from .distances import cutoff, robust_distances
from .fitted import check_target, index_of, is_adaptive, model_of, sizes_of_errors, targets_of
from .outliers import residuals_of, sigma_of

_GRID = 200
"""Points of the fitted curve."""
_LEVEL = 0.99
"""Share of normal rows within the cutoffs that are drawn."""


def rows_of_fit(estimator, X, y, kind, target, subsample, random_state, error_scale=None) -> dict:
    """Return the arguments of a :class:`RobustFitDisplay`."""
    model, seen = model_of(estimator, X)
    seen, values, residuals = residuals_of(model, seen, y)
    fits = targets_of(model)
    check_target(target, len(fits))
    model._error_scale = check_error_scale(error_scale, len(values))
    sizes = sizes_of_errors(model, seen, values)
    sigmas = np.atleast_1d(sigma_of(model, values / sizes, residuals / sizes))
    fit, sigma = fits[target], float(sigmas[target])
    found: dict = {}
    if kind == "distance":
        design = next(iter(model._designs(seen, values, None)))
        found["distance"], rank = robust_distances(design, seen, 0)
        found["distance_cutoff"] = cutoff(rank, _LEVEL)
    values, residuals = (np.atleast_2d(of.T)[target] for of in (values, residuals))
    found |= _line(estimator, model, X, y, seen, values, residuals, target)
    predicted, residuals = values - residuals, residuals / np.atleast_2d(sizes.T)[target]
    weights = weights_of(fit.loss, residuals, fit.scale)
    stored = np.atleast_2d(model.weights_.T)[target]
    kept = stored > 0.0
    if stored.shape == weights.shape and np.allclose(stored[kept], weights[kept]):
        weights = stored  # X holds the rows of the fit; some may have been left out
    order = _drawn(residuals, subsample, random_state)
    index = index_of(X, y)
    found |= {"labels": np.arange(len(values)) if index is None else np.asarray(index)}
    found |= {"predicted": predicted, "residuals": residuals, "weights": weights}
    for name in ("predicted", "residuals", "weights", "labels", "feature", "observed", "distance"):
        if found.get(name) is not None:
            found[name] = found[name][order]
    quantiles, distribution = _quantiles(fit if is_adaptive(model) else None, sigma, len(order))
    return found | {
        "scale": fit.scale, "loss": fit.loss, "quantiles": quantiles,
        "distribution": distribution, "sigma": sigma, "target_name": _target_name(y, target),
        "fitted_name": _fitted_name(model, _target_name(y, target)),
    }  # fmt: skip


def rows_of_predictions(y_true, y_pred, loss: Loss, constant, sigma, labels) -> dict:
    """Return the arguments of a :class:`RobustFitDisplay` of the predictions of any regressor."""
    residuals = y_true - y_pred
    order = np.argsort(residuals, kind="stable")
    scale = constant * sigma
    quantiles, distribution = _quantiles(None, sigma, len(order))
    return {
        "predicted": y_pred[order], "residuals": residuals[order], "scale": scale, "loss": loss,
        "weights": weights_of(loss, residuals[order], scale), "quantiles": quantiles,
        "distribution": distribution, "sigma": sigma, "labels": np.asarray(labels)[order],
    }  # fmt: skip


def weights_of(loss: Loss, residuals, scale):
    """Return robust weights in [0, 1]."""
    return loss.rho_psi_weight(residuals, scale)[2] / loss.weight_at_zero


def _drawn(residuals, subsample, random_state):
    """Return the numbers of the rows that are drawn, in the order of their residuals."""
    order = np.arange(len(residuals))
    if subsample is not None and subsample < len(order):
        order = check_random_state(random_state).choice(len(order), int(subsample), replace=False)
    return order[np.argsort(residuals[order], kind="stable")]


def _quantiles(learned, sigma, n_rows):
    """Return quantiles of the errors for sorted residuals, and the name of their distribution."""
    ranks = (np.arange(n_rows) + 0.5) / n_rows
    if learned is None:
        return sigma * ndtri(ranks), f"normal, sigma {sigma:.3g}"
    alpha, scale = learned.loss.alpha, learned.scale
    name = f"general robust, alpha {alpha:.2f}, c {scale:.3g}"
    return general_robust.ppf(ranks, alpha, scale=scale), name


def _line(estimator, model, X, y, seen, values, residuals, target) -> dict:
    """Return the feature, y and the fitted curve, in the user's units if X has one column."""
    feature = _only_column(X)
    if feature is not None:
        grid = np.linspace(feature.min(), feature.max(), _GRID)
        given, name = grid[:, None], "x0"
        if hasattr(X, "columns"):
            name = str(X.columns[0])
            given = type(X)({X.columns[0]: grid})
        curve = np.asarray(estimator.predict(given)).reshape(_GRID, -1)[:, target]
        observed = np.asarray(y, dtype=np.float64).reshape(len(feature), -1)[:, target]
        return {
            "feature": feature, "feature_name": name, "observed": observed, "curve": (grid, curve),
        }  # fmt: skip
    if model.n_features_in_ > 1:
        return {}
    feature = (seen.toarray() if issparse(seen) else seen).ravel().astype(np.float64)
    ends = [np.argmin(feature), np.argmax(feature)]
    return {
        "feature": feature, "feature_name": str(getattr(model, "feature_names_in_", ["x0"])[0]),
        "observed": values, "curve": (feature[ends], (values - residuals)[ends]),
    }  # fmt: skip


def _only_column(X):
    """Return the only column of X, or None where there are several or it holds no numbers."""
    values = X.toarray() if issparse(X) else np.asarray(X)
    if values.ndim != 2 or values.shape[1] != 1:
        return None
    try:
        return values[:, 0].astype(np.float64)
    except (TypeError, ValueError):
        return None


def _fitted_name(model, name) -> str | None:
    """Return the name of the target as the model saw it, or None where it saw y itself."""
    if not model._transformers_of_target:
        return None
    functions = [
        getattr(getattr(transformer, "func", None), "__name__", "<lambda>")
        for transformer in model._transformers_of_target
    ]
    if "<lambda>" in functions:  # or a transformer that is no function
        return f"transformed {name}"
    for function in functions:
        name = f"{function}({name})"
    return name


def _target_name(y, target):
    if getattr(y, "columns", None) is not None:
        return str(y.columns[target])
    return str(getattr(y, "name", None) or "y")
