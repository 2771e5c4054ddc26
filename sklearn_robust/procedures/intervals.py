"""Intervals of predictions: the quantiles of errors, and the uncertainty of fitted values.

The fit keeps quantiles of its absolute residuals and a root of its Gram matrix. All else is
computed from these when intervals are asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, ndtri, stdtrit

from ..design import Design
from ..limits import LIMITS
from ..linear_algebra import sparse_basis
from ..losses import Loss, regression_constant, resolve
from ..partition import log_partition
from ..problem import Objective
from ..scales import ENOUGH
from .reweighting import BELIEVED, SIGMAS, most_likely

_MOST_ROWS = 1000
"""Most residuals that stand for all: the quantiles that a fit keeps are at every 1/1000."""
_MANY = 4
"""Multiple of the size of a sample from which on it replaces all rows."""
_MANY_CASES = 200
"""With fewer cases a tail of good rows cannot be told from a few others apart."""
_MOST_FITTED = 0.5
"""Ratio of parameters to rows above which intervals are not widened further."""
_LEAST = float(np.finfo(np.float64).tiny)
_MOST_SIGMAS = 1e100
"""Residuals further off, in sigma, are no tail; their squares would overflow."""
_ROUNDING = 1e-7
"""Length of a row along a direction, relative to that of the row, that may be rounding."""
_WELSCH = resolve("welsch")
_SHAPES = (1.5, 0.2)
"""Shapes from which the likelihood of good rows with others apart is maximised."""
_NARROWEST = 0.5
"""Least deviation of the logarithm of the size of others. A narrower distribution would take one
clump of them and leave the rest to the tail of good rows."""
_BEFORE = 3.0
"""Logarithm of how far below sigma the peak of good rows is sought."""
_SLOPE = -0.5
"""Slope that separates a tail from others apart, in the logarithms of size and of density of the
logarithm of size. The heaviest tail of the family, that of Cauchy, falls to -1, others further."""
_POINTS = 400
"""Points at which others apart are sought."""


# ---- at the fit ----------------------------------------------------------------------


def leverage_root(objective: Objective, params, least_squares_root=None):
    r"""Return what leverages are computed from, and the number of free parameters.

    The leverage of a row x with the intercept is :math:`x^\top (X^\top W X)^{-1} x` times the sum
    of the weights. W holds the robust weights if the loss redescends, because rejected rows add no
    information, and 1 otherwise. A penalty is added to the matrix. Columns that a penalty has set
    to zero do not count. A sample of 20 000 rows gives the matrix of rows that are 80 000 or more
    and have no level columns, or that are not in this process.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_parameters,)
    least_squares_root : InverseRoot or None
        Of all rows, if it is known.

    Returns
    -------
    root : dict of ndarray or None
        ``centre``, shape (n_features,). ``root``, (n_parameters, rank): the leverage is the squared
        length of ``(x - centre, 1) @ root``. ``null``, (n_parameters, n_null): rows with a part
        along these directions have no finite leverage. ``unit``, (n_features,), is the size of the
        columns. None if there are too many columns, or if the sample does not determine all of
        them and the other rows are not in this process.
    n_parameters : float
    """
    penalty, columns = objective.problem.standardised_penalty, objective.design.columns
    n_slopes = len(columns.unit)
    used = np.flatnonzero(params[:n_slopes]) if penalty.selects else np.arange(n_slopes)
    size = len(used) + columns.fit_intercept
    if size > LIMITS.leverages:
        most = _MOST_FITTED * objective.design.n_cases
        return None, penalty.n_in_use(params) if penalty.selects else min(size, most)
    design = objective.design
    few = design.take(places_for_leverages(design)) if design.in_process else design.thinned(ENOUGH)
    if least_squares_root is not None and few is design and not objective.loss.redescending:
        root, free = least_squares_root, _free(objective, least_squares_root)
    else:
        few_rows = replace(objective, problem=objective.problem.on(few))
        root, free = _curvature(few_rows, params, used)
    if root.null.shape[1] and few is not design:
        if not design.in_process:
            return None, free
        root, free = _curvature(objective, params, used)
    whole = {
        name: _of_all_columns(of, used, columns)
        for name, of in (("root", root.root @ np.eye(root.root.shape[1])), ("null", root.null))
    }
    if columns.n_slopes < n_slopes:  # the last column is the intercept
        whole = {name: of[:-1] for name, of in whole.items()}
    return {"centre": columns.zero, "unit": columns.unit[: columns.n_slopes], **whole}, free


def _curvature(objective: Objective, params, used):
    """Return the inverse root of the matrix of the columns in use, and the free parameters."""
    columns = objective.design.columns
    if objective.problem.standardised_penalty.selects:
        objective = objective.restricted(used)
        params = params[
            np.append(used, [len(columns.unit)] * columns.fit_intercept).astype(np.intp)
        ]
    shape = objective if objective.loss.redescending else objective.problem.least_squares()
    root = shape.curvature(params)[-1]
    return root, _free(objective, root)


def _free(objective, root):
    return root.root.shape[1] - objective.problem.standardised_penalty.parameters_taken(root)


def places_for_leverages(design: Design) -> np.ndarray | None:
    """Return the places of a sample of many rows, always the same; None for all rows."""
    if design.n_present < _MANY * ENOUGH or design.levels() is not None:
        return None
    return design.sampled_places(ENOUGH, np.random.RandomState(0))


def _of_all_columns(directions, used, columns):
    """Return directions of standardised parameters as ones of the columns in the user's units."""
    n_slopes = len(columns.unit)
    whole = np.zeros((n_slopes + 1, directions.shape[1]))
    whole[used] = directions[: len(used)] / columns.unit[used, None]
    if columns.fit_intercept:
        whole[-1] = directions[-1]
    return whole


