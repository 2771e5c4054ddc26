"""The S-estimate where the penalty makes coefficients exactly zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..design import LocalDesign, passes
from ..limits import LIMITS
from ..linear_algebra import InverseRoot
from ..losses import regression_constant, resolve, tuning_constant
from ..problem import Problem
from ..scale_rules import MOST_IN_USE, MScale, SelectingScale
from ..solvers.result import Start, quiet
from ..solvers.selecting import irls_selecting
from .residual_scales import minimise_with_falling_scale
from .s_estimate import WELSCH, SEstimate
from .selecting_candidates import ROUGH, convex_fit, fresh_candidates
from .starts import least_squares

_SAMPLE = 2000
"""Least number of rows of the sample that is searched."""
_SAMPLE_PER_COLUMN = 4
"""Rows of the sample for every column, if there are many columns."""
_SAMPLE_STORED = 10_000_000
"""Stored entries of X up to which the sample has more than the least number of rows."""
_FEW_IN_USE = 0.25
"""Largest share of the number of cases that least squares may select where the search begins."""
_MOST_SEARCHED = 500
"""Most columns that it may select there; Gram matrices of more would take most of the time."""
_GRID = 0.7
"""Ratio of one multiple of the penalty to the one before, where that multiple is sought."""
_RATIO = 0.5
"""Ratio of one multiple of the penalty to the one before, on the way down to the penalty."""
_BEST = 5
"""Candidates from which the criterion is made smaller."""
_STEPS = 200
"""Most scales that each of them is given."""
_SETTLED = 1e-9
"""Relative decrease of the criterion at which it ends. The M-estimates that follow may keep the
scale there, which depends on the order of the rows if the end is rough."""
_AT_SCALE: dict[str, Any] = {"tol": 1e-7, "max_iter": 5, "report": quiet}
"""Options of the fit at one scale on the way down the criterion."""
_CONSTANT = tuning_constant(breakdown=0.5)
"""The scale c of Welsch's loss over the M-scale."""
_EFFICIENCY = 0.95
"""Efficiency of the M-estimates on the way down to the penalty."""
_WIDER = (1.0, 1.5)
"""Scales from which the M-estimates go down, in M-scales of the S-estimate. The first may reject
good rows, since half of the rows are fitted too well; from the second, bad rows may be fitted."""
_ORDER = 8
"""Order of the norm over the columns that is the distance of a row: a few cells far off count."""
_FAR = 3.0
"""Rows are far if they are by more than this many robust deviations further off than the median
row, and no nearer than this many deviations of a column."""
_NORMAL = 1.4826
"""Standard deviation of the normal distribution over its median absolute deviation."""
_AT_ONCE = 256
"""Columns whose medians are computed at once."""


def selecting_s_estimate(
    problem: Problem, start: Start, random_state, *, tol, max_iter, near=(), fresh=True
):
    """Return the S-estimate, followed to a penalty at which many columns may be selected.

    Half the squared M-scale of the residuals plus the penalty is minimised (Cohen Freue et al.
    2019) at the least multiple of the penalty at which few columns are selected. With more, the
    columns would fit half of the rows by themselves, whichever half it is. M-estimates at smaller
    and smaller multiples follow that minimum down to the penalty itself. Their scale may fall, but
    only while the columns in use are fewer than half of the rows. M-estimates at the penalty from a
    convex fit and from ``near`` are compared with the end of the way; the one of the smallest
    criterion is returned.

    Rows far off in X are left out. The fit that begins here takes those back in that are near it.
    Of many rows a sample is searched; all rows are then fitted from there.

    Parameters
    ----------
    problem : Problem
    start : Start
        Its root is that of the result.
    random_state : RandomState
    tol, max_iter
        As for a solver.
    near : iterable of ndarray of shape (n_parameters,)
        Further candidates, such as the S-estimates at neighbouring penalties.
    fresh : bool
        Whether other candidates are searched besides ``near``, which takes most of the time. If
        not, ``near`` must not be empty.

    Returns
    -------
    SEstimate
        Its scale is that at the end of the way.
    """
    design = problem.design
    few = problem.on(design.sample(_sample_size(design), random_state))
    searched = without_far_rows(few)
    ends = [_down(searched, 1.0, one, _scale(searched, one)) for one in near]
    if fresh:
        ends += _searched(searched, random_state)
    criterion = _Criterion(searched)
    params, sigma = min(ends, key=lambda end: criterion(end[0]))
    if design.n_present > few.design.n_present:
        searched, sigma = problem, max(sigma, _scale(problem, params))
    params, sigma = _followed(searched, params, sigma, tol=tol, max_iter=max_iter, report=quiet)
    n_free = problem.standardised_penalty.n_in_use(params)
    return SEstimate(params, sigma, n_free, start.root, exact=bool(sigma <= design.floor))


