"""What fits of the same rows and penalty share, whatever their loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..problem import Objective, Problem
from ..scale_rules import falling_scale
from ..solvers.result import SolverResult, Start, first_usable, quiet
from .exact_plane import exact_plane
from .level_moves import minimise_with_level_moves
from .plan import Plan, minimise_by, solvers_for
from .s_estimate import SEstimate, refined_from_subsample, s_estimate
from .selecting_starts import selecting_s_estimate
from .starts import from_params, least_squares
from .subsample import accuracy_of, sample_of, subsample_size


@dataclass(frozen=True)
class SharedStarts:
    """Least squares, the S-estimate, and both for a subsample, each computed once.

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
        """The same for a subsample, to a larger ``tol``.

        None if the rows are few, or the columns are dependent in the subsample.
        """
        size = subsample_size(self.problem.design)
        if size == 0 or self.problem.standardised_penalty.selects:
            return None
        design = sample_of(self.problem.design, size)
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

    def plan(self, init: str, scale: str, *, subsampled=True) -> Plan:
        """Return the plan of a fit.

        Parameters
        ----------
        init, scale : str
            As of :class:`~sklearn_robust.procedures.plan.Plan`.
        subsampled : bool
            Whether a subsample is fitted first, if there is one.
        """
        design = self.problem.design
        sample = self.sample if subsampled else None
        n_first = 0 if sample is None else sample.problem.design.n_rows
        solvers = solvers_for(self.solver, self.problem, near=n_first > 0 and self.solver == "auto")
        return Plan(init, scale, n_first, design.n_rows, solvers)

    @cached_property
    def s_plan(self) -> Plan:
        """The plan of the S-estimate."""
        return self.plan("s", "s")

    @cached_property
    def s_estimate(self) -> SEstimate:
        if self.problem.standardised_penalty.selects:
            nothing = np.zeros(self.problem.design.columns.n_parameters)
            return selecting_s_estimate(
                self.problem, from_params(self.problem, nothing), self.random_state,
                tol=self.tol, max_iter=self.max_iter,
            )  # fmt: skip

        def searched():
            return s_estimate(
                self.problem, self.least_squares, self.minimise, self.random_state,
                tol=self.tol, max_iter=self.max_iter,
            )  # fmt: skip

        if self.sample is None or exact_plane(self.problem.design) is not None:
            return searched()
        sample, options = self.sample, self.options(quiet)
        refined = partial(
            refined_from_subsample, self.problem, sample.problem, sample.s_estimate, options
        )
        return first_usable(refined, searched)

    @cached_property
    def truncated_sigma(self) -> float:
        """The truncated deviation at the S-estimate of least bias, at most its scale."""
        estimate = self.s_estimate.least_biased
        scale = falling_scale(self.problem, 1.0, estimate.n_parameters, estimate.sigma)
        return scale.sigma_at(estimate.params)

    def options(self, report) -> dict:
        """Return the options of a search."""
        return {"tol": self.tol, "max_iter": self.max_iter, "report": report}

    def minimise(self, objective: Objective, start: Start, **options) -> SolverResult:
        """Minimise at a fixed scale by the plan of the S-estimate, with level moves."""
        minimise = partial(minimise_by, self.s_plan.solvers)
        return minimise_with_level_moves(minimise, objective, start, **options)