# ---- at the prediction ---------------------------------------------------------------


def leverages(root, X) -> np.ndarray:
    """Return the leverages of rows; infinite if they have a part that no believed row has.

    Parameters
    ----------
    root : dict of ndarray
        As of :func:`leverage_root`.
    X : {ndarray, sparse matrix} of shape (n_rows, n_features)
    """
    with np.errstate(over="ignore"):
        found = np.sum(_along(root["root"], root, X) ** 2, axis=1)
    if root["null"].shape[1]:
        found[np.any(_has_part_along(root["null"], root, X), axis=1)] = math.inf
    return found


def undetermined_columns(root, X) -> list[int]:
    """Return the numbers of the columns along which no believed row determines the plane at rows.

    Parameters
    ----------
    root : dict of ndarray or None
        As of :func:`leverage_root`.
    X : {ndarray, sparse matrix} of shape (n_rows, n_features)
    """
    if root is None or root["null"].shape[1] == 0:
        return []
    scaled = np.append(root["unit"], 1.0)[:, None]
    directions = sparse_basis(root["null"] * scaled, last=len(root["unit"])) / scaled
    open_ = np.any(_has_part_along(directions, root, X), axis=0)
    return np.flatnonzero(np.any(directions[:-1, open_], axis=1)).tolist()


def _along(directions, root, X):
    """Return the parts of rows along directions, shape (n_rows, n_directions)."""
    slopes, constant = directions[:-1], directions[-1]
    return np.asarray(X @ slopes) + (constant - root["centre"] @ slopes)


def _has_part_along(directions, root, X):
    """Return whether rows have a part, beyond rounding, along directions of unit size."""
    centre, unit = root["centre"], root["unit"]
    sizes = 1.0 + np.asarray(abs(X) @ (1.0 / unit)).ravel() + np.sum(np.abs(centre / unit))
    return np.abs(_along(directions, root, X)) > _ROUNDING * sizes[:, None]


