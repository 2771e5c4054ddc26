"""The covariance of the coefficients of a fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel

from .belief import Undetermined
from .fitted import (
    NOT_OF_THESE,
    coefficients_of,
    feature_names,
    model_of,
    targets_with_rows,
    training_data,
)
from .formulas import inverse_root, lengths
from .methods import FORMULAS, Options, Target, is_mm_estimate, s_residuals
from .resampling import linear_steps, refits, spread

_DEPENDENT = (
    "Columns of X are dependent: standard errors are those of the coefficients of least norm."
)
_OWED = 0.1
"""Distance from the minimum, in standard errors, above which a warning is issued."""

@dataclass(frozen=True)
class Uncertainty:
    """How uncertain the coefficients of one target are, in the user's units.

    Attributes
    ----------
    factor : ndarray of shape (n_names, any)
        L with L·Lᵀ the covariance.
    df : float
        Degrees of freedom of Student's distribution.
    gap : Undetermined
        The coefficients that the believed rows do not determine.
    draws : ndarray of shape (n_resamples, n_names) or None
        Coefficients of resamples.
    """

    factor: np.ndarray
    df: float
    gap: Undetermined
    draws: np.ndarray | None = None

    @property
    def std_error(self) -> np.ndarray:
        """The standard errors; infinite where the believed rows do not determine a coefficient."""
        errors = lengths(self.factor)
        errors[self.gap.mask] = np.inf
        return errors

    @property
    def matrix(self) -> np.ndarray:
        """The covariance; for coefficients that are not determined infinite, and 0 with others."""
        with np.errstate(over="ignore", under="ignore"):
            found = self.factor @ self.factor.T
        unknown = self.gap.mask
        found[unknown], found[:, unknown] = 0.0, 0.0
        found[unknown, unknown] = np.inf
        return found


@dataclass(frozen=True)
class Estimates:
    """The coefficients of a fit and their uncertainty, a row for each target.

    Attributes
    ----------
    model : estimator
        The last step of a pipeline or search.
    kind : str
        The method.
    names : tuple of str
        Of the columns, then "intercept" if there is one.
    targets : tuple of str or None
        Names of the targets; None if y is 1-D.
    estimate : ndarray of shape (n_targets, n_names)
    of_target : list of Uncertainty
    fits : list of Target
    doubts : list of str
        What a warning has to say.
    """

    model: Any
    kind: str
    names: tuple[str, ...]
    targets: tuple[str, ...] | None
    estimate: np.ndarray
    of_target: list[Uncertainty]
    fits: list[Target]
    doubts: list[str]
    unconverged: str | None

    def arranged(self, values):
        """Return values of the targets as an array, without the axis of targets for 1-D y."""
        return np.asarray(values if self.targets is not None else values[0])

    def warn(self, stacklevel=3):
        """Issue at most one warning of a kind."""
        if self.unconverged is not None:
            warnings.warn(self.unconverged, ConvergenceWarning, stacklevel=stacklevel)
        if self.doubts:
            text = " ".join(dict.fromkeys(self.doubts))
            warnings.warn(text, UserWarning, stacklevel=stacklevel)


def estimates(estimator, X, y, sample_weight, options: Options) -> Estimates:
    """Return the coefficients of a fit with their uncertainty, or raise."""
    options.check()
    model, seen = model_of(estimator, X)
    names = (*feature_names(model, estimator), *(["intercept"] if model.fit_intercept else []))
    targets = _targets(model, y)
    X, y, cases = training_data(model, seen, y, sample_weight)
    options = options.of_fit(model, len(y))
    found: list[Uncertainty] = []
    doubts: list[str] = []
    unconverged = None
    at = [
        Target(model, fit, rows, all_rows, rows.from_original(fit.coef, fit.intercept), k)
        for k, (fit, rows, all_rows) in enumerate(targets_with_rows(model, X, y, cases))
    ]
    rng = check_random_state(options.random_state)
    if options.kind == "bootstrap":
        parallel = Parallel(n_jobs=options.n_jobs, verbose=options.verbose)
        draws, n_unconverged = refits(model, (X, y, cases), options.n_resamples, rng, parallel)
        found = [_of_refits(target, of, X) for target, of in zip(at, draws, strict=True)]
        if n_unconverged:
            unconverged = (
                f"{n_unconverged} of {options.n_resamples} refits did not converge; raise max_iter."
            )
    elif options.kind == "fast_bootstrap":
        found = [_of_steps(target, options, rng, X, doubts) for target in at]
    else:
        found = [_of_formula(target, options, X, doubts) for target in at]
    for of, target in zip(found, targets or [None], strict=True):
        doubts += of.gap.sentences(names, target)
    estimate = coefficients_of(model)
    return Estimates(
        model, options.kind, names, targets, estimate, found, at, doubts, unconverged
    )


def _targets(model, y):
    """Return the names of the targets of 2-D y."""
    if model.coef_.ndim == 1:
        return None
    return tuple(map(str, getattr(y, "columns", [f"y{k}" for k in range(len(model.coef_))])))


def _of_formula(target, options, X, doubts) -> Uncertainty:
    found, df = FORMULAS[options.kind](target, options, doubts)
    _check_minimum(target, found.owed, found.errors(), doubts)
    gap = target.gap(found.null, X)
    if gap.dependent:
        doubts.append(_DEPENDENT)
    factor = target.rows.columns.jacobian() @ found.factor
    return Uncertainty(factor, found.n - found.p if df is None else df, gap)


def _of_refits(target, draws, X) -> Uncertainty:
    # The null space of least squares is that of a convex loss: no row is without information.
    terms = target.terms(weighted=target.fit.loss.redescending)
    gap = target.gap(terms.root.null, X)
    return Uncertainty(spread(draws), max(terms.n - terms.p, 1.0), gap, draws)


def _of_steps(target, options, rng, X, doubts) -> Uncertainty:
    terms = target.terms()
    terms.check()
    u = s_residuals(target) if is_mm_estimate(target.model) else None
    steps = linear_steps(terms, u, options.n_resamples, rng)
    errors = lengths(spread(steps))
    _check_minimum(target, terms.owed(inverse_root(terms.newton)), errors, doubts)
    gap = target.gap(terms.root.null, X)
    if gap.dependent:
        doubts.append(_DEPENDENT)
    changes = steps @ target.rows.columns.jacobian().T
    centre = np.append(target.fit.coef, [target.fit.intercept] * target.model.fit_intercept)
    return Uncertainty(spread(changes), terms.n - terms.p, gap, centre + changes)


def _check_minimum(target, owed, errors, doubts):
    """Note where the coefficients do not minimise the objective on these rows."""
    size = target.fit.scale + np.abs(target.params)
    if np.any(np.abs(owed) > _OWED * errors + 10.0 * target.model.tol * size):
        doubts.append(NOT_OF_THESE)


def covariance(
    estimator,
    X,
    y,
    *,
    kind="sandwich",
    groups=None,
    sample_weight=None,
    n_resamples=999,
    n_jobs=None,
    random_state=None,
):
    r"""TODO"""
    options = Options(kind, groups, n_resamples, n_jobs, random_state, name="kind")
    found = estimates(estimator, X, y, sample_weight, options)
    found.warn()
    return found.arranged([of.matrix for of in found.of_target])
