"""The columns that a penalty has selected, and the degrees of freedom of a fit."""

from __future__ import annotations

import numpy as np

from ..design import passes
from ..penalties import ElasticNet
from ..problem import Problem
from .fitted import feature_names, linear_within, model_of, targets_with_rows, training_data


def selected_columns(estimator):
    """Return the names of the columns whose coefficients are not zero.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline or search that ends in one.

    Returns
    -------
    ndarray of str, or list of ndarray of str
        In the order of the columns; a list with one array for each target for 2-D y. In a pipeline
        they are the names that its steps give, and "x0", "x1", … if there are none.

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If the estimator is not one of this package.

    See Also
    --------
    sklearn.feature_selection.SelectFromModel : The same choice as a step of a pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.inspection import selected_columns
    >>> X = np.random.default_rng(0).normal(size=(50, 80))
    >>> model = RobustRegressor(1.0, scale=1.0, l1_regularization=0.5).fit(X, 3.0 * X[:, 7])
    >>> selected_columns(model).tolist()
    ['x7']
    """
    model = linear_within(estimator).last._plain()
    names = np.array(feature_names(model, estimator), dtype=object)
    chosen = [names[coef != 0.0] for coef in np.atleast_2d(model.coef_)]
    return chosen[0] if model.coef_.ndim == 1 else chosen


def degrees_of_freedom(estimator, X, y, *, sample_weight=None, error_scale=None):
    r"""Return how many free parameters a fit is worth.

    It is the trace of the matrix that takes y to the fitted values, for the rows and columns as the
    fit weighs and selects them:

    .. math:: \operatorname{tr}\bigl[(Z^\top W Z + V)^{-1} Z^\top W Z\bigr],

    with the columns in use and a column of ones in Z, the mean robust weights in W and the L2
    penalty in V. Without an L2 penalty it is the number of coefficients that are not zero, plus one
    for the intercept; for least squares that is the expected value of the degrees of freedom of the
    lasso.

    Parameters
    ----------
    estimator : estimator
        A fitted linear estimator of this package, or a pipeline or search that ends in one.
    X, y
        The data of the fit.
    sample_weight : array-like of shape (n_samples,), optional
        The case weights of the fit.
    error_scale : array-like of shape (n_samples,), optional
        The sizes of the errors, if the fit had them.

    Returns
    -------
    float or ndarray of shape (n_targets,)

    Raises
    ------
    NotFittedError
        Before ``fit``.
    TypeError
        If the estimator is not one of this package.
    ValueError
        If the data do not have the shape of those of the fit.

    References
    ----------
    Zou, H., Hastie, T. & Tibshirani, R. (2007). On the "degrees of freedom" of the lasso. Annals of
    Statistics 35.

    Examples
    --------
    >>> from sklearn_robust import RobustRegressor
    >>> from sklearn_robust.datasets import load_stackloss
    >>> from sklearn_robust.inspection import degrees_of_freedom
    >>> X, y = load_stackloss(return_X_y=True)
    >>> model = RobustRegressor(l1_regularization=2.0, random_state=0).fit(X, y)
    >>> degrees_of_freedom(model, X, y)
    2.0
    """
    model, X = model_of(estimator, X)
    X, y, cases = training_data(model, X, y, sample_weight, error_scale)
    found = []
    for fit, rows, _ in targets_with_rows(model, X, y, cases):
        used = np.flatnonzero(fit.coef)
        if rows.columns.n_slopes < rows.n_features:  # the last column is the intercept
            used = np.append(used, rows.columns.n_slopes)
        problem = Problem(rows, ElasticNet.of(model, rows.columns)).restricted(used)
        size = rows.columns.n_parameters - rows.n_features
        kept = np.append(used, rows.n_features + np.arange(size))
        params = rows.from_original(fit.coef, fit.intercept)[kept]
        gram = passes.curvature(problem.design, params, fit.loss, fit.scale)[2]
        bent = gram + np.diag(problem.standardised_penalty.curvature)
        found.append(round(float(np.trace(np.linalg.pinv(bent, hermitian=True) @ gram)), 9))
    return found[0] if y.ndim == 1 else np.array(found)