@dataclass(frozen=True)
class Errors:
    """The residuals of the fit of one target, as far as intervals need them.

    Attributes
    ----------
    sizes : ndarray of shape (1001,)
        Quantiles of the absolute residuals, at 0, 0.001, ..., 1.
    n_cases, n_parameters : float
        The cases of the fit, and the parameters that were fitted to them: 0 for held-out residuals.
    """

    sizes: np.ndarray
    n_cases: float
    n_parameters: float = 0.0

    @property
    def n_fitted(self) -> float:
        """The number of parameters, or half of the cases if this is less."""
        return min(self.n_parameters, _MOST_FITTED * self.n_cases)

    @cached_property
    def rows(self) -> np.ndarray:
        """The absolute residuals in rising order: all, or 1000 that stand for more."""
        n_rows = min(max(round(self.n_cases), 1), _MOST_ROWS)
        shares = (np.arange(n_rows) + 0.5) / n_rows
        return self.sizes[np.rint(shares * (len(self.sizes) - 1)).astype(np.intp)]

    @cached_property
    def sigma(self) -> float:
        """The truncated deviation of the residuals, which far rows do not raise."""
        ones = np.ones(len(self.rows))
        return max(SIGMAS["reweighted"](self.rows, ones, _LEAST, math.inf), _LEAST)

    @property
    def is_good(self) -> np.ndarray:
        """How far every residual counts as that of a good row, from 0 to 1."""
        return self._good[0]

    @cached_property
    def _good(self) -> tuple[np.ndarray, tuple[Loss, float] | None]:
        """How far residuals are good, and the distribution of good ones in sigma; None: normal.

        Three explanations of far rows are compared by likelihood and number of parameters (Schwarz
        1978): they are the tail of all rows; others apart from normal good rows; or others apart
        from good rows with a tail of their own, in tables that are not small.
        """
        weights, everyone = good_weights(self.rows, self.sigma), np.ones(len(self.rows))
        if np.all(weights == 1.0):
            return everyone, None
        if self.rows[-1] > _MOST_SIGMAS * self.sigma:  # most rows are fitted exactly
            return weights, None
        sizes, a_parameter = self.rows / self.sigma, 0.5 * math.log(self.n_cases) / self.n_cases
        one, tail = one_distribution(sizes)
        normal = _normal_and_others(sizes, weights) + 2.0 * a_parameter
        heavy = heavy_and_others(sizes, weights) if self.n_cases >= _MANY_CASES else None
        if heavy is not None:
            normal = min(normal, heavy.nll_if_normal + 2.0 * a_parameter)
            if heavy.nll + 3.0 * a_parameter < min(one, normal):
                return heavy.is_good, (heavy.loss, heavy.c)
        return (everyone, tail) if one < normal else (weights, None)

    def half_width(self, coverage, rows) -> float:
        """Return the quantile of the absolute errors of y.

        Parameters
        ----------
        coverage : float
        rows : {"good", "all"}
        """
        weights = self.is_good if rows == "good" else np.ones(len(self.rows))
        cases = self.n_cases / len(weights)
        total = cases * float(weights.sum())
        # In unweighted rows this is the number of every row: a new one falls with equal
        # probability between any two of them.
        ranks = cases * (np.cumsum(weights) - 0.5 * weights) + 0.5
        rank, counted = coverage * (total + 1.0), weights > 0.0
        reach = np.interp(rank, np.append(0.0, ranks[counted]), np.append(0.0, self.rows[counted]))
        if rank > ranks[counted][-1]:
            reach = max(float(reach), self._tail(coverage, rows))
        return math.sqrt(1.0 / (1.0 - min(self.n_parameters / total, _MOST_FITTED))) * float(reach)

    def _tail(self, coverage, rows) -> float:
        """Return the quantile beyond the rows, of the distribution of those that count."""
        if self.sigma <= _LEAST:
            return 0.0
        tail = self._good[1] if rows == "good" else None
        if tail is None and (rows == "all" or np.all(self.is_good == 1.0)) and self.n_cases > 1.0:
            tail = one_distribution(self.rows / self.sigma)[1]
        if tail is None:
            return float(ndtri(0.5 + 0.5 * coverage)) * self.sigma
        # Imported late because SciPy's distributions take longer to load than a fit.
        from ..distribution import general_robust

        loss, c = tail
        return float(general_robust.isf(0.5 - 0.5 * coverage, loss.alpha, scale=c)) * self.sigma

    def half_width_of_mean(self, loss: Loss, scale: float, coverage, leverages) -> np.ndarray:
        """Return the half-widths of the confidence intervals of fitted values.

        They are those of Huber (1981), eq. 7.6.5, with Student's quantile for n - p degrees of
        freedom. ``loss`` and ``scale`` are those of the fit.
        """
        n, p = self.n_cases, self.n_fitted
        weights = loss.rho_psi_weight(self.rows, scale)[2]
        influence = self.rows / scale * weights
        slopes = loss.slopes(self.rows, scale)
        slope = float(slopes.mean())
        if slope <= 0.0:
            return np.full(np.shape(leverages), math.inf)
        correction = 1.0 + p / n * float(np.var(slopes)) / slope**2
        spread = scale * correction * math.sqrt(float(np.mean(influence**2)) / (n - p)) / slope
        if loss.redescending:
            leverages = leverages * float(weights.mean())
        return float(stdtrit(n - p, 0.5 + 0.5 * coverage)) * spread * np.sqrt(leverages)


