"""Coefficients of resampled rows: refits, and one linear step for each resample."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import delayed

from ..design.algebra import sums_of_resamples
from ..scales import n_cases
from .fitted import coefficients_of
from .formulas import Terms, inverse_root
from .scores import scale_influence

_LARGEST_SEED = 2**31 - 1
_MOST_DRAWN = 1e15
"""Most cases that the bootstrap draws; beyond, weights only count as proportions."""
_AT_ONCE = 1 << 22
"""Most counts of rows in resamples that are held at once."""
_SINGULAR = 1e-6
"""Smallest eigenvalue of the curvature of a resample, relative to that of all rows, at which it is
used. Below, rows that decide a coefficient are absent, and the curvature of all rows is used."""


def refits(model, data, n_resamples, rng, parallel):
    """Return the coefficients of refits, shape (n_targets, n_resamples, n_names), and warnings."""
    X, y, cases, error_scale = data
    shares = np.ones(len(y)) if cases is None else cases
    drawn, shares = _drawn(shares), shares / shares.sum()

    def refit(seed):
        counts = np.random.RandomState(seed).multinomial(drawn, shares)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            again = model._again(X, y, counts.astype(np.float64), seed, error_scale)
        unconverged = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        return coefficients_of(again), unconverged

    seeds = rng.randint(_LARGEST_SEED, size=n_resamples)
    draws, unconverged = zip(*parallel(delayed(refit)(seed) for seed in seeds), strict=True)
    return np.stack(draws, axis=1), int(sum(unconverged))


def _drawn(cases) -> int:
    return round(min(n_cases(cases), _MOST_DRAWN))


def linear_steps(terms: Terms, u, n_resamples, rng) -> np.ndarray:
    r"""Return changes of the parameters in resamples, each by one step of least squares reweighted.

    The weights of the rows are those of the fit. The step in the resample, which solves its
    weighted normal equations, is multiplied by what a small change of the rows moves the estimate
    more than one step, :math:`\bigl(\sum\psi_i' x_i x_i^\top\bigr)^{-1} \sum w_i x_i x_i^\top`.

    Parameters
    ----------
    terms : Terms
    u : ndarray of shape (n_present,) or None
        As of :func:`~sklearn_robust.inspection.scores.with_scale`: the change of the scale is then
        included. None if the scale is treated as known.
    n_resamples : int
    rng : RandomState

    Returns
    -------
    ndarray of shape (n_resamples, n_parameters)

    References
    ----------
    Salibian-Barrera, M. & Zamar, R. H. (2002). Bootstrapping robust estimates of regression.
    Annals of Statistics 30.
    """
    drawn = _drawn(terms.rows.own_cases())
    size = len(terms.penalty)
    bread = inverse_root(terms.newton)
    scale = None if u is None else scale_influence(terms, u)
    found = []
    at_once = max(1, _AT_ONCE // len(terms.shares))
    for start in range(0, n_resamples, at_once):
        few = min(at_once, n_resamples - start)
        counts = rng.multinomial(drawn, terms.shares / terms.shares.sum(), size=few)
        excess = counts / drawn - terms.shares
        gram, right = sums_of_resamples(
            terms.rows, terms.root.root, excess, terms.weights, terms.influence
        )
        gram += np.eye(size)
        gram[np.linalg.eigvalsh(gram)[:, 0] <= _SINGULAR] = np.eye(size)
        steps = np.linalg.solve(gram, right[:, :, None])[:, :, 0] @ bread @ bread.T
        if scale is not None:
            pull, chi = scale
            steps -= np.outer(excess @ chi, pull)
        found.append(terms.parameters_of(steps.T).T)
    return np.concatenate(found)


def spread(draws) -> np.ndarray:
    """Return a factor of the covariance of draws; it resists the few that are far off.

    A standard error is half the distance between the quantiles that a normal has at one standard
    deviation on either side: a few draws may hold more bad rows than good ones. The correlations
    are those of the normal scores of the ranks.

    Parameters
    ----------
    draws : ndarray of shape (n_resamples, n_names)

    Returns
    -------
    ndarray of shape (n_names, n_resamples)
    """
    errors = 0.5 * np.diff(np.quantile(draws, ndtr([-1.0, 1.0]), axis=0), axis=0)[0]
    scores = ndtri((rankdata(draws, axis=0) - 0.5) / len(draws))
    lengths = np.linalg.norm(scores, axis=0)
    scores = np.divide(scores, lengths, out=np.zeros(scores.shape), where=lengths > 0.0)
    return errors[:, None] * scores.T
