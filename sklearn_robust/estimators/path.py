"""robust_path: coefficients along a grid of absolute penalties."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite

from ..validation import check_error_scale, check_number
from .base import fits
from .grids import check_grid, l1_grid
from .progress import silent
from .robust import RobustRegressor


@dataclass(frozen=True, eq=False)
class RobustPath:
    """Fits along a grid of L1 penalties.

    It unpacks into ``l1_regularizations, coefs, scales``.

    Attributes
    ----------
    l1_regularizations : ndarray of shape (n_penalties,)
        Falling.
    coefs : ndarray of shape (n_features, n_penalties) or (n_targets, n_features, n_penalties)
    intercepts : ndarray of shape (n_penalties,) or (n_targets, n_penalties)
    scales : ndarray of shape (n_penalties,) or (n_targets, n_penalties)
        The scales c, in the unit of y.
    n_iters : ndarray of int, of the same shape
        Iterations on all rows.
    feature_names : ndarray of shape (n_features,) or None
        The names of the columns of X, if it has any.
    n_selected : ndarray of int of the shape of ``scales``
        The number of coefficients that are not zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import robust_path
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> path = robust_path(X, X[:, 0], alpha=1.0, scale=1.0, l1_regularizations=[0.5, 0.1])
    >>> path.coefs.shape, path.n_selected
    ((3, 2), array([1, 1]))
    """

    l1_regularizations: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    scales: np.ndarray
    n_iters: np.ndarray
    feature_names: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.l1_regularizations, self.coefs, self.scales))

    @property
    def n_selected(self) -> np.ndarray:
        """The number of coefficients that are not zero; shape of ``scales``."""
        return np.count_nonzero(self.coefs, axis=-2)


def robust_path(
    X,
    y,
    *,
    l1_regularizations=100,
    eps=None,
    alpha=-math.inf,
    loss="general",
    scale="auto",
    efficiency=0.95,
    l2_regularization=0.0,
    penalty_weights=None,
    sample_weight=None,
    error_scale=None,
    fit_intercept=True,
    init="auto",
    max_iter=100,
    tol=1e-6,
    random_state=None,
    verbose=0,
):
    """Fit robust linear models along a grid of L1 penalties.

    Every point of the path is the fit of a :class:`RobustRegressor`. Each search begins at the fit
    for the next larger penalty, so a path takes far less time than its fits one by one. Under a
    redescending loss, S-estimates are searched along the path in both directions first, and every
    fit begins at the one of its penalty.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Every target is fitted separately, with the same penalties.
    l1_regularizations : int or array-like of shape (n_penalties,), default=100
        The penalties on the absolute coefficients, in the user's units. A number asks for a
        geometric grid of that size, down from the least penalty at which all penalised coefficients
        are zero. (To find it under a redescending loss, values of X more than five robust
        deviations from the median of their column are moved to that bound.)
    eps : float in (0, 1) or None, default=None
        The least penalty of that grid divided by the largest. None is 0.001, or 0.01 if X has more
        columns than rows.
    alpha : float in [-inf, 2], default=-inf
        This and all other parameters are as for :class:`RobustRegressor`.
    loss : str, default="general"
        The loss.
    scale : {"auto", "mad", "s", "reweighted"} or float, default="auto"
        The scale c.
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors from which c is computed where it is estimated.
    l2_regularization : float >= 0, default=0.0
        The penalty on the squared coefficients, the same at every point.
    penalty_weights : array-like of shape (n_features,) or None, default=None
        Factors of both penalties for every column.
    sample_weight : array-like of shape (n_samples,), optional
        Case weights.
    error_scale : array-like of shape (n_samples,), optional
        Sizes of the errors of the rows relative to each other, positive.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    init : "auto", "ols", "gnc", "s" or array-like of shape (n_features + 1,), default="auto"
        Where the searches begin.
    max_iter : int >= 1, default=100
        Maximum number of iterations for every point.
    tol : float >= 0, default=1e-6
        Bound on the estimated remaining step at every point.
    random_state : int, RandomState or None, default=None
        Seed for the rows that S-estimates draw.
    verbose : int >= 0, default=0
        If positive, a line is printed for every point.

    Returns
    -------
    RobustPath
        It unpacks into penalties, coefficients and scales, as the result of scikit-learn's
        ``enet_path`` into penalties, coefficients and dual gaps.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the data are not as :meth:`RobustRegressor.fit` takes
        them.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` iterations were not enough at some penalties.
    UserWarning
        If at some penalties most rows are rejected, because the penalty is so large beside the
        scale that coefficients are zero.

    See Also
    --------
    RobustRegressorCV : Chooses a penalty by cross-validation.
    sklearn_robust.inspection.PathDisplay : Draws a path.
    sklearn.linear_model.enet_path : The path of least squares.

    References
    ----------
    Friedman, J., Hastie, T. & Tibshirani, R. (2010). Regularization paths for generalized linear
    models via coordinate descent. Journal of Statistical Software 33.

    Cohen Freue, G. V., Kepplinger, D., Salibián-Barrera, M. & Smucler, E. (2019). Robust elastic
    net estimators for variable selection and identification of proteomic biomarkers. Annals of
    Applied Statistics 13.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import robust_path
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 100))
    >>> y = 3.0 * X[:, 0] + rng.normal(size=60)
    >>> y[:6] += 50.0
    >>> path = robust_path(X, y, l1_regularizations=[1.0, 0.5], random_state=0)
    >>> path.n_selected
    array([1, 1])
    """
    template = RobustRegressor(
        alpha, loss=loss, scale=scale, efficiency=efficiency, l1_regularization=1.0,
        l2_regularization=l2_regularization, penalty_weights=penalty_weights,
        fit_intercept=fit_intercept, init=init, max_iter=max_iter, tol=tol,
        random_state=random_state, verbose=verbose,
    )  # fmt: skip
    template._check_parameters()
    if eps is not None:
        check_number("eps", eps, 0.0, 1.0, "()")
    check_grid("l1_regularizations", l1_regularizations)
    X, y, sample_weight = template._validated(X, y, sample_weight)
    error_scale = check_error_scale(error_scale, len(y))
    assert_all_finite(X, estimator_name="robust_path", input_name="X")
    with fits().serial_algebra(X.shape[1]):
        designs = list(template._designs(X, y, sample_weight, error_scale))
        penalties = l1_grid(template, l1_regularizations, designs, eps)
        points = [_told(template, design, penalties) for design in designs]
    _warn(points, penalties, template)
    names = getattr(template, "feature_names_in_", None)
    return _stacked(points, penalties, names, one_target=y.ndim == 1)


def _told(template, design, penalties):
    """Return the fits of one target; print a line for each if ``verbose`` is positive."""
    points = []
    for point in fits().path_fits(template, design, penalties, report=silent):
        points.append(point)
        if template.verbose:
            place = len(points)
            print(
                f"[robust_path] {place} of {len(penalties)}: l1_regularization "
                f"{penalties[place - 1]:.4g}, {np.count_nonzero(point.coef)} columns, scale "
                f"{point.scale:.4g}"
            )
    return points


def _warn(points, penalties, template):
    """Issue at most one warning, about all points of all targets."""
    unfinished, few = (
        [float(penalty) for place, penalty in enumerate(penalties) if any(
            getattr(of[place], name) == bad for of in points
        )] for name, bad in (("converged", False), ("few_believed", True))
    )  # fmt: skip
    messages = []
    if unfinished:
        messages.append(
            f"No convergence to tol={template.tol:g} in max_iter={template.max_iter} iterations at "
            f"{len(unfinished)} of {len(penalties)} penalties, the largest {max(unfinished):.4g}; "
            "raise max_iter or tol."
        )
    if few:
        messages.append(
            f"Most rows are rejected at {len(few)} of {len(penalties)} penalties, the least "
            f"{min(few):.4g}: there the penalty is so large beside the scale that coefficients "
            "have gone to zero with the rows."
        )
    if messages:
        category = ConvergenceWarning if unfinished else UserWarning
        warnings.warn(" ".join(messages), category, stacklevel=3)


def _stacked(points, penalties, names, *, one_target) -> RobustPath:
    def stacked(name):
        of_targets = [np.stack([getattr(one, name) for one in of], axis=-1) for of in points]
        return of_targets[0] if one_target else np.stack(of_targets)

    coefs, intercepts, scales, n_iters = map(stacked, ("coef", "intercept", "scale", "n_iter"))
    return RobustPath(penalties, coefs, intercepts, scales, n_iters, names)