def _searched(problem, random_state):
    """Return M-estimates and their scales, of several searches."""
    multiple, squares = _with_few_columns(problem)
    begin = _times(problem, multiple)
    convex = convex_fit(begin, squares)
    found = [squares, convex]
    if problem.design.n_features <= LIMITS.widest:
        found += fresh_candidates(begin, _Criterion(begin), squares, convex, random_state)
    params = _best(begin, found)
    sigma = _scale(begin, params)
    ends = [_down(problem, multiple, params, wider * sigma) for wider in _WIDER]
    if multiple > 1.0:
        direct = convex_fit(problem, convex)
        ends.append(_down(problem, 1.0, direct, _scale(problem, direct)))
    return ends


def _sample_size(design):
    """Return the number of rows that are searched."""
    if design.n_features <= LIMITS.widest:
        return _SAMPLE
    most = _SAMPLE_STORED * design.n_rows // max(design.n_stored, 1)
    return max(min(_SAMPLE_PER_COLUMN * design.n_features, most), _SAMPLE)


def _down(problem, multiple, params, sigma):
    """Return the M-estimate at the penalty and its scale, from those at a multiple of it."""
    while True:
        params, sigma = _followed(_times(problem, multiple), params, sigma, **ROUGH)
        if multiple == 1.0:
            return params, sigma
        multiple = max(_RATIO * multiple, 1.0)


def _times(problem, multiple):
    return replace(problem, penalty=problem.penalty.times(multiple))


# ---- rows far off in X -----------------------------------------------------------------


def without_far_rows(problem):
    """Return the problem without the rows far off in X, which are less than half of them."""
    rows = problem.design.present()
    distances = _distances(problem.design, rows)
    cases = _cases(problem.design)
    middle = _median(distances, cases)
    deviation = _NORMAL * _median(np.abs(distances - middle), cases)
    far = distances > max(middle + _FAR * deviation, _FAR * _NORMAL)
    return problem.on(problem.design.without(rows[far])) if np.any(far) else problem


def _distances(design: LocalDesign, rows):
    """Return the norms of the differences to the median, in median absolute ones of a column.

    Level columns, in which many rows share one value, do not count.
    """
    powers, cases = np.zeros(len(rows)), _cases(design)
    filled = design.filled_columns(rows)
    for first in range(0, len(filled), _AT_ONCE):
        columns = filled[first : first + _AT_ONCE]
        x = design.dense_rows(rows, columns)
        x = np.abs(x - _median(x, cases))
        unit = _median(x, cases)
        varied = unit > 0.0
        with np.errstate(over="ignore"):
            powers += np.sum((x[:, varied] / unit[varied]) ** _ORDER, axis=1)
    return powers ** (1.0 / _ORDER)


def _cases(design):
    """Return the case weights of the rows present; None if every row counts once."""
    return None if design.sample_weight is None else design.own_cases()[design.present()]


def _median(x, cases):
    """Return the case-weighted medians of columns."""
    return np.quantile(x, 0.5, axis=0, weights=cases, method="inverted_cdf")


# ---- where few columns are selected ----------------------------------------------------


