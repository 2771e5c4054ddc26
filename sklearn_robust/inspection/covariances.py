"""The covariance of the coefficients of a fit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel

from ..callers import level_of_caller
from .belief import Undetermined
from .fitted import (
    NOT_OF_THESE,
    coefficients_of,
    feature_names,
    model_of,
    target_names,
    targets_with_rows,
    training_data,
)
from .formulas import inverse_root, lengths
from .methods import FORMULAS, Options, Target, is_mm_estimate, s_residuals
from .resampling import linear_steps, refits, spread

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
        largest = np.max(np.abs(self.factor), axis=1, keepdims=True, initial=0.0)
        scaled = np.divide(self.factor, largest, out=np.zeros(self.factor.shape), where=largest > 0)
        with np.errstate(over="ignore", under="ignore"):  # in one order, so that no infinities meet
            found = (scaled @ scaled.T * largest) * largest.T
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

    def warn(self):
        """Issue at most one warning of a kind."""
        if self.unconverged is not None:
            warnings.warn(self.unconverged, ConvergenceWarning, stacklevel=level_of_caller())
        if self.doubts:
            text = " ".join(dict.fromkeys(self.doubts))
            warnings.warn(text, UserWarning, stacklevel=level_of_caller())


def estimates(estimator, X, y, of_rows, options: Options) -> Estimates:
    """Return the coefficients of a fit with their uncertainty, or raise.

    ``of_rows`` holds the sample weights and the sizes of the errors.
    """
    options.check()
    model, seen = model_of(estimator, X)
    names = (*feature_names(model, estimator), *(["intercept"] if model.fit_intercept else []))
    targets = target_names(model, y)
    X, y, cases = training_data(model, seen, y, *of_rows)
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
        data = X, y, cases, model._error_scale
        draws, n_unconverged = refits(model, data, options.n_resamples, rng, parallel)
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
        if options.kind != "bootstrap":
            doubts += of.gap.of_dependent_columns(names)
        doubts += of.gap.sentences(names, target)
    estimate = coefficients_of(model)
    return Estimates(model, options.kind, names, targets, estimate, found, at, doubts, unconverged)


def _of_formula(target, options, X, doubts) -> Uncertainty:
    found, df = FORMULAS[options.kind](target, options, doubts)
    _check_minimum(target, found.owed, found.errors(), doubts)
    gap = target.gap(found.null, X)
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
    error_scale=None,
    n_resamples=999,
    n_jobs=None,
    random_state=None,
):
    r"""Estimate the covariance of the coefficients.

    Every kind estimates how much the coefficients would vary from one sample to another. The kinds
    differ in what they assume about the errors.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    kind : str, default="sandwich"
        - "sandwich": errors have the same distribution in all rows. Huber's (1981) formula for
          M-estimates, except that rows count in the matrix of X by their robust weights (Koller &
          Stahel 2011): ``.vcov.w`` of R's ``lmrob``.
        - "classical": the same formula, with all rows in the matrix of X: "H1" of statsmodels'
          ``RLM``. A rejected row that is far off in X makes it too small.
        - "avar1": the size of errors may depend on X, and their distribution may be skewed. The
          formula for an MM-estimate together with its scale (Croux et al. 2003): ``.vcov.avar1`` of
          R's ``lmrob``. It needs a ``RobustRegressor`` with ``scale="s"`` and no penalty, and
          searches its S-estimate again.
        - "hc0", "hc1", "hc2", "hc3": the size of errors may depend on X; c is taken as known. At
          ``alpha=2`` they are the formulas of least squares of the same names. "hc0" is too small
          with few rows; "hc3" is made for few rows.
        - "cluster": errors may be correlated within ``groups`` of rows, and are independent between
          them. It needs many groups, some 30 or more.
        - "information": the inverse of the observed information in coefficients, scale and shape of
          an ``AdaptiveRobustRegressor``: errors follow the fitted distribution.
        - "bootstrap": rows are independent. The model is fitted again to rows drawn with
          replacement, starting at the given fit: ``n_resamples`` fits.
        - "fast_bootstrap": the same, with one linear step in place of each fit (Salibian-Barrera &
          Zamar 2002), in which the robust weights are those of the fit. The M-scale of an
          MM-estimate is resampled, too; other scales are taken as known.
        - "auto": "information" for ``AdaptiveRobustRegressor``, else "sandwich".
    groups : array-like of shape (n_samples,) or (n_samples, 2), optional
        Labels of the groups of "cluster"; two columns if errors may be correlated within either
        grouping.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.
    n_resamples : int >= 2, default=999
        Number of resamples of a bootstrap.
    n_jobs : int or None, default=None
        Number of refits of "bootstrap" run in parallel; it changes no bit of the result.
    random_state : int, RandomState or None, default=None
        Seed for the rows drawn.

    Returns
    -------
    ndarray of shape (n_names, n_names) or (n_targets, n_names, n_names)
        A row and a column for every coefficient, and the last for the intercept, if there is one.
        Infinite for coefficients that no believed row determines.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If ``estimator`` is not an estimator of this package.
    ValueError
        If a parameter is out of range or ``kind`` is not defined for the fit, as all but
        "bootstrap" with ``l1_regularization``; if the data do not have the shape of those of the
        fit; or if a formula does not apply, because there are as many parameters as rows or the
        fit is not at a minimum with positive definite curvature.

    Warns
    -----
    UserWarning
        If columns are dependent, so that the coefficients are those of least norm. If the believed
        rows do not determine some coefficients; the warning names their columns. If the
        coefficients do not minimise the objective on these rows, as when X, y or ``sample_weight``
        are not those of the fit. If "hc2" or "hc3" meet rows of leverage 1.
    ConvergenceWarning
        If refits did not converge.

    See Also
    --------
    coef_table : Standard errors, tests and limits.

    Notes
    -----
    With a penalty, the covariance does not include the bias of the penalised coefficients. For a
    cross-validated fit, it treats the chosen parameters as known. The formulas treat the scale as
    known, except "avar1" and "information"; it is uncorrelated with the coefficients if errors are
    symmetric.

    A row is believed if its robust weight is above 1e-8 and the fit did not leave it out. If no row
    of a level is believed, the other standard errors are those without these rows and without that
    column. If only few rows determine a coefficient, some resamples may hold none of them. In a
    refit the coefficient is then 0; in a linear step it moves by the curvature of all rows.

    The variances of a bootstrap are not those of the draws, because some draws may hold more bad
    rows than good ones. They come from quantiles, and correlations come from normal scores of the
    ranks.

    References
    ----------
    Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6.
    Koller, M. & Stahel, W. A. (2011). Sharpening Wald-type inference in robust regression for
    small samples. Computational Statistics & Data Analysis 55.
    Croux, C., Dhaene, G. & Hoorelbeke, D. (2003). Robust standard errors for robust estimators.
    KU Leuven, Center for Economic Studies, discussion paper 03.16.
    MacKinnon, J. G. & White, H. (1985). Some heteroskedasticity-consistent covariance matrix
    estimators with improved finite sample properties. Journal of Econometrics 29.
    Cameron, A. C., Gelbach, J. B. & Miller, D. L. (2011). Robust inference with multiway
    clustering. Journal of Business & Economic Statistics 29.
    Salibian-Barrera, M. & Zamar, R. H. (2002). Bootstrapping robust estimates of regression.
    Annals of Statistics 30.
    Efron, B. & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall,
    sections 9.5 and 13.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import covariance
    >>> data = load_stackloss()
    >>> model = RobustRegressor(scale="s", random_state=0).fit(data.data, data.target)
    >>> for kind in ("sandwich", "avar1", "hc3"):
    ...     found = covariance(model, data.data, data.target, kind=kind)
    ...     print(kind, np.sqrt(np.diag(found)).round(3))
    sandwich [0.117 0.316 0.118 8.956]
    avar1 [0.137 0.337 0.071 4.953]
    hc3 [0.189 0.271 0.094 6.023]
    """
    options = Options(kind, groups, n_resamples, n_jobs, random_state, name="kind")
    found = estimates(estimator, X, y, (sample_weight, error_scale), options)
    found.warn()
    return found.arranged([of.matrix for of in found.of_target])
