"""What fits of the same rows and penalty share, whatever their loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..problem import Objective, Problem
from ..solvers.anderson import minimise_near
from ..solvers.result import SolverResult, Start, quiet
from ..solvers.solver import choose
from .exact_plane import exact_plane
from .level_moves import minimise_with_level_moves
from .residual_scales import GivenScale, TruncatedScale
from .s_estimate import SEstimate, refined_from_subsample, s_estimate
from .starts import least_squares
from .subsample import accuracy_of, sample_of

_NOT_ABOVE = 1.0 + 1e-12
"""Ratio of two values of the objective that rounding allows where they are equal."""


@dataclass(frozen=True)
class SharedStarts:
    """Least squares, the S-estimate, and the same of a sample of the rows, each made once.

    Attributes
    ----------
    problem : Problem
    solver : str
        The name of a solver for a fixed scale, or "auto".
    random_state : RandomState
    max_iter : int
    tol : float
    """

    problem: Problem
    solver: str
    random_state: Any
    max_iter: int
    tol: float

    @cached_property
    def sample(self) -> SharedStarts | None:
        """The same of a sample, loosely; None where that would not help."""
        design = sample_of(self.problem.design)
        if design is None:
            return None
        tol = max(self.tol, accuracy_of(design))
        sample = replace(self, problem=self.problem.on(design), solver="auto", tol=tol)
        return sample if sample._well_conditioned else None

    @property
    def _well_conditioned(self) -> bool:
        if self.sample is not None:
            return True
        return self.least_squares.root.well_conditioned

    @cached_property
    def least_squares(self) -> Start:
        return least_squares(self.problem, max_iter=self.max_iter)

    @cached_property
    def s_estimate(self) -> SEstimate:
        sample = self.sample
        if sample is not None and exact_plane(self.problem.design) is None:
            estimate = refined_from_subsample(
                self.problem, sample.problem, sample.s_estimate, self.options(quiet)
            )
            if estimate is not None:
                return estimate
        return s_estimate(
            self.problem, self.least_squares, self.minimise, self.random_state,
            tol=self.tol, max_iter=self.max_iter,
        )  # fmt: skip

    @cached_property
    def truncated_sigma(self) -> float:
        """The truncated deviation at the S-estimate of least bias, at most its scale."""
        estimate = self.s_estimate.least_biased
        truncated = TruncatedScale(self.problem.design, 1.0, estimate.n_parameters, estimate.sigma)
        return truncated(estimate.params)

    def options(self, report) -> dict:
        """Return the options of a search."""
        return {"tol": self.tol, "max_iter": self.max_iter, "report": report}

    @property
    def followed(self) -> bool:
        """Whether a search begins close to its end and need not be one for any start."""
        return self.solver == "auto" and self.sample is not None

    def minimise(self, objective: Objective, start: Start, **options) -> SolverResult:
        """Minimise at a fixed scale, from a start that may be close; move levels where it helps."""
        return minimise_with_level_moves(self._minimise, objective, start, **options)

    def _minimise(self, objective, start, **options):
        if self.followed:
            result = minimise_near(objective, start, GivenScale(), **options)
            # Without a line search a loss with several minima might lead up, to none of them.
            if result is not None and result.objective <= _NOT_ABOVE * result.history[0]:
                return result
        return choose(self.solver, objective.design)(objective, start, **options)
