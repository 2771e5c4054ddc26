"""The S-estimate: the plane whose residuals have the least M-scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import gammainccinv

from ..design.algebra import gram, high_leverage
from ..design.level_columns import move_levels, numeric_given_levels, rare_level_rows
from ..design.residuals import (
    large_residuals,
    normal_scaled_quantile,
    residuals,
    robust_weights,
)
from ..limits import LIMITS
from ..linear_algebra import InverseRoot, pseudo_inverse_root
from ..losses import regression_constant, resolve, tuning_constant
from ..problem import Problem
from ..scale_rules import MScale, TruncatedScale
from ..scales import SHRINKAGE, m_scale, truncated_deviation
from ..solvers.anderson import minimise_near
from ..solvers.result import Start, Status, first_usable, quiet
from .candidates import candidates, may_have_several_minima
from .exact_plane import exact_plane
from .residual_scales import minimise_with_scale, packed_with_m_scale
from .starts import least_squares
from .subsample import start_from_subsample

WELSCH = resolve("welsch")
"""The loss of the M-scale."""
_ALL = 2000
"""Up to this many rows, planes are searched on all of them: a sample may have another minimum."""
_SAMPLE = 1000
"""Least number of rows of the sample on which planes are searched."""
_SAMPLE_PER_PARAMETER = 10
"""Least number of rows of this sample for every parameter."""
_SAMPLE_PER_LEVEL = 40
"""Least number of rows of this sample for every level column, which costs little."""
_LARGEST_SAMPLE = 20_000
"""Largest sample, unless the numeric columns need a larger one."""
_LARGEST_FEW = 2000
"""Most rows that show how large errors of ordinary rows are, where sizes differ."""
_ORDINARY = 0.9
"""Share of the rows not far off whose size of errors is the largest that excuses a residual."""
_REJECTED = 2.5
"""Rows with residuals beyond this many scales are rejected."""
_BY_CHANCE = 0.01
"""Share of normal samples in which the furthest row counts as one of high leverage."""
_LOOKS = 4
"""Most times that the metric of the rows is computed, each without the rows far off before."""
_NEARLY = 1.005
"""Ratio of M-scales below which two minima are nearly as good."""
_CLEARLY = 0.999
"""Ratio of tau-scales below which the first is clearly lower."""
_EFFICIENCY = 0.95
"""Efficiency of the loss of the tau-scale, and of the M-estimate that identifies bad rows."""


@dataclass(frozen=True)
class SEstimate:
    """The plane of least M-scale.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Of the standardised columns.
    sigma : float
        The M-scale, in the unit of y.
    n_parameters : float
        The number of free parameters: the rank, less what a penalty takes.
    root : InverseRoot
        Inverse root of a curvature at the plane in which rows far off count little.
    exact : bool
        Whether the scale is at its floor.
    rival : SEstimate or None
        Another minimum whose M-scale is nearly as small, and whose tau-scale is clearly lower.
    status : Status
    """

    params: np.ndarray
    sigma: float
    n_parameters: float
    root: InverseRoot
    exact: bool
    rival: SEstimate | None = None
    status: Status = Status.CONVERGED

    @property
    def least_biased(self) -> SEstimate:
        """The rival, if there is one: it is the better start of a fit that rejects bad rows."""
        return self.rival or self


def s_estimate(
    problem: Problem, start: Start, minimise, random_state, *, near=(), fresh=True, **options
):
    """Minimise half the squared M-scale of the residuals, plus half the penalty.

    The planes of :func:`candidates` are found on a sample if there are many rows. They are compared
    on all rows, and the best one is iterated to convergence. There the coefficients minimise the
    objective under the loss of the M-scale, at the M-scale of their residuals (Rousseeuw & Yohai
    1984). Alternating steps of coefficients and scale decrease the M-scale.

    Parameters
    ----------
    problem : Problem
    start : Start
        Least squares.
    minimise : callable
        A solver for a fixed scale.
    random_state : RandomState
    near : tuple of ndarray of shape (n_parameters,)
        The S-estimates of a table that has these rows, empty if none are known. They are compared
        with the start, and no others are searched unless there may be several minima.
    fresh : bool
        Whether others are then searched. They need not be if ``near`` holds the S-estimates of
        these very rows.
    **options
        ``tol`` and ``max_iter`` of the solver.

    Returns
    -------
    SEstimate
        Its scale is at the floor if there are no more rows than free parameters, or if more than
        half of the rows lie on the plane.
    """
    design, floor = problem.design, problem.design.floor
    searchable = _searchable(design)
    n_parameters = problem.free_parameters(start.root) if searchable else 0.0
    if design.half_of_cases(n_parameters) <= 0.0:
        return SEstimate(start.params, floor, n_parameters, start.root, exact=True)
    plane = exact_plane(design)  # a sample may have fewer than half of its rows on the plane
    if plane is not None and problem.standardised_penalty.is_zero:
        return SEstimate(plane, floor, n_parameters, start.root, exact=True)
    m_scale = MScale(design, tuning_constant(breakdown=0.5), n_parameters)

    def criterion(params):
        return (
            m_scale.sigma_at(params) ** 2
            + 2.0 * problem.standardised_penalty.value_gradient(params)[0]
        )

    def ended(params):
        begin = replace(start, params=params)
        if searchable and len(params) <= LIMITS.widest:
            begin = replace(begin, root=_robust_root(problem, m_scale.c_at(params), begin))
        searches = packed_with_m_scale, partial(minimise_with_scale, minimise)
        params = first_usable(
            *(partial(of, _shrunk(problem), begin, m_scale, report=quiet, **options)
              for of in searches)
        ).params  # fmt: skip
        # With a penalty the fixed point is not exactly the minimum.
        if problem.standardised_penalty.is_zero:
            params = min([params, begin.params], key=criterion)
        sigma = m_scale.sigma_at(params)
        exact = sigma <= floor or normal_scaled_quantile(design, params, 0.5) <= floor
        return SEstimate(params, floor if exact else sigma, n_parameters, begin.root, exact)

    if not searchable:
        return ended(start.params)
    sample = design.sample(_sample_size(design), random_state)
    found = np.array([start.params, *near])
    if len(near) == 0 or (fresh and may_have_several_minima(sample)):
        found = candidates(
            problem.on(sample), n_parameters, floor=floor, given=found, random_state=random_state
        )
    least, rival = _least_and_rival(problem, found, criterion, m_scale)
    estimate = ended(least)
    if rival is None or estimate.exact:
        return estimate
    other = ended(rival)  # it may end at a lower minimum
    if criterion(other.params) <= criterion(estimate.params):
        return other
    return replace(estimate, rival=other)


def _sample_size(design):
    """Return on how many rows planes are searched."""
    n_parameters, n_numeric = design.columns.n_parameters, design.n_numeric_parameters
    if design.n_present <= _ALL:
        return design.n_present
    size = max(_SAMPLE, _SAMPLE_PER_PARAMETER * n_parameters)
    if n_parameters > n_numeric:
        size = max(size, _SAMPLE_PER_LEVEL * (n_parameters - n_numeric))
        size = min(size, max(_LARGEST_SAMPLE, _SAMPLE_PER_PARAMETER * n_numeric))
    return size


def _least_and_rival(problem, found, criterion, m_scale):
    """Return the plane of least criterion, and its rival or None.

    The M-scale hardly differs between a plane that a group of bad rows has attracted and one that
    it has not. The tau-scale of Yohai & Zamar (1988) depends on the size of ordinary residuals, and
    is less biased. If it is clearly lower at a plane whose M-scale is nearly the same, that plane
    is the rival.
    """
    criteria = np.array(list(map(criterion, found)))
    least = int(np.argmin(criteria))
    near = np.flatnonzero(criteria <= _NEARLY**2 * criteria[least])
    if len(near) == 1:
        return found[least], None

    def tau(params):
        sigma = m_scale.sigma_at(params)
        c = regression_constant(WELSCH, _EFFICIENCY) * sigma
        return c * np.sqrt(problem.unpenalised().objective(WELSCH, c).value(params))

    taus = list(map(tau, found[near]))
    clearly = min(taus) < _CLEARLY * tau(found[least])
    return found[least], found[near[int(np.argmin(taus))]] if clearly else None


def refined_from_subsample(
    problem: Problem, sample: Problem, estimate: SEstimate, options
) -> SEstimate:
    """Return the S-estimate of all rows near that of a subsample; it stalls if none is near.

    Parameters
    ----------
    problem, sample : Problem
        Of all rows and of the subsample.
    estimate : SEstimate
        Of the subsample.
    options : dict
        As for a solver.
    """
    if estimate.exact:
        return replace(estimate, status=Status.NOT_APPLICABLE)
    design, n_parameters = problem.design, estimate.n_parameters
    if not problem.standardised_penalty.is_zero:
        everything = least_squares(problem, max_iter=options["max_iter"])
        n_parameters = problem.free_parameters(everything.root)
    m_scale = MScale(design, tuning_constant(breakdown=0.5), n_parameters)
    scale = m_scale.c_of(estimate.sigma)
    start = start_from_subsample(_shrunk(sample).at(scale), estimate.params)
    result = minimise_near(_shrunk(problem).at(scale), start, m_scale, **options)
    if not result.converged or m_scale.sigma_of(result.scale) <= design.floor:
        return replace(estimate, status=Status.STALLED)
    sigma, rival = m_scale.sigma_of(result.scale), None
    if estimate.rival is not None:
        rival = refined_from_subsample(problem, sample, estimate.rival, options)
        rival = rival if rival.status.usable else None
    return SEstimate(result.params, sigma, n_parameters, estimate.root, exact=False, rival=rival)


def _shrunk(problem):
    """Return the objective, at any scale, whose minimum at the M-scale is the S-estimate."""
    shrunk = replace(problem, penalty=problem.penalty.times(SHRINKAGE))
    return shrunk.objective(WELSCH, 1.0)


def _searchable(design):
    """Return whether the numeric columns are few enough for a Gram matrix of the search."""
    return design.n_numeric_parameters <= LIMITS.widest


def _robust_root(problem, scale, start):
    """Return the inverse root of the curvature under Cauchy's loss, which gives all rows weight."""
    root = problem.objective(resolve("cauchy"), scale).curvature(start.params)[-1]
    return replace(root, null=start.root.null)


