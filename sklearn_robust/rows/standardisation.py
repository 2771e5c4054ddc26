"""How columns are shifted and scaled for the solvers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

FEW = 200
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

    def split(self, params):
        """Return the coefficients of ``x - centre`` and the intercept at ``centre``."""
        if self.fit_intercept:
            return params[:-1] / self.unit, float(params[-1])
        return params / self.unit, 0.0

    def unspoiled(self, few) -> Standardisation:
        """Return the same, of ordinary rows where a few values are far off all others.

        Those would move the mean so far that subtracting it costs the others digits, and stretch
        the unit until tolerances relative to it say nothing of them.

        Parameters
        ----------
        few : ndarray of shape (n_few, n_features)
            Some rows of X, as they are.
        """
        middle = np.median(few, axis=0) if self.fit_intercept else self.centre
        deviation = np.quantile(np.abs(few - middle), 0.75, axis=0) / 1.1503
        least, most = (self.unit / ratio for ratio in _SPOILED)
        spoiled = (deviation < least) & (deviation > most)
        return replace(
            self,
            centre=np.where(spoiled, middle, self.centre),
            unit=np.where(spoiled, deviation, self.unit),
        )
