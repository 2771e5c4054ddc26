"""How sure the coefficients are: standard errors, tests, confidence limits."""

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

from ..penalties import Ridge
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
"""How the standard errors are found."""
_DEPENDENT = (
    "Columns of X are dependent: standard errors are those of the coefficients of least norm."
)
_UNKNOWN = math.inf, 0.0, 1.0, -math.inf, math.inf
"""Standard error, z, p-value and limits of a coefficient that no believed row tells."""
_OWED = 0.1
"""Standard errors that a coefficient may be away from the minimum before it is doubted."""
_LARGEST_SEED = 2**31 - 1
_MOST_DRAWN = 1e15
"""Cases beyond which weights are only shares to the bootstrap."""


@dataclass(frozen=True, repr=False, eq=False)
class CoefTable(Table):
    """Coefficients and how sure they are, as :func:`coef_table` returns it.

    It prints as a table. With 2-D y arrays have a leading axis of targets.

    Attributes
    ----------
    names : tuple of str
        Of the features, then "intercept" if one was fitted.
    targets : tuple of str or None
        Names of the targets; None where y was 1-D.
    level : float
        The confidence level of the limits.
    method : str
        How they were found.
    estimate, std_error, ci_low, ci_high : ndarray of shape (n_names,) or (n_targets, n_names)
        In the unit of y over that of the feature.
    z : ndarray of the same shape
        Estimate over standard error; 0 where the standard error is 0, as for a constant column,
        or infinite, as for a level none of whose rows is believed.
    p_value : ndarray of the same shape
        Probability that a standard normal is further from zero than ``z``; by the bootstrap,
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
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y, sample_weight
        The data it was fitted to.
    level : float in (0, 1), default=0.95
        Of the confidence limits.
    method : {"auto", "sandwich", "information", "bootstrap"}, default="auto"
        - "sandwich": the formula of Huber (1981) for M-estimates whose errors do not depend on X,
          with normal limits: for convex losses H1 of statsmodels' ``RLM``, at ``alpha=2`` the usual
          one of least squares. Where the loss redescends, rows enter the matrix of X by their
          robust weights.
        - "information": for ``AdaptiveRobustRegressor``, the inverse of the observed information
          in coefficients, scale and shape together, with normal limits. Too small where
          the errors do not follow the fitted distribution, as with outliers of a kind of their
          own; the sandwich, which takes scale and shape as given, then is not.
        - "auto": "information" for ``AdaptiveRobustRegressor``, else "sandwich".
        - "bootstrap": the fit is repeated on rows drawn with replacement, beginning at the one
          given; limits are quantiles of what comes out, and a standard error is half the
          distance of those at one standard deviation of a normal. Errors may differ from row to
          row, and coefficients need not be normal, but it takes ``n_resamples`` fits.
    n_resamples : int >= 2, default=999
        Refits of the bootstrap.
    n_jobs : int or None, default=None
        How many refits run side by side, as in ``GridSearchCV``; the result has the same bits.
    random_state : int, RandomState or None, default=None
        Seed of the rows drawn.
    verbose : int >= 0, default=0
        If positive, joblib prints how far the bootstrap is.

    Returns
    -------
    CoefTable

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is none of this package.
    ValueError
        If a parameter is out of range, the data do not have the shape of those of the fit, or the
        formula does not hold: as many parameters as rows, or no minimum of a curved objective.

    Warns
    -----
    UserWarning
        If columns are dependent: the standard errors are those of the coefficients of least
        norm. If no row that is believed tells anything of some coefficients: their standard
        errors are infinite, and the columns are named. If the coefficients do not minimise the
        objective on these rows, as when X, y or ``sample_weight`` are not those of the fit. If
        refits did not converge.

    Notes
    -----
    Sample weights are case weights: 2 is the row written twice, in the standard errors too. Where
    they sum to less than the rows they are worth, the square of their sum over the sum of their
    squares, that is taken for the number of cases, so that equal weights are the rows.
    With a penalty the standard errors are those of the penalised coefficients about their own
    mean; how far that is from the truth is not in them. Those of a cross-validated fit take what
    was chosen as given. So do the formulas the scale of a fit of given shape, which is
    uncorrelated with the coefficients where errors are symmetric.
    A row is not believed where its robust weight is 1e-8 or less, or the fit left it out. Where
    all rows of a level are not, the other standard errors are those without these rows and without
    that column.
    A column that few rows tell from the others is in some resamples told by none; its coefficient
    there is 0.

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
    if method == "bootstrap":
        rng, gaps = check_random_state(random_state), _gaps(model, X, y, cases)
        parallel = Parallel(n_jobs=n_jobs, verbose=verbose)
        draws = _resampled(model, (X, y, cases), n_resamples, rng, parallel)
        limits = np.quantile(draws, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=1)
        # Not their deviation: a few draws may hold more bad rows than good ones.
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
    """Return twice the smaller share of the draws on either side of zero, never none of them."""
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
    return Problem(rows, Ridge.of(model))


def _standard_errors(model, X, y, cases, method):
    """Return the standard errors by a formula, shape (n_targets, n_names), and what is doubtful.

    What is doubtful are sentences, and of every target what its believed rows leave open.
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
    """Return what the believed rows leave open, of every target."""
    found = []
    for fit, rows, all_rows in targets_with_rows(model, X, y, cases):
        params = rows.from_original(fit.coef, fit.intercept)
        objective = _problem(model, rows).objective(fit.loss, fit.scale)
        shape = objective if fit.loss.redescending else objective.problem.least_squares()
        null = root_of_believed(shape, params, disbelieved(objective, params)).null
        found.append(_gap(objective, params, null, X, all_rows))
    return found


def _gap(objective, params, null, X, all_rows):
    """Return what the believed rows of a target leave open, given the directions they do."""
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
            f"{sum(unconverged)} of {n_resamples} refits did not converge; allow a larger "
            "max_iter.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return np.stack(draws, axis=1)
