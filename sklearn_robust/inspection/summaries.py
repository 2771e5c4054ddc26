"""What a fit says, on one page: coefficients, residual scale, R², rejected rows."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import numpy as np
from scipy.integrate import quad

from ..design.residuals import residuals as residuals_of
from ..estimators.fits import automatic
from ..losses import REJECTED, Loss
from ..scales import mad, scale_floor
from ..validation import check_integer, check_number
from .coefficients import CoefTable, table_of
from .covariances import Estimates, estimates
from .fitted import is_adaptive, model_of, training_data
from .formulas import inverse_root
from .methods import Options, Target
from .tables import Table

_NEAR = 10.0
"""Most steps of size ``tol`` that a converged fit still owes."""
_FAR = 12.0
"""A standard normal is never further from zero than this, to rounding."""


@dataclass(frozen=True, repr=False, eq=False)
class FitTable(Table):
    """Figures of the fit of every target, a part of :class:`FitSummary`.

    Attributes
    ----------
    names : tuple of str
        The targets; "y" for 1-D y.
    sigma : ndarray of shape (n_targets,)
        The robust residual standard error: ``sigma_``, or the MAD of the residuals where the fit
        estimated none.
    df : ndarray of shape (n_targets,)
        Its degrees of freedom: cases less free coefficients.
    r2, adjusted_r2 : ndarray of shape (n_targets,)
        Robust R², and the one adjusted for the number of coefficients.
    rows, rejected : ndarray of shape (n_targets,)
        The number of rows whose case weight is not zero, and the number of those whose robust
        weight is below the threshold.
    alpha, scale : ndarray of shape (n_targets,)
        The shape of the loss, NaN for a loss outside the family; and the scale c.
    n_iter, converged : ndarray of shape (n_targets,)
        The number of iterations, and whether they were enough.
    """

    _columns: ClassVar = {
        "sigma": "{:.4g}", "df": "{:g}", "r2": "{:.4f}", "adjusted_r2": "{:.4f}", "rows": "{:d}",
        "rejected": "{:d}", "alpha": "{:.4g}", "scale": "{:.4g}", "n_iter": "{:d}",
        "converged": "{}",
    }  # fmt: skip
    _label: ClassVar = "target"
    names: tuple[str, ...]
    targets: tuple[str, ...] | None = field(default=None, init=False)
    sigma: np.ndarray
    df: np.ndarray
    r2: np.ndarray
    adjusted_r2: np.ndarray
    rows: np.ndarray
    rejected: np.ndarray
    alpha: np.ndarray
    scale: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray

    @property
    def _caption(self):
        return "sigma is the robust residual standard error"


@dataclass(frozen=True, repr=False, eq=False)
class WorstRows(Table):
    """The rows with the least weight, a part of :class:`FitSummary`.

    Attributes
    ----------
    names : tuple
        The labels of the rows: the index of the data frame, or their numbers from 0.
    residual : ndarray of shape (n_worst,)
        In the unit of y.
    scaled : ndarray of shape (n_worst,)
        Residual over the robust residual standard error.
    weight : ndarray of shape (n_worst,)
        The robust weight.
    """

    _columns: ClassVar = {"residual": "{:.4g}", "scaled": "{:.2f}", "weight": "{:.3f}"}
    _label: ClassVar = "row"
    names: tuple
    targets: tuple[str, ...] | None = field(default=None, init=False)
    residual: np.ndarray
    scaled: np.ndarray
    weight: np.ndarray

    @property
    def _caption(self):
        return "the rows with the least weight"


@dataclass(frozen=True, repr=False, eq=False)
class FitSummary:
    """The result of :func:`summary`. It prints, and notebooks show it as tables.

    Attributes
    ----------
    coefficients : CoefTable
        Coefficients with standard errors, tests and limits.
    fit : FitTable
        The other figures, a line for every target.
    worst : tuple of WorstRows
        The rows with the least weight, for every target.
    title : str
        Estimator, loss, start and scale.
    threshold : float
        A row with a smaller robust weight counts as rejected.
    """

    coefficients: CoefTable
    fit: FitTable
    worst: tuple[WorstRows, ...]
    title: str
    threshold: float

    @property
    def _parts(self):
        """The parts with the lines above them."""
        yield self.title, self.coefficients
        yield f"Rejected: rows with a weight under {self.threshold:g}.", self.fit
        for target, rows in zip(self.fit.names, self.worst, strict=True):
            if rows.names:
                yield f"Worst rows of {target}", rows

    def __repr__(self):
        return "\n\n".join(f"{line}\n{part!r}" for line, part in self._parts)

    def _repr_html_(self):
        return "".join(
            f"<p>{html.escape(line)}</p>{part._repr_html_()}" for line, part in self._parts
        )


def summary(
    estimator,
    X,
    y,
    *,
    covariance="auto",
    groups=None,
    level=0.95,
    threshold=REJECTED,
    n_worst=5,
    sample_weight=None,
    error_scale=None,
    random_state=None,
):
    r"""Summarise a fit: coefficients, residual scale, R², rejected rows, convergence.

    With the robust weights :math:`w_i`, the residuals :math:`r_i`, the weighted mean :math:`\bar y`
    and :math:`a = E\,w / E\,z^2 w` for a standard normal z times the residual scale, R² is

    .. math:: R^2 = \frac{\sum w_i (y_i - \bar y)^2 - \sum w_i r_i^2}
              {\sum w_i (y_i - \bar y)^2 + (a - 1) \sum w_i r_i^2}.

    It is that of least squares at ``alpha=2``, and that of R's ``summary(lmrob)`` with
    ``scale="s"``.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    covariance, groups, level
        As of :func:`coef_table`.
    threshold : float in [0, 1], default=0.1
        A row with a smaller robust weight counts as rejected, as in :func:`rejected_levels`.
    n_worst : int >= 0, default=5
        At most this many rows with a weight below 1/2 are listed, the least weight first.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.
    random_state : int, RandomState or None, default=None
        Seed for the rows that a bootstrap draws.

    Returns
    -------
    FitSummary

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        As :func:`coef_table` does.

    Warns
    -----
    UserWarning
        As :func:`coef_table` does.

    References
    ----------
    Renaud, O. & Victoria-Feser, M.-P. (2010). A robust coefficient of determination for regression.
    Journal of Statistical Planning and Inference 140.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import summary
    >>> data = load_stackloss()
    >>> model = RobustRegressor(scale="s", random_state=0).fit(data.data, data.target)
    >>> said = summary(model, data.data, data.target)
    >>> said.fit.r2.round(3), said.worst[0].names
    (array([0.95]), (20, 3))
    """
    check_number("level", level, 0.0, 1.0, "()")
    check_number("threshold", threshold, 0.0, 1.0)
    check_integer("n_worst", n_worst, 0)
    options = Options(covariance, groups, random_state=random_state)
    found = estimates(estimator, X, y, (sample_weight, error_scale), options)
    labels = _labels(X, y)
    model, seen = model_of(estimator, X)
    _, _, cases = training_data(model, seen, y, sample_weight, error_scale)
    cases = np.ones(len(labels)) if cases is None else cases
    lines, worst = [], []
    for target in found.fits:
        figures, rows = _figures(target, cases, labels, threshold, n_worst)
        lines.append(figures)
        worst.append(rows)
    columns = map(np.array, zip(*lines, strict=True))
    found.warn()
    return FitSummary(
        table_of(found, float(level)), FitTable(found.targets or ("y",), *columns), tuple(worst),
        _title(found), float(threshold),
    )  # fmt: skip


def _labels(X, y):
    """Return the labels of the rows."""
    for data in (X, y):
        index = getattr(data, "index", None)
        if index is not None and not callable(index):
            return np.asarray(index)
    return np.arange(X.shape[0] if hasattr(X, "shape") else len(X))


def _figures(target: Target, cases, labels, threshold, n_worst):
    """Return the figures of a target as in :class:`FitTable`, and the worst rows."""
    model, fit, rows = target.model, target.fit, target.all_rows
    residuals = residuals_of(rows, rows.from_original(fit.coef, fit.intercept))
    sizes = np.ones(rows.n_rows) if rows.error_scale is None else rows.error_scale
    weights = np.atleast_2d(model.weights_.T)[target.number]
    counted = cases * (weights > 0.0)
    sigma = target.sigma if hasattr(model, "sigma_") else mad(residuals, counted)
    sigma = max(sigma, scale_floor(rows.y, cases))
    terms = target.terms()
    left = max(terms.n - terms.p, 0.0)
    r2 = _robust_r2(rows.y, residuals, (cases * weights, sizes), fit, sigma, model.fit_intercept)
    ratio = (terms.n - model.fit_intercept) / left if left > 0.0 else math.nan
    adjusted = 1.0 - (1.0 - r2) * ratio if left > 0.0 else r2
    present = cases > 0.0
    n_iter = int(np.atleast_1d(model.n_iter_)[target.number])
    figures = (
        sigma, left, r2, adjusted, int(np.sum(present)),
        int(np.sum(present & (weights < threshold))), fit.loss.alpha, fit.scale, n_iter,
        n_iter < model.max_iter or _is_minimum(target, terms),
    )  # fmt: skip
    doubted = np.flatnonzero(present & (weights < 0.5))
    order = np.lexsort((-np.abs(residuals[doubted]), weights[doubted]))
    which = doubted[order][:n_worst]
    names = tuple(label.item() if hasattr(label, "item") else label for label in labels[which])
    scaled = residuals[which] / sigma
    worst = WorstRows(names, residuals[which] * sizes[which], scaled, weights[which])
    return figures, worst


def _robust_r2(y, residuals, counted, fit, sigma, fit_intercept) -> float:
    """Return the robust R², 0 if y does not vary; it cannot be below 0 with an intercept.

    ``counted`` holds the weights of the rows and the sizes of the errors, by which y and residuals
    are divided.
    """
    weights, sizes = counted
    ones = 1.0 / sizes
    total = float(np.sum(weights * ones * ones))
    if total == 0.0:
        return 0.0
    middle = float(np.sum(weights * ones * (y / total))) if fit_intercept else 0.0
    size = float(np.max(np.abs(y - middle * ones), where=weights > 0.0, initial=0.0))
    if size == 0.0:
        return 0.0
    around = float(np.sum(weights * ((y - middle * ones) / size) ** 2))
    left = float(np.sum(weights * (residuals / size) ** 2))
    return (around - left) / (around + left * (_consistency(fit.loss, fit.scale / sigma) - 1.0))


def _consistency(loss: Loss, constant: float) -> float:
    """Return E w(Z) / E Z² w(Z) for Z standard normal and the scale ``constant``."""

    def mean(power):
        def density(z):
            weight = float(loss.rho_psi_weight(np.array([z]), constant)[2][0])
            return weight * z**power * math.exp(-0.5 * z * z)

        edges = sorted({0.0, min(constant, _FAR), 1.0, _FAR})
        return sum(quad(density, *ends, epsrel=1e-10)[0] for ends in pairwise(edges))

    return mean(0) / mean(2)


def _is_minimum(target: Target, terms) -> bool:
    """Return whether a fit that used all its iterations has arrived."""
    if target.problem.standardised_penalty.selects:
        return False
    try:
        owed = terms.owed(inverse_root(terms.newton))
    except ValueError:
        return False
    size = target.fit.scale + np.abs(target.params)
    return bool(np.all(np.abs(owed) <= _NEAR * target.model.tol * size))


def _title(found: Estimates) -> str:
    """Return a line with estimator, loss, start and scale."""
    model, name = found.model, type(found.model).__name__
    if is_adaptive(model):
        start = "s" if isinstance(model.init, str) and model.init == "auto" else model.init
        said = ["scale and shape learned"]
    else:
        start, scale = automatic(found.fits[0].fit.loss, model.init, model.scale)
        loss = "shape given" if model.loss == "general" else f"loss {model.loss!r}"
        said = [loss, f"scale {scale!r}" if isinstance(scale, str) else "scale given"]
    start = repr(start) if isinstance(start, str) else "given"
    return f"{name}: {', '.join(said)}, start {start}"
