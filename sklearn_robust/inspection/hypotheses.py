"""Tests of linear hypotheses, and of a smaller model against a larger one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning

from ..callers import level_of_caller
from ..validation import check_unmasked
from .covariances import Estimates, estimates
from .fitted import feature_names, model_of, training_data
from .methods import Options
from .nested import check_unpenalised, columns_at, reduced, start_from
from .tables import Table

_DEPENDENT = 1e-10
"""Singular value of the constraints, relative to the largest, below which they are dependent."""
_SAME = 1e-6
"""Difference of fitted values, relative to their size, up to which columns are the same."""


@dataclass(frozen=True, eq=False)
class WaldTest:
    """The result of :func:`wald_test`.

    Attributes
    ----------
    statistic : float or ndarray of shape (n_targets,)
        It has a chi-squared distribution if the constraints are true.
    df : int
        Its degrees of freedom, the number of constraints.
    p_value : float or ndarray of shape (n_targets,)
        Probability that the statistic is larger.
    constraints : ndarray of shape (n_constraints, n_names)
        The matrix, a column for every coefficient, the intercept last.
    """

    statistic: float | np.ndarray
    df: int
    p_value: float | np.ndarray
    constraints: np.ndarray

    def __repr__(self):
        found = zip(np.ravel(self.statistic), np.ravel(self.p_value), strict=True)
        said = "; ".join(f"chi-squared {statistic:.4g}, p {p:.3g}" for statistic, p in found)
        return f"WaldTest({said}; {self.df} degrees of freedom)"


def wald_test(
    estimator,
    X,
    y,
    constraints,
    *,
    value=0.0,
    covariance="auto",
    groups=None,
    sample_weight=None,
    error_scale=None,
    random_state=None,
):
    r"""Test linear constraints on the coefficients.

    The hypothesis is :math:`R\beta = q`. With the covariance V of the coefficients, the statistic
    :math:`(R\hat\beta - q)^\top (R V R^\top)^{-1} (R\hat\beta - q)` is chi-squared, if the
    hypothesis is true, with as many degrees of freedom as there are constraints.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    constraints : str, list of str, or array-like of shape (n_names,) or (n_constraints, n_names)
        Names of coefficients, each of which is constrained; or the matrix R, with a column for
        every coefficient and the last for the intercept, if there is one.
    value : float or array-like of shape (n_constraints,), default=0.0
        The values q.
    covariance, groups, sample_weight, error_scale, random_state
        As of :func:`coef_table`.

    Returns
    -------
    WaldTest

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If a parameter is out of range, if the data do not have the shape of those of the fit, or if
        constraints are dependent or on coefficients that the believed rows do not determine.

    Warns
    -----
    UserWarning
        As :func:`coef_table` does.

    References
    ----------
    Hampel, F. R. et al. (1986). Robust Statistics. Wiley, section 7.3. As
    anova.lmrob(test = "Wald") of R's robustbase.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import wald_test
    >>> data = load_stackloss()
    >>> model = RobustRegressor(scale="s", random_state=0).fit(data.data, data.target)
    >>> wald_test(model, data.data, data.target, ["x1", "x2"])
    WaldTest(chi-squared 5.178, p 0.0751; 2 degrees of freedom)
    """
    options = Options(covariance, groups, random_state=random_state)
    found = estimates(estimator, X, y, (sample_weight, error_scale), options)
    matrix = _matrix(constraints, found.names)
    value = _values(value, len(matrix))
    statistics = wald_statistics(found, matrix, value)
    found.warn()
    statistic = found.arranged(statistics)[()]
    return WaldTest(statistic, len(matrix), chi2.sf(statistic, len(matrix))[()], matrix)


def _matrix(constraints, names) -> np.ndarray:
    """Return constraints as a matrix, or raise."""
    listed = [constraints] if isinstance(constraints, str) else constraints
    if isinstance(listed, (list, tuple)) and all(isinstance(name, str) for name in listed):
        unknown = [name for name in listed if name not in names]
        if unknown or not listed:
            raise ValueError(
                f"constraints must be names among {list(names)}, or a matrix, got {constraints!r}."
            )
        matrix = np.zeros((len(listed), len(names)))
        matrix[np.arange(len(listed)), [names.index(name) for name in listed]] = 1.0
        return matrix
    accepted = f"constraints must be names, or a finite matrix with {len(names)} columns, got"
    try:
        matrix = np.asarray(check_unmasked("constraints", constraints), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{accepted} {constraints!r}.") from error
    matrix = np.atleast_2d(matrix)
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or not np.all(np.isfinite(matrix)):
        raise ValueError(f"{accepted} {constraints!r}.")
    return matrix


def _values(value, size) -> np.ndarray:
    values = np.asarray(check_unmasked("value", value), dtype=np.float64)
    if values.shape not in ((), (size,)) or not np.all(np.isfinite(values)):
        raise ValueError(f"value must be a finite number or {size} of them, got {value!r}.")
    return np.broadcast_to(values, size)


def wald_statistics(found: Estimates, matrix, value) -> list[float]:
    """Return the statistic of every target."""
    statistics = []
    for estimate, of in zip(found.estimate, found.of_target, strict=True):
        factor = matrix @ of.factor
        sizes = np.max(np.abs(factor), axis=1, initial=0.0)
        unknown = np.any(matrix[:, of.gap.mask] != 0.0)
        if unknown or not np.all(sizes > 0.0):
            raise ValueError(
                "constraints must be on coefficients that the believed rows determine, got "
                f"{matrix.tolist()}."
            )
        left, singular, _ = np.linalg.svd(factor / sizes[:, None], full_matrices=False)
        if len(singular) < len(matrix) or singular[-1] <= _DEPENDENT * singular[0]:
            raise ValueError(f"constraints must be linearly independent, got {matrix.tolist()}.")
        apart = left.T @ ((matrix @ estimate - value) / sizes)
        statistics.append(float(np.sum((apart / singular) ** 2)))
    return statistics


@dataclass(frozen=True, repr=False, eq=False)
class Comparison(Table):
    """A smaller model against a larger one, the result of :func:`compare`.

    It prints as a table, with the lines "wald" and "deviance". With 2-D y, arrays have a leading
    axis of targets.

    Attributes
    ----------
    names : tuple of str
        "wald" and "deviance".
    left_out : tuple of str
        The names of the columns that the smaller model leaves out.
    targets : tuple of str or None
        Names of the targets; None if y was 1-D.
    statistic, df, p_value : ndarray of shape (2,) or (n_targets, 2)
        Of both tests: the statistic, chi-squared with ``df`` degrees of freedom if the smaller
        model is right, and the probability that it is larger.
    """

    _columns: ClassVar = {"statistic": "{:.4g}", "df": "{:g}", "p_value": "{:.3g}"}
    _label: ClassVar = "test"
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    targets: tuple[str, ...] | None
    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray

    @property
    def _caption(self):
        return f"chi-squared tests of {', '.join(self.left_out)} = 0"


def compare(
    smaller,
    larger,
    X,
    y,
    *,
    covariance="auto",
    groups=None,
    sample_weight=None,
    error_scale=None,
    random_state=None,
):
    """Test a model with fewer columns against one with more.

    There are two tests, those of R's ``anova.lmrob``. "wald" asks whether the coefficients that the
    smaller model leaves out are zero in the larger one (:func:`wald_test`). "deviance" fits the
    smaller model with the loss and at the scale of the larger one, from the coefficients of
    ``smaller``, and compares the losses. It assumes that the errors do not depend on X. For
    ``AdaptiveRobustRegressor`` it is the likelihood ratio test, with a scale and a shape for each
    model.

    Parameters
    ----------
    smaller, larger : estimator
        Fitted estimators of this package, or pipelines or searches that end in one. The columns of
        ``smaller`` have to be among those of ``larger``, by their names.
    X : array-like or data frame
        The data of the fits, each of which takes its own columns of a data frame by name.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        The target of both fits.
    covariance, groups : str, array-like
        For the Wald test, as of :func:`coef_table`.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of both fits.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.
    random_state : int, RandomState or None, default=None
        For the Wald test, as of :func:`coef_table`.

    Returns
    -------
    Comparison

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If one is not an estimator of this package.
    ValueError
        If the models are not nested, if one has a penalty, or as :func:`wald_test` does.

    Warns
    -----
    UserWarning
        If the smaller model has a smaller loss than the larger one, whose fit is then not the best
        minimum; the statistic is 0. And as :func:`coef_table` does.
    ConvergenceWarning
        If the fit of the smaller model did not converge.

    See Also
    --------
    drop_one : Leave out each column in turn.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import compare
    >>> X, y = load_stackloss(return_X_y=True, as_frame=True)
    >>> larger = RobustRegressor(scale="s", random_state=0).fit(X, y)
    >>> smaller = RobustRegressor(scale="s", random_state=0).fit(X.iloc[:, :2], y)
    >>> compare(smaller, larger, X, y).p_value.round(2)
    array([0.33, 0.21])
    """
    options = Options(covariance, groups, random_state=random_state)
    of_larger = _own_columns(larger, X)
    found = estimates(larger, of_larger, y, (sample_weight, error_scale), options)
    fewer, fitted = _smaller_model(smaller, X)
    names = (*feature_names(fewer, smaller), *(["intercept"] if fewer.fit_intercept else []))
    out = _left_out(names, found.names)
    for model in (fewer, found.model):
        check_unpenalised(model, "a comparison")
    model, seen = model_of(larger, of_larger)
    columns, y, cases = training_data(model, seen, y, sample_weight, error_scale)
    kept = [k for k in range(model.n_features_in_) if k not in out]
    columns = columns_at(columns, kept)
    matrix = np.eye(len(found.names))[out]
    walds, deviances = wald_statistics(found, matrix, np.zeros(len(out))), []
    doubts, unconverged = found.doubts, False
    for target, of in zip(found.fits, np.atleast_2d(fitted.T), strict=True):
        start = start_from(columns, of, cases, fewer.fit_intercept)
        _check_same(columns, of, start, fewer.fit_intercept)
        goal = y if y.ndim == 1 else y[:, target.number]
        result = reduced(target, columns, goal, cases, start, fit_intercept=fewer.fit_intercept)
        deviances.append(max(result.deviance, 0.0))
        unconverged |= not result.converged
        if result.deviance < -_SAME * target.rows.n_cases:
            doubts.append("The smaller model has the smaller loss: the larger fit is not the best.")
    found.warn()
    if unconverged:
        warnings.warn(
            "The fit of the smaller model did not converge; raise max_iter.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
    both = np.column_stack([walds, deviances])
    df = np.full(both.shape, len(out))
    left_out = tuple(found.names[k] for k in out)
    arrays = (found.arranged(values) for values in (both, df, chi2.sf(both, df)))
    return Comparison(("wald", "deviance"), left_out, found.targets, *arrays)


def _own_columns(estimator, X):
    """Return the columns of a data frame to which an estimator was fitted."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not set(names) <= set(getattr(X, "columns", [])):
        return X
    return X[list(names)]


