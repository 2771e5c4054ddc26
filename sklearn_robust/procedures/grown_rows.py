"""The residual scale of few rows per parameter: a set of rows that grows from the S-estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
from scipy.special import ndtr, stdtrit

from ..design import Design, LocalDesign
from ..design.residuals import residuals
from ..losses import tuning_constant
from ..problem import ENOUGH_ROWS, Problem
from ..scales import TIE, WINDOW
from ..solvers.result import Start
from .s_estimate import WELSCH, SEstimate
from .starts import least_squares

_LEAST_TAKEN = 0.5
"""Parameters that a penalty may take without mattering."""
_FIRST_EFFICIENCY = 0.7
"""Efficiency of the fit that orders the rows. The S-estimate, with 0.29, orders clean rows badly;
at 0.95 outliers hide each other, because they raise the M-scale."""
_WIDER = 1.25
"""The window in which rows join, relative to the interval that holds a new row as often as 2.5
standard deviations hold a normal one: the rows of the set fit better than their number suggests,
because they were chosen for it. A wider one loses less where no row is bad and more where many are:
at 1.3, tables of 100 rows and 33 columns with 20 % bad rows lose accuracy. The figures are those of
benchmarks/small_tables.py."""
_WIDER_YET = 2.0
"""What is added to that, divided by the degrees of freedom of the set: among so few rows, the half
that fits best fits better still."""
_OFF_GRID = 1e-6
"""Distance from a multiple of the step of rounding, in steps, that is rounding itself."""
_MOST_STEPS = 100
"""Steps of growth; tables take fewer than ten."""


class GrownRows(NamedTuple):
    """Least squares of a set of rows, and their standard deviation."""

    params: np.ndarray
    sigma: float


def rounding_step(design: Design, n_parameters: float) -> float:
    """Return the step to which y is rounded, or 0 if rows are not few or hardly share values.

    All values are multiples of the step from the least one, and there are at most half as many of
    them as rows.
    """
    if not design.in_process or design.n_cases >= ENOUGH_ROWS * n_parameters:
        return 0.0
    rows = cast(LocalDesign, design)
    values = np.unique(rows.y[rows.present()])
    if not 1 < len(values) <= 0.5 * rows.n_present:
        return 0.0
    step = float(np.min(np.diff(values)))
    counts = (values - values[0]) / step
    return step if np.max(np.abs(counts - np.rint(counts))) <= _OFF_GRID else 0.0


def has_few_rows(problem: Problem, root_of: Callable, n_parameters: float) -> bool:
    """Return whether the truncated deviation of so many free parameters has too few rows.

    Under a penalty that matters it is used with any number of rows, because residuals then hold
    what the penalty takes from the coefficients, which does not shrink with the errors.

    Parameters
    ----------
    problem : Problem
    root_of : callable
        Returns the inverse root of the curvature of least squares, which may take a pass.
    n_parameters : float
    """
    penalty = problem.standardised_penalty
    if penalty.selects or problem.design.n_cases >= ENOUGH_ROWS * n_parameters:
        return False
    return penalty.parameters_taken(root_of()) <= _LEAST_TAKEN


def grown_rows(problem: Problem, estimate: SEstimate, minimise, **options) -> GrownRows | None:
    r"""Grow a set of rows from the half that is nearest to a robust fit.

    The first half, and as many rows more as half of the parameters take, has the smallest residuals
    of an M-estimate that starts at the S-estimate. Then least squares is fitted to the set of m
    cases, and rows join if their residual is at most

    .. math:: \left(1.25 + \frac{2}{m - p}\right) t_{m-p}\,s\,\sqrt{1 + \frac{p}{m - p}}, \qquad
              s^2 = \frac{\sum r^2}{m - p},

    until none does. :math:`t_{m-p}` is the quantile of Student's distribution at the probability of
    2.5 in the normal one. The root is that of the variance of the prediction of an ordinary row; a
    row far off in X gets no more, so that bad leverage points do not join.

    A scale that falls, as the truncated deviation does, may rest too high where outliers raise the
    M-scale, and falls too far where the S-estimate fits a few rows too well. A set of rows that
    grows stops at a gap instead.

    Parameters
    ----------
    problem : Problem
        With hardly a penalty.
    estimate : SEstimate
        Not exact.
    minimise : callable
        A solver for a fixed scale.
    **options
        ``tol``, ``max_iter`` and ``report`` of the solver.

    Returns
    -------
    GrownRows or None
        None if the rows leave no degree of freedom, or lie on a plane to within rounding.

    References
    ----------
    Atkinson, A. C. & Riani, M. (2000). Robust Diagnostic Regression Analysis. Springer, for sets of
    rows that grow.
    Maronna, R. A. & Yohai, V. J. (2010). Correcting MM estimates for "fat" data sets. Computational
    Statistics & Data Analysis 54, for what goes wrong with few rows per parameter.
    """
    # The rows are fewer than 30 times the parameters, so they fit where their Gram matrix does.
    rows = problem.design
    design = rows if isinstance(rows, LocalDesign) else rows.take(None)
    problem, p = problem.on(design), estimate.n_parameters
    c = tuning_constant(efficiency=_FIRST_EFFICIENCY) * estimate.sigma
    start = Start(estimate.params, estimate.root)
    params = minimise(problem.objective(WELSCH, c), start, **options).params
    cases = design.own_cases() * (design.n_cases / design.total_weight)
    inside = _nearest(np.abs(residuals(design, params)), cases, 0.5 * (design.n_cases + p))
    for _ in range(_MOST_STEPS):
        count = float(cases[inside].sum())
        free = count - p
        if free <= TIE * count:
            return None
        fit = least_squares(
            problem.on(design.without(np.flatnonzero(~inside))), max_iter=options["max_iter"]
        )
        sizes = np.abs(residuals(design, fit.params))
        largest = float(sizes[inside].max()) or 1.0  # squares of the shares do not underflow
        shares = sizes[inside] / largest
        sigma = largest * math.sqrt(float(np.dot(cases[inside], shares**2)) / free)
        if sigma <= design.floor:
            return None
        wider = _WIDER + _WIDER_YET / free
        window = wider * stdtrit(free, ndtr(WINDOW)) * sigma * math.sqrt(count / free)
        grown = inside | ((sizes <= window) & (cases > 0.0))
        if np.array_equal(grown, inside):
            break
        inside = grown
    return GrownRows(fit.params, sigma)


def _nearest(sizes, cases, count):
    """Return the mask of the rows with the smallest sizes that are at least ``count`` cases."""
    order = np.argsort(sizes, kind="stable")
    order = order[cases[order] > 0.0]
    at = int(np.searchsorted(np.cumsum(cases[order]), (1.0 - TIE) * count))
    inside = np.zeros(len(sizes), dtype=bool)
    inside[sizes <= sizes[order[min(at, len(order) - 1)]]] = True
    return inside & (cases > 0.0)
