"""The S-estimate: the plane whose residuals have the least M-scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammainccinv

from ..losses import resolve, tuning_constant
from ..scale import SHRINKAGE
from .accelerated import minimise_near
from .joint import MScale, minimise_with_scale
from .linear import InverseRoot
from .objective import Objective
from .result import Start, quiet
from .sample import near
from .start import WIDEST, least_squares

WELSCH = resolve("welsch")
"""The loss of the M-scale."""
_SAMPLE = 1000
"""Rows on which planes are looked for, at least; and so many for every parameter:"""
_SAMPLE_PER_PARAMETER = 10
_REJECTED = 2.5
"""Residuals beyond this many M-scales are rejected."""
_BY_CHANCE = 0.01
"""Samples of normal rows in which the furthest row is taken for one of high leverage."""
_LOOKS = 4
"""Times that the metric of the rows is found, without those far off the time before."""


@dataclass(frozen=True)
class SEstimate:
    """Where the M-scale is least.

    Attributes
    ----------
    params : ndarray of shape (n_parameters,)
        Of the standardised columns.
    sigma : float
        The M-scale, in the unit of y.
    n_parameters : float
        How many parameters were free: the rank, less what a penalty takes.
    root : InverseRoot
        Of a curvature there in which rows far off do not count much.
    exact : bool
        Whether the scale is at its floor.
    """

    params: np.ndarray
    sigma: float
    n_parameters: float
    root: InverseRoot
    exact: bool


def s_estimate(objective: Objective, start: Start, minimise, random_state, *, tol, max_iter):
    """Minimise the M-scale of the residuals, and half the penalty beside half its square.

    The planes of :meth:`~sklearn_robust.rows.Rows.planes`, found on a sample of the rows where
    there are many, are compared on all rows, and the best one followed to the end. There the
    coefficients minimise the objective at the scale that their residuals give, under the
    loss of the M-scale (Rousseeuw & Yohai 1984); each side's step decreases the M-scale.

    Parameters
    ----------
    objective : Objective
        Its loss and scale do not count.
    start : Start
        Least squares.
    minimise : callable
        A solver for a fixed scale.
    random_state : RandomState
    tol, max_iter
        As for the solver.

    Returns
    -------
    SEstimate
        At the floor of the scale where the rows are no more than the free parameters, or more
        than half of them lie on the plane.
    """
    rows, floor = objective.rows, objective.rows.scale_floor()
    n_parameters = objective.free_parameters(start.root) if _searchable(start) else 0.0
    if rows.half_of_cases(n_parameters) <= 0.0:
        return SEstimate(start.params, floor, n_parameters, start.root, exact=True)
    plane = rows.exact_plane()  # a sample of the rows may show fewer than half of it
    if plane is not None and not np.any(objective.ridge()):
        return SEstimate(plane, floor, n_parameters, start.root, exact=True)
    m_scale = MScale(rows, tuning_constant(breakdown=0.5), n_parameters)
    ridge = objective.ridge()

    def criterion(params):
        return m_scale.sigma(m_scale(params)) ** 2 + np.dot(ridge * params, params)

    if _searchable(start):
        size = max(_SAMPLE, _SAMPLE_PER_PARAMETER * len(start.params))
        found = rows.sample(size, random_state).planes(
            n_parameters, floor=floor, penalty=ridge, given=start.params[None],
            random_state=random_state,
        )  # fmt: skip
        start = replace(start, params=min(found, key=criterion))
        start = replace(start, root=_robust_root(objective.at(m_scale(start.params)), start))
    result = minimise_with_scale(
        minimise, _shrunk(objective), start, m_scale, tol=tol, max_iter=max_iter, report=quiet,
    )  # fmt: skip
    params = result.params
    if not np.any(ridge):  # with a penalty the end is a joint fixed point, not quite the least
        params = min([params, start.params], key=criterion)
    sigma = m_scale.sigma(m_scale(params))
    exact = sigma <= floor or rows.deviation(params, 0.5) <= floor
    return SEstimate(params, floor if exact else sigma, n_parameters, start.root, exact)


def followed(
    objective: Objective, sample: Objective, estimate: SEstimate, options
) -> SEstimate | None:
    """Return the S-estimate of all rows near that of a sample, or None where it is not near.

    Parameters
    ----------
    objective, sample : Objective
        Of all rows and of the sample; loss and scale do not count.
    estimate : SEstimate
        Of the sample.
    options : dict
        As for a solver.
    """
    if estimate.exact:
        return None
    rows, n_parameters = objective.rows, estimate.n_parameters
    if np.any(objective.ridge()):
        everything = least_squares(objective, max_iter=options["max_iter"])
        n_parameters = objective.free_parameters(everything.root)
    m_scale = MScale(rows, tuning_constant(breakdown=0.5), n_parameters)
    scale = m_scale.scale(estimate.sigma)
    start = near(_shrunk(sample).at(scale), estimate.params)
    result = minimise_near(_shrunk(objective).at(scale), start, m_scale, **options)
    if result is None or m_scale.sigma(result.scale) <= rows.scale_floor():
        return None
    sigma = m_scale.sigma(result.scale)
    return SEstimate(result.params, sigma, n_parameters, estimate.root, exact=False)


def _shrunk(objective):
    """Return the objective of which the S-estimate is a minimum, whatever its scale."""
    l2_regularization = SHRINKAGE * objective.l2_regularization
    return replace(objective, loss=WELSCH, l2_regularization=l2_regularization)


def _searchable(start):
    """Return whether there are few enough columns for a Gram matrix, as the search needs."""
    return len(start.params) <= WIDEST


def _robust_root(objective, start):
    """Return the inverse root of the curvature under Cauchy's loss, which forgets no row."""
    root = replace(objective, loss=resolve("cauchy")).curvature(start.params)[-1]
    return replace(root, null=start.root.null)


