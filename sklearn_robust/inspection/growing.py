"""Whether the size of errors depends on X, and how far its learned growth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.special import chdtrc, ndtri

from ..penalties import ElasticNet
from ..problem import Likelihood, Problem
from ..procedures.growing import scale_design
from ..scales import m_scale, n_cases, truncated_deviation
from ..solvers.growing import GrowingLikelihood
from ..validation import check_choice, check_columns, check_number
from .fitted import (
    NOT_OF_THESE,
    feature_names,
    is_adaptive,
    model_of,
    taken_in,
    target_names,
    training_data,
)
from .tables import Table

_LARGEST = 2.5
"""Scaled residuals count as at most this large, so outliers have a bounded influence."""
_FAR = 3.0
"""Values of a column count as at most this many deviations from its median."""
_TRIAL = 1e-5
"""Length of the finite differences of the likelihood's slopes."""
_DEPENDENT = 1e-9
"""Smaller eigenvalues of a correlation matrix are those of dependent columns."""
_OWED = 1e-4
"""Largest slope of the likelihood at a fit."""


@dataclass(frozen=True)
class ScaleTest:
    """The result of :func:`scale_test`.

    Attributes
    ----------
    statistic : float or ndarray of shape (n_targets,)
        Chi-squared with ``df`` degrees of freedom if the scale does not depend on the columns.
    df : int
    p_value : float or ndarray of shape (n_targets,)
        The probability that the statistic is larger.
    columns : tuple of str
        The names of the columns.
    """

    statistic: float | np.ndarray
    df: int
    p_value: float | np.ndarray
    columns: tuple[str, ...]

    def __repr__(self):
        found = zip(np.ravel(self.statistic), np.ravel(self.p_value), strict=True)
        said = "; ".join(f"chi-squared {statistic:.4g}, p {p:.3g}" for statistic, p in found)
        return f"ScaleTest({said}; {self.df} degrees of freedom)"


def scale_test(
    estimator, X, y, *, columns="all", kind="score", sample_weight=None, error_scale=None
):
    r"""Test whether the size of the errors depends on columns of X.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline, search or
        ``TransformedTargetRegressor`` around one.
    X, y
        The data of the fit.
    columns : "all" or list of str or int, default="all"
        Columns of X, as the estimator gets it, by name or number.
    kind : {"score", "likelihood"}, default="score"
        - "score": tests whether the sizes of the residuals are correlated with the columns. It is
          the studentised test of Breusch and Pagan (Koenker 1981), made robust: residuals are cut
          at 2.5 scales, and values of a column at three deviations from its median.
        - "likelihood": twice the difference of the log-likelihoods of ``AdaptiveRobustRegressor``
          with and without these ``scale_features``, on the rows that count in its fit.
    sample_weight, error_scale : array-like of shape (n_samples,), optional
        Those of the fit. Residuals are divided by the known sizes of the errors, not by learned
        ones.

    Returns
    -------
    ScaleTest

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If a parameter is out of range, if ``kind`` is "likelihood" for a fit of given shape, or if
        the data do not have the shape of those of the fit.

    Notes
    -----
    The score test assumes that n is large beside the number of coefficients, and needs no
    distribution of the errors: only that it is the same in all rows if the hypothesis is true. The
    likelihood ratio is more powerful if errors follow the learned distribution.

    References
    ----------
    Koenker, R. (1981). A note on studentizing a test for heteroscedasticity. Journal of
    Econometrics 17.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.inspection import scale_test
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> y = X @ [1.0, 2.0] + np.exp(0.5 * X[:, 0]) * rng.normal(size=300)
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> bool(scale_test(model, X, y, columns=[0]).p_value < 0.001)
    True
    >>> bool(scale_test(model, X, y, columns=[1]).p_value > 0.05)
    True
    """
    check_choice("kind", kind, ["score", "likelihood"])
    model, seen = model_of(estimator, X)
    names = feature_names(model, estimator)
    frame = seen  # predictions are asked for with the names of the columns
    seen, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    which = check_columns("columns", columns, len(names), names)
    if kind == "likelihood":
        if not is_adaptive(model):
            raise ValueError(
                'kind must be "score" for a fit of given shape, which has no likelihood, got '
                '"likelihood".'
            )
        found = _likelihood_ratios(model, seen, y, cases, which)
    else:
        residuals = y - model.predict(frame)
        found = _scores(model, residuals, seen, cases, which)
    statistic, df = np.array([value for value, _ in found]), found[0][1]
    statistic = statistic if y.ndim > 1 else statistic[0]
    p_value = chdtrc(df, statistic)
    return ScaleTest(statistic, df, p_value, tuple(names[k] for k in which))


