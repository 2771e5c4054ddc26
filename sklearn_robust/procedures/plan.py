"""The plan of a fit, decided once from its rows and its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..problem import Likelihood, Objective, Problem
from ..solvers import LIKELIHOOD_SOLVERS, SOLVERS
from ..solvers.anderson import near_at_given_scale
from ..solvers.likelihood import likelihood_near
from ..solvers.packed import irls_packed, likelihood_packed
from ..solvers.result import first_usable
from ..solvers.selecting import irls_selecting

_SMALL = 30_000_000
"""Multiplications in a Gram matrix up to which normal equations are faster than L-BFGS-B."""
_QUICK: dict[str, Callable] = {
    "near": near_at_given_scale, "packed": irls_packed, "selecting": irls_selecting
}  # fmt: skip
_QUICK_LIKELIHOOD = {"near": likelihood_near, "packed": likelihood_packed}
_SAID = {
    "near": "Newton's method near the fit of the subsample, Anderson-accelerated",
    "packed": "reweighted least squares and Newton's method in compiled code",
    "selecting": "iteratively reweighted least squares, by coordinate descent",
    "irls": "iteratively reweighted least squares",
    "lbfgs": "L-BFGS-B, preconditioned",
}


@dataclass(frozen=True)
class Plan:
    """The plan of a fit; it prints as a few lines.

    Attributes
    ----------
    init : str
        The name of the start, or "given".
    scale : str
        The name of the residual scale, "given" or "learned".
    n_first : int
        Rows of the subsample that is fitted first; 0 where all rows are fitted at once.
    n_rows : int
        All rows.
    solvers : tuple of str
        The solvers in the order in which they are tried, until the result of one is usable.
    """

    init: str
    scale: str
    n_first: int
    n_rows: int
    solvers: tuple[str, ...]

    def __str__(self):
        rows = f"all {self.n_rows} rows at once"
        if self.n_first:
            rows = f"{self.n_first} of {self.n_rows} rows first, then all from there"
        lines = [f"start: {self.init}", f"scale: {self.scale}", f"rows: {rows}"]
        for place, name in enumerate(self.solvers):
            lines.append(f"{'if that stalls' if place else 'solver'}: {_SAID.get(name, name)}")
        return "\n".join(lines)


def minimise_by(solvers: tuple[str, ...], objective: Objective, start, **options):
    """Minimise at a fixed shape and scale by the first solver whose result is usable."""
    known = _QUICK | SOLVERS
    ways = (partial(known[name], objective, start, **options) for name in solvers)
    return first_usable(*ways)


def minimise_nll_by(solvers: tuple[str, ...], likelihood: Likelihood, start, **options):
    """Minimise the negative log-likelihood by the first solver whose result is usable."""
    known = _QUICK_LIKELIHOOD | LIKELIHOOD_SOLVERS
    ways = (partial(known[name], likelihood, start, **options) for name in solvers)
    return first_usable(*ways)


def solvers_for(name: str, problem: Problem, *, near: bool) -> tuple[str, ...]:
    """Return the solvers to try at a fixed shape and scale.

    Parameters
    ----------
    name : str
        The name of a solver, or "auto" for the faster one. Names of solvers of the likelihood
        only count as "auto".
    problem : Problem
    near : bool
        Whether searches begin at the fit of a subsample.
    """
    if problem.standardised_penalty.selects:
        return ("selecting",)
    design = problem.design
    if name not in SOLVERS:
        small = design.n_rows * (design.n_features + 1) ** 2 <= _SMALL
        name = "irls" if small else "lbfgs"
    slow = ("packed", "irls") if name == "irls" else (name,)
    return ("near", *slow) if near else slow


def likelihood_solvers_for(name: str, problem: Problem) -> tuple[str, ...]:
    """Return the solvers of the likelihood to try; ``name`` is that of one, or "auto"."""
    if problem.standardised_penalty.selects:
        return ("irls",)
    return ("near", "packed", "lbfgs") if name == "auto" else (name,)
