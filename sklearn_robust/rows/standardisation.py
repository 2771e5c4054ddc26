"""How columns are shifted and scaled for the solvers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .threads import serial_algebra

AT_ONCE = 4096
"""Rows that are copied at once where a few of them are wanted as they are."""
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


class ColumnStatistics(ABC):
    """Means and root mean squares of the columns, from ranges of rows."""

    n_features: int
    total_weight: float
    columns: Standardisation

    @abstractmethod
    def _evenly(self, most) -> np.ndarray:
        """Return the numbers of at most so many evenly spaced rows of those with a weight."""

    @abstractmethod
    def _centrable(self) -> np.ndarray:
        """Return the mask of the columns that a kernel can centre: every entry is stored."""

    @abstractmethod
    def _moments_range(self, centre, start, stop):
        """Return the case-weighted sums of x - centre and its square, each (n_features,)."""

    @abstractmethod
    def _raw_rows(self, which, columns=slice(None)) -> np.ndarray:
        """Return a few rows of X as dense float64, given by a slice or their numbers."""

    @abstractmethod
    def present(self) -> np.ndarray:
        """Return the numbers of the rows whose weight is not zero."""

    @abstractmethod
    def shares(self) -> np.ndarray:
        """Return the share of every row present in the total case weight."""

    @abstractmethod
    def _sum(self, task: Callable) -> list:
        """Return the sums over the ranges of what ``task(start, stop)`` returns."""

    def _standardisation(self, fit_intercept) -> Standardisation:
        centrable = np.flatnonzero(self._centrable())
        few = self._raw_rows(self._evenly(_FEW), centrable)
        ordinary = Ordinary.of(few, fit_intercept)
        centre = np.zeros(self.n_features)
        centre[centrable] = ordinary.centre
        centre, unit = self._moments(centre, centrable, fit_intercept)
        if fit_intercept and np.any(
            np.abs(centre[centrable] - ordinary.centre) > _APART * unit[centrable]
        ):
            centre, unit = self._moments(centre, centrable, fit_intercept)
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

    def _moments(self, centre, centrable, fit_intercept):
        """Return the means of the columns that can be centred and the root mean squares of all.

        Sums are taken about ``centre``: near the means that keeps their digits.
        """
        first, second = self._sum(lambda start, stop: self._moments_range(centre, start, stop))
        mean = first / self.total_weight if fit_intercept else np.zeros(self.n_features)
        with np.errstate(over="ignore", invalid="ignore"):
            unit = np.sqrt(np.maximum(second / self.total_weight - mean**2, 0.0))
        means = centre.copy()
        means[centrable] += mean[centrable]
        return means, unit

    def _standardised(self, which) -> np.ndarray:
        """Return the standardised columns of a few rows, with one of ones for an intercept.

        The shape is (n_parameters, n_few): columns are contiguous.
        """
        raw = self._raw_rows(which)
        columns = np.empty((self.columns.n_parameters, len(raw)))
        slopes, ones = np.split(columns, [self.n_features])
        np.subtract(raw.T, self.columns.centre[:, None], out=slopes)
        slopes *= 1.0 / self.columns.unit[:, None]
        ones[:] = 1.0
        return columns

    def gram(self, root, weights) -> np.ndarray:
        """Return the mean Gram matrix of combinations of the standardised columns.

        Parameters
        ----------
        root : ndarray of shape (n_parameters, n_combinations)
        weights : ndarray of shape (n_present,)
            Of every row present, beside its case weight; they may be negative.

        Returns
        -------
        ndarray of shape (n_combinations, n_combinations)
        """
        total: np.ndarray = np.zeros((root.shape[1], root.shape[1]))
        weights = weights * self.shares()
        n_parts = -(-len(weights) // AT_ONCE)
        with serial_algebra():
            for which, of in zip(
                np.array_split(self.present(), n_parts),
                np.array_split(weights, n_parts),
                strict=True,
            ):
                combined = root.T @ self._standardised(which)
                total += (combined * of) @ combined.T
        return total
