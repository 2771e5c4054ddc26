"""Scores of predictions that outliers hardly change, and their scorers.

The parameter ``scoring`` of scikit-learn's ``GridSearchCV``, ``cross_val_score`` and similar
functions takes a scorer. Greater is better, so the scorer of a size of residuals is minus the size.
With metadata routing, ``set_score_request`` says whether a scorer gets ``sample_weight``.
:func:`get_scorer` returns a scorer by the name of its score.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from sklearn import metrics
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer
from sklearn.utils import check_array, check_consistent_length

from .pipelines import unwrapped
from .scales import abs_residual_quantile, m_scale
from .validation import check_number, check_unmasked, check_weights

__all__ = [
    "get_scorer",
    "get_scorer_names",
    "nll_scorer",
    "robust_r2_score",
    "robust_r2_scorer",
    "s_scale",
    "s_scale_scorer",
    "tau_size",
    "tau_size_scorer",
    "trimmed_mean_squared_error",
    "trimmed_mean_squared_error_scorer",
]

_TAU_WINDOW = 3.0
"""Sizes above this many medians count as this many."""
_TAU_AT_NORMAL = 0.961
"""The tau-size of a standard normal, before division by this, as R's pense rounds it."""
_AVERAGES = ("raw_values", "uniform_average")


def _of_residuals(measure, y_true, y_pred, sample_weight, multioutput):
    """Return a measure of the residuals, of every output or averaged over them."""

    def of_output(target, predicted, weights):
        return measure(target - predicted, weights)

    return _of_outputs(of_output, y_true, y_pred, sample_weight, multioutput)


def _of_outputs(measure, y_true, y_pred, sample_weight, multioutput):
    """Return a measure of targets and predictions, of every output or averaged over them."""
    checks = {"ensure_2d": False, "dtype": np.float64}
    y_true = check_array(check_unmasked("y_true", y_true), input_name="y_true", **checks)
    y_pred = check_array(check_unmasked("y_pred", y_pred), input_name="y_pred", **checks)
    check_consistent_length(y_true, y_pred)
    weights = check_weights(sample_weight, len(y_true))
    y_true, y_pred = y_true.reshape(len(y_true), -1), y_pred.reshape(len(y_pred), -1)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            "y_true and y_pred must have the same number of outputs, got "
            f"{y_true.shape[1]} and {y_pred.shape[1]}."
        )
    pairs = zip(np.ascontiguousarray(y_true.T), np.ascontiguousarray(y_pred.T), strict=True)
    values = np.array([measure(*pair, weights) for pair in pairs])
    if isinstance(multioutput, str):
        if multioutput not in _AVERAGES:
            raise ValueError(
                f"multioutput must be one of {list(_AVERAGES)} or weights of the outputs, got "
                f"{multioutput!r}."
            )
        return values if multioutput == "raw_values" else float(values.mean())
    shares = np.asarray(multioutput, dtype=np.float64)
    if shares.shape != values.shape or not shares.sum() > 0.0:
        raise ValueError(
            f"multioutput must hold {len(values)} weights of the outputs, not all zero, got "
            f"{multioutput!r}."
        )
    return float(np.average(values, weights=shares))


