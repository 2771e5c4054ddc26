"""What a solver may ask of the rows, wherever they are."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from .. import kernels
from .. import scale as scales
from ..losses import Loss
from . import exact
from .block import Block
from .standardisation import ColumnStatistics
from .statistics import ResidualStatistics

if TYPE_CHECKING:
    from .local import LocalRows

_EXACT = 10.0
"""Floors of the residual scale within which a fit at that floor, pulled by the other rows, ends."""
_ALL_SEEN = 1000
"""Rows up to which the search for the S-estimate draws no sample."""
_SPARSE = 3
"""Rows for one that is drawn from which each may come from a stretch of its own."""


class Rows(ColumnStatistics, ResidualStatistics):
    """Rows of X, y and case weights: sums over them, and nothing of the problem they serve.

    A subclass says where they are; here are the passes over them, each a task that some rows
    sum over their ranges. Sums are added in a fixed order, so that the result has the same bits
    whoever summed.

    Attributes
    ----------
    n_rows, n_features : int
    total_weight, n_cases : float
        Of all rows, as ``scale.n_cases`` has it.
    sample_weight : ndarray of shape (n_rows,) or None
        Case weights, of rows in this process.
    columns : Standardisation
    """

    n_rows: int
    sample_weight: np.ndarray | None
    _origin = 0.0

    def to_original(self, params):
        """Return the coefficients and the intercept in the user's units."""
        coef, intercept = self.columns.split(params)
        intercept += self._origin
        return coef, intercept - float(np.dot(self.columns.centre, coef))

    def from_original(self, coef, intercept):
        """Return the parameters of coefficients and an intercept in the user's units."""
        params = np.asarray(coef, dtype=np.float64) * self.columns.unit
        if not self.columns.fit_intercept:
            return params
        at_centre = intercept + float(np.dot(self.columns.centre, coef))
        return np.append(params, at_centre - self._origin)

    def sample(self, size, random_state) -> LocalRows:
        """Return about so many rows drawn without replacement, columns standardised as here.

        Rows of weight zero are not drawn; where there are no more than ``size`` others, these
        rows themselves are returned.
        """
        n_rows = self.n_present
        if n_rows <= size:
            return self._here()
        if n_rows < _SPARSE * size:
            drawn = np.sort(random_state.choice(n_rows, size, replace=False))
        else:  # one of each stretch of neighbours: the others need not be numbered
            places = (np.arange(size) + random_state.uniform(size=size)) * (n_rows / size)
            places = places.astype(np.intp)
            drawn = places[np.diff(places, prepend=-1) > 0]
        return self._only_present(drawn)

    def thinned(self, most) -> LocalRows:
        """Return at most so many evenly spaced rows of those with a weight."""
        if self.n_present <= most:
            return self._here()
        return self._only_present(np.arange(0, self.n_present, -(-self.n_present // most)))

    def has_levels(self) -> bool:
        """Return whether a column is known to be a level column."""
        return False

    @property
    def n_numeric_parameters(self) -> int:
        """The number of parameters that do not belong to a level column."""
        return self.columns.n_parameters

    def move_levels(self, params, loss: Loss, scale: float, ridge):
        """Return parameters with rare levels moved, the gain, and whether any moved.

        Each is at what its own rows want.

        Rows elsewhere than in this process leave them as they are.
        """
        return params, 0.0, False

    def rare_level_rows(self) -> np.ndarray:
        """Return the numbers of the rows that have a level which few others have."""
        return np.empty(0, dtype=np.intp)

    def most_are_exact(self, params) -> bool:
        """Return whether more than half of the case weight is fitted to within rounding."""
        return self.deviation(params, 0.5) <= _EXACT * self.scale_floor()

    def exact_plane(self) -> np.ndarray | None:
        """Return the parameters of a plane that fits more than half of the rows exactly.

        None where there is none, or many parameters, or so few rows that any search sees them all.
        """
        if self.n_present <= _ALL_SEEN or self.columns.n_parameters > exact.MOST_PARAMETERS:
            return None
        block, floor = self.thinned(exact.SEEN).block(), self.scale_floor()
        params = None if block is None else exact.exact_plane(block, floor)
        return params if params is not None and self.deviation(params, 0.5) <= floor else None

    def vanish(self, directions, params, loss: Loss, scale: float) -> bool:
        """Return whether directions change no fitted value; False where that is not known."""
        return False

    # -- what a subclass provides --

    @property
    @abstractmethod
    def n_present(self) -> int:
        """The number of rows whose case weight is not zero."""

    @abstractmethod
    def _here(self) -> LocalRows:
        """Return all rows with a weight, in this process."""

    @abstractmethod
    def _only_present(self, places) -> LocalRows:
        """Return some of the rows with a weight, by their places among them, in this process."""

    @abstractmethod
    def training_weights(self, params, loss: Loss, scale: float, left_out=()):
        """Return the robust weight of every row, 1 at a residual of zero, and about the largest.

        That of rows left out, as :meth:`further` gives them, is 0. The shape is (n_rows,).
        """

    @abstractmethod
    def scale_floor(self) -> float:
        """Return the least residual scale that rounding in y allows to tell from zero."""

    @abstractmethod
    def block(self) -> Block | None:
        """Return the rows with a weight packed together, or None where they are many."""

    @abstractmethod
    def beyond(self, params, size):
        """Return which rows with a weight have a residual larger than ``size``."""

    @abstractmethod
    def further(self, which, root, distance):
        """Return which of some rows are so long, standardised and times a root, squared."""

    @abstractmethod
    def without(self, which) -> Rows:
        """Return the same rows with weight zero for some."""

    @abstractmethod
    def least_squares_gradient(self, params) -> np.ndarray:
        """Return the gradient of the mean of r²/2, found in twice the precision of a double."""

    @abstractmethod
    def triangular(self, params, loss: Loss, scale: float, majorant: float = 1.0) -> np.ndarray:
        """Return R with RᵀR the Gram matrix of :meth:`curvature`, not formed from it.

        Built by QR, a few rows after the others, it keeps the digits that a Gram matrix
        loses where columns are nearly dependent.

        Returns
        -------
        ndarray of shape (at most n_parameters, n_parameters)
        """

    # -- passes --

    def _residuals_into(self, params):
        coef, intercept = self.columns.split(params)

        def write(rows, start, stop, out):
            rows._residuals_range(coef, intercept, start, stop, out)
            if rows.sample_weight is not None:  # what an absent row holds must not be seen
                absent = rows.sample_weight[start:stop] == 0.0
                out[absent & ~np.isfinite(out)] = np.finfo(np.float64).max

        return write

    def loss_gradient(self, params, loss: Loss, scale: float):
        """Return the mean of rho and ``scale`` times its gradient in the parameters.

        Parameters
        ----------
        params : ndarray of shape (n_parameters,)
            Of the standardised columns.
        loss : Loss
        scale : float
            The scale c, in the unit of y.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        """
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.NOTHING)
        return float(sums[0]), gradient

    def curvature(self, params, loss: Loss, scale: float, majorant: float = 1.0):
        """Return what :meth:`loss_gradient` does and the mean weighted Gram matrix.

        Parameters
        ----------
        params, loss, scale
            As in :meth:`loss_gradient`.
        majorant : float in [0, 1]
            The weights are psi', where it is positive, and this share of what the robust
            weights exceed it by.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        gram : ndarray of shape (n_parameters, n_parameters)
            Of the standardised columns.
        """
        wanted = kernels.GRAM, 0.0, 0.0, majorant
        sums, gradient, gram, _ = self._pass(params, loss, scale, *wanted)
        size = self.columns.n_parameters
        return float(sums[0]), gradient, gram[:size, :size]

    def scale_gradient(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does, and the derivative in log c."""
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.NOTHING)
        return float(sums[0]), gradient, -float(sums[1])

    def sizes_gradient(self, params, loss: Loss, scale: float, low: float, high: float):
        """Return what :meth:`loss_gradient` does, and the sizes of residuals, for quantiles.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        sizes : Sizes
            Those between ``low`` and ``high`` themselves.
        """
        sums, gradient, _, lists = self._pass(params, loss, scale, kernels.SIZES, low, high)
        below, squares = self.total_weight * sums[3:5]
        sizes, cases = map(np.concatenate, zip(*lists, strict=True))
        found = scales.Sizes(
            sizes, cases, float(below), float(squares), low, high, self.total_weight
        )
        return float(sums[0]), gradient, found

    def shape_gradient(self, params, loss: Loss, scale: float):
        """Return what :meth:`loss_gradient` does, and the slopes in scale and shape.

        Returns
        -------
        value : float
        gradient : ndarray of shape (n_parameters,)
        scale_slope, shape_slope : float
            The derivatives of the mean of rho in log c and in alpha.
        """
        sums, gradient, *_ = self._pass(params, loss, scale, kernels.SHAPE)
        return float(sums[0]), gradient, -float(sums[1]), float(sums[2])

    def _pass(self, params, loss, scale, extra, low=0.0, high=0.0, majorant=1.0):
        coef, intercept = self.columns.split(params)
        wanted = extra, low, high, majorant

        def task(rows, start, stop):
            *parts, sizes, cases = rows._pass_range(
                coef, intercept, loss, scale, wanted, start, stop
            )
            # Copies, not the whole of what was held for them; lists are added end to end.
            return *parts, [(sizes.copy(), cases.copy())]

        *totals, lists = self._sum(task)
        sums, gradient, gram = (total / self.total_weight for total in totals)
        gradient[:-1] /= self.columns.unit
        return sums, gradient[: self.columns.n_parameters], gram, lists
