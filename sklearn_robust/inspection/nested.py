"""Fits of some of the columns, at the scale of the fit of all of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from ..estimators.robust import RobustRegressor
from ..problem import Objective
from ..scales import n_cases
from .fitted import is_adaptive, targets_with_rows
from .methods import Target


@dataclass(frozen=True)
class Reduced:
    """A fit of some of the columns to the rows of a larger fit.

    Attributes
    ----------
    target : Target
        The fit of one target.
    deviance : float
        The test statistic of the larger fit against it; chi-squared if it is the right model.
    converged : bool
    """

    target: Target
    deviance: float
    converged: bool


def columns_at(X, which):
    """Return some columns of X; a column of zeros if there are none."""
    if len(which):
        return X[:, which]
    none = np.zeros((X.shape[0], 1))
    return sparse.csr_array(none) if sparse.issparse(X) else none


def start_from(X, y, cases, fit_intercept) -> np.ndarray:
    """Return the coefficients of weighted least squares, the intercept last."""
    found = LinearRegression(fit_intercept=fit_intercept).fit(X, y, sample_weight=cases)
    return np.append(found.coef_, found.intercept_) if fit_intercept else found.coef_


def reduced(target: Target, X, y, cases, start, *, fit_intercept) -> Reduced:
    r"""Fit fewer columns with the loss and at the scale of a larger fit, and compare.

    The deviance is :math:`2\tau\sum_i(\rho_i^0 - \rho_i)` with
    :math:`\tau = \mathrm{mean}\,\psi' / \mathrm{mean}\,\psi^2`, both in units of c, and the losses
    :math:`\rho_i^0` of the smaller fit. For an adaptive fit it is twice the difference of the
    log-likelihoods, each at its own scale and shape.

    Parameters
    ----------
    target : Target
        The larger fit.
    X : {ndarray, sparse array} of shape (n_rows, n_columns)
        The columns of the smaller fit.
    y : ndarray of shape (n_rows,)
        The target.
    cases : ndarray of shape (n_rows,) or None
    start : ndarray of shape (n_columns + fit_intercept,)
        Coefficients at which the search begins.
    fit_intercept : bool

    References
    ----------
    Ronchetti, E. (1982). Robust testing in linear models: the infinitesimal approach. PhD thesis,
    ETH Zurich. As anova.lmrob(test = "Deviance") of R's robustbase.
    """
    kept = np.zeros(len(y))
    kept[target.rows.present()] = 1.0
    weights = kept if cases is None else kept * cases
    model = _smaller(target, start, fit_intercept)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, weights, target.all_rows.error_scale)
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    model._error_scale = target.all_rows.error_scale
    fit, rows, all_rows = next(targets_with_rows(model, X, y, weights))
    params = rows.from_original(fit.coef, fit.intercept)
    found = Target(model, fit, rows, all_rows, params, 0)
    if is_adaptive(target.model):
        larger = float(np.atleast_1d(target.model.nll_)[target.number])
        return Reduced(found, 2.0 * n_cases(weights) * (model.nll_ - larger), converged)
    terms = target.terms()
    tau = float(terms.shares @ terms.slopes) / float(terms.shares @ terms.influence**2)
    values = [_value(of.objective, of.params) for of in (found, target)]
    return Reduced(found, 2.0 * tau * terms.n * (values[0] - values[1]), converged)


def _value(objective: Objective, params) -> float:
    """Return the mean loss."""
    return objective.problem.unpenalised().objective(objective.loss, objective.scale).value(params)


def _smaller(target, start, fit_intercept) -> Any:
    """Return the estimator of a smaller fit."""
    model = target.model
    given = model.get_params(deep=False) | {
        "init": start, "fit_intercept": fit_intercept, "warm_start": False, "verbose": 0,
    }  # fmt: skip
    if is_adaptive(model):  # the rows are divided by the sizes that the larger fit has learned
        return type(model)(**given | {"scale_features": None})
    return RobustRegressor(**(given | {"scale": target.fit.scale}))


def check_unpenalised(model, purpose: str):
    """Raise if the fit has a penalty, under which a smaller model is not nested."""
    for name in ("l1_regularization", "l2_regularization"):
        if getattr(model, name) > 0.0:
            raise ValueError(
                f"estimator must have no penalty for {purpose}, "
                f"got {name}={getattr(model, name)!r}."
            )