def efficient(problem: Problem, estimate: SEstimate, minimise, near=None, **options) -> SEstimate:
    """Return the M-estimate of 95 % efficiency that starts at the S-estimate, and its scale.

    The S-estimate is so inaccurate at rows far off in X that it rejects good ones among them. With
    a penalty, which may outweigh a small scale, the S-estimate is returned. If ``near`` is given,
    its parameters and scale take the place of those of the S-estimate.
    """
    if estimate.exact or not problem.standardised_penalty.is_zero:
        return estimate
    if near is None:
        truncated = TruncatedScale(problem.design, 1.0, estimate.n_parameters, estimate.sigma)
        near = estimate.params, truncated.sigma_at(estimate.params)
    params, sigma = near
    objective = problem.objective(WELSCH, regression_constant(WELSCH, _EFFICIENCY) * sigma)
    found = minimise(objective, Start(params, estimate.root), **options)
    return replace(estimate, params=found.params, sigma=sigma)


def row_metric(design, estimate: SEstimate, random_state):
    """Return the metric of ordinary rows, from a sample, and their dimension.

    Returns
    -------
    root : ndarray of shape (n_parameters, n_directions)
        It gives ordinary rows unit mean square.
    dimensions : int
        0 if there are too many columns for a Gram matrix.
    """
    if not _searchable(design):
        return np.empty((0, 0)), 0
    return _metric(design.sample(_SAMPLE, random_state), estimate)


