"""Criteria that compare models, and what leaving out columns costs."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning

from ..callers import level_of_caller
from ..validation import check_number
from .covariances import estimates
from .fitted import is_adaptive, model_of, targets_with_rows, training_data
from .formulas import Terms, free_nuisance
from .hypotheses import wald_statistics
from .methods import Options, Target
from .nested import check_unpenalised, columns_at, reduced, start_from
from .tables import Table


@dataclass(frozen=True, eq=False)
class InformationCriteria:
    """The result of :func:`robust_information_criteria`; smaller is better.

    With 2-D y, they are arrays of shape (n_targets,).

    Attributes
    ----------
    rfpe : float or ndarray
        Robust final prediction error: the expected loss of a new row.
    aic, bic : float or ndarray
        Akaike's and Schwarz's criteria.
    scale : float or ndarray
        The scale c at which they were computed, in the unit of y.
    """

    rfpe: float | np.ndarray
    aic: float | np.ndarray
    bic: float | np.ndarray
    scale: float | np.ndarray


def robust_information_criteria(
    estimator, X, y, *, scale=None, sample_weight=None, error_scale=None
):
    r"""Criteria that compare models of the same rows: RFPE, AIC and BIC.

    With n cases, p free coefficients, the loss :math:`\rho_i` of every row at its residual over c,
    its first two derivatives in that ratio, and :math:`a = \sum\psi_i^2/\sum\psi_i'`:

    .. math:: \mathrm{RFPE} = \tfrac1n\sum\rho_i + \tfrac{p}{n}\,a, \qquad
              \mathrm{AIC} = 2\sum\rho_i + 2 a p, \qquad
              \mathrm{BIC} = 2\sum\rho_i + a p \log n.

    For ``AdaptiveRobustRegressor``, AIC and BIC are those of its likelihood, with one more
    parameter for the scale and one for the shape, unless they are given or at a bound.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    scale : float > 0, optional
        The scale c. Losses at different scales cannot be compared: give that of the largest model
        for all. The default is that of the fit. Not for ``AdaptiveRobustRegressor``.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.

    Returns
    -------
    InformationCriteria

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If ``scale`` is not positive or given for an adaptive fit, if the fit has an l1 penalty, or
        if the data do not have the shape of those of the fit.

    References
    ----------
    Maronna, R. A. et al. (2019). Robust Statistics, 2nd ed., section 5.12, for RFPE.
    Ronchetti, E. (1985). Robust model selection in regression. Statistics & Probability Letters 3.
    Machado, J. A. F. (1993). Robust model selection and M-estimation. Econometric Theory 9.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import robust_information_criteria
    >>> data = load_stackloss()
    >>> model = RobustRegressor(scale="s", random_state=0).fit(data.data, data.target)
    >>> round(robust_information_criteria(model, data.data, data.target).rfpe, 3)
    0.19
    """
    if scale is not None:
        check_number("scale", scale, 0.0, np.inf, "()")
    model, seen = model_of(estimator, X)
    if model.l1_regularization > 0.0:
        raise ValueError(
            "estimator must have no l1_regularization for criteria that count its coefficients, "
            f"got {model.l1_regularization!r}."
        )
    if scale is not None and is_adaptive(model):
        raise ValueError(f"scale must be None for a fit that learned its own, got {scale!r}.")
    X, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    found = []
    for k, (fit, rows, all_rows) in enumerate(targets_with_rows(model, X, y, cases)):
        params = rows.from_original(fit.coef, fit.intercept)
        target = Target(model, fit, rows, all_rows, params, k)
        found.append((*criteria_of(target, scale), fit.scale if scale is None else float(scale)))
    columns = np.array(found).T
    return InformationCriteria(*(columns if y.ndim > 1 else map(float, columns[:, 0])))


def criteria_of(target: Target, scale=None) -> tuple[float, float, float]:
    """Return RFPE, AIC and BIC of one target."""
    objective = target.objective if scale is None else target.objective.at(scale)
    terms = Terms.of(objective, target.params)
    n, p, shares = terms.n, terms.p, terms.shares
    rho = objective.loss.rho_psi_weight(terms.scaled, 1.0)[0]
    loss, slope = float(shares @ rho), float(shares @ terms.slopes)
    ratio = float(shares @ terms.influence**2) / slope if slope > 0.0 else math.inf
    rfpe = loss + p / n * ratio
    if not is_adaptive(target.model):
        return rfpe, 2.0 * n * loss + 2.0 * ratio * p, 2.0 * n * loss + ratio * p * math.log(n)
    model, fit = target.model, target.fit
    nll = float(np.atleast_1d(model.nll_)[target.number])
    p += sum(free_nuisance(target.likelihood, fit.scale, fit.loss.alpha))
    return rfpe, 2.0 * n * nll + 2.0 * p, 2.0 * n * nll + p * math.log(n)


@dataclass(frozen=True, repr=False, eq=False)
class DroppedColumns(Table):
    """What leaving out each column costs, the result of :func:`drop_one`.

    It prints as a table, with a line for each column or factor. With 2-D y, arrays have a leading
    axis of targets.

    Attributes
    ----------
    names : tuple of str
        The columns and factors.
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    df : ndarray of shape (n_names,) or (n_targets, n_names)
        The number of coefficients that are left out.
    rfpe, aic, bic : ndarray of the same shape
        By how much the criterion of :func:`robust_information_criteria` is larger without them; if
        it is below 0, the model without them is better.
    wald_p, deviance_p : ndarray of the same shape
        The p-values of :func:`compare`.
    """

    _columns: ClassVar = {
        "df": "{:g}", "rfpe": "{:.4g}", "aic": "{:.4g}", "bic": "{:.4g}", "wald_p": "{:.3g}",
        "deviance_p": "{:.3g}",
    }  # fmt: skip
    _label: ClassVar = "left out"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    df: np.ndarray
    rfpe: np.ndarray
    aic: np.ndarray
    bic: np.ndarray
    wald_p: np.ndarray
    deviance_p: np.ndarray

    @property
    def _caption(self):
        return "increases of the criteria where the columns are left out"


def drop_one(
    estimator,
    X,
    y,
    *,
    factors=None,
    covariance="auto",
    groups=None,
    sample_weight=None,
    error_scale=None,
    random_state=None,
):
    """Compute what leaving out each column, or each factor, costs.

    Each smaller model is fitted with the loss and at the scale of the given fit, so that losses can
    be compared. The search begins at weighted least squares with the robust weights of the fit.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    factors : mapping of str to list of str, optional
        Columns that are left out together, such as the dummies of a factor, by the name of the
        factor. All other columns are left out one by one.
    covariance, groups, sample_weight, error_scale, random_state
        As of :func:`coef_table`; the first two are for the Wald tests.

    Returns
    -------
    DroppedColumns

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If ``factors`` names columns that the fit does not have or names one twice, if the fit has a
        penalty, or as :func:`wald_test` does.

    Warns
    -----
    ConvergenceWarning
        If a fit without a column did not converge.
    UserWarning
        As :func:`coef_table` does.

    See Also
    --------
    compare : One smaller model against a larger one.

    References
    ----------
    Maronna, R. A. et al. (2019). Robust Statistics, 2nd ed., section 5.12.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import drop_one
    >>> data = load_stackloss()
    >>> model = RobustRegressor(scale="s", random_state=0).fit(data.data, data.target)
    >>> round(float(drop_one(model, data.data, data.target)["x0", "rfpe"]), 2)
    0.16
    """
    options = Options(covariance, groups, random_state=random_state)
    found = estimates(estimator, X, y, (sample_weight, error_scale), options)
    check_unpenalised(found.model, "drop_one")
    model, seen = model_of(estimator, X)
    X, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    n_slopes = model.n_features_in_
    parts = _parts(factors, found.names[:n_slopes])
    lines, unconverged = [], []
    for name, out in parts.items():
        kept = [k for k in range(n_slopes) if k not in out]
        walds = wald_statistics(found, np.eye(len(found.names))[out], np.zeros(len(out)))
        columns = columns_at(X, kept)
        for target, wald in zip(found.fits, walds, strict=True):
            result = _without(target, columns, y, cases)
            if not result.converged:
                unconverged.append(name)
            change = np.subtract(criteria_of(result.target), criteria_of(target))
            tests = chi2.sf([wald, max(result.deviance, 0.0)], len(out))
            lines.append([len(out), *change, *tests])
    found.warn()
    if unconverged:
        warnings.warn(
            f"No convergence without {', '.join(dict.fromkeys(unconverged))}; raise max_iter.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
    table = np.array(lines).reshape(len(parts), len(found.fits), -1).T
    return DroppedColumns(tuple(parts), found.targets, *map(found.arranged, table))


def _without(target, columns, y, cases):
    """Return the fit of some columns to one target."""
    model = target.model
    goal, weights = (of if of.ndim == 1 else of[:, target.number] for of in (y, model.weights_))
    weights = weights if cases is None else weights * cases
    start = start_from(columns, goal, weights, model.fit_intercept)
    return reduced(target, columns, goal, cases, start, fit_intercept=model.fit_intercept)


def _parts(factors, names) -> dict[str, list[int]]:
    """Return the numbers of the columns that are left out together, by name; or raise."""
    factors = {} if factors is None else dict(factors)
    together = [name for columns in factors.values() for name in columns]
    wrong = [n for n in together if n not in names or together.count(n) > 1]
    if wrong or any(len(columns) == 0 for columns in factors.values()):
        raise ValueError(
            f"factors must map names to lists of columns among {list(names)}, each column once, "
            f"got {factors!r}."
        )
    parts = {str(factor): [names.index(n) for n in of] for factor, of in factors.items()}
    return parts | {name: [k] for k, name in enumerate(names) if name not in together}