def good_weights(residuals, sigma) -> np.ndarray:
    """Return how far residuals count as those of good rows: 1 to 3.8 sigma, 0 from 5.9 sigma."""
    c = regression_constant(_WELSCH, 0.95) * sigma
    low, high = BELIEVED
    return np.clip((_WELSCH.rho_psi_weight(residuals, c)[2] - low) / (high - low), 0.0, 1.0)


def one_distribution(sizes) -> tuple[float, tuple[Loss, float]]:
    """Return the mean nll of Barron's distribution of greatest likelihood, and that one."""
    cases = np.ones(len(sizes))
    loss, c = most_likely(sizes, cases, 1e-9)
    rho = loss.rho_psi_weight(sizes, c)[0]
    return float(rho.mean()) + math.log(c) + log_partition(loss.alpha)[0], (loss, c)


def _normal_and_others(sizes, weights) -> float:
    """Return the mean nll of a normal distribution of good rows and one of any size for others.

    The logarithm of the size of the others is uniform between the least size that is doubted and
    the largest. So each of them costs the logarithm of its size, whereas the heaviest tail of
    Barron's family costs twice that: however far off rows are, they do not pass for a tail.
    """
    share = float(weights.mean())
    spread = math.sqrt(float(weights @ sizes**2) / float(weights.sum()))
    least = float(np.min(sizes, initial=math.inf, where=weights < 1.0))
    reach = max(math.log(float(sizes.max()) / least), 0.1)
    with np.errstate(over="ignore", under="ignore"):
        good = share / (spread * math.sqrt(2.0 * math.pi)) * np.exp(-0.5 * (sizes / spread) ** 2)
    others = (1.0 - share) / (2.0 * reach * np.maximum(sizes, least))
    return -float(np.mean(np.log(good + np.where(sizes >= least, others, 0.0))))


@dataclass(frozen=True)
class Apart:
    """A distribution of Barron's family for good rows, and one of others that are apart.

    Attributes
    ----------
    nll : float
        The mean over the rows.
    nll_if_normal : float
        That with the same others and a normal distribution of good rows.
    loss : Loss
    c : float
    is_good : ndarray
        The probability of every row that it is a good one.
    """

    nll: float
    nll_if_normal: float
    loss: Loss
    c: float
    is_good: np.ndarray


