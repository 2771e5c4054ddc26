"""The standardised columns that a search with selection reads, held apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .. import kernels
from .threads import serial_algebra

if TYPE_CHECKING:
    from .local import LocalDesign


_FEW = 128
"""Tables of at most this many columns are held whole."""


class WorkingSet:
    """Columns of a design in the order in which they have come in, and products with them.

    Only rows with a case weight are held. The intercept, if there is one, is the first column.

    Parameters
    ----------
    design : LocalDesign

    Attributes
    ----------
    places : ndarray of int
        The places of the columns among all parameters.
    target : ndarray of shape (n_present,)
        y minus the origin.
    cases : ndarray of shape (n_present,), or empty if every row counts once
    gram : ndarray or None
        The mean Gram matrix of the columns under the weights of the last call of :meth:`weigh`.
    """

    def __init__(self, design: LocalDesign):
        self.design = design
        self._rows = slice(None) if design.sample_weight is None else design.present()
        self.target = design.y[self._rows] - design.origin
        self.cases = design.cases[self._rows] if len(design.cases) else design.cases
        first = [design.n_features] if design.columns.fit_intercept else []
        self.places = np.array(first, dtype=np.intp)
        self._loss: Any = None
        self._last: tuple | None = None
        self._is_in = np.zeros(design.n_features, dtype=bool)
        self._columns = design.held_columns(self._rows)
        self._roots: np.ndarray | None = None
        self.gram: np.ndarray | None = None

    @property
    def is_small(self) -> bool:
        """Whether all columns are so few that they may be held at once."""
        return self.design.n_features <= _FEW

    @property
    def intercept(self) -> slice:
        """The place of the intercept among the columns of the set; empty if there is none."""
        return slice(0, int(self.design.columns.fit_intercept))

    def outside(self) -> np.ndarray:
        """Return the numbers of the columns of X that are not in the set."""
        return np.flatnonzero(~self._is_in)

    def for_loss(self, loss) -> None:
        """Forget the Gram matrix if its weights were those of another loss."""
        if loss != self._loss:
            self._loss, self.gram = loss, None

    def take_in(self, features) -> None:
        """Take in the columns that are not in the set yet."""
        features = features[~self._is_in[features]]
        if len(features) == 0:
            return
        self._is_in[features] = True
        self.places = np.append(self.places, features)
        n_before = self._columns.count
        self._columns.append(features)
        if self.gram is not None:
            self._extend(n_before)

    def weigh(self, weights) -> None:
        """Compute the Gram matrix anew, under weights that include the case weights."""
        self._roots, self.gram = np.sqrt(weights), np.empty((0, 0))
        self._extend(0)

    def _extend(self, n_before):
        """Add the rows of the Gram matrix for the columns from ``n_before`` on."""
        with serial_algebra():
            new = self._columns.gram(self._roots, n_before) / self.design.total_weight
        gram = np.empty((self._columns.count,) * 2)
        gram[:n_before, :n_before] = self.gram
        gram[n_before:] = new
        gram[:n_before, n_before:] = new[:, :n_before].T
        self.gram = gram

    def residuals(self, params) -> np.ndarray:
        """Return the residuals at parameters of the columns in the set."""
        return self.moved(self.target, params)

    def moved(self, residuals, step) -> np.ndarray:
        """Return residuals after a step of the parameters."""
        return self._columns.moved(residuals, step)

    def gradient(self, influence) -> np.ndarray:
        """Return the gradient of the mean loss in the parameters of the columns in the set."""
        return self._columns.products(influence) / -self.design.total_weight

    def gradient_of_all(self, influence, within) -> np.ndarray:
        """Return the gradient of the mean loss in all slopes; shape (n_features,).

        The last gradient is returned if it cannot differ by more than ``within``: the change of a
        product with a standardised column is at most the root mean square change of the influence.
        """
        design = self.design
        if self._last is not None:
            change = influence - self._last[0]
            if np.dot(change, change) <= within * within * design.total_weight:
                return self._last[1]
        of_rows = influence
        if design.sample_weight is not None:
            of_rows = np.zeros(design.n_rows)
            of_rows[self._rows] = influence

        def task(rows, start, stop):
            return [rows.gradient_range(of_rows[start:stop], start, stop)]

        gradient = design.reduce(task)[0][: design.n_features]
        self._last = influence, gradient / (design.total_weight * design.columns.unit)
        return self._last[1]


class DenseColumns:
    """Standardised columns of some rows, as the rows of an array that grows.

    Attributes
    ----------
    count : int
        The number of columns, with the intercept.
    """

    def __init__(self, design: LocalDesign, rows):
        self._design, self._rows = design, rows
        self.count = int(design.columns.fit_intercept)
        self._all = np.ones((self.count, design.n_present))

    def append(self, features) -> None:
        """Add columns of X."""
        columns, n_before = self._design.columns, self.count
        self.count += len(features)
        if self.count > len(self._all):
            grown = np.empty((max(self.count, 2 * len(self._all)), self._all.shape[1]))
            grown[:n_before] = self._all[:n_before]
            self._all = grown
        new = self._all[n_before : self.count]
        raw = self._design.dense_rows(self._rows, features)
        np.subtract(raw.T, columns.centre[features, None], out=new)
        new /= columns.unit[features, None]

    def moved(self, residuals, step) -> np.ndarray:
        """Return residuals after a step of the parameters."""
        return kernels.less_combination(self._all, step, residuals)

    def products(self, values) -> np.ndarray:
        """Return the sum over the rows of every column times values."""
        return kernels.column_products(self._all[: self.count], values)

    def gram(self, roots, n_before) -> np.ndarray:
        """Return the weighted products of the columns from ``n_before`` on with all."""
        weighted = self._all[: self.count] * roots
        return weighted[n_before:] @ weighted.T


class SparseColumns:
    """The stored entries of columns; centre and unit are applied to the products.

    The methods are those of :class:`DenseColumns`.
    """

    def __init__(self, design: LocalDesign, rows):
        self._design, self._ones = design, int(design.columns.fit_intercept)
        self._X = sparse.csc_array((design.n_present, 0))
        self._centre, self._unit = np.empty(0), np.empty(0)

    @property
    def count(self):
        return self._ones + len(self._unit)

    def append(self, features):
        columns = self._design.columns
        new = self._design.apart(features, np.zeros(len(features)))
        self._X = sparse.hstack([self._X, new], format="csc")
        self._centre = np.append(self._centre, columns.centre[features])
        self._unit = np.append(self._unit, columns.unit[features])

    def moved(self, residuals, step):
        coef = step[self._ones :] / self._unit
        shift = float(step[: self._ones].sum()) - float(self._centre @ coef)
        return residuals - self._X @ coef - shift

    def products(self, values):
        total = float(values.sum())
        slopes = (self._X.T @ values - self._centre * total) / self._unit
        return np.append(np.full(self._ones, total), slopes)

    def gram(self, roots, n_before):
        weights = roots * roots
        total, sums = float(weights.sum()), self._X.T @ weights
        after = slice(max(n_before - self._ones, 0), None)
        weighted = self._X[:, after].multiply(weights[:, None]).tocsc()
        slopes = (weighted.T @ self._X).toarray()
        centre = self._centre
        slopes -= np.outer(sums[after], centre) + np.outer(centre[after], sums)
        slopes += total * np.outer(centre[after], centre)
        slopes /= np.outer(self._unit[after], self._unit)
        if not self._ones:
            return slopes
        of_ones = (sums - total * centre) / self._unit
        slopes = np.column_stack([of_ones[after], slopes])
        if n_before == 0:
            slopes = np.vstack([np.append(total, of_ones), slopes])
        return slopes
