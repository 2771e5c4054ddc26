"""The start, the result and the status of a solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from ..linear_algebra import InverseRoot


class Status(Enum):
    """How a search ended."""

    CONVERGED = "converged"
    UNFINISHED = "unfinished"
    """The iterations were used up; the result is the best point that was seen."""
    STALLED = "stalled"
    """The method makes no progress from this start; the result is of no use."""
    NOT_APPLICABLE = "not applicable"
    """The method does not apply to this problem; nothing was tried."""

    @property
    def usable(self) -> bool:
        """Whether the result may be the answer."""
        return self in (Status.CONVERGED, Status.UNFINISHED)

    @classmethod
    def of(cls, converged) -> Status:
        """Return the status of a search that has converged or used up its iterations."""
        return cls.CONVERGED if converged else cls.UNFINISHED


@dataclass(frozen=True)
class Start:
    """Where a search begins.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Parameters of the standardised columns, the intercept last.
    root : InverseRoot
        Inverse root of a curvature near ``params``: of least squares, of Cauchy's loss at an
        S-estimate, or of the objective of a subsample. Its null space is that of least squares.
        The identity if there are too many columns to form it.
    scale : float or None
        The scale c of the fit of a subsample, if the search starts from one.
    """

    params: np.ndarray
    root: InverseRoot
    scale: float | None = None

    def moved(self, params, result: SolverResult) -> Start:
        """Return the start of a search that goes on from other parameters than a result's."""
        return replace(self, params=params)


@dataclass(frozen=True)
class AdaptiveStart(Start):
    """Where a search of the likelihood begins.

    Attributes
    ----------
    scale : float
        The scale c, in the unit of y.
    alpha : float
    curvature : ndarray of shape (2, 2) or None
        Curvature of the likelihood in log scale and shape, if the search starts from the fit of a
        subsample.
    exact : bool
        Whether the start fits more than half of the rows exactly.
    """

    scale: float = 1.0
    alpha: float = 1.0
    curvature: np.ndarray | None = None
    exact: bool = False

    def moved(self, params, result) -> AdaptiveStart:
        """Return the start of a search that goes on from other parameters than a result's."""
        learned = {"scale": result.scale, "alpha": result.alpha}
        return replace(self, params=params, curvature=None, **learned)


@dataclass(frozen=True)
class SolverResult:
    """Where a search ended.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Parameters of the standardised columns, the intercept last.
    scale : float
        The scale c at which ``params`` minimise the objective.
    objective : float
        F at the last point where it was evaluated, within ``tol`` of ``params``, in the squared
        unit of y.
    n_iter : int
        Number of iterations, all scales together.
    status : Status
        Converged if the remaining step is within ``tol`` in every parameter.
    history : tuple of float
        F at the beginning of each iteration, at the scale of that iteration.
    """

    params: np.ndarray
    scale: float
    objective: float
    n_iter: int
    status: Status
    history: tuple[float, ...]

    @property
    def converged(self) -> bool:
        """Whether the remaining step is within ``tol`` in every parameter."""
        return self.status is Status.CONVERGED


@dataclass(frozen=True)
class RegressionResult(SolverResult):
    """The result of a whole fit: start, scale and search.

    Attributes
    ----------
    sigma : float or None
        The residual scale from which ``scale`` was computed, if it was estimated.
    vanished : bool
        Whether the residual scale was zero to rounding at some plane, so that ``sigma`` is its
        floor or comes from a wider quantile than the median.
    exact : bool
        Whether this plane is the fit, so that more than half of the rows are fitted exactly.
    unbelieved : tuple of int
        The numbers of the columns whose coefficients only rejected rows determine.
    """

    sigma: float | None
    vanished: bool
    exact: bool = False
    unbelieved: tuple[int, ...] = ()


@dataclass(frozen=True)
class AdaptiveResult(SolverResult):
    """Where a search for coefficients, scale and shape ended; ``objective`` is the likelihood's.

    Attributes
    ----------
    alpha : float
    """

    alpha: float


def unusable(kind, start: Start, status: Status, **more):
    """Return a result of a given class for a method that found nothing."""
    nothing = {"scale": math.nan, "objective": math.inf, "n_iter": 0, "history": ()}
    return kind(params=start.params, status=status, **nothing, **more)


def first_usable(*attempts: Callable[[], Any]):
    """Return the first result whose status is usable, or else the last result.

    Parameters
    ----------
    *attempts : callable
        Each takes no argument and returns an object with a :class:`Status`.
    """
    for attempt in attempts:
        result = attempt()
        if result.status.usable:
            break
    return result


def quiet(value):
    """Report nothing: the callback of searches within a search."""
