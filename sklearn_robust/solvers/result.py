"""The start of a solver and its result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..linear_algebra import InverseRoot


@dataclass(frozen=True)
class Start:
    """Where a search begins.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Of the standardised columns, the intercept last.
    root : InverseRoot
        Of the curvature of least squares; the identity where there are too many columns to
        form it.
    scale : float or None
        The scale c of the fit of a subsample, where the search starts from one.
    """

    params: np.ndarray
    root: InverseRoot
    scale: float | None = None


@dataclass(frozen=True)
class AdaptiveStart(Start):
    """Where a search of the likelihood begins.

    Attributes
    ----------
    scale : float
        The scale c, in the unit of y.
    alpha : float
    curvature : ndarray of shape (2, 2) or None
        Of the likelihood in log scale and shape, where the search starts from the fit of a
        subsample.
    exact : bool
        Whether more than half of the rows are fitted exactly there.
    """

    scale: float = 1.0
    alpha: float = 1.0
    curvature: np.ndarray | None = None
    exact: bool = False


@dataclass(frozen=True)
class SolverResult:
    """Where a search ended.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Of the standardised columns, the intercept last.
    scale : float
        The scale c at which ``params`` minimise the objective.
    objective : float
        F at the last point where it was evaluated, within ``tol`` of ``params``, in the squared
        unit of y.
    n_iter : int
        Iterations, all scales together.
    converged : bool
        Whether the remaining step is within ``tol`` in every parameter.
    history : tuple of float
        F at the beginning of each iteration, each at the scale of its time.
    """

    params: np.ndarray
    scale: float
    objective: float
    n_iter: int
    converged: bool
    history: tuple[float, ...]


@dataclass(frozen=True)
class RegressionResult(SolverResult):
    """The result of a whole fit: start, scale and search.

    Attributes
    ----------
    sigma : float or None
        The residual scale from which ``scale`` was made, where it was estimated.
    vanished : bool
        Whether the residual scale was zero to rounding at some plane, so that ``sigma`` is its
        floor, or made from a wider quantile than the median.
    exact : bool
        Whether, besides, the fit is such a plane: more than half of the rows are fitted exactly.
    unbelieved : tuple of int
        The numbers of the columns whose coefficients rest on rejected rows alone.
    """

    sigma: float | None
    vanished: bool
    exact: bool
    unbelieved: tuple[int, ...] = ()


@dataclass(frozen=True)
class AdaptiveResult(SolverResult):
    """Where a search for coefficients, scale and shape ended; ``objective`` is the likelihood's.

    Attributes
    ----------
    alpha : float
    """

    alpha: float


def quiet(value):
    """Report nothing: the callback of searches within a search."""