def _scores(model, residuals, X, cases, which):
    """Return the score statistic of every target, and its degrees of freedom."""
    if model._error_scale is not None:
        residuals = (residuals.T / model._error_scale).T
    given = _dense(X[:, which])
    found = []
    for of_target, kept in zip(np.atleast_2d(residuals.T), taken_in(model), strict=True):
        counted = kept * (np.ones(len(kept)) if cases is None else cases)
        present = counted > 0.0
        left, own = of_target[present], counted[present]
        sigma = m_scale(left, own, floor=np.finfo(np.float64).tiny)
        sigma = max(truncated_deviation(left, sigma, own), np.finfo(np.float64).tiny)
        sizes = np.minimum(np.abs(left) / sigma, _LARGEST)
        found.append(_studentised(_limited(given[present]), sizes, own))
    return found


def _limited(given):
    """Return columns whose values are at most three deviations from their medians.

    Columns in which half of the rows share a value, such as flags, stay as they are.
    """
    middle = np.median(given, axis=0)
    deviation = np.median(np.abs(given - middle), axis=0) / ndtri(0.75)
    reach = np.where(deviation > 0.0, _FAR * deviation, np.inf)
    return np.clip(given, middle - reach, middle + reach)


def _studentised(columns, sizes, cases):
    """Return n times the R² of the regression of sizes on columns, and the rank of these."""
    shares = cases / cases.sum()
    apart = columns - shares @ columns
    spread = np.sqrt(shares @ apart**2)
    apart = apart[:, spread > 0.0] / spread[spread > 0.0]
    off = sizes - shares @ sizes
    variance = float(shares @ off**2)
    values, vectors = np.linalg.eigh((apart.T * shares) @ apart)
    free = values > _DEPENDENT * len(values)
    turned = (apart.T @ (shares * off)) @ vectors[:, free]
    if variance == 0.0:
        return 0.0, int(np.count_nonzero(free))
    return float(n_cases(cases) * np.sum(turned**2 / values[free]) / variance), int(free.sum())


def _likelihood_ratios(model, X, y, cases, which):
    """Return twice the gain of the log-likelihood of every target, and its degrees of freedom."""
    found = []
    for k, (target, kept) in enumerate(zip(y.reshape(len(y), -1).T, taken_in(model), strict=True)):
        counted = kept * (np.ones(len(kept)) if cases is None else cases)
        at = np.append(np.atleast_2d(model.coef_)[k], [np.atleast_1d(model.intercept_)[k]])
        given = model.get_params(deep=False) | {
            "init": at if model.fit_intercept else at[:-1], "warm_start": False, "verbose": 0,
        }  # fmt: skip
        nlls = [
            type(model)(**given | {"scale_features": of})
            .fit(X, target, counted, model._error_scale)
            .nll_
            for of in (None, which.tolist())
        ]
        columns = scale_design(X[:, which], counted).standardised(counted > 0.0)[:-1]
        gain = 2.0 * n_cases(counted) * max(nlls[0] - nlls[1], 0.0)
        found.append((gain, int(np.linalg.matrix_rank(columns, rtol=_DEPENDENT))))
    return found


def _dense(columns) -> np.ndarray:
    return np.asarray(columns.toarray() if issparse(columns) else columns, dtype=np.float64)


@dataclass(frozen=True, repr=False, eq=False)
class ScaleTable(Table):
    """The growth of the scale with standard errors, the result of :func:`scale_table`.

    It prints as a table. With 2-D y, arrays have a leading axis of targets.

    Attributes
    ----------
    names : tuple of str
        Of the columns, then "intercept".
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    level : float
        The confidence level of the limits.
    estimate, std_error, ci_low, ci_high : ndarray of shape (n_names,) or (n_targets, n_names)
        Of the coefficients of log c.
    z : ndarray of the same shape
        Estimate divided by standard error; 0 if the standard error is 0.
    p_value : ndarray of the same shape
        Probability that a standard normal is further from zero.
    """

    _columns: ClassVar = {
        "estimate": "{:.6g}", "std_error": "{:.4g}", "z": "{:.2f}", "p_value": "{:.3g}",
        "ci_low": "{:.6g}", "ci_high": "{:.6g}",
    }  # fmt: skip
    _label: ClassVar = "term"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    level: float
    estimate: np.ndarray
    std_error: np.ndarray
    z: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray

    @property
    def _caption(self):
        return f"log of the scale; {100.0 * self.level:g} % confidence limits, information, normal"


