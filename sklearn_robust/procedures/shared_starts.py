"""What fits of the same rows and penalty share, whatever their loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..limits import LIMITS
from ..linear_algebra import InverseRoot
from ..penalties import ElasticNet
from ..problem import Objective, Problem
from ..scale_rules import falling_scale
from ..solvers.result import SolverResult, Start, first_usable, quiet
from .exact_plane import exact_plane
from .grown_rows import GrownRows, grown_rows, has_few_rows
from .level_moves import minimise_with_level_moves
from .plan import Plan, minimise_by, solvers_for
from .s_estimate import SEstimate, refined_from_subsample, s_estimate
from .selecting_starts import selecting_s_estimate
from .starts import least_squares
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
    neighbour : SharedStarts or None
        Those of the same rows with another penalty, near which these are searched.
    near : tuple of ndarray of shape (n_parameters,)
        Candidates for the S-estimate.
    fresh : bool
        Whether other candidates for it are searched: always if there are none near, otherwise if
        there may be several minima.
    """

    problem: Problem
    solver: str
    random_state: Any
    max_iter: int
    tol: float
    neighbour: SharedStarts | None = None
    near: tuple[np.ndarray, ...] = ()
    fresh: bool = True

    @property
    def selects(self) -> bool:
        """Whether the penalty makes coefficients exactly zero."""
        return self.problem.standardised_penalty.selects

    def following(self, penalty: ElasticNet) -> SharedStarts:
        """Return the starts of the same rows with the next penalty of a path."""
        problem = replace(self.problem, penalty=penalty)
        return replace(self, problem=problem, neighbour=self)

    def beginning_at(self, *near, fresh=False) -> SharedStarts:
        """Return the same starts, for which the S-estimate is searched from parameters."""
        return replace(self, near=near, fresh=fresh)

    @cached_property
    def sample(self) -> SharedStarts | None:
        """The same for a subsample, to a larger ``tol``.

        None if the rows are few, or the columns are dependent in the subsample.
        """
        size = subsample_size(self.problem.design)
        if size == 0 or self.selects:
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

    @property
    def least_squares_root(self) -> InverseRoot | None:
        """The root of :attr:`least_squares`, if it was needed and is that of all columns."""
        known = vars(self).get("least_squares")
        wide = self.problem.design.columns.n_parameters > LIMITS.widest
        return None if known is None or self.selects or wide else known.root

    @cached_property
    def least_squares(self) -> Start:
        near = None
        if self.selects:
            near = self.start_at(np.zeros(self.problem.design.columns.n_parameters))
            if self.neighbour is not None:
                near = replace(near, params=self.neighbour.least_squares.params)
        return least_squares(self.problem, max_iter=self.max_iter, near=near)

    def start_at(self, params) -> Start:
        """Return a start at given parameters, for a penalty that selects columns."""
        return Start(params, InverseRoot.identity(len(params)))

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
        if self.selects:
            return self.selecting_s_estimate(self.near, fresh=self.fresh)

        def searched():
            return s_estimate(
                self.problem, self.least_squares, self.minimise, self.random_state,
                near=self.near, fresh=self.fresh, tol=self.tol, max_iter=self.max_iter,
            )  # fmt: skip

        if self.sample is None or exact_plane(self.problem.design) is not None:
            return searched()
        sample, options = self.sample, self.options(quiet)
        refined = partial(
            refined_from_subsample, self.problem, sample.problem, sample.s_estimate, options
        )
        return first_usable(refined, searched)

    def selecting_s_estimate(self, near, *, fresh) -> SEstimate:
        """Return the S-estimate whose penalty selects columns, from given candidates."""
        nothing = self.start_at(np.zeros(self.problem.design.columns.n_parameters))
        return selecting_s_estimate(
            self.problem, nothing, self.random_state,
            tol=self.tol, max_iter=self.max_iter, near=near, fresh=fresh,
        )  # fmt: skip

    @cached_property
    def truncated_sigma(self) -> float:
        """The truncated deviation at the S-estimate of least bias, at most its scale."""
        estimate = self.s_estimate.least_biased
        scale = falling_scale(self.problem, 1.0, estimate.n_parameters, estimate.sigma)
        return scale.sigma_at(estimate.params)

    @cached_property
    def grown_rows(self) -> GrownRows | None:
        """The rows that grow from the S-estimate of least bias.

        None if there are enough rows for the truncated deviation, or none of the degrees of freedom
        that it needs.
        """
        estimate = self.s_estimate.least_biased
        if estimate.exact or self.selects:
            return None
        if not has_few_rows(self.problem, lambda: self.least_squares.root, estimate.n_parameters):
            return None
        return grown_rows(self.problem, estimate, self.minimise, **self.options(quiet))

    def options(self, report) -> dict:
        """Return the options of a search."""
        return {"tol": self.tol, "max_iter": self.max_iter, "report": report}

    def minimise(self, objective: Objective, start: Start, **options) -> SolverResult:
        """Minimise at a fixed scale by the plan of the S-estimate, with level moves."""
        minimise = partial(minimise_by, self.s_plan.solvers)
        return minimise_with_level_moves(minimise, objective, start, **options)
