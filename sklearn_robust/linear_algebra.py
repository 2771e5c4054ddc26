"""Symmetric systems in the parameters, of full rank or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

_WELL_CONDITIONED = 1e-10
"""Reciprocal condition number of a Gram matrix above which its Cholesky factor is used."""
_CLEARLY_FREE = 1e-6
"""Larger eigenvalues of a Gram matrix with unit diagonal, relative to the largest, do not belong to
dependent columns."""
_CLEARLY_ZERO = 1e-13
"""Smaller eigenvalues, relative to the largest times the order, are rounding of zero."""
_IN_NO_DIRECTION = 1e-9
"""A smaller component of a unit vector is rounding."""
_MOST_DEPENDENT = 16
"""Most directions that are tested on the rows; each test is a pass."""
_AT_ONCE = 256
"""Approximate number of rows that a QR decomposition takes at once."""
INFLATED = 100.0
"""Mean variance inflation of the coefficients above which columns count as nearly dependent."""


@dataclass(frozen=True)
class InverseRoot:
    """M with M·Mᵀ the (pseudo-)inverse of a curvature, and a basis of the null space.

    Attributes
    ----------
    root : ndarray or sparse array of shape (n_parameters, rank)
    null : ndarray of shape (n_parameters, n_parameters - rank)
    """

    root: np.ndarray | sparse.sparray
    null: np.ndarray

    @classmethod
    def identity(cls, size: int) -> InverseRoot:
        """Return the identity as a root."""
        return cls(sparse.eye_array(size, format="csr"), np.empty((size, 0)))

    @property
    def well_conditioned(self) -> bool:
        """Whether no columns are dependent or nearly dependent."""
        return self.null.size == 0 and self.norm**2 <= INFLATED * len(self.null)

    @cached_property
    def norm(self) -> float:
        """The Frobenius norm, which bounds how much the rounding of a gradient is magnified."""
        return float(np.sqrt((self.root * self.root).sum()))

    def solve(self, gradient):
        """Return the vector of least norm whose product with the curvature is ``gradient``."""
        return self.root @ (self.root.T @ gradient)


def inverse_root(
    gram: np.ndarray, triangular: Callable[[], np.ndarray], vanish: Callable, n_rows
) -> InverseRoot:
    """Factor a curvature matrix by Cholesky, or, if columns are dependent, by eigenvectors.

    If both would lose digits, the singular value decomposition of R is used.

    Parameters
    ----------
    gram : ndarray of shape (n_parameters, n_parameters)
    triangular : callable
        Returns R with RᵀR = gram, computed without forming the product. It is called if the
        Cholesky factorisation fails or is ill-conditioned.
    vanish : callable
        Takes directions, one in each column, and returns whether they change no fitted value.
    n_rows : int
        The number of rows of which R is computed; its rounding grows with the root of this.
    """
    size = len(gram)
    diagonal = np.sqrt(np.maximum(np.diag(gram), 0.0))
    if np.all(diagonal > 0.0) and np.all(np.isfinite(diagonal)):
        scaled = gram / diagonal / diagonal[:, None]
        inverse = _cholesky_root(scaled)
        if inverse is not None:
            return InverseRoot(inverse / diagonal[:, None], np.empty((size, 0)))
        exact = _exactly_dependent(scaled, diagonal, vanish)
        if exact is not None:
            return exact
    _, singular, rows = np.linalg.svd(triangular(), full_matrices=True)
    rounding = size * np.finfo(np.float64).eps * math.sqrt(1.0 + n_rows / _AT_ONCE)
    kept = singular > rounding * singular.max(initial=0.0)
    rank = int(np.count_nonzero(kept))
    return InverseRoot(rows[:rank].T / singular[:rank], rows[rank:].T)


def pseudo_inverse_root(gram: np.ndarray) -> np.ndarray:
    """Return M with M·Mᵀ the pseudo-inverse of a Gram matrix, if rounding does not matter."""
    root = _cholesky_root(gram)
    if root is not None:
        return root
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return vectors[:, kept] / np.sqrt(values[kept])


def _cholesky_root(gram) -> np.ndarray | None:
    """Return the inverse of the Cholesky factor, or None if it has lost digits."""
    if gram.size == 0:
        return None
    upper, info = lapack.dpotrf(gram)
    if info != 0 or lapack.dpocon(upper, np.abs(gram).sum(axis=0).max())[0] <= _WELL_CONDITIONED:
        return None
    return lapack.dtrtri(upper)[0]


def _exactly_dependent(scaled, diagonal, vanish) -> InverseRoot | None:
    """Return the root if some columns are exactly dependent and others not nearly, or None.

    This is so for the dummies of all levels with an intercept. No decomposition of all rows is
    needed then: the Gram matrix gives the null directions, and a pass confirms them.
    """
    values, vectors = np.linalg.eigh(scaled)
    free = values > _CLEARLY_FREE * values[-1]
    if np.any(np.abs(values[~free]) > _CLEARLY_ZERO * len(values) * values[-1]):
        return None
    null = np.linalg.qr(vectors[:, ~free] / diagonal[:, None])[0]
    if null.shape[1] > _MOST_DEPENDENT or not vanish(null):
        return None
    root = vectors[:, free] / np.sqrt(values[free]) / diagonal[:, None]
    return InverseRoot(root - null @ (null.T @ root), null)


def sparse_basis(directions, last):
    """Return a basis, of unit vectors, in which each direction has a parameter that no other has.

    If all levels of several categories are columns, each direction is about one category.

    Parameters
    ----------
    directions : ndarray of shape (n_parameters, n_directions)
    last : int
        Parameters from this one on, the intercept, are taken for this only if no others are left.
    """
    basis, used = np.array(directions.T), np.zeros(directions.shape[0], dtype=bool)
    for k in range(len(basis)):
        sizes = np.abs(basis[k:]) * ~used
        if np.max(sizes[:, :last], initial=0.0) > _IN_NO_DIRECTION:
            sizes[:, last:] = 0.0
        row, pivot = divmod(int(np.argmax(sizes)), sizes.shape[1])
        used[pivot] = True
        basis[[k, k + row]] = basis[[k + row, k]]
        basis[k] /= basis[k, pivot]
        others = np.arange(len(basis)) != k
        basis[others] -= np.outer(basis[others, pivot], basis[k])
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return np.where(np.abs(basis) > _IN_NO_DIRECTION, basis, 0.0).T


def minimum_norm(params, unit, null):
    """Return the parameters with the same fit whose coefficients, in the user's units, are least.

    Parameters
    ----------
    params : ndarray of shape (n_parameters,) or (n_parameters, n_vectors)
        Parameters of the standardised columns.
    unit : ndarray of shape (n_features,)
        Units of the columns. The intercept, if any, does not count in the norm.
    null : ndarray of shape (n_parameters, n_null)
        Directions that change no fitted value.
    """
    if null.shape[1] == 0:
        return params
    # Rounding in a direction must not count, even if the unit of its column is tiny.
    null = np.where(np.abs(null) > _IN_NO_DIRECTION, null, 0.0)
    directions = null[: len(unit)] / unit[:, None]
    excess = np.linalg.lstsq(directions, (params[: len(unit)].T / unit).T)[0]
    return params - null @ excess
