"""The interface of designs: the operations on the rows of a fit, wherever they are stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import scales
from .levels import Levels
from .packed import PackedRows
from .standardisation import LEAST, Standardisation

if TYPE_CHECKING:
    from .local import LocalDesign
    from .working_set import WorkingSet

_ROWS_PER_STRETCH = 3
"""From this many rows per draw, a sample takes one row from each equal stretch of rows."""
_WIDE = 1e100
"""Targets below this size are not checked for their range."""


class Frame(NamedTuple):
    """The standardisation of the columns, and the origin that is subtracted from y."""

    columns: Standardisation
    origin: float


def added(parts):
    """Return the sums, item by item, of lists of numbers, arrays and lists."""
    results = iter(parts)
    total = list(next(results))
    for other in results:
        total = [mine + theirs for mine, theirs in zip(total, other, strict=True)]
    return total


class Design(ABC):
    """X, y and case weights of the rows of a fit.

    A design knows no loss, no start and no scale. A subclass says where the rows are stored.
    Computations on the rows are plain functions of a design (see ``passes``, ``residuals``,
    ``algebra`` and ``level_columns``). y and the case weights are stored with X, because the blocks
    of a collection hold all three. Sums over the rows are added in a fixed order, so they have the
    same bits for any number of threads or workers.

    Attributes
    ----------
    n_rows, n_features, n_present : int
        ``n_present`` is the number of rows whose case weight is not zero.
    total_weight, n_cases : float
        The sum of the case weights, and the number of cases
        (:func:`sklearn_robust.scales.n_cases`).
    sample_weight : ndarray of shape (n_rows,) or None
        Case weights. None if every row counts once, or if the rows are not in this process.
    columns : Standardisation
    origin : float
        The value that is subtracted from y, so that it is not far from zero.
    floor : float
        The least residual scale that can be distinguished from zero, given the rounding of y.
    error_scale : ndarray of shape (n_rows,) or None
        The sizes of the errors by which the rows are divided; None if they are not.
    in_process : bool
        Whether the rows are in the memory of this process.
    """

    n_rows: int
    n_features: int
    n_present: int
    total_weight: float
    n_cases: float
    sample_weight: np.ndarray | None
    columns: Standardisation
    origin: float = 0.0
    error_scale: np.ndarray | None = None
    in_process = True

    @property
    @abstractmethod
    def floor(self) -> float:
        """The least residual scale that can be distinguished from zero, given the rounding of y."""

    @abstractmethod
    def reduce(self, task: Callable, combine: Callable = added) -> Any:
        """Return the results of ``task(rows, start, stop)`` over all ranges of rows, combined.

        ``combine`` takes a sequence of results in the order of the ranges.
        """

    @abstractmethod
    def map_rows(self, task: Callable, *, zero_at=()) -> Any:
        """Return the numbers ``task(rows, start, stop)`` of all rows, shape (n_rows,).

        The rows ``zero_at``, as :meth:`select` returns them, get 0.
        """

    @abstractmethod
    def select(self, task: Callable) -> Any:
        """Return the numbers of the rows for which the mask ``task(rows, start, stop)`` is true."""

    @abstractmethod
    def select_among(self, which, task: Callable) -> Any:
        """Return the selected rows for which ``task(rows, numbers)`` is true."""

    @abstractmethod
    def take(self, places) -> LocalDesign:
        """Return some of the rows with a weight, by their positions among these; None is all."""

    @abstractmethod
    def thinned(self, most) -> LocalDesign:
        """Return at most ``most`` evenly spaced rows with a weight."""

    @abstractmethod
    def without(self, which) -> Design:
        """Return the same rows, with weight zero for the selected ones."""

    def sample(self, size, random_state) -> LocalDesign:
        """Return about ``size`` rows drawn without replacement, with the same standardisation.

        Rows of weight zero are not drawn. All others are returned if they are at most ``size``.
        """
        return self.take(self.sampled_places(size, random_state))

    def sampled_places(self, size, random_state) -> np.ndarray | None:
        """Return the places of :meth:`sample` among the rows with a weight, None for all."""
        n_rows = self.n_present
        if n_rows <= size:
            return None
        if n_rows < _ROWS_PER_STRETCH * size:
            return np.sort(random_state.choice(n_rows, size, replace=False))
        places = (np.arange(size) + random_state.uniform(size=size)) * (n_rows / size)
        places = places.astype(np.intp)
        return places[np.diff(places, prepend=-1) > 0]

    def restricted(self, which) -> Design:
        """Return the same rows with some of the columns of X, standardised as here."""
        raise NotImplementedError("Only rows in this process are restricted to some columns.")

    def working_set(self) -> WorkingSet:
        """Return the columns that searches with selection have used so far."""
        raise NotImplementedError("Only rows in this process are searched with selection.")

    def centrable(self) -> np.ndarray:
        """Return the mask of the columns that can be centred: every entry is stored."""
        return np.ones(self.n_features, dtype=bool)

    def packed(self) -> PackedRows | None:
        """Return the rows with a weight as one packed copy, or None if they are many."""
        return None

    @property
    def levels_known(self) -> bool:
        """Whether :meth:`levels` returns at once, because the rows have been looked through."""
        return False

    def levels(self) -> Levels | None:
        """Return the level columns of the rows present, or None if none are known."""
        return None

    def rows_with_levels(self) -> LocalDesign | None:
        """Return rows in this process whose level coefficients may be moved, or None."""
        return None

    @property
    def most_gathered(self) -> float:
        """The most residuals that are gathered to find a quantile."""
        return np.inf

    def holder_of_weights(self, which):
        """Return the design whose rows get robust weights, and the selected rows in it."""
        return self, which

    @property
    def frame(self) -> Frame:
        """Standardisation and origin, to be used for other rows too."""
        return Frame(self.columns, self.origin)

    @property
    def mean_log_error_scale(self) -> float:
        """The mean logarithm of the sizes of the errors by which the rows are divided."""
        if self.error_scale is None:
            return 0.0
        return float(np.average(np.log(self.error_scale), weights=self.sample_weight))

    @property
    def n_numeric_parameters(self) -> int:
        """The number of parameters that do not belong to a level column."""
        levels = self.levels()
        return self.columns.n_parameters - (0 if levels is None else len(levels.columns))

    def half_of_cases(self, n_parameters) -> float:
        """Return half of the case weight, less the share of this many parameters."""
        return scales.half_of_cases(n_parameters, self.total_weight, self.n_cases)

    def to_original(self, params):
        """Return the coefficients and the intercept in the user's units."""
        return self.columns.to_original(params, self.origin)

    def from_original(self, coef, intercept):
        """Return the parameters of coefficients and an intercept in the user's units."""
        return self.columns.from_original(coef, intercept, self.origin)


def check_target(largest, floor: Callable[[], float]):
    """Raise an error if squares of y overflow; ``floor`` returns the floor of its scale."""
    if largest > 1.0 / LEAST:
        raise ValueError(f"y must hold numbers below {1 / LEAST:g}, got about {largest:g}.")
    if largest > _WIDE and floor() < largest / _WIDE**3:
        raise ValueError(
            f"y must hold numbers within a factor of {1e-12 * _WIDE**3:g}, got about "
            f"{largest:g} beside much smaller ones."
        )