def bad_leverage(design, estimate: SEstimate, believed: SEstimate, metric, sizes=None):
    """Return the rows that are rejected and far off in X, and parameters that ignore them.

    A row is rejected if its residual from ``believed``, the result of :func:`efficient`, is over
    2.5 of its scales. A row is far off if its robust distance exceeds the largest of as many normal
    rows, with probability 0.99; outliers in y alone are not. A rare level may have taken its
    coefficient from rows far off, which are then not rejected. Its other rows therefore determine
    the coefficient first. If the metric, of :func:`row_metric`, has no dimension, no row is
    returned. With sizes of the errors, shape (n_rows,), residuals count beside them.

    Returns
    -------
    which : ndarray of int
    params : ndarray of shape (n_parameters,)
    """
    none, params = np.empty(0, dtype=np.intp), believed.params
    root, dimensions = metric
    if dimensions <= 0:
        return none, params
    distance = _chi2_isf(_BY_CHANCE / design.n_cases, dimensions) + design.columns.fit_intercept
    if design.levels() is not None:
        suspects = high_leverage(design, rare_level_rows(design), root, distance)
        scale = tuning_constant(breakdown=0.5) * believed.sigma
        ordinary = design.without(suspects)
        params, *_ = move_levels(ordinary, params, WELSCH, scale, np.zeros(len(params)))
    if sizes is not None:
        far_of = partial(high_leverage, design, root=root, distance=distance)
        return _rejected_beside(design, believed, estimate, params, sizes, far_of), params
    rejected = large_residuals(design, params, _REJECTED * believed.sigma)
    if len(rejected) == 0:
        return rejected, params
    return high_leverage(design, rejected, root, distance), params


