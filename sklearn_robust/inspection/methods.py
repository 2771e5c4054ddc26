"""Methods for the covariance of the coefficients of one target, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..design.residuals import residuals as residuals_of
from ..estimators.fits import shared_starts
from ..losses import tuning_constant
from ..penalties import ElasticNet
from ..problem import Likelihood, Problem
from ..validation import check_choice, check_integer, check_seed, check_unmasked
from .belief import Undetermined, disbelieved, undetermined
from .fitted import is_adaptive, likelihood_of
from .formulas import Terms, huber, observed_information
from .scores import clustered, heteroscedastic, with_scale

_ALONE = (
    "Some rows have leverage 1, and their residuals are 0 whatever their errors are: their share "
    "of the covariance is left out."
)
_SAME = 1e-4
"""Relative difference up to which two searches found the same S-estimate; each is within tol."""


@dataclass(frozen=True)
class Target:
    """The fit of one target, and what a method needs to know.

    Attributes
    ----------
    model : estimator
    fit : FittedTarget
    rows, all_rows : LocalDesign
        The rows that count, and all rows.
    params : ndarray of shape (n_parameters,)
        The parameters of the standardised columns.
    number : int
        The number of the target.
    """

    model: Any
    fit: Any
    rows: Any
    all_rows: Any
    params: np.ndarray
    number: int

    @property
    def sigma(self) -> float:
        """The residual scale that the fit estimated."""
        return float(np.atleast_1d(self.model.sigma_)[self.number])

    @property
    def problem(self) -> Problem:
        """The rows and the penalty."""
        return Problem(self.rows, ElasticNet.of(self.model, self.rows.columns))

    @property
    def objective(self):
        """The objective at the scale and shape of the fit."""
        return self.problem.objective(self.fit.loss, self.fit.scale)

    @property
    def likelihood(self) -> Likelihood:
        """The likelihood of an adaptive fit."""
        return likelihood_of(self.model, self.problem)

    def terms(self, *, weighted=True) -> Terms:
        """Return what the rows say at the fit."""
        return Terms.of(self.objective, self.params, weighted=weighted)

    def gap(self, null, X) -> Undetermined:
        """Return the coefficients that change along directions in ``null``."""
        told = np.zeros(self.all_rows.n_rows, dtype=bool)
        told[self.rows.present()] = True
        told[disbelieved(self.objective, self.params)] = False
        return undetermined(self.all_rows, X, told, null)


@dataclass(frozen=True)
class Options:
    """The method, and what it is told; the parameters of :func:`covariance`."""

    kind: str
    groups: Any = None
    n_resamples: int = 999
    n_jobs: int | None = None
    random_state: Any = None
    verbose: int = 0
    name: str = "covariance"
    """The name under which the user gives ``kind``."""

    def check(self):
        """Raise unless every parameter is one that some fit accepts."""
        check_choice(self.name, self.kind, ["auto", *KINDS])
        check_integer("n_resamples", self.n_resamples, 2)
        check_integer("verbose", self.verbose, 0, flag_too=True)
        check_seed("random_state", self.random_state)
        if (self.groups is None) == (self.kind == "cluster"):
            given = "None" if self.groups is None else "groups"
            raise ValueError(
                f'groups must be given with {self.name}="cluster" and with no other, got {given} '
                f"with {self.name}={self.kind!r}."
            )

    def of_fit(self, model, n_rows: int) -> Options:
        """Return the options of a fit: "auto" replaced, groups as columns of numbers; or raise."""
        kind = self.kind
        if kind == "auto":
            kind = "information" if is_adaptive(model) else "sandwich"
        if kind == "information" and not is_adaptive(model):
            raise ValueError(
                f'{self.name} must be another than "information" for a fit of given shape, which '
                'has no likelihood, got "information".'
            )
        if kind != "bootstrap" and model.l1_regularization > 0.0:
            raise ValueError(
                f"{self.name} must be 'bootstrap' for a fit with l1_regularization, which selects "
                f"its columns by the same rows, got {self.kind!r}."
            )
        if kind == "avar1" and not is_mm_estimate(model):
            raise ValueError(
                f'{self.name} must be another than "avar1", which is that of an MM-estimate: a '
                'RobustRegressor with scale="s" and no penalty; got "avar1" for '
                f"{model!r}."
            )
        groups = None if self.groups is None else _groupings(self.groups, n_rows)
        return replace(self, kind=kind, groups=groups)


def is_mm_estimate(model) -> bool:
    """Return whether a fit is an MM-estimate without a penalty."""
    held = isinstance(getattr(model, "scale", None), str) and model.scale == "s"
    return held and model.l2_regularization == 0.0


def _groupings(groups, n_rows) -> list[np.ndarray]:
    """Return the columns of ``groups`` as numbers of groups, or raise."""
    values = np.asarray(check_unmasked("groups", groups))
    if (
        values.ndim not in (1, 2)
        or len(values) != n_rows
        or values.size not in (n_rows, 2 * n_rows)
    ):
        raise ValueError(
            f"groups must be of shape ({n_rows},), or ({n_rows}, 2) for two-way groups, got shape "
            f"{values.shape}."
        )
    found = []
    for column in values.reshape(n_rows, -1).T.tolist():
        if any(label is None or label != label for label in column):
            raise ValueError("groups must not hold missing labels, got None or NaN.")
        numbers = {label: number for number, label in enumerate(dict.fromkeys(column))}
        found.append(np.array([numbers[label] for label in column], dtype=np.intp))
    return found


def _sandwich(target, options, doubts):
    return huber(target.terms(), weighted=True), None


def _classical(target, options, doubts):
    return huber(target.terms(weighted=False), weighted=False), None


def _information(target, options, doubts):
    fit = target.fit
    return observed_information(target.likelihood, target.params, fit.scale, fit.loss.alpha), None


def _heteroscedastic(target, options, doubts):
    found, alone = heteroscedastic(target.terms(), options.kind)
    if alone:
        doubts.append(_ALONE)
    return found, None


def _cluster(target, options, doubts):
    found, n_groups = clustered(target.terms(), options.groups)
    return found, n_groups - 1.0


def _avar1(target, options, doubts):
    return with_scale(target.terms(), s_residuals(target)), None


def s_residuals(target) -> np.ndarray:
    """Return the residuals of the S-estimate of an MM-estimate, over the scale c of its loss."""
    estimate = shared_starts(target.model, target.rows).s_estimate
    if estimate.exact or abs(estimate.sigma / target.sigma - 1.0) > _SAME:
        raise ValueError(
            "estimator must have an S-estimate that another search finds again and that fits less "
            f"than half of the rows exactly, got one of scale {target.sigma:g} and "
            f"{estimate.sigma:g} in another search; give random_state a number in the fit."
        )
    left = residuals_of(target.rows, estimate.params)[target.rows.present()]
    return left / (estimate.sigma * tuning_constant(breakdown=0.5))


FORMULAS: dict[str, Callable] = {
    "sandwich": _sandwich, "avar1": _avar1, "classical": _classical,
    **dict.fromkeys(("hc0", "hc1", "hc2", "hc3"), _heteroscedastic),
    "cluster": _cluster, "information": _information,
}  # fmt: skip
KINDS = (*FORMULAS, "bootstrap", "fast_bootstrap")
"""Every method."""