def _smaller_model(smaller, X):
    """Return the last step of the smaller model, and its fitted values."""
    model, seen = model_of(smaller, _own_columns(smaller, X))
    if seen.shape[1] != model.n_features_in_:
        raise ValueError(
            "smaller must take X, or be fitted to a data frame with some columns of X, got one of "
            f"{model.n_features_in_} columns without names; wald_test takes numbers of columns."
        )
    return model, model.predict(seen)


def _left_out(names, all_names) -> list[int]:
    """Return the numbers of the coefficients that the smaller model leaves out, or raise."""
    others = [name for name in names if name not in all_names]
    out = [k for k, name in enumerate(all_names) if name not in names]
    if others or not out:
        raise ValueError(
            f"smaller must have some of the columns {list(all_names)} of larger, and not all, got "
            f"{list(names)}."
        )
    return out


def _check_same(columns, fitted, start, fit_intercept):
    """Raise unless the columns of the larger model give the fitted values of the smaller one."""
    slopes = start[:-1] if fit_intercept else start
    again = columns @ slopes + (start[-1] if fit_intercept else 0.0)
    if np.max(np.abs(again - fitted)) > _SAME * (np.max(np.abs(fitted)) + np.ptp(fitted)):
        raise ValueError(
            "smaller must have columns of the same values as larger, got others of the same names."
        )