def s_scale(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    r"""M-scale of the residuals, with a breakdown point of 1/2.

    The scale s at which the mean loss of the residuals is 1/2, under Welsch's loss with c = 0.57735
    s. An S-estimate minimises this scale. While fewer than half of the rows are outliers, it stays
    finite and hardly depends on how far off they are.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), optional
        Case weights: 2 is the row written twice.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        Whether the outputs are averaged (the default), returned one by one, or averaged with
        these weights.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        In the unit of y; comparable to a standard deviation. 0 if half of the residuals
        or more are zero.

    Raises
    ------
    ValueError
        If the arguments hold NaN, infinity or masked values or differ in shape, or if weights
        are negative or all zero.

    References
    ----------
    Rousseeuw, P. J. & Yohai, V. J. (1984). Robust regression by means of S-estimators. Lecture
    Notes in Statistics 26.

    Examples
    --------
    >>> from sklearn_robust.metrics import s_scale
    >>> round(s_scale([1.0, 2.0, 3.0, 4.0], [1.1, 1.8, 3.1, 99.0]), 2)
    0.26
    """
    return _of_residuals(m_scale_or_zero, y_true, y_pred, sample_weight, multioutput)


def m_scale_or_zero(residuals, weights=None) -> float:
    """Return the M-scale, 0 if half of the residuals are zero."""
    least = float(np.finfo(np.float64).tiny)
    scale = m_scale(residuals, weights, floor=least)
    return scale if scale > least else 0.0


def robust_r2_score(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    r"""Explained share of the squared M-scale.

    .. math:: 1 - \frac{s(y - \hat y)^2}{\min_m s(y - m)^2}

    where s is the M-scale of :func:`s_scale` and m the S-estimate of location. It is 1 for exact
    predictions, 0 for the best constant, and negative for worse ones. For normal data without
    outliers it estimates the same share as ``sklearn.metrics.r2_score``, the coefficient of
    determination. Rows that are outliers in y or have bad predictions hardly change it while they
    are fewer than half.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), optional
        Case weights: 2 is the row written twice.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        As for :func:`s_scale`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        At most 1. If half of ``y_true`` or more are equal there is no scale to explain: 1 if the
        M-scale of the residuals is 0, too, else 0, as ``r2_score`` does for a constant.

    Raises
    ------
    ValueError
        As for :func:`s_scale`.

    Notes
    -----
    Renaud and Victoria-Feser (2010) define the robust share from the weights of a fit to the same
    rows. Here it is computed from predictions alone, so that it applies to any regressor and to
    rows held out.

    References
    ----------
    Renaud, O. & Victoria-Feser, M.-P. (2010). A robust coefficient of determination for
    regression. Journal of Statistical Planning and Inference 140.

    Examples
    --------
    >>> from sklearn.metrics import r2_score
    >>> from sklearn_robust.metrics import robust_r2_score
    >>> y, predicted = [1.0, 2.0, 3.0, 4.0, 5.0], [1.1, 1.8, 3.1, 4.1, 99.0]
    >>> round(robust_r2_score(y, predicted), 2), round(r2_score(y, predicted), 2)
    (0.98, -882.61)
    """
    from .procedures.reweighting import s_location  # late, because it loads the compiled code

    def measure(target, predicted, weights):
        whole = m_scale_or_zero(target - s_location(target, weights), weights)
        rest = m_scale_or_zero(target - predicted, weights)
        if whole == 0.0:
            return float(rest == 0.0)
        return 1.0 - (rest / whole) ** 2

    return _of_outputs(measure, y_true, y_pred, sample_weight, multioutput)


def tau_size(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    r"""Tau-size of the residuals.

    The root mean square of the absolute residuals, cut at three times their median, divided by
    0.961, which makes it comparable to a standard deviation. It is more efficient for normal
    errors than :func:`s_scale` and has the same breakdown point, but is noisier as a criterion of
    cross-validation. R's ``pense`` uses it as its criterion.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), optional
        Case weights: 2 is the row written twice.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        As for :func:`s_scale`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        In the unit of y. 0 if more than half of the residuals are zero.

    Raises
    ------
    ValueError
        As for :func:`s_scale`.

    References
    ----------
    Yohai, V. J. & Zamar, R. H. (1988). High breakdown-point estimates of regression by means of
    the minimization of an efficient scale. Journal of the American Statistical Association 83.
    Maronna, R. A. & Zamar, R. H. (2002). Robust estimates of location and dispersion for
    high-dimensional datasets. Technometrics 44.

    Examples
    --------
    >>> from sklearn_robust.metrics import tau_size
    >>> round(tau_size([1.0, 2.0, 3.0, 4.0], [1.1, 1.8, 3.1, 99.0]), 2)
    0.27
    """

    def measure(residuals, weights):
        middle = abs_residual_quantile(residuals, 0.5, weights)
        if middle == 0.0:
            return 0.0
        sizes = np.minimum(np.abs(residuals), _TAU_WINDOW * middle) / middle
        return middle * np.sqrt(np.average(sizes**2, weights=weights)) / _TAU_AT_NORMAL

    return _of_residuals(measure, y_true, y_pred, sample_weight, multioutput)


def trimmed_mean_squared_error(
    y_true, y_pred, *, trim=0.1, sample_weight=None, multioutput="uniform_average"
):
    """Mean squared error without the largest residuals.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,) or (n_samples, n_outputs)
    trim : float in [0, 1), default=0.1
        The share of the weight of the rows that is left out, beginning with the largest
        residuals. The last of these rows may be left out in part.
    sample_weight : array-like of shape (n_samples,), optional
        Case weights: 2 is the row written twice.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (n_outputs,)
        As for :func:`s_scale`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        In the squared unit of y.

    Raises
    ------
    ValueError
        If ``trim`` is out of range, and as for :func:`s_scale`.

    Examples
    --------
    >>> from sklearn_robust.metrics import trimmed_mean_squared_error
    >>> round(trimmed_mean_squared_error([1.0, 2.0, 3.0, 4.0], [1.1, 1.8, 3.1, 99.0], trim=0.25), 2)
    0.02
    """
    check_number("trim", trim, 0.0, 1.0, "[)")

    def measure(residuals, weights):
        order = np.argsort(np.abs(residuals), kind="stable")
        cases = np.ones(len(order)) if weights is None else weights[order]
        before = np.cumsum(cases) - cases
        kept = np.clip((1.0 - trim) * cases.sum() - before, 0.0, cases)
        sizes = np.where(kept > 0.0, np.abs(residuals)[order], 0.0)
        return float(np.average(sizes**2, weights=kept))

    return _of_residuals(measure, y_true, y_pred, sample_weight, multioutput)


class _NllScorer(BaseEstimator):
    """Minus the mean negative log-likelihood of held-out rows."""

    def score(self, estimator, X, y, sample_weight=None):
        """Score an ``AdaptiveRobustRegressor``, or a pipeline that ends in one."""
        within = unwrapped(estimator)
        if not hasattr(within.last, "nll") or within.of_target:
            # The likelihood of a transformed target is not that of the target.
            raise TypeError(
                "nll_scorer must be given an AdaptiveRobustRegressor or a pipeline that ends in "
                f"one, got {estimator!r}."
            )
        nll = within.last.nll(within.transform(check_unmasked("X", X)), y)
        weights = check_weights(sample_weight, len(y))
        return -float(np.mean(np.average(nll, axis=0, weights=weights)))

    __call__ = score

    def _accept_sample_weight(self):
        """Return True: the scorer takes ``sample_weight``.

        A search with several scores calls this for every scorer, and fails if one does not have it.
        """
        return True


s_scale_scorer = make_scorer(s_scale, greater_is_better=False)
"""Minus :func:`s_scale`."""
tau_size_scorer = make_scorer(tau_size, greater_is_better=False)
"""Minus :func:`tau_size`."""
trimmed_mean_squared_error_scorer = make_scorer(trimmed_mean_squared_error, greater_is_better=False)
"""Minus :func:`trimmed_mean_squared_error` with ``trim=0.1``."""
robust_r2_scorer = make_scorer(robust_r2_score)
""":func:`robust_r2_score`."""
nll_scorer = _NllScorer()
"""Minus the mean held-out negative log-likelihood of an ``AdaptiveRobustRegressor``, or of a
pipeline that ends in one; the mean over several targets."""

SCORERS = {
    "nll": nll_scorer,
    "robust_r2": robust_r2_scorer,
    "s_scale": s_scale_scorer,
    "tau_size": tau_size_scorer,
    "trimmed_mean_squared_error": trimmed_mean_squared_error_scorer,
}
"""The scorers of this module by their names."""


def get_scorer(scoring):
    """Return a scorer of this package or of scikit-learn by its name.

    The names of this package are "robust_r2", "s_scale", "tau_size", "trimmed_mean_squared_error"
    and "nll". Greater is better for every scorer, so all but "robust_r2" return minus the scores,
    as do scikit-learn's scorers whose names begin with ``neg_``.

    Parameters
    ----------
    scoring : str, callable or None
        A name of :func:`get_scorer_names`. A callable and None are returned as they are.

    Returns
    -------
    callable
        Called with a fitted estimator, X and y, it returns a number. ``GridSearchCV``,
        ``cross_val_score`` and similar functions take it as ``scoring``, or in a dict of several.
        It is a copy, so a metadata request that is set on it changes no other scorer.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    See Also
    --------
    sklearn.metrics.get_scorer : The same for scikit-learn's names only.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_phones
    >>> from sklearn_robust.metrics import get_scorer
    >>> X, y = load_phones(return_X_y=True)
    >>> model, shapes = RobustRegressor(random_state=0), {"alpha": [2.0, -2.0]}
    >>> for name in ("s_scale", "neg_mean_squared_error"):
    ...     found = GridSearchCV(model, shapes, scoring=get_scorer(name), cv=4).fit(X, y)
    ...     print(name, found.best_params_)
    s_scale {'alpha': -2.0}
    neg_mean_squared_error {'alpha': 2.0}
    """
    if scoring is None or callable(scoring):
        return scoring
    if not isinstance(scoring, str):
        raise ValueError(f"scoring must be a name, a callable or None, got {scoring!r}.")
    if scoring in SCORERS:
        return deepcopy(SCORERS[scoring])
    # The list of names is not used here: scikit-learn leaves deprecated names out of it.
    try:
        return metrics.get_scorer(scoring)
    except ValueError as error:
        raise ValueError(
            f"scoring must be one of {list(SCORERS)} or a name of "
            f"sklearn.metrics.get_scorer_names(), got {scoring!r}."
        ) from error


def get_scorer_names():
    """Return the names that :func:`get_scorer` takes.

    Returns
    -------
    list of str
        In alphabetical order: the names of this package and those of scikit-learn.

    Examples
    --------
    >>> from sklearn.metrics import get_scorer_names as get_names_of_sklearn
    >>> from sklearn_robust.metrics import get_scorer_names
    >>> sorted(set(get_scorer_names()) - set(get_names_of_sklearn()))
    ['nll', 'robust_r2', 's_scale', 'tau_size', 'trimmed_mean_squared_error']
    """
    return sorted({*SCORERS, *metrics.get_scorer_names()})
