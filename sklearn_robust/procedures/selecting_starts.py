"""The S-estimate where the penalty makes coefficients exactly zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..design import LocalDesign, passes
from ..design.residuals import normal_scaled_quantile, residuals
from ..losses import regression_constant, resolve, tuning_constant
from ..problem import Problem
from ..scale_rules import MScale
from ..solvers.result import Start, quiet
from ..solvers.selecting import irls_selecting
from .candidates import candidates
from .s_estimate import WELSCH, SEstimate
from .starts import least_squares

_MOST_COMPONENTS = 10
"""Most principal sensitivity components that are used."""
_LOOKS = 3
"""Rounds of components, each among the rows near the best candidate of the round before."""
_ROWS_PER_COLUMN = 4
"""Rows for every column among which planes through few rows are searched."""
_CONVEX = resolve(alpha=1.0)
_ALTERNATIONS = 10
"""Steps of coefficients and MAD of the convex fit."""
_EFFICIENCY = 0.95
"""Efficiency of the convex fit."""
_ROUGH = {"tol": 1e-3, "max_iter": 200, "report": quiet}
"""Options of fits that are only candidates."""
_A_FEW = {"tol": 1e-3, "max_iter": 5, "report": quiet}
"""Options of the fit at one scale on the way down the criterion."""
_SAMPLE = 2000
"""Rows of the sample that is searched."""
_BEST = 5
"""Candidates from which the criterion is made smaller."""
_STEPS = 20
"""Scales that each of them is given on the sample."""
_SHARES_NEAR = (0.5, 0.75)
"""Shares of the rows, nearest in X first, to which penalised least squares are candidates."""
_AT_ONCE = 256
"""Columns whose medians are computed at once."""
_MOST_FREE = 0.45
"""Largest share of the number of cases that selected columns count as free parameters."""
_CONSTANT = tuning_constant(breakdown=0.5)
"""The scale c of Welsch's loss over the M-scale."""
_MOST_LEVERAGE = 1.0 - 1e-6
"""Bound on the leverage of a row, whose residual is divided by the rest of 1."""


def selecting_s_estimate(
    problem: Problem, start: Start, random_state, *, tol, max_iter, near=(), fresh=True
):
    """Minimise half the squared M-scale of the residuals, plus the penalty.

    Of many rows a sample is searched first.

    Parameters
    ----------
    problem : Problem
    start : Start
        Penalised least squares.
    random_state : RandomState
    tol, max_iter
        As for a solver.
    near : iterable of ndarray of shape (n_parameters,)
        Further candidates, such as the S-estimates at neighbouring penalties.
    fresh : bool
        Whether candidates are searched at all. If not, ``near`` and ``start`` are the only ones.

    Returns
    -------
    SEstimate
        Its scale takes the number of selected columns into account.
    """
    design = problem.design
    few = problem.on(design.sample(_SAMPLE, random_state))
    search = _Criterion(few)
    found = [start.params, *near]
    if fresh:
        found += _candidates(few, search, start, random_state)
    found = sorted(found, key=search)[:_BEST]
    rough = [search.descended(of, start.root, tol=_ROUGH["tol"], max_iter=_STEPS) for of in found]
    search = _Criterion(problem)
    params = search.descended(min(rough, key=search), start.root, tol=tol, max_iter=max_iter)
    sigma, n_free = search.rule(params).sigma_at(params), search.n_free(params)
    return SEstimate(params, sigma, n_free, start.root, exact=bool(sigma <= design.floor))


