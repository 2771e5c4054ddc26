"""What a start hands to a solver, and what a solver hands back."""

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
        The scale c of the fit of a sample, where that is the start.
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
        Of the likelihood in scale and shape, where the fit of a sample is the start.
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
        F at the last point that was read, in the squared unit of y: at most ``tol`` steps
        away from ``params``.
    n_iter : int
        Iterations, all scales together.
    converged : bool
        Whether the step still owed is within ``tol`` in every parameter.
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
        The numbers of the columns of whose coefficients only rejected rows tell.
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
    """Report nothing, for searches within a search."""
