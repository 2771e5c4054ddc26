"""The fit of one target in the user's units, and the attributes of all targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..validation import check_initial


@dataclass(frozen=True)
class TargetFit:
    """The fit of one target, in the user's units; ``sigma`` is None if it was not estimated.

    ``few_believed`` says that a penalty that selects columns is large beside the scale.
    ``leverage`` is that of :func:`~sklearn_robust.procedures.intervals.leverage_root`.
    ``vanished``, ``exact`` and ``unbelieved`` are those of
    :class:`~sklearn_robust.solvers.result.RegressionResult`. ``mostly_rejected`` holds the numbers
    of level columns most of whose rows are rejected, with the numbers of these and of all their
    rows.
    """

    coef: np.ndarray
    intercept: float
    scale: float
    sigma: float | None
    alpha: float
    weights: np.ndarray
    largest_weight: float
    n_iter: int
    converged: bool
    vanished: bool
    exact: bool
    sizes: np.ndarray
    n_cases: float
    n_parameters: float
    nll: float | None = None
    unbelieved: tuple[int, ...] = ()
    mostly_rejected: tuple[tuple[int, float, float], ...] = ()
    few_believed: bool = False
    leverage: dict | None = None
    growth: Growth | None = None


class Growth(NamedTuple):
    """The learned growth of the scale with columns of X, in the user's units.

    ``least`` is the least scale of a row, and ``n_at_floor`` the number of rows that have it.
    """

    coef: np.ndarray
    intercept: float
    least: float
    n_at_floor: int = 0


class Initial(NamedTuple):
    """Given initial values of one target, in the user's units; None if they are not given."""

    coef: np.ndarray
    intercept: float
    scale: float | None = None
    alpha: float | None = None


class PathFit(NamedTuple):
    """The fit of one target at one penalty of a path, in the user's units."""

    coef: np.ndarray
    intercept: float
    scale: float
    n_iter: int
    converged: bool
    few_believed: bool


def given_initial(init, n_targets, n_features, fit_intercept) -> list[Initial | None]:
    """Return the given coefficients of every target, None if ``init`` is the name of a start."""
    if isinstance(init, str):
        return [None] * n_targets
    given = check_initial(init, n_targets, n_features, fit_intercept)
    if not fit_intercept:
        return [Initial(coef, 0.0) for coef in given]
    return [Initial(row[:-1], row[-1]) for row in given]


def store(estimator, fits: list[TargetFit], *, one_target):
    """Set the fitted attributes of an estimator."""

    def stored(name):
        values = [getattr(fit, name) for fit in fits]
        return values[0] if one_target else np.stack(values)

    estimator.coef_ = stored("coef")
    # A numpy number, as in scikit-learn's linear models, because converters read its shape.
    estimator.intercept_ = np.asarray(stored("intercept"))[()]
    estimator.scale_ = stored("scale")
    estimator.alpha_ = stored("alpha")
    estimator.weights_ = stored("weights").T
    estimator.n_iter_ = stored("n_iter")
    if fits[0].sigma is not None:
        estimator.sigma_ = stored("sigma")
    elif hasattr(estimator, "sigma_"):
        del estimator.sigma_
    if fits[0].nll is not None:
        estimator.nll_ = stored("nll")
    estimator.residual_sizes_ = stored("sizes")
    estimator.n_cases_ = stored("n_cases")
    estimator.n_parameters_ = stored("n_parameters")
    growths = [fit.growth for fit in fits if fit.growth is not None]
    if growths:
        coefs = [of.coef for of in growths]
        estimator.scale_coef_ = coefs[0] if one_target else np.stack(coefs)
        intercepts = np.array([of.intercept for of in growths])
        estimator.scale_intercept_ = intercepts[0] if one_target else intercepts
        estimator._least_scales_ = np.array([of.least for of in growths])
    else:
        for name in ("scale_coef_", "scale_intercept_", "_least_scales_"):
            vars(estimator).pop(name, None)
    estimator._leverage_ = [fit.leverage for fit in fits]
