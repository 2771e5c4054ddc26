"""The maximum-likelihood fit of coefficients, scale and shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..design.residuals import most_are_exact
from ..linear_algebra import minimum_norm
from ..problem import Likelihood
from ..solvers.likelihood import coefficients_held, joint
from ..solvers.result import AdaptiveResult, AdaptiveStart, quiet
from .level_moves import minimise_with_level_moves
from .likelihood_starts import NO_ROWS, LikelihoodStart, StartSearch, at_params
from .plan import Plan, likelihood_solvers_for, minimise_nll_by
from .starts import from_params, least_squares_root


@dataclass(frozen=True)
class LikelihoodResult(AdaptiveResult):
    """The result of a whole fit.

    Attributes
    ----------
    likelihood : Likelihood
        The likelihood of the rows that count.
    left_out : ndarray of int
        The numbers of the rows left out.
    n_parameters : float
        The number of free parameters.
    exact : bool
        Whether more than half of the rows are fitted exactly, and the scale is at its floor.
    """

    likelihood: Likelihood
    left_out: np.ndarray
    n_parameters: float
    exact: bool


@dataclass(frozen=True)
class MaximumLikelihood:
    """A fit of coefficients, scale and shape.

    Attributes
    ----------
    likelihood : Likelihood
        The likelihood of all rows.
    init : str or None
        The name of a start. With None all rows count, and the search begins at ``given``.
    solver : str
        The name of a solver of the likelihood, or "auto".
    random_state : RandomState
    max_iter : int
    tol : float
    given : tuple of (ndarray of shape (n_parameters,), float or None, float or None), optional
        Parameters, scale and shape at which the search begins. The named start then only decides
        which rows count.
    """

    likelihood: Likelihood
    init: str | None
    solver: str
    random_state: Any
    max_iter: int
    tol: float
    given: tuple | None = None

    @cached_property
    def start(self) -> LikelihoodStart:
        """Where the search begins, and the likelihood of the rows that count."""
        if self.init is None:
            return LikelihoodStart(self.likelihood, self._given_on(self.likelihood), NO_ROWS)
        begin = StartSearch(self.likelihood, self.init, self.solver, self.random_state).start
        if self.given is None:
            return begin
        return replace(begin, start=self._given_on(begin.likelihood))

    def _given_on(self, likelihood) -> AdaptiveStart:
        """Return the given start; the rows give scale and shape if they are not given."""
        params, scale, alpha = self.given or (None, None, None)
        start = at_params(likelihood, from_params(self.likelihood.problem, params))
        if scale is None:
            return start
        scale = float(np.clip(scale, *likelihood.scale_bounds))
        alpha = float(np.clip(alpha, *likelihood.alpha_bounds))
        return replace(start, scale=scale, alpha=alpha)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the fit."""
        init = "given" if self.init is None or self.given is not None else self.init
        begin, n_rows = self.start, self.likelihood.design.n_rows
        solvers = likelihood_solvers_for(self.solver, self.likelihood.problem)
        return Plan(init, "learned", begin.n_first, n_rows, solvers)

    def fit(self, report) -> LikelihoodResult:
        """Minimise the negative log-likelihood.

        Parameters
        ----------
        report : callable
            Called with the likelihood at the beginning of each iteration.
        """
        begin = self.start
        likelihood, start = begin.likelihood, begin.start
        options = {"tol": self.tol, "max_iter": self.max_iter, "report": report}
        result = minimise_with_level_moves(self._minimise, likelihood, start, **options)
        exact = likelihood.is_near_floor(result.scale)
        exact = exact and most_are_exact(likelihood.design, result.params)
        whole = LikelihoodResult(
            **vars(result), likelihood=likelihood, left_out=begin.left_out,
            n_parameters=_free_parameters(likelihood.problem, result, start.root), exact=exact,
        )  # fmt: skip
        unit = self.likelihood.design.columns.unit
        return replace(whole, params=minimum_norm(result.params, unit, start.root.null))

    def _minimise(self, likelihood, start, **options) -> AdaptiveResult:
        """Minimise, or return the limit if the likelihood is unbounded.

        It is unbounded if the start fits more than half of the rows exactly. The limit has the
        coefficients of the start, the scale at its floor, and the most likely shape there.
        """
        if likelihood.unbounded_at(start):
            return _at_floor(likelihood, start, options)
        result = minimise_nll_by(self.plan.solvers, likelihood, start, **options)
        if likelihood.is_near_floor(result.scale):
            ended = replace(start, params=result.params)
            limit = _at_floor(likelihood, ended, options | {"report": quiet})
            if limit.objective < result.objective:
                at_floor = {"scale": limit.scale, "alpha": limit.alpha}
                return replace(result, objective=limit.objective, **at_floor)
        return result


def _free_parameters(problem, result, root) -> float:
    """Return the trace of the hat matrix of least squares, or how many coefficients are in use."""
    penalty = problem.standardised_penalty
    if penalty.selects:
        return penalty.n_in_use(result.params)
    if not penalty.is_zero:  # the root of the start may be that of another loss
        root = least_squares_root(problem, result.params)
    return problem.free_parameters(root)


def _at_floor(likelihood, start: AdaptiveStart, options) -> AdaptiveResult:
    """Return the most likely shape for fixed coefficients and the scale at its floor."""
    floor = likelihood.floor
    start = coefficients_held(replace(start, scale=floor, alpha=likelihood.alpha_bounds[0]))
    result = joint(replace(likelihood, scale_bounds=(floor, floor)), start, **options)
    return replace(result, params=start.params, scale=floor)