def heavy_and_others(sizes, weights) -> Apart | None:
    """Return the likeliest distribution of Barron's family with others apart, or None.

    The logarithm of the size of the others is normal. Any tail can be imitated by such a mixture,
    which would then call its far end outliers. But where errors are of one kind, the density of the
    logarithm of their size falls ever more steeply, however heavy the tail. So others are apart
    only if it falls like a tail, and further out rises again or nearly stops falling.

    Parameters
    ----------
    sizes : ndarray
        Absolute residuals in rising order, in sigma.
    weights : ndarray
        Guesses of how far they are good, from which the search begins.
    """
    logs = np.log(np.maximum(sizes, 1.0))
    doubted, cost = logs[weights < 0.5], float(np.mean(weights < 0.5))
    if not len(doubted) or logs[-1] <= 0.0:
        return None
    share = min(cost, 0.4)
    first = [math.log(share / (1.0 - share)), float(np.mean(doubted))]
    first.append(math.log(max(float(np.std(doubted)), 2.0 * _NARROWEST)))
    bounds = [(0.0, 2.0), (-5.0, 5.0), (-20.0, 0.0), (0.0, float(logs[-1]))]
    bounds.append((math.log(_NARROWEST), math.log(1.0 + float(logs[-1]))))
    best = None
    for alpha in _SHAPES:
        end = minimize(
            _nll_and_slopes, [alpha, 0.0, *first], (sizes, logs), "L-BFGS-B", True, bounds=bounds
        )
        if (best is None or end.fun < best.fun) and _rises_again(end.x, float(logs[-1])):
            best = end
    if best is None:
        return None
    good, others = _log_densities(best.x, sizes, logs)
    is_good = expit(good - others)
    log_spread = 0.5 * math.log(float(is_good @ sizes**2) / float(is_good.sum()))
    if_normal = _log_densities([2.0, log_spread, *best.x[2:]], sizes, logs)
    loss, c = resolve(alpha=float(best.x[0])), math.exp(best.x[1])
    return Apart(float(best.fun), -float(np.mean(np.logaddexp(*if_normal))), loss, c, is_good)


def _log_densities(params, sizes, logs):
    """Return the logarithms of the densities of good rows and of others, each times its share.

    ``params`` are the shape, log c, the logit of the share of others, and mean and log deviation
    of the logarithms of their sizes. No other is within one sigma.
    """
    alpha, log_c, logit, mean, log_deviation = map(float, params)
    rho = resolve(alpha=alpha).rho_psi_weight(sizes, math.exp(log_c))[0]
    good = log_expit(-logit) - rho - log_c - log_partition(alpha)[0]
    z = (logs - mean) * math.exp(-log_deviation)
    others = log_expit(logit) - 0.5 * z**2 - log_deviation - logs - math.log(math.sqrt(8 * math.pi))
    return good, np.where(sizes >= 1.0, others, -math.inf)


def _nll_and_slopes(params, sizes, logs):
    """Return the mean nll of good rows and others, and its derivatives."""
    alpha, log_c, logit, mean, log_deviation = map(float, params)
    good, others = _log_densities(params, sizes, logs)
    is_good = expit(good - others)
    step = 1e-6 if alpha < 1.0 else -1e-6
    further = _log_densities([alpha + step, *params[1:]], sizes, logs)[0]
    units = sizes * math.exp(-log_c)
    weights = resolve(alpha=alpha).rho_psi_weight(sizes, math.exp(log_c))[2]
    z, is_other = (logs - mean) * math.exp(-log_deviation), 1.0 - is_good
    slopes = [
        -float(np.mean(is_good * (further - good))) / step,
        float(np.mean(is_good * (1.0 - units**2 * weights))),
        float(expit(logit) - np.mean(is_other)),
        -float(np.mean(is_other * z)) * math.exp(-log_deviation),
        float(np.mean(is_other * (1.0 - z**2))),
    ]
    return -float(np.mean(np.logaddexp(good, others))), np.array(slopes)


def _rises_again(params, reach) -> bool:
    """Return whether the density of the logarithm of sizes falls like a tail and then flattens."""
    logs = np.linspace(-_BEFORE, max(reach, 1.0), _POINTS)
    good, others = _log_densities(params, np.exp(logs), np.maximum(logs, 0.0))
    falls = np.diff(np.logaddexp(good, others) + logs) < _SLOPE * np.diff(logs)
    return bool(np.any(np.diff(falls.astype(int)) < 0))
