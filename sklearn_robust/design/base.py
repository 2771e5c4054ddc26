"""What a procedure may ask of the rows of a fit, wherever they are."""

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

_ROWS_PER_STRETCH = 3
"""From this many rows per draw, a sample takes one row from each equal stretch of rows."""
_WIDE = 1e100
"""Targets below this size are not checked for their range."""


class Frame(NamedTuple):
    """How rows are seen: their standardised columns, and what is subtracted from y first."""

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

    A design knows no loss, no start and no scale. A subclass says where the rows are; what is
    computed from them is a plain function of a design (see ``passes``, ``residuals``, ``algebra``
    and ``level_columns``). y and the case weights live in the design with X, because the blocks of
    a collection hold all three. Sums over the rows are added in a fixed order, so that they have
    the same bits for any number of threads or workers.

    Attributes
    ----------
    n_rows, n_features, n_present : int
        ``n_present`` is the number of rows whose case weight is not zero.
    total_weight, n_cases : float
        The sum of the case weights, and how many cases they are worth
        (:func:`sklearn_robust.scales.n_cases`).
    sample_weight : ndarray of shape (n_rows,) or None
        Case weights. None where every row counts once, or where the rows are not in this process.
    columns : Standardisation
    origin : float
        What is subtracted from y first, so that it is not far from zero.
    floor : float
        The least residual scale that rounding in y can tell from zero.
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
    in_process = True

    @property
    @abstractmethod
    def floor(self) -> float:
        """The least residual scale that rounding in y can tell from zero."""

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
        """Return those of some selected rows for which ``task(rows, numbers)`` is true."""

    @abstractmethod
    def take(self, places) -> LocalDesign:
        """Return some of the rows with a weight, by their places among them; all at None."""

    @abstractmethod
    def thinned(self, most) -> LocalDesign:
        """Return at most this many evenly spaced rows of those with a weight."""

    @abstractmethod
    def without(self, which) -> Design:
        """Return the same rows with weight zero for those selected."""

    def sample(self, size, random_state) -> LocalDesign:
        """Return about this many rows drawn without replacement, columns standardised as here.

        Rows of weight zero are not drawn. All others are returned where they are no more than
        ``size``.
        """
        n_rows = self.n_present
        if n_rows <= size:
            return self.take(None)
        if n_rows < _ROWS_PER_STRETCH * size:
            return self.take(np.sort(random_state.choice(n_rows, size, replace=False)))
        places = (np.arange(size) + random_state.uniform(size=size)) * (n_rows / size)
        places = places.astype(np.intp)
        return self.take(places[np.diff(places, prepend=-1) > 0])

    def centrable(self) -> np.ndarray:
        """Return the mask of the columns that can be centred: every entry is stored."""
        return np.ones(self.n_features, dtype=bool)

    def packed(self) -> PackedRows | None:
        """Return the rows with a weight as one packed copy, or None where they are many."""
        return None

    def levels(self) -> Levels | None:
        """Return the level columns of the rows present, or None where none are known."""
        return None

    def rows_with_levels(self) -> LocalDesign | None:
        """Return rows in this process whose level coefficients may be moved, or None."""
        return None

    @property
    def most_gathered(self) -> float:
        """The most residuals that are held at once to find a quantile."""
        return np.inf

    def holder_of_weights(self, which):
        """Return the design whose rows are given robust weights, and selected rows in it."""
        return self, which

    @property
    def frame(self) -> Frame:
        """How the rows are seen; other rows are seen the same way in the same frame."""
        return Frame(self.columns, self.origin)

    @property
    def n_numeric_parameters(self) -> int:
        """The number of parameters that do not belong to a level column."""
        levels = self.levels()
        return self.columns.n_parameters - (0 if levels is None else len(levels.columns))

    def half_of_cases(self, n_parameters) -> float:
        """Return half of the case weight that this many parameters leave free."""
        return scales.half_of_cases(n_parameters, self.total_weight, self.n_cases)

    def to_original(self, params):
        """Return the coefficients and the intercept in the user's units."""
        coef, intercept = self.columns.split(params)
        intercept += self.origin
        return coef, intercept - float(np.dot(self.columns.centre, coef))

    def from_original(self, coef, intercept):
        """Return the parameters of coefficients and an intercept in the user's units."""
        params = np.asarray(coef, dtype=np.float64) * self.columns.unit
        if not self.columns.fit_intercept:
            return params
        at_centre = intercept + float(np.dot(self.columns.centre, coef))
        return np.append(params, at_centre - self.origin)


def check_target(largest, floor: Callable[[], float]):
    """Raise an error where y cannot be squared; ``floor`` returns the floor of its scale."""
    if largest > 1.0 / LEAST:
        raise ValueError(f"y must hold numbers below {1 / LEAST:g}, got about {largest:g}.")
    if largest > _WIDE and floor() < largest / _WIDE**3:
        raise ValueError(
            f"y must hold numbers within a factor of {1e-12 * _WIDE**3:g}, got about "
            f"{largest:g} beside much smaller ones."
        )
