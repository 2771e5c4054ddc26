"""Iteratively reweighted least squares by weighted normal equations."""

from __future__ import annotations

import numpy as np

from .objective import ROUNDING, Objective
from .result import SolverResult, Start

_LONGEST = 1.9
"""Steps are lengthened at most this much; below 2 the objective still cannot increase."""
_LEAST_CURVATURE = 0.01
"""Bound on the share of the quadratic's curvature that the objective is taken to have."""


def irls(objective: Objective, start: Start, *, tol, max_iter, report) -> SolverResult:
    """Minimise the objective by a sequence of weighted least-squares fits.

    Each iteration minimises a quadratic that touches the objective and lies above it, so
    the objective never increases (Huber 1981, section 7.8), nor does it where the step is
    lengthened by less than 2. The objective has a share of the quadratic's curvature, seen in
    how the last step changed the next one (as in Barzilai & Borwein 1988); steps are
    lengthened by its inverse, and the step over the share is what the fit still owes.

    Parameters
    ----------
    objective : Objective
    start : Start
    tol : float
        Bound on the relative size of the step still owed.
    max_iter : int
    report : callable
        Called with the objective at the beginning of each iteration.

    Returns
    -------
    SolverResult
    """
    packed = packed_irls(objective, start, tol=tol, max_iter=max_iter)
    if packed is not None:
        for value in packed.history:
            report(value)
        return packed
    params = start.params
    history: list[float] = []
    last, length, share = None, 1.0, _LEAST_CURVATURE
    converged = False
    while not converged and len(history) < max_iter:
        value, gradient, root = objective.curvature(params)
        history.append(objective.reported(value))
        report(history[-1])
        step = -root.solve(gradient)
        decrease = float(np.dot(gradient, step))
        size = objective.relative_size(objective.scale * step, params, decrease, root)
        if last is not None and np.any(last):
            share = (1.0 - np.dot(step, last) / np.dot(last, last)) / length
            share = min(max(share, _LEAST_CURVATURE), 1.0)
            length = min(1.0 / share, _LONGEST)
        converged = size <= tol * share
        params = params + (objective.scale * length) * step
        last = step
    return SolverResult(
        params, objective.scale, history[-1], len(history), converged, tuple(history)
    )


def packed_irls(objective: Objective, start: Start, *, tol, max_iter, constant=0.0):
    """Take the same steps in compiled code, or return None where that cannot be.

    It can for few rows whose columns are far from dependent.

    Parameters
    ----------
    objective, start, tol, max_iter
        As in :func:`irls`.
    constant : float
        Where it is not 0, the scale is this much times the median size of the residuals, found
        anew at every iteration; that can be where all case weights are 1.

    Returns
    -------
    SolverResult or None
    """
    block = objective.rows.block() if start.root.well_conditioned else None
    if block is None or (constant > 0.0 and not block.equal):
        return None
    found = block.reweighted(
        start.params, objective.loss, objective.scale, objective.ridge(), constant=constant,
        tol=tol, max_iter=max_iter, rounding=(ROUNDING, start.root.norm),
    )  # fmt: skip
    if found is None:
        return None
    params, scale, converged, history = found
    values = tuple(map(objective.at(scale).reported, history))
    return SolverResult(params, scale, values[-1], len(values), converged, values)