def _with_few_columns(problem):
    """Return the least multiple of the penalty, at least 1, at which few columns are selected.

    Least squares select the columns. The multiple is sought along a grid from the one at which all
    coefficients are zero. The parameters of least squares at the multiple are returned, too.
    """
    penalty, design = problem.standardised_penalty, problem.design
    nothing = np.zeros(design.columns.n_parameters)
    gradient = np.abs(problem.least_squares().value_gradient(nothing)[1])
    shrunk = penalty.thresholds > 0.0
    multiple = max(float(np.max(gradient[shrunk] / penalty.thresholds[shrunk])), 1.0)
    most = min(_FEW_IN_USE * design.n_cases, _MOST_SEARCHED)
    most = max(most, penalty.n_in_use(nothing))
    params = _least_squares(_times(problem, multiple), nothing)
    while multiple > 1.0:
        further = max(_GRID * multiple, 1.0)
        found = _least_squares(_times(problem, further), params)
        if penalty.n_in_use(found) > most:
            break
        params, multiple = found, further
    return multiple, params


def _least_squares(problem, params):
    start = Start(params, InverseRoot.identity(1))
    return least_squares(problem, tol=ROUGH["tol"], max_iter=ROUGH["max_iter"], near=start).params


def _best(problem, found):
    """Return the parameters of the least criterion that is reached from some parameters."""
    criterion = _Criterion(problem)
    found = sorted(found, key=criterion)[:_BEST]
    return min((criterion.descended(one) for one in found), key=criterion)


def _count(problem):
    """Return the number of free parameters that the criterion assumes, of all parameters alike."""
    return min(problem.design.columns.n_parameters, _FEW_IN_USE * problem.design.n_cases)


def _scale(problem, params):
    """Return the M-scale, whose number of free parameters is that of those in use, if more."""
    design = problem.design
    in_use = min(problem.standardised_penalty.n_in_use(params), MOST_IN_USE * design.n_cases)
    return MScale(design, _CONSTANT, max(in_use, _count(problem))).sigma_at(params)


class _Criterion:
    """The squared M-scale of the residuals plus twice the penalty, a function of the parameters."""

    def __init__(self, problem):
        self._problem = problem
        self._rule = MScale(problem.design, _CONSTANT, _count(problem))

    def __call__(self, params) -> float:
        penalty = self._problem.standardised_penalty.value_gradient(params)[0]
        return self._rule.sigma_at(params) ** 2 + 2.0 * penalty

    def descended(self, params):
        """Return parameters of a lower criterion, at a minimum of it.

        With s the M-scale and c = k·s, the gradient of s²/2 is that of c² times the mean loss
        over k² times the mean of psi(r)·r. The penalty is multiplied by that, and the sum
        minimised at the scale c; both are then computed anew.
        """
        value = self(params)
        for _ in range(_STEPS):
            c = self._rule.c_at(params)
            if self._rule.is_floor(c):
                break
            slope = passes.scale_gradient(self._problem.design, params, WELSCH, c)[2]
            scaled = _times(self._problem, -(_CONSTANT**2) * slope)
            start = Start(params, InverseRoot.identity(1))
            found = irls_selecting(scaled.objective(WELSCH, c), start, **_AT_SCALE).params
            after = self(found)
            if not after < value:
                break
            fallen, value, params = value - after, after, found
            if fallen <= _SETTLED * value:
                break
        return params


# ---- down to the penalty ---------------------------------------------------------------


def _followed(problem, params, sigma, **options):
    """Return the M-estimate near some parameters, and its scale, at most ``sigma``."""
    loss = resolve("welsch")
    rule = SelectingScale(problem, regression_constant(loss, _EFFICIENCY), sigma)
    c = rule.c_of(sigma)
    if rule.is_floor(c):
        return params, sigma
    start = Start(params, InverseRoot.identity(1))
    found = minimise_with_falling_scale(
        irls_selecting, problem.objective(loss, c), start, rule, **options
    )
    return found.params, rule.sigma_of(found.scale)
