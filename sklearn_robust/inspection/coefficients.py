"""Standard errors, tests and confidence limits of the coefficients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.stats import t as student

from ..validation import check_number
from .covariances import Estimates, estimates
from .methods import Options
from .tables import Table

_UNKNOWN = 0.0, 1.0, -np.inf, np.inf
"""t, p-value and limits of a coefficient that no believed row determines."""


@dataclass(frozen=True, repr=False, eq=False)
class CoefTable(Table):
    """Coefficients with standard errors, tests and limits, the result of :func:`coef_table`.

    It prints as a table. With 2-D y, arrays have a leading axis of targets.

    ``table["age"]`` is the line of a column, with the fields of the table's columns;
    ``table["age", "std_error"]`` is one of its numbers, and ``table[["age", "size"]]`` the table of
    some lines. ``table.loc[...]`` is the same.

    Attributes
    ----------
    names : tuple of str
        Of the features, then "intercept" if one was fitted.
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    level : float
        The confidence level of the limits.
    kind : str
        How the covariance was estimated, as of :func:`covariance`.
    df : float or ndarray of shape (n_targets,)
        Degrees of freedom of Student's distribution.
    covariance : ndarray of shape (n_names, n_names) or (n_targets, n_names, n_names)
        The covariance of the coefficients.
    estimate, std_error, ci_low, ci_high : ndarray of shape (n_names,) or (n_targets, n_names)
        In the unit of y divided by that of the feature.
    t : ndarray of the same shape
        Estimate divided by standard error; 0 if the standard error is 0, as for a constant
        column, or infinite, as for a level whose rows are all rejected.
    p_value : ndarray of the same shape
        Probability that Student's t with ``df`` degrees of freedom is further from zero than
        ``t``. With a bootstrap, twice the smaller share of the estimates on either side of zero.
    """

    _columns: ClassVar = {
        "estimate": "{:.6g}", "std_error": "{:.4g}", "t": "{:.2f}", "p_value": "{:.3g}",
        "ci_low": "{:.6g}", "ci_high": "{:.6g}",
    }  # fmt: skip
    _label: ClassVar = "term"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    level: float
    kind: str
    df: float | np.ndarray
    covariance: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    t: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray

    @property
    def _caption(self):
        low, high = np.min(self.df), np.max(self.df)
        if np.isinf(low):
            of = "normal"
        else:
            of = f"t with {low:g}" + (f" to {high:g}" if high > low else "") + " degrees of freedom"
        if self.kind in ("bootstrap", "fast_bootstrap"):
            of = "quantiles"
        return f"{100.0 * self.level:g} % confidence limits, {self.kind}, {of}"

    def _some(self, numbers):
        covariance = self.covariance[..., numbers, :][..., numbers]
        return replace(super()._some(numbers), covariance=covariance)


def coef_table(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    error_scale=None,
    level=0.95,
    covariance="auto",
    groups=None,
    df=None,
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
    X, y, sample_weight, error_scale
        The data of the fit.
    level : float in (0, 1), default=0.95
        The confidence level of the limits.
    covariance : str, default="auto"
        How the covariance of the coefficients is estimated: a ``kind`` of :func:`covariance`, where
        each is explained. "auto" is "information" for ``AdaptiveRobustRegressor``, else "sandwich",
        the formula of R's ``lmrob``.
    groups : array-like of shape (n_samples,) or (n_samples, 2), optional
        The groups of ``covariance="cluster"``.
    df : float > 0, optional
        Degrees of freedom of Student's distribution for tests and limits; ``numpy.inf`` is the
        normal distribution. The default is the number of cases less that of the free coefficients,
        with "cluster" the number of groups less 1. Bootstraps take quantiles of the coefficients.
    n_resamples : int >= 2, default=999
        Number of resamples of a bootstrap.
    n_jobs : int or None, default=None
        Number of refits of "bootstrap" run in parallel, as in ``GridSearchCV``; it changes no bit
        of the result.
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

    See Also
    --------
    covariance : The covariance alone, and what each kind assumes.
    summary : The table with the residual scale, R² and the rejected rows.

    Notes
    -----
    Sample weights are case weights, in the standard errors too: 2 is the row written twice.
    Weights that sum to less than Kish's effective sample size, the square of their sum divided by
    the sum of their squares, are treated as proportions of it.

    With a bootstrap, limits are quantiles of the coefficients. A standard error is half the
    distance between the quantiles that a normal has at one standard deviation on either side.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import coef_table
    >>> data = load_stackloss()
    >>> model = RobustRegressor(random_state=0).fit(data.data, data.target)
    >>> table = coef_table(model, data.data, data.target)
    >>> table.names, table.std_error.round(2)
    (('x0', 'x1', 'x2', 'intercept'), array([0.08, 0.21, 0.08, 5.84]))
    """
    check_number("level", level, 0.0, 1.0, "()")
    if df is not None:
        check_number("df", df, 0.0, np.inf, "(]")
    options = Options(covariance, groups, n_resamples, n_jobs, random_state, verbose)
    found = estimates(estimator, X, y, (sample_weight, error_scale), options)
    table = table_of(found, float(level), df)
    found.warn()
    return table


def table_of(found: Estimates, level: float, df: float | None = None) -> CoefTable:
    """Return the table of coefficients whose uncertainty is known."""
    columns, dfs = [], []
    for estimate, of in zip(found.estimate, found.of_target, strict=True):
        dfs.append(of.df if df is None else float(df))
        std_error = of.std_error
        t = np.divide(estimate, std_error, out=np.zeros(estimate.shape), where=std_error > 0.0)
        if of.draws is None:
            reach = float(student.ppf(0.5 + 0.5 * level, dfs[-1])) * std_error
            p_value = 2.0 * student.sf(np.abs(t), dfs[-1])
            limits = [estimate - reach, estimate + reach]
        else:
            p_value = _p_values(of.draws)
            limits = list(np.quantile(of.draws, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0))
        for values, unknown in zip((t, p_value, *limits), _UNKNOWN, strict=True):
            values[of.gap.mask] = unknown
        columns.append([estimate, std_error, t, p_value, *limits])
    matrices = found.arranged([of.matrix for of in found.of_target])
    return CoefTable(
        found.names, found.targets, level, found.kind, found.arranged(dfs)[()], matrices,
        *(found.arranged(column) for column in zip(*columns, strict=True)),
    )  # fmt: skip


def _p_values(draws):
    """Return twice the smaller share of the draws on either side of zero; it is never 0."""
    beyond = np.minimum(np.sum(draws <= 0.0, axis=0), np.sum(draws >= 0.0, axis=0))
    return np.minimum(2.0 * (1.0 + beyond) / (1.0 + len(draws)), 1.0)