def rejected_far_rows(rows, estimate: SEstimate, random_state):
    """Return the numbers of the rows that are rejected and far off in X, bad leverage points.

    Rejected are those whose residual is over 2.5 M-scales. Far off are those whose robust
    distance is more than the furthest of as many normal rows has in one sample in a hundred,
    so that outliers in y alone are not. None are found among too many columns for a Gram matrix.
    """
    if not _searchable(estimate):
        return np.empty(0, dtype=np.intp)
    rejected = rows.beyond(estimate.params, _REJECTED * estimate.sigma)
    if len(rejected) == 0:
        return rejected
    root, dimensions = _metric(rows.sample(_SAMPLE, random_state), estimate)
    distance = _chi2_isf(_BY_CHANCE / rows.n_cases, dimensions) + rows.columns.fit_intercept
    return rows.further(rejected, root, distance)


def _chi2_isf(probability, dimensions):
    # As scipy.stats has it, whose import takes longer than the fit.
    return 2.0 * gammainccinv(0.5 * dimensions, probability)


def _metric(rows, estimate):
    """Return the matrix after which ordinary rows have unit mean square, and their dimension.

    Rows count in it as in the S-estimate; those that prove to be far off are taken out and
    the rest is looked at again, lest good leverage points hide the bad ones.
    """
    fixed = Objective(rows, WELSCH, tuning_constant(breakdown=0.5) * estimate.sigma, 0.0)
    weights = rows.weights(estimate.params, WELSCH, fixed.scale)
    present, near, n_far = rows.present(), rows, -1
    for _ in range(_LOOKS):
        root = replace(fixed, rows=near).curvature(estimate.params)[-1].root
        root = root * np.sqrt(np.average(weights, weights=near.sample_weight))
        dimensions = root.shape[1] - rows.columns.fit_intercept
        distance = _chi2_isf(_BY_CHANCE, dimensions) + rows.columns.fit_intercept
        far = rows.further(present, root, distance)
        if len(far) == n_far:
            break
        near, n_far = rows.without(far), len(far)
    return root, dimensions
