"""How columns are shifted and scaled for the solvers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .base import Design

_APART = 1e3
"""Deviations between a first guess of a mean and the mean that cost the variance digits."""
LEAST = 1e-153
"""Sizes of columns below this, and above its inverse, cannot be squared."""
_FEW = 200
"""Evenly spaced rows that show where the ordinary ones are."""
_SPOILED = (1e6, 1e120)
"""A root mean square over so many deviations of ordinary rows is that of a few values, which
cost the others digits; at the larger ratio the ordinary ones are zero for all purposes."""


@dataclass(frozen=True)
class Standardisation:
    """Columns as the solvers see them: ``(x - centre) / unit``, each of unit root mean square.

    That of the ordinary rows, where a few values are far off all others.
    It keeps data far from zero, or in units far apart, as well-conditioned as they can be.
    Parameters of the standardised columns are the coefficients times ``unit``, in the unit of
    y, followed, where there is one, by the intercept at ``centre`` less about the median of y.

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
        """Return the one that leaves columns as they are."""
        return cls(np.zeros(n_features), np.ones(n_features), fit_intercept)

    @property
    def n_parameters(self) -> int:
        return len(self.unit) + self.fit_intercept

    def jacobian(self):
        """Return the derivatives of coefficients and intercept in the user's units.

        Returns
        -------
        ndarray of shape (n_parameters, n_parameters)
            A line each; a column for each parameter.
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
    """Where the ordinary rows are, and how far apart, as a few of them show.

    Attributes
    ----------
    centre, deviation : ndarray of shape (n_features,)
        The medians, or zero where columns are not centred; the 0.75 quantiles of the
        distances from them, over that of the standard normal.
    centred : bool
    """

    centre: np.ndarray
    deviation: np.ndarray
    centred: bool

    @classmethod
    def of(cls, few, centred) -> Ordinary:
        """Return it for a few rows of X as they are, shape (n_few, n_features)."""
        half, most = len(few) // 2, (3 * len(few)) // 4
        centre = np.partition(few, half, axis=0)[half] if centred else np.zeros(few.shape[1])
        apart = np.abs(few - centre)
        return cls(centre, np.partition(apart, most, axis=0)[most] / 1.1503, centred)

    def instead_of(self, centre, unit):
        """Return centres and units, its own for columns that a few far values have spoiled.

        Those would move the mean so far that subtracting it costs the others digits, and stretch
        the unit until tolerances relative to it say nothing of them.
        """
        least, most = (unit / ratio for ratio in _SPOILED)
        spoiled = (self.deviation < least) & (self.deviation > most)
        return (
            np.where(spoiled, self.centre, centre) if self.centred else centre,
            np.where(spoiled, self.deviation, unit),
        )


def standardised_columns(design: Design) -> Standardisation:
    """Return how the columns of a design are shifted and scaled; its rows are seen as they are."""
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

    Sums are taken about ``centre``: near the means that keeps their digits.
    """
    first, second = design.reduce(lambda rows, start, stop: rows.moments_range(centre, start, stop))
    total = design.total_weight
    mean = first / total if design.columns.fit_intercept else np.zeros(design.n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        unit = np.sqrt(np.maximum(second / total - mean**2, 0.0))
    means = centre.copy()
    means[centrable] += mean[centrable]
    return means, unit
