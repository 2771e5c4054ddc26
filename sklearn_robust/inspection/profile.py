"""The profile likelihood of the learned shape."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning

from ..callers import level_of_caller
from ..partition import adjustment
from ..penalties import ElasticNet
from ..problem import Problem
from ..scales import n_cases
from ..validation import check_integer, check_number
from .fitted import (
    NOT_OF_THESE,
    coefficients_of,
    is_adaptive,
    likelihood_of,
    model_of,
    taken_in,
    target_of_fit,
    targets_with_rows,
    training_data,
)

_SHARPER = 1e-2
"""Tolerance of the profile fits relative to that of the model, since differences matter."""
_ACCURACY = 1e-5
"""Accuracy of the ends of the interval."""
_MOVED = 1e-6
"""Relative difference of the mean likelihood above which X and y are not those of the fit."""


@dataclass(frozen=True, eq=False)
class AlphaProfile:
    """The likelihood as a function of the shape, the result of :func:`profile_alpha`.

    With 2-D y, arrays have a leading axis of targets.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
    nll : ndarray of shape (n_alphas,) or (n_targets, n_alphas)
        Least mean negative log-likelihood at each shape, with the penalty and the adjustment for
        the parameters (see :class:`~sklearn_robust.AdaptiveRobustRegressor`).
    deviance : ndarray of the same shape
        Twice the number of cases times the difference of ``nll`` to its value at the fit.
    alpha : float or ndarray of shape (n_targets,)
        The shape of the fit.
    level : float
        The confidence level.
    threshold : float
        The deviance at the ends of the interval.
    interval : ndarray of shape (2,) or (n_targets, 2)
        The shapes whose deviance is below the threshold, within ``alpha_bounds``.
    """

    alphas: np.ndarray
    nll: np.ndarray
    deviance: np.ndarray
    alpha: float | np.ndarray
    level: float
    threshold: float
    interval: np.ndarray


def profile_alpha(
    estimator, X, y, alphas=None, *, sample_weight=None, error_scale=None, level=0.95, verbose=0
):
    r"""Profile likelihood of the shape, and its confidence interval.

    At every shape the likelihood, adjusted for the number of coefficients as in the fit, is
    maximised over coefficients and scale. The interval holds the shapes :math:`\alpha` for which
    twice the log-likelihood ratio to the fit is at most the quantile of :math:`\chi^2_1`. Its ends
    are accurate to 1e-5 for any ``alphas``.

    Parameters
    ----------
    estimator : AdaptiveRobustRegressor
        A fitted estimator, or a pipeline, search or ``TransformedTargetRegressor`` around one; the
        shape is that of the residuals of the transformed target.
    X, y
        The data of the fit.
    alphas : sequence of float, optional
        Shapes of the profile, within ``alpha_bounds``. The default is 41 evenly spaced shapes.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.
    level : float in (0, 1), default=0.95
    verbose : int >= 0, default=0
        If positive, a line is printed for every shape.

    Returns
    -------
    AlphaProfile

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an ``AdaptiveRobustRegressor``.
    ValueError
        If a parameter is out of range, or the data do not have the shape of those of the fit.

    Warns
    -----
    ConvergenceWarning
        If a fit at a given shape did not converge.
    UserWarning
        If the likelihood of these rows differs from that of the fit.

    Notes
    -----
    Sample weights are case weights, as in :func:`coef_table`. Rows that the fit left out are left
    out here too. Every fit begins at the fit of the nearest shape that is known. If the shape of
    the fit is at a bound, the coverage of the interval is ``level`` or more.

    References
    ----------
    Venzon, D. J. & Moolgavkar, S. H. (1988). A method for computing profile-likelihood-based
    confidence intervals. Applied Statistics 37.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import AdaptiveRobustRegressor
    >>> from sklearn_robust.inspection import profile_alpha
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1))
    >>> y = X.ravel() + rng.standard_t(3, size=500)
    >>> model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    >>> profile_alpha(model, X, y).interval.round(1)
    array([0.4, 0.9])
    """
    check_number("level", level, 0.0, 1.0, "()")
    check_integer("verbose", verbose, 0, flag_too=True)
    model, X = model_of(estimator, X)
    if not is_adaptive(model):
        raise TypeError(
            f"estimator must be or end in an AdaptiveRobustRegressor, got {estimator!r}."
        )
    low, high = map(float, model.alpha_bounds)
    alphas = np.linspace(low, high, 41) if alphas is None else _check_shapes(alphas, low, high)
    nlls = np.atleast_2d(model.nll(X, target_of_fit(model, y), error_scale).T)
    X, y, cases = training_data(model, X, y, sample_weight, error_scale)
    threshold = float(chi2.ppf(level, 1))
    found, moved = [], False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = zip(taken_in(model), targets_with_rows(model, X, y, cases), strict=True)
        for target, (kept, (_, rows, _)) in enumerate(fits):
            column = y if y.ndim == 1 else y[:, target]
            weights = kept * (1.0 if cases is None else cases)
            sizes = model._sizes_of_errors(X, model._error_scale)[target]
            profile = _Profile(model, (X, column, weights, sizes), target, rows, verbose)
            ends = [profile.end(end, threshold) for end in (low, high)]
            found.append((*profile.at(alphas), ends))
            seen = np.average(nlls[target], weights=weights)
            moved = moved or abs(seen - np.atleast_1d(model.nll_)[target]) > _MOVED * (
                1.0 + abs(seen)
            )
    if any(issubclass(w.category, ConvergenceWarning) for w in caught):
        warnings.warn(
            "A fit at a given shape did not converge; raise max_iter.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
    if moved:
        warnings.warn(NOT_OF_THESE, UserWarning, stacklevel=level_of_caller())
    nll, deviance, interval = (
        np.array(parts if y.ndim > 1 else parts[0]) for parts in zip(*found, strict=True)
    )
    return AlphaProfile(alphas, nll, deviance, model.alpha_, float(level), threshold, interval)


def _check_shapes(alphas, low, high):
    """Return shapes as float64 of shape (n_alphas,), or raise."""
    for alpha in (given := np.atleast_1d(np.array(alphas, dtype=object))):
        check_number("every one of alphas", alpha, low, high)
    return given.astype(np.float64)


class _Profile:
    """The profile of one target, starting at its fit."""

    def __init__(self, model, data, target, rows, verbose):
        self._data = data
        self._model, self._verbose = model, verbose
        self._cases_twice = 2.0 * n_cases(data[2])
        problem = Problem(rows, ElasticNet.of(model, rows.columns))
        self._fitted = likelihood_of(model, problem).fitted
        self.alpha = float(np.atleast_1d(model.alpha_)[target])
        self._starts, self._nlls = {self.alpha: coefficients_of(model)[target]}, {}

    def at(self, alphas):
        """Return likelihoods and deviances at some shapes, computed from the fit outwards."""
        for k in np.argsort(np.abs(alphas - self.alpha), kind="stable"):
            self._nll(float(alphas[k]))
        nlls = np.array([self._nll(float(alpha)) for alpha in alphas])
        return nlls, np.array([self._deviance(float(alpha)) for alpha in alphas])

    def end(self, bound, threshold):
        """Return the shape between fit and bound at which the deviance is the threshold.

        Return the bound if there is none.
        """
        if bound == self.alpha or self._deviance(bound) <= threshold:
            return bound
        return brentq(lambda a: self._deviance(a) - threshold, self.alpha, bound, xtol=_ACCURACY)

    def _deviance(self, alpha):
        return self._cases_twice * (self._nll(alpha) - self._nll(self.alpha))

    def _nll(self, alpha):
        """Return the least value of what the fit minimises at a shape."""
        if alpha in self._nlls:
            return self._nlls[alpha]
        nearest = min(self._starts, key=lambda known: abs(known - alpha))
        given = self._model.get_params(deep=False) | {
            "alpha_bounds": (alpha, alpha), "init": self._starts[nearest], "warm_start": False,
            "tol": _SHARPER * self._model.tol, "verbose": 0,
            "scale_features": None,  # its sizes of errors are given
        }  # fmt: skip
        fit = type(self._model)(**given).fit(*self._data)
        self._starts[alpha] = coefficients_of(fit)[0]
        penalty = ElasticNet.of(fit).value(fit.coef_ / fit.scale_)
        more = adjustment(fit.scale_, alpha, self._fitted)
        self._nlls[alpha] = fit.nll_ + penalty + more
        if self._verbose:
            print(f"[profile_alpha] alpha {alpha:.6g}: mean nll {self._nlls[alpha]:.10g}")
        return self._nlls[alpha]
