"""Standard errors, tests and confidence limits of the coefficients."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from ..penalties import ElasticNet
from ..problem import Likelihood, Problem
from ..scales import n_cases
from ..validation import check_choice, check_integer, check_number, check_seed
from .belief import disbelieved, root_of_believed, undetermined
from .covariance import observed_information, sandwich
from .fitted import (
    NOT_OF_THESE,
    coefficients_of,
    feature_names,
    is_adaptive,
    model_of,
    targets_with_rows,
    training_data,
)
from .tables import Table

_METHODS = ("auto", "sandwich", "information", "bootstrap")
"""Methods for the standard errors."""
_DEPENDENT = (
    "Columns of X are dependent: standard errors are those of the coefficients of least norm."
)
_UNKNOWN = math.inf, 0.0, 1.0, -math.inf, math.inf
"""Standard error, z, p-value and limits of a coefficient that no believed row determines."""
_OWED = 0.1
"""Distance from the minimum, in standard errors, above which a warning is issued."""
_LARGEST_SEED = 2**31 - 1
_MOST_DRAWN = 1e15
"""Most cases that the bootstrap draws; beyond, weights only count as proportions."""


@dataclass(frozen=True, repr=False, eq=False)
class CoefTable(Table):
    """Coefficients with standard errors, tests and limits, the result of :func:`coef_table`.

    It prints as a table. With 2-D y, arrays have a leading axis of targets.

    Attributes
    ----------
    names : tuple of str
        Of the features, then "intercept" if one was fitted.
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    level : float
        The confidence level of the limits.
    method : str
        The method of the standard errors.
    estimate, std_error, ci_low, ci_high : ndarray of shape (n_names,) or (n_targets, n_names)
        In the unit of y divided by that of the feature.
    z : ndarray of the same shape
        Estimate divided by standard error; 0 if the standard error is 0, as for a constant
        column, or infinite, as for a level whose rows are all rejected.
    p_value : ndarray of the same shape
        Probability that a standard normal is further from zero than ``z``. With the bootstrap,
        twice the smaller share of the estimates on either side of zero.
    """

    _columns: ClassVar = {
        "estimate": "{:.6g}", "std_error": "{:.4g}", "z": "{:.2f}", "p_value": "{:.3g}",
        "ci_low": "{:.6g}", "ci_high": "{:.6g}",
    }  # fmt: skip
    _label: ClassVar = "term"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    level: float
    method: str
    estimate: np.ndarray
    std_error: np.ndarray
    z: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray

    @property
    def _caption(self):
        return f"{100.0 * self.level:g} % confidence limits, {self.method}"


def coef_table(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    level=0.95,
    method="auto",
    n_resamples=999,
    n_jobs=None,
    random_state=None,
    verbose=0,
):
    r"""Coefficients with standard errors, tests and confidence limits.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline, search or
        ``TransformedTargetRegressor`` around one. Coefficients are those of the transformed target.
    X, y, sample_weight
        The data of the fit.
    level : float in (0, 1), default=0.95
        The confidence level of the limits.
    method : {"auto", "sandwich", "information", "bootstrap"}, default="auto"
        - "sandwich": the formula of Huber (1981) for M-estimates whose errors do not depend on X,
          with normal limits. For convex losses this is H1 of statsmodels' ``RLM``, at ``alpha=2``
          the usual formula of least squares. If the loss redescends, rows count in the matrix of
          X by their robust weights.
        - "information": for ``AdaptiveRobustRegressor``, the inverse of the observed information
          in coefficients, scale and shape together, with normal limits. It is too small if the
          errors do not follow the fitted distribution, as with a separate group of outliers. The
          sandwich, which treats scale and shape as known, is not too small then.
        - "auto": "information" for ``AdaptiveRobustRegressor``, else "sandwich".
        - "bootstrap": the model is fitted again to rows drawn with replacement, starting at the
          given fit. Limits are quantiles of the coefficients. A standard error is half the
          distance between the quantiles that a normal has at one standard deviation on either
          side. The size of errors may depend on X, and coefficients need not be normal, but it
          takes ``n_resamples`` fits.
    n_resamples : int >= 2, default=999
        Number of refits of the bootstrap.
    n_jobs : int or None, default=None
        Number of refits run in parallel, as in ``GridSearchCV``; it changes no bit of the result.
    random_state : int, RandomState or None, default=None
        Seed for the rows drawn.
    verbose : int >= 0, default=0
        If positive, joblib prints the progress of the bootstrap.

    Returns
    -------
    CoefTable

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If a parameter is out of range, if the data do not have the shape of those of the fit, or
        if the formula does not apply, because there are as many parameters as rows or the fit is
        not at a minimum with positive definite curvature.

    Warns
    -----
    UserWarning
        If columns are dependent, so that standard errors are those of the coefficients of least
        norm. If the believed rows do not determine some coefficients, whose standard errors are
        then infinite; the warning names their columns. If the coefficients do not minimise the
        objective on these rows, as when X, y or ``sample_weight`` are not those of the fit. If
        refits did not converge.

    Notes
    -----
    Sample weights are case weights, in the standard errors too: 2 is the row written twice.
    Weights that sum to less than Kish's effective sample size, the square of their sum divided by
    the sum of their squares, are treated as proportions of it.

    With a penalty, the standard errors do not include the bias of the penalised coefficients.
    Those of a cross-validated fit treat the chosen parameters as known. For a fit of given shape
    the formulas treat the scale as known; it is uncorrelated with the coefficients if errors are
    symmetric.

    A row is believed if its robust weight is above 1e-8 and the fit did not leave it out. If no
    row of a level is believed, the other standard errors are those without these rows and
    without that column. If only few rows determine a coefficient, some resamples may hold none of
    them; the coefficient is 0 there.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6.
    Koller, M. & Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for
    small samples. Computational Statistics & Data Analysis 55.
    Efron, B. & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall,
    sections 9.5 and 13.3.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import coef_table
    >>> data = load_stackloss()
    >>> model = RobustRegressor(random_state=0).fit(data.data, data.target)
    >>> table = coef_table(model, data.data, data.target)
    >>> table.names, table.std_error.round(2)
    (('x0', 'x1', 'x2', 'intercept'), array([0.09, 0.23, 0.08, 6.45]))
    """
    check_number("level", level, 0.0, 1.0, "()")
    check_choice("method", method, _METHODS)
    check_integer("n_resamples", n_resamples, 2)
    check_seed("random_state", random_state)
    check_integer("verbose", verbose, 0, flag_too=True)
    model, seen = model_of(estimator, X)
    if method == "information" and not is_adaptive(model):
        raise ValueError(
            "method must be 'sandwich' or 'bootstrap' for a fit of given shape, got 'information'."
        )
    if method == "auto":
        method = "information" if is_adaptive(model) else "sandwich"
    names = (*feature_names(model, estimator), *(["intercept"] if model.fit_intercept else []))
    targets = _targets(model, y)
    X, y, cases = training_data(model, seen, y, sample_weight)
    estimate = coefficients_of(model)
    doubts: list = []
    if method != "bootstrap" and model.l1_regularization > 0.0:
        raise ValueError(
            "method must be 'bootstrap' for a fit with l1_regularization, which selects its "
            f"columns by the same rows, got {method!r}."
        )
    if method == "bootstrap":
        rng, gaps = check_random_state(random_state), _gaps(model, X, y, cases)
        parallel = Parallel(n_jobs=n_jobs, verbose=verbose)
        draws = _resampled(model, (X, y, cases), n_resamples, rng, parallel)
        limits = np.quantile(draws, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=1)
        # Quantiles resist the few draws that hold more bad rows than good ones.
        std_error = 0.5 * np.diff(np.quantile(draws, ndtr([-1.0, 1.0]), axis=1), axis=0)[0]
    else:
        std_error, doubts, gaps = _standard_errors(model, X, y, cases, method)
        reach = float(ndtri(0.5 + 0.5 * level)) * std_error
        limits = np.array([estimate - reach, estimate + reach])
    z = np.divide(estimate, std_error, out=np.zeros(estimate.shape), where=std_error > 0.0)
    p_value = _p_values(draws) if method == "bootstrap" else 2.0 * ndtr(-np.abs(z))
    open_ends = np.array([gap.mask for gap in gaps])
    for values, unknown in zip((std_error, z, p_value, *limits), _UNKNOWN, strict=True):
        values[open_ends] = unknown
    for gap, target in zip(gaps, targets or [None], strict=True):
        doubts += gap.sentences(names, target)
    if doubts:
        warnings.warn(" ".join(dict.fromkeys(doubts)), UserWarning, stacklevel=2)
    columns = (estimate, std_error, z, p_value, *limits)
    return CoefTable(
        names, targets, float(level), method, *(c if y.ndim > 1 else c[0] for c in columns)
    )


def _targets(model, y):
    """Return the names of the targets of 2-D y."""
    if model.coef_.ndim == 1:
        return None
    return tuple(map(str, getattr(y, "columns", [f"y{k}" for k in range(len(model.coef_))])))


def _p_values(draws):
    """Return twice the smaller share of the draws on either side of zero; it is never 0."""
    beyond = np.minimum(np.sum(draws <= 0.0, axis=1), np.sum(draws >= 0.0, axis=1))
    return np.minimum(2.0 * (1.0 + beyond) / (1.0 + draws.shape[1]), 1.0)


def _covariance(model, method, fit, rows, params):
    """Return the covariance of the parameters of one target by a formula."""
    problem = _problem(model, rows)
    if method == "information":
        bounds = model.scale_bounds or (2.0 * rows.floor, np.inf)
        likelihood = Likelihood(problem, tuple(model.alpha_bounds), tuple(bounds))
        return observed_information(likelihood, params, fit.scale, fit.loss.alpha)
    return sandwich(problem.objective(fit.loss, fit.scale), params)


def _problem(model, rows):
    return Problem(rows, ElasticNet.of(model))


def _standard_errors(model, X, y, cases, method):
    """Return standard errors by a formula, shape (n_targets, n_names), warnings, and gaps.

    The gaps are the coefficients that the believed rows of every target do not determine.
    """
    found, doubts, gaps = [], [], []
    for fit, rows, all_rows in targets_with_rows(model, X, y, cases):
        params = rows.from_original(fit.coef, fit.intercept)
        of = _covariance(model, method, fit, rows, params)
        allowed = _OWED * of.errors() + 10.0 * model.tol * (fit.scale + np.abs(params))
        if np.any(np.abs(of.owed) > allowed):
            doubts.append(NOT_OF_THESE)
        objective = _problem(model, rows).objective(fit.loss, fit.scale)
        gaps.append(_gap(objective, params, of.null, X, all_rows))
        if gaps[-1].dependent:
            doubts.append(_DEPENDENT)
        found.append(of.errors(rows.columns.jacobian()))
    return np.array(found), doubts, gaps


def _gaps(model, X, y, cases):
    """Return the coefficients that the believed rows of every target do not determine."""
    found = []
    for fit, rows, all_rows in targets_with_rows(model, X, y, cases):
        params = rows.from_original(fit.coef, fit.intercept)
        objective = _problem(model, rows).objective(fit.loss, fit.scale)
        shape = objective if fit.loss.redescending else objective.problem.least_squares()
        null = root_of_believed(shape, params, disbelieved(objective, params)).null
        found.append(_gap(objective, params, null, X, all_rows))
    return found


def _gap(objective, params, null, X, all_rows):
    """Return the coefficients of a target that change along directions in ``null``."""
    told = np.zeros(all_rows.n_rows, dtype=bool)
    told[objective.design.present()] = True
    told[disbelieved(objective, params)] = False
    return undetermined(all_rows, X, told, null)


def _resampled(model, data, n_resamples, rng, parallel):
    """Return the coefficients of refits, shape (n_targets, n_resamples, n_names)."""
    X, y, cases = data
    shares = np.ones(len(y)) if cases is None else cases
    drawn, shares = round(min(n_cases(shares), _MOST_DRAWN)), shares / shares.sum()

    def refit(seed):
        counts = np.random.RandomState(seed).multinomial(drawn, shares)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again = model._again(X, y, counts.astype(np.float64), seed)
        unconverged = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        return coefficients_of(again), unconverged

    seeds = rng.randint(_LARGEST_SEED, size=n_resamples)
    refits = parallel(delayed(refit)(seed) for seed in seeds)
    draws, unconverged = zip(*refits, strict=True)
    if any(unconverged):
        warnings.warn(
            f"{sum(unconverged)} of {n_resamples} refits did not converge; raise max_iter.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return np.stack(draws, axis=1)
