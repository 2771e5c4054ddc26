"""Standardisation of the columns for the solvers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .base import Design

_APART = 1e3
"""Error of a first guess of a mean, in deviations, above which the variance loses digits."""
LEAST = 1e-153
"""Least size of a column whose square does not underflow; its inverse is the largest."""
_FEW = 200
"""Number of evenly spaced rows that show where the ordinary rows are."""
_ALIKE, _ENOUGH_ALIKE = 1e3, 0.25
"""Distances up to this multiple of a quantile are of its size; the share of them that shows that
the quantile is not the rounding of a column of zeros."""
_SPOILED = (1e6, 1e120)
"""Ratios of the root mean square to the deviation of ordinary rows. Above the first, a few values
dominate it and the others lose digits. Above the second, the others count as zero."""


@dataclass(frozen=True)
class Standardisation:
    """Standardised columns ``(x - centre) / unit``, each with unit root mean square.

    If a few values are far off all others, the root mean square is that of the ordinary rows. Data
    far from zero, or in very different units, are then as well conditioned as they can be.
    Parameters of the standardised columns are the coefficients times ``unit``, in the unit of y.
    The intercept, if any, follows; it is the one at ``centre``, minus the origin of y.

    Attributes
    ----------
    centre, unit : ndarray of shape (n_features,)
    fit_intercept : bool
    """

    centre: np.ndarray
    unit: np.ndarray
    fit_intercept: bool

    @classmethod
    def none(cls, n_features, *, fit_intercept) -> Standardisation:
        """Return the standardisation that does not change the columns."""
        return cls(np.zeros(n_features), np.ones(n_features), fit_intercept)

    @property
    def n_parameters(self) -> int:
        return len(self.unit) + self.fit_intercept

    @property
    def n_slopes(self) -> int:
        """The number of columns of the user's X."""
        return len(self.unit)

    @property
    def has_intercept(self) -> bool:
        """Whether the last parameter is that of an intercept in the user's units."""
        return self.fit_intercept

    @property
    def intercept_unit(self) -> float:
        """What the intercept is multiplied by in the last parameter."""
        return 1.0

    @property
    def zero(self) -> np.ndarray:
        """The row of the user's X at which the last parameter is the fitted value."""
        return self.centre

    def to_original(self, params, origin):
        """Return coefficients and intercept in the user's units; ``origin`` is that of y."""
        coef, intercept = self.split(params)
        return coef, intercept + origin - float(np.dot(self.centre, coef))

    def from_original(self, coef, intercept, origin):
        """Return the parameters of coefficients and an intercept in the user's units."""
        params = np.asarray(coef, dtype=np.float64) * self.unit
        if not self.fit_intercept:
            return params
        at_centre = intercept + float(np.dot(self.centre, coef))
        return np.append(params, at_centre - origin)

    def jacobian(self):
        """Return the derivatives of coefficients and intercept in the user's units.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters)
            A row for each coefficient and the intercept, a column for each parameter.
        """
        inverse = 1.0 / self.unit
        change = np.diag(np.append(inverse, 1.0) if self.fit_intercept else inverse)
        if self.fit_intercept:
            change[-1, :-1] = -self.centre * inverse
        return change

    def split(self, params):
        """Return the coefficients of ``x - centre`` and the intercept at ``centre``."""
        if self.fit_intercept:
            return params[:-1] / self.unit, float(params[-1])
        return params / self.unit, 0.0


@dataclass(frozen=True)
class Ordinary:
    """Location and spread of the ordinary rows, estimated from a few of them.

    Attributes
    ----------
    centre, deviation : ndarray of shape (n_features,)
        The medians, or zero if columns are not centred; and the 0.75 quantiles of the distances
        from them, divided by that of the standard normal. The deviation is 0 if few distances are
        of the size of the quantile: the others are zero, and these may be rounding.
    centred : bool
    """

    centre: np.ndarray
    deviation: np.ndarray
    centred: bool

    @classmethod
    def of(cls, few, centred) -> Ordinary:
        """Estimate it from a few rows of X, shape (n_few, n_features)."""
        half, most = len(few) // 2, (3 * len(few)) // 4
        centre = np.partition(few, half, axis=0)[half] if centred else np.zeros(few.shape[1])
        apart = np.abs(few - centre)
        reach = np.partition(apart, most, axis=0)[most]
        with np.errstate(over="ignore"):
            alike = np.mean((apart > 0.0) & (apart <= _ALIKE * reach), axis=0)
        return cls(centre, np.where(alike >= _ENOUGH_ALIKE, reach / 1.1503, 0.0), centred)

    def instead_of(self, centre, unit):
        """Return centres and units, replaced by robust ones if a few far values dominate them.

        Otherwise subtracting the mean would cost the other rows digits, and tolerances relative to
        the unit would be too large for them.
        """
        least, most = (unit / ratio for ratio in _SPOILED)
        spoiled = (self.deviation < least) & (self.deviation > most)
        return (
            np.where(spoiled, self.centre, centre) if self.centred else centre,
            np.where(spoiled, self.deviation, unit),
        )


def standardised_columns(design: Design) -> Standardisation:
    """Return the standardisation for a design whose columns are not standardised yet."""
    fit_intercept = design.columns.fit_intercept
    centrable = np.flatnonzero(design.centrable())
    few = design.thinned(_FEW).dense_rows(slice(None), centrable)
    ordinary = Ordinary.of(few, fit_intercept)
    centre = np.zeros(design.n_features)
    centre[centrable] = ordinary.centre
    centre, unit = _moments(design, centre, centrable)
    if fit_intercept and np.any(
        np.abs(centre[centrable] - ordinary.centre) > _APART * unit[centrable]
    ):
        centre, unit = _moments(design, centre, centrable)
    centre[centrable], unit[centrable] = ordinary.instead_of(centre[centrable], unit[centrable])
    constant = unit <= 4.0 * np.finfo(np.float64).eps * np.abs(centre)
    sizes = np.where(constant, np.abs(centre), unit)
    accepted = (sizes == 0.0) | ((sizes >= LEAST) & (sizes <= 1.0 / LEAST))
    if not np.all(accepted):
        raise ValueError(
            f"X must hold columns that are zero or of a size in [{LEAST:g}, {1 / LEAST:g}], "
            f"got a size of about {sizes[~accepted][0]:g}."
        )
    return Standardisation(centre, np.where(constant, 1.0, unit), fit_intercept)


def _moments(design, centre, centrable):
    """Return the means of the columns that can be centred and the root mean squares of all.

    Sums are taken about ``centre``; if it is near the means, no digits are lost.
    """
    first, second = design.reduce(lambda rows, start, stop: rows.moments_range(centre, start, stop))
    total = design.total_weight
    mean = first / total if design.columns.fit_intercept else np.zeros(design.n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        unit = np.sqrt(np.maximum(second / total - mean**2, 0.0))
    means = centre.copy()
    means[centrable] += mean[centrable]
    return means, unit