def _rejected_beside(design, believed: SEstimate, estimate: SEstimate, params, sizes, far_of):
    """Return the rows far off whose residuals are over 2.5 scales, beside errors of these sizes.

    The size of a row counts as at most that of nine in ten rows not far off: beyond, it is
    extrapolated, and a large one would excuse any residual. Sizes and scale are those of at most
    2000 evenly spaced rows. ``far_of`` returns the rows far off among some.
    """
    present, cases = design.present(), design.own_cases()
    few = present[:: -(-len(present) // _LARGEST_FEW)]
    near = np.setdiff1d(few, far_of(few))
    sizes = np.minimum(sizes, np.quantile(sizes[near], _ORDINARY)) if len(near) else sizes
    scaled = (residuals(design, estimate.params) / sizes)[few]
    free = {"n_parameters": min(estimate.n_parameters, 0.5 * len(few))}
    sigma = m_scale(scaled, cases[few], **free, floor=design.floor)
    if believed is not estimate:
        sigma = truncated_deviation(scaled, sigma, cases[few], **free)
    large = np.abs(residuals(design, params)) > _REJECTED * max(sigma, design.floor) * sizes
    return far_of(np.flatnonzero(large & (cases > 0.0)))


def _chi2_isf(probability, dimensions):
    # The formula of scipy.stats, whose import takes longer than the fit.
    return 2.0 * gammainccinv(0.5 * dimensions, probability)


def _metric(design, estimate):
    """Return the metric of ordinary rows, and their dimension.

    It is the metric of the numeric columns given the levels, because a rare level is always far off
    in its column. Rows have the weights of the S-estimate. Rows far off are taken out and the
    metric is computed again, so that good leverage points do not hide bad ones.
    """
    scale = tuning_constant(breakdown=0.5) * estimate.sigma
    weights = robust_weights(design, estimate.params, WELSCH, scale)
    combinations = numeric_given_levels(design)
    present, near, n_far = design.present(), design, -1
    for _ in range(_LOOKS):
        remaining = weights[near.present()]
        products = gram(near, combinations, remaining)
        root = combinations @ pseudo_inverse_root(
            products / np.average(remaining, weights=near.shares())
        )
        dimensions = root.shape[1] - design.columns.fit_intercept
        if dimensions <= 0:
            return root, 0
        distance = _chi2_isf(_BY_CHANCE, dimensions) + design.columns.fit_intercept
        far = high_leverage(design, present, root, distance)
        if len(far) == n_far:
            break
        near, n_far = design.without(far), len(far)
    return root, dimensions
