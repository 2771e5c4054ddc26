"""Candidates for the S-estimate where the penalty makes coefficients exactly zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..design import LocalDesign
from ..design.residuals import normal_scaled_quantile, residuals
from ..linear_algebra import InverseRoot
from ..losses import regression_constant, resolve
from ..solvers.result import Start, quiet
from ..solvers.selecting import irls_selecting
from .candidates import candidates
from .starts import least_squares

ROUGH: dict[str, Any] = {"tol": 1e-3, "max_iter": 200, "report": quiet}
"""Options of fits that are only candidates."""
_MOST_COMPONENTS = 10
"""Most principal sensitivity components that are used."""
_LOOKS = 3
"""Rounds of components, each among the rows near the best candidate of the round before."""
_ROWS_PER_COLUMN = 4
"""Rows for every column among which planes through few rows are searched."""
_CONVEX = resolve(alpha=1.0)
_ALTERNATIONS = 10
"""Steps of coefficients and MAD of the convex fit."""
_STEADY = 0.05
"""Relative change of the MAD at which they end."""
_EFFICIENCY = 0.95
"""Efficiency of the convex fit."""
_MOST_LEVERAGE = 1.0 - 1e-6
"""Bound on the leverage of a row, whose residual is divided by the rest of 1."""


def fresh_candidates(problem, criterion, squares, convex, random_state) -> list:
    """Return parameters near which the S-estimate may be.

    They are penalised least squares of halves of the rows, which principal sensitivity components
    tell apart (Peña & Yohai 1999; with a penalty, Cohen Freue et al. 2019); and planes through few
    rows in the columns that the convex fit selects.

    Parameters
    ----------
    problem : Problem
        Its rows are in this process.
    criterion : callable
        A function of the parameters that is to become small.
    squares, convex : ndarray of shape (n_parameters,)
        Penalised least squares, and a fit under a convex loss.
    random_state : RandomState
    """
    found = list(_in_selected_columns(problem, convex, random_state))
    params, kept = squares, problem.design.present()
    n_kept = _half_of(len(kept))
    for _ in range(_LOOKS):
        found += [_fit_to(problem, half) for half in _halves(problem, params, kept)]
        best = min([squares, convex, *found], key=criterion)
        if best is params:
            break
        params = best
        present = problem.design.present()
        sizes = np.abs(residuals(problem.design, params)[present])
        kept = present[np.argsort(sizes, kind="stable")[:n_kept]]
    return found


def _half_of(n_rows) -> int:
    return n_rows // 2 + 1


def _fit_to(problem, rows):
    """Return penalised least squares of some rows."""
    others = np.setdiff1d(problem.design.present(), rows)
    few = problem.on(problem.design.without(others))
    return least_squares(few, max_iter=ROUGH["max_iter"], tol=ROUGH["tol"]).params


def _halves(problem, params, rows):
    """Yield halves of some rows: without the highest, the lowest, the furthest of a component."""
    half = _half_of(len(rows))
    for component in _sensitivity_components(problem, params, rows):
        for order in (component, -component, np.abs(component)):
            yield rows[np.argsort(order, kind="stable")[:half]]


def _sensitivity_components(problem, params, rows):
    """Return the components of what leaving out rows does to the fitted values.

    The columns selected stay the same and so do their signs: the change is that of ridge
    regression in them.

    Returns
    -------
    ndarray of shape (n_components, n_rows)
    """
    design: LocalDesign = problem.design
    selected, places = _largest(params, design.n_features, len(rows) // 2)
    Z = design.standardised(rows, selected)
    gram = Z @ Z.T + len(rows) * np.diag(problem.standardised_penalty.curvature[places])
    solved = np.linalg.pinv(gram, hermitian=True) @ Z
    leverages = np.minimum(np.sum(Z * solved, axis=0), _MOST_LEVERAGE)
    left = residuals(design, params)[rows]
    # The singular vectors of Z'·solved·diag(...), of the size of the rows, by those of a small one.
    q, r = np.linalg.qr(Z.T)
    moves = r @ (solved * (left / (1.0 - leverages)))
    small, strengths, _ = np.linalg.svd(moves, full_matrices=False)
    return (q @ small).T[strengths > 0.0][:_MOST_COMPONENTS]


def _largest(params, n_slopes, most):
    """Return the columns with the largest coefficients, and the places of their parameters.

    There are at most ``most`` columns; the intercept's place comes last.
    """
    sizes = np.abs(params[:n_slopes])
    selected = np.flatnonzero(sizes)
    selected = np.sort(selected[np.argsort(-sizes[selected], kind="stable")[:most]])
    return selected, np.append(selected, np.arange(n_slopes, len(params)))


def convex_fit(problem, params):
    """Return a fit under a convex loss at the MAD of its residuals, from some parameters."""
    constant = regression_constant(_CONVEX, _EFFICIENCY)
    c = np.inf
    for _ in range(_ALTERNATIONS):
        before = c
        c = constant * normal_scaled_quantile(problem.design, params, 0.5)
        if c <= problem.design.floor or abs(before / c - 1.0) <= _STEADY:
            break
        start = Start(params, InverseRoot.identity(1))
        params = irls_selecting(problem.objective(_CONVEX, c), start, **ROUGH).params
    return params


def _in_selected_columns(problem, params, random_state):
    """Yield planes through few rows in the columns with the largest coefficients."""
    design = problem.design
    most = design.n_present // _ROWS_PER_COLUMN
    selected, places = _largest(params, design.n_features, most)
    if len(selected) == 0:
        return
    found = candidates(
        problem.restricted(selected), float(len(places)), floor=design.floor,
        given=params[places][None], random_state=random_state,
    )  # fmt: skip
    for plane in found:
        whole = np.zeros(len(params))
        whole[places] = plane
        yield whole