class _Criterion:
    """The squared M-scale of the residuals plus twice the penalty, a function of the parameters.

    The M-scale takes every selected column for a free parameter. Without that, fits of half of the
    rows by as many columns would always have the least scale.
    """

    def __init__(self, problem):
        self._problem = problem
        self._penalty = problem.standardised_penalty
        self._most = _MOST_FREE * problem.design.n_cases
        # Worse than this, times the number of columns, is a fit of nearly as many columns as rows.
        none = np.zeros(problem.design.columns.n_parameters)
        self._of_none = max(self.rule(none).sigma_at(none), problem.design.floor) ** 2

    def __call__(self, params) -> float:
        penalty = self._penalty.value_gradient(params)[0]
        n_free = self.n_free(params)
        if n_free > self._most:
            return n_free * self._of_none + 2.0 * penalty
        return self.rule(params).sigma_at(params) ** 2 + 2.0 * penalty

    def n_free(self, params) -> float:
        """Return how many parameters are free: not zero or without a penalty."""
        return self._penalty.n_in_use(params)

    def rule(self, params) -> MScale:
        """Return the M-scale for as many free parameters."""
        return MScale(self._problem.design, _CONSTANT, min(self.n_free(params), self._most))

    def descended(self, params, root, *, tol, max_iter):
        """Return parameters of a lower criterion, near a minimum of it.

        With s the M-scale and c = k·s, the gradient of s²/2 is that of c² times the mean loss
        over k² times the mean of psi(r)·r. The penalty is multiplied by that, and the sum
        minimised at the scale c; both are then computed anew.
        """
        value = self(params)
        for _ in range(max_iter):
            rule = self.rule(params)
            c = rule.c_at(params)
            if rule.is_floor(c):
                break
            slope = passes.scale_gradient(self._problem.design, params, WELSCH, c)[2]
            penalty = self._problem.penalty.times(-(_CONSTANT**2) * slope)
            objective = replace(self._problem, penalty=penalty).objective(WELSCH, c)
            found = irls_selecting(objective, Start(params, root), **_A_FEW).params
            after = self(found)
            if not after < value:
                break
            fallen, value, params = value - after, after, found
            if fallen <= tol * value:
                break
        return params


def _candidates(problem, criterion, start, random_state) -> list:
    """Return planes near which the S-estimate may be.

    They are penalised least squares of all rows and of halves of them, which principal sensitivity
    components tell apart (Peña & Yohai 1999; with a penalty, Cohen Freue et al. 2019), or that are
    nearest to the median of X; a convex robust fit; and planes through few rows in the columns that
    it selects.
    """
    convex = _convex_fit(problem, start)
    found = [convex, *_in_selected_columns(problem, convex, random_state)]
    present = problem.design.present()
    near = present[np.argsort(_distances(problem.design, present), kind="stable")]
    found += [_fit_to(problem, near[: max(round(share * len(near)), 1)]) for share in _SHARES_NEAR]
    params, kept = start.params, present
    for _ in range(_LOOKS):
        found += [_fit_to(problem, half) for half in _halves(problem, params, kept)]
        best = min([start.params, *found], key=criterion)
        if best is params:
            break
        params = best
        sizes = np.abs(residuals(problem.design, params)[present])
        kept = present[np.argsort(sizes, kind="stable")[: _half_of(len(present))]]
    return found


def _distances(design, rows):
    """Return the squared distances of rows from the median, in robust units of every column."""
    squared = np.zeros(len(rows))
    for first in range(0, design.n_features, _AT_ONCE):
        columns = np.arange(first, min(first + _AT_ONCE, design.n_features))
        x = design.dense_rows(rows, columns)
        x = np.abs(x - np.median(x, axis=0))
        unit = np.median(x, axis=0)
        varied = unit > 0.0
        squared += np.sum((x[:, varied] / unit[varied]) ** 2, axis=1)
    return squared


def _half_of(n_rows) -> int:
    return n_rows // 2 + 1


def _fit_to(problem, rows):
    """Return penalised least squares of some rows."""
    others = np.setdiff1d(problem.design.present(), rows)
    few = problem.on(problem.design.without(others))
    return least_squares(few, max_iter=_ROUGH["max_iter"], tol=_ROUGH["tol"]).params


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


def _convex_fit(problem, start):
    """Return a fit under a convex loss at the MAD of its residuals."""
    constant = regression_constant(_CONVEX, _EFFICIENCY)
    for _ in range(_ALTERNATIONS):
        c = constant * normal_scaled_quantile(problem.design, start.params, 0.5)
        if c <= problem.design.floor:
            break
        found = irls_selecting(problem.objective(_CONVEX, c), start, **_ROUGH)
        start = Start(found.params, start.root)
    return start.params


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