def scale_table(estimator, X, y, *, sample_weight=None, error_scale=None, level=0.95):
    r"""Coefficients of the learned growth of the scale, with standard errors and limits.

    Parameters
    ----------
    estimator : estimator
        A fitted ``AdaptiveRobustRegressor`` with ``scale_features``, or a pipeline, search or
        ``TransformedTargetRegressor`` around one.
    X, y, sample_weight, error_scale
        The data of the fit.
    level : float in (0, 1), default=0.95
        The confidence level of the limits.

    Returns
    -------
    ScaleTable

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If the fit has learned no growth, a parameter is out of range, the data do not have the
        shape of those of the fit, or the fit is not at a minimum for them.

    Notes
    -----
    The covariance is the inverse of the observed information in the coefficients of log c, and the
    shape unless it is at a bound, by finite differences of the likelihood's slopes. The
    coefficients of y count as known: they are uncorrelated with the others if errors are symmetric.
    A penalty is part of the information; its bias is not.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import AdaptiveRobustRegressor
    >>> from sklearn_robust.inspection import scale_table
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = X @ [1.0, 2.0] + np.exp(0.5 * X[:, 0]) * rng.normal(size=400)
    >>> model = AdaptiveRobustRegressor(scale_features=[0], random_state=0).fit(X, y)
    >>> table = scale_table(model, X, y)
    >>> table.names, table.std_error.round(2)
    (('x0', 'intercept'), array([0.04, 0.11]))
    """
    check_number("level", level, 0.0, 1.0, "()")
    model, seen = model_of(estimator, X)
    if not hasattr(model, "scale_coef_"):
        raise ValueError(
            "estimator must be an AdaptiveRobustRegressor fitted with scale_features, got "
            f"{estimator!r}."
        )
    names, targets = feature_names(model, estimator), target_names(model, y)
    seen, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    lines = []
    for k, target in enumerate(y.reshape(len(y), -1).T):
        estimate = np.append(np.atleast_2d(model.scale_coef_)[k],
                             np.atleast_1d(model.scale_intercept_)[k])  # fmt: skip
        std_error = np.sqrt(np.maximum(np.diag(_covariance(model, seen, target, cases, k)), 0.0))
        z = np.divide(estimate, std_error, out=np.zeros(len(estimate)), where=std_error > 0.0)
        reach = ndtri(0.5 + 0.5 * level) * std_error
        p_value = chdtrc(1, z**2)
        lines.append([estimate, std_error, z, p_value, estimate - reach, estimate + reach])
    which = tuple(names[k] for k in model.scale_features_)
    columns = map(np.array, zip(*lines, strict=True))
    parts = [of if targets is not None else of[0] for of in columns]
    return ScaleTable((*which, "intercept"), targets, float(level), *parts)


def _covariance(model, X, y, cases, number):
    """Return the covariance of the coefficients of log c and of its intercept."""
    growing, params = _growing_of(model, X, y, cases, number)
    columns = growing.scale_design.columns
    slopes = np.atleast_2d(model.scale_coef_)[number] * columns.unit
    scale, alpha = (float(np.atleast_1d(of)[number]) for of in (model.scale_, model.alpha_))
    low, high = model.alpha_bounds
    at_bound = min(alpha - low, high - alpha) <= 2.0 * _TRIAL
    at = np.concatenate([slopes, [math.log(scale)], [] if at_bound else [alpha]])

    def gradient(at):
        shape = alpha if at_bound else at[-1]
        parts = growing.value_gradients(params, at[: len(slopes)], at[len(slopes)], shape)
        return np.concatenate(parts[2:])[: len(at)]

    if np.max(np.abs(gradient(at))) > _OWED + 10.0 * model.tol:
        raise ValueError(NOT_OF_THESE)
    steps = _TRIAL * np.eye(len(at))
    bent = np.array([(gradient(at + s) - gradient(at - s)) / (2.0 * _TRIAL) for s in steps])
    information = 0.5 * (bent + bent.T) * growing.design.n_cases
    covariance = np.linalg.pinv(information, rcond=_DEPENDENT, hermitian=True)
    size = len(slopes) + 1
    change = np.diag(np.append(1.0 / columns.unit, 1.0))
    change[-1, :-1] = -columns.centre / columns.unit
    return change @ covariance[:size, :size] @ change.T


def _growing_of(model, X, y, cases, number):
    """Return the likelihood of the rows that count, and the fitted parameters."""
    kept = taken_in(model)[number]
    counted = kept * (np.ones(len(kept)) if cases is None else cases)
    design = next(iter(model._designs(X, y, cases, model._error_scale)))
    left_out = np.flatnonzero(~kept)
    design = design.without(left_out) if len(left_out) else design
    columns = scale_design(X[:, model.scale_features_], counted)
    problem = Problem(design, ElasticNet.of(model, design.columns))
    bounds = model.scale_bounds or (design.floor, math.inf)
    plain = Likelihood(
        problem, tuple(model.alpha_bounds), tuple(bounds), design.floor, problem.n_adjusted
    )
    growing = GrowingLikelihood(plain, columns, float(model.scale_l2_regularization))
    coef, intercept = np.atleast_2d(model.coef_)[number], np.atleast_1d(model.intercept_)[number]
    return growing, design.from_original(coef, intercept)
