"""Rows divided by known sizes of their errors: X/σ, y/σ and, in place of an intercept, 1/σ."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse

from .. import scales
from .levels import shared_values
from .local import LocalDesign
from .standardisation import Standardisation

_FEW = 400
"""Number of evenly spaced rows from which columns are shifted, as in the search of level columns.
"""


@dataclass(frozen=True)
class DividedColumns(Standardisation):
    """Standardised columns of divided rows.

    Attributes
    ----------
    shift : ndarray of shape (n_features,)
        What is subtracted from X before it is divided; 0 without an intercept.
    level : float
        What is subtracted from y before it is divided; 0 without an intercept.
    with_intercept : bool
        Whether the last column is 1/σ, whose coefficient is the intercept.
    """

    shift: np.ndarray
    level: float
    with_intercept: bool

    @property
    def n_slopes(self):
        return len(self.unit) - self.with_intercept

    @property
    def has_intercept(self):
        return self.with_intercept

    @property
    def intercept_unit(self):
        return float(self.unit[-1]) if self.with_intercept else 1.0

    @property
    def zero(self):
        return self.shift

    def jacobian(self):
        change = np.diag(1.0 / self.unit)
        if self.with_intercept:
            change[-1, :-1] = -self.shift / self.unit[:-1]
        return change

    def to_original(self, params, origin):
        coef = params / self.unit
        if not self.with_intercept:
            return coef, 0.0
        coef, at_shift = coef[:-1], float(coef[-1])
        return coef, at_shift + self.level - float(np.dot(self.shift, coef))

    def from_original(self, coef, intercept, origin):
        coef = np.asarray(coef, dtype=np.float64)
        if self.with_intercept:
            at_shift = intercept - self.level + float(np.dot(self.shift, coef))
            coef = np.append(coef, at_shift)
        return coef * self.unit


def columns_of_divided(columns, shift, level, with_intercept) -> DividedColumns:
    """Return the standardisation of divided rows, from that of their columns as they are."""
    same = {field.name: getattr(columns, field.name) for field in fields(Standardisation)}
    return DividedColumns(**same, shift=shift, level=level, with_intercept=with_intercept)


def medians(X, sample_weight):
    """Return what to subtract from the columns of a dense X, from a few rows with a weight."""
    present = np.arange(len(X)) if sample_weight is None else np.flatnonzero(sample_weight)
    few = present[:: max(-(-len(present) // _FEW), 1)]
    return shared_values(X[few].astype(np.float64))[1]


def divided_rows(X, error_scale, shift, with_intercept) -> np.ndarray:
    """Return the columns of a dense X minus a shift and, if wanted, of ones, divided."""
    inverse = (1.0 / error_scale)[:, None]
    divided = np.empty((len(X), X.shape[1] + with_intercept))
    np.subtract(X, shift, out=divided[:, : X.shape[1]])
    divided[:, : X.shape[1]] *= inverse
    divided[:, X.shape[1] :] = inverse
    return divided


def least_floor(level, error_scale) -> float:
    """Return the rounding of y that divided values no longer show, because of their level."""
    rounding = 4.0 * np.finfo(np.float64).eps * abs(level)
    return rounding / float(np.median(error_scale))


class Division:
    """The rows of a fit, to be divided by the relative sizes of their errors.

    An ordinary design of the divided rows follows, without an intercept: its column is 1/σ. So that
    columns far from zero lose no digits, the median of a few rows is subtracted from each before
    the division. In a level column this is the value that most rows share; these rows become zero,
    and the column remains a level column. The columns of a sparse X are not shifted.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_rows, n_features)
    error_scale : ndarray of shape (n_rows,)
        Positive.
    sample_weight : ndarray of shape (n_rows,) or None
    fit_intercept : bool
    """

    def __init__(self, X, error_scale, sample_weight, *, fit_intercept):
        self._given, self._cases, self._intercept = X, sample_weight, fit_intercept
        self._error_scale = error_scale
        self._shift = np.zeros(X.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):  # checked once they are standardised
            if sparse.issparse(X):
                inverse = 1.0 / error_scale
                parts = [sparse.csr_array(X).multiply(inverse[:, None])]
                parts += [sparse.csr_array(inverse[:, None])] * fit_intercept
                self._X = sparse.csr_array(sparse.hstack(parts, format="csr"))
            else:
                if fit_intercept:
                    self._shift = medians(X, sample_weight)
                self._X = divided_rows(X, error_scale, self._shift, fit_intercept)

    def design(self, y, make) -> LocalDesign:
        """Return the design of the divided rows with a target.

        Parameters
        ----------
        y : ndarray of shape (n_rows,)
            Not divided.
        make : callable
            Makes a design of X, y, case weights and ``fit_intercept``.
        """
        level = scales.middle(y, self._cases) if self._intercept else 0.0
        divided = (y - level) / self._error_scale
        rows = make(self._X, divided, self._cases, fit_intercept=False)
        rows.columns = columns_of_divided(rows.columns, self._shift, level, self._intercept)
        rows.error_scale, rows.undivided = self._error_scale, (self._given, y)
        rows.least_floor = least_floor(level, self._error_scale)
        return rows
