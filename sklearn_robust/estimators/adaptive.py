"""AdaptiveRobustRegressor: linear regression whose loss is learned with the coefficients."""

from __future__ import annotations

from copy import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..validation import (
    check_choice,
    check_columns,
    check_error_scale,
    check_number,
    check_pair,
    check_unmasked,
)
from .base import GIVEN_SCALES, RobustLinearModel, check_penalty, fits
from .progress import with_callbacks

_LARGEST_LOG = 345.0
"""Largest logarithm of a scale that is predicted, beyond that of 1e149."""


class AdaptiveRobustRegressor(RobustLinearModel):
    r"""Linear regression by maximum likelihood in coefficients, scale and shape together.

    The model is that residuals follow Barron's general robust distribution. The fit minimises,
    over coefficients, intercept, scale c and shape :math:`\alpha`, the mean negative
    log-likelihood

    .. math:: \frac{\sum_i s_i\,[\rho((y_i - x_i\beta - b)/c; \alpha) + \log c +
              \log Z(\alpha)]}{\sum_i s_i} - \frac{p}{n} \log\frac{c}{\sqrt{I(\alpha)}}
              + \frac{1}{c^2} \sum_j v_j \Bigl(\lambda_1 |\beta_j|
              + \frac{\lambda_2}{2} \beta_j^2\Bigr)

    with sample weights :math:`s_i`. The term with p/n, for p free coefficients and n cases,
    corrects for the part of the noise that the coefficients fit, as restricted maximum likelihood
    does; :math:`I = E\,\psi^2` is the information of a location at c = 1. It matters with few rows
    per coefficient; without it, the shape would often end at 0. It fades from 15 rows per
    coefficient on, and from 30 on it is left out. The penalties have :math:`\lambda_1` =
    ``l1_regularization``, :math:`\lambda_2` = ``l2_regularization`` and :math:`v_j` =
    ``penalty_weights``. Without penalties nothing has to be tuned: residuals with light tails lead
    to a shape near 2 (least squares), residuals with heavy tails to one near 0 (the Cauchy
    distribution). Bad leverage points, rows that are wrong in X, would attract the fit; by default
    they are left out of the likelihood.

    Parameters
    ----------
    alpha_bounds : (float, float), default=(0.0, 2.0)
        Least and largest shape, within [0, 2]. The bounds can be reached; ``(a, a)`` fixes the
        shape.
    scale_bounds : (float, float) or None, default=None
        Least and largest scale c, in [1e-150, 1e150], in the unit of y; ``(c, c)`` fixes it. None
        leaves it free. If the bounds allow it, c stops at a floor of about 1e-12 of the spread of
        y, below which residuals are rounding errors.
    scale_features : None, "all", list of str or int, or callable, default=None
        The columns u of X with which the scale grows, by name or number:
        :math:`\log c_i = \gamma_0 + u_i\gamma`, learned with the coefficients and the shape. A
        callable is given X and returns such a list. With None there is one scale. It cannot be
        combined with ``l1_regularization``.
    scale_l2_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda_u` on :math:`\gamma`: half of it times the sum of the squared
        coefficients, for columns of unit standard deviation, is added to the objective.
    l1_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda_1` on the absolute coefficients, in the user's units. It makes
        coefficients exactly zero.
    l2_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda_2` on the squared coefficients, in the user's units. The intercept
        has no penalty.
    penalty_weights : array-like of shape (n_features,) or None, default=None
        Factors :math:`v_j` of both penalties for every column, not negative; 0 leaves a column
        unpenalised. None means 1 for all.
    fit_intercept : bool, default=True
        Whether to fit an intercept b.
    solver : {"auto", "irls", "lbfgs"}, default="auto"
        "lbfgs" searches all parameters together by SciPy's L-BFGS-B, the coefficients
        preconditioned by the curvature of least squares. "irls" alternates between weighted
        least squares and a search of scale and shape. "auto" is the fastest: for few rows
        weighted least squares and Newton's method together, for many rows Newton's method with
        the curvature of a sample, Anderson-accelerated, and "lbfgs" if these do not converge.
        All find the same minimum if the start is near it, as that of ``init="s"`` is. The
        likelihood can have several minima, and from other starts solvers may find different ones.
    init : "auto", "s", "ols", "gnc" or array-like of shape (n_features + 1,), default="auto"
        Where the search begins, and which rows count in the likelihood.

        - "s": searches from the S-estimate, least squares and a convex fit are compared on a sample
          of at most 2000 rows, and the best is continued on all rows. Bad leverage points are left
          out. These are rows whose residual from the S-estimate is over 2.5 M-scales and whose
          robust distance in X is larger than that of as many normal rows would be, with probability
          0.99. Good leverage points and rows that are outliers in y only are kept. With
          ``scale_features`` residuals are compared with the scales of their rows, which are taken
          to be no larger than those of nine in ten of the rows not far off.
        - "ols": least squares; all rows count.
        - "gnc": a convex fit whose shape is lowered step by step; all rows count.
        - "auto": "s".

        An array holds the coefficients in the user's units, then the intercept (none with
        ``fit_intercept=False``); for 2-D y also of shape (n_targets, n_features + 1). All rows
        then count.
    max_iter : int >= 1, default=100
        Maximum number of iterations.
    tol : float >= 0, default=1e-6
        The fit has converged when the estimated remaining step is at most ``tol`` in every
        coefficient, :math:`|\Delta\beta_j|\,\mathrm{rms}(x_j) \le \mathrm{tol}\,(c + |\beta_j|\,
        \mathrm{rms}(x_j))` with x centred, and in log c and :math:`\alpha`.
    warm_start : bool, default=False
        Whether a refit begins at coefficients, scale and shape of the previous fit instead of
        ``init``.
    random_state : int, RandomState or None, default=None
        Seed for the rows that the S-estimate and the comparison of starts draw.
    verbose : int >= 0, default=0
        If positive, a line is printed for every iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients; of least norm if columns are dependent and there is no penalty.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercept; 0 with ``fit_intercept=False``.
    alpha_ : float or ndarray of shape (n_targets,)
        The learned shape.
    scale_ : float or ndarray of shape (n_targets,)
        The learned scale c, in the unit of y. With ``scale_features`` it is the geometric mean
        of the scales of the training rows that count; see :meth:`predict_scale`.
    scale_coef_ : ndarray of shape (n_scale_features,) or (n_targets, n_scale_features)
        The coefficients :math:`\gamma`; only with ``scale_features``, as the next two.
    scale_intercept_ : float or ndarray of shape (n_targets,)
        The intercept :math:`\gamma_0`.
    scale_features_ : ndarray of int of shape (n_scale_features,)
        The numbers of their columns.
    nll_ : float or ndarray of shape (n_targets,)
        Mean negative log-likelihood of the training rows that count, without the penalty and
        without the adjustment for the coefficients. It may be negative.
    residual_sizes_ : ndarray of shape (1001,) or (n_targets, 1001)
        Quantiles of the absolute residuals of the training rows that count, at 0, 0.001, ..., 1,
        in the unit of y.
    n_cases_ : float or ndarray of shape (n_targets,)
        Number of cases that count: the sum of their sample weights, or their number. Weights that
        sum to less than their effective sample size are treated as proportions of it.
    n_parameters_ : float or ndarray of shape (n_targets,)
        Number of free coefficients, including the intercept. Dependent columns do not count, and a
        penalty reduces the number.
    weights_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row in [0, 1], without its sample weight; 0 for a row
        that was left out.
    n_iter_ : int or ndarray of shape (n_targets,)
        Number of iterations on all rows.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X has any.

    See Also
    --------
    RobustRegressor : The shape is given.
    sklearn_robust.distribution.general_robust : The distribution of the residuals.

    Notes
    -----
    **Bounds of the shape.** The optimiser handles bounds directly, so that a shape of exactly 0 or
    2 can be reached. The paper's reparameterisation (sigmoid and softplus) cannot reach them, and
    took 452 passes over the rows instead of 231, in 15 fits of 10 000 rows drawn at five shapes.

    **Many rows.** With more than about 6000 rows, a sample is fitted first, and the fit of all rows
    begins at its result. Bad leverage points are then those that the S-estimate of the sample
    rejects. It is always the same sample, and has at least 40 rows for every parameter and at most
    a third of all rows. With ``init="ols"`` no sample is drawn if X holds up to some 260 000
    numbers.

    **Many columns.** With more than 2000 columns, not counting level columns (dummies, flags,
    indicators; see :class:`RobustRegressor`), the search for the S-estimate starts from least
    squares alone, and no row is left out.

    **Exact planes.** If a share s of the rows lies on one plane and the shape is 0, the
    log-likelihood of that plane grows as (2s - 1 - p/n) log(1/c) as c falls, without bound if s is
    more than (1 + p/n)/2; where the adjustment has faded, p/n is absent here. With every solver
    that plane is then the fit, ``scale_`` is at its floor, ``alpha_`` is the most likely shape
    there, and a warning says so. The S-estimate finds the plane if it holds more than (n + p)/2 of
    n rows, where p is the number of parameters with the intercept. (With more than 2000 rows and p
    over 6, this is judged on a sample of the rows.) A plane with fewer rows is the fit if a search
    ends there, which may depend on the solver. A penalty keeps the likelihood bounded, and the fit
    is then an ordinary optimum. So does a least shape above 0, unless all rows are fitted exactly.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR.

    Anderson, D. G. (1965). Iterative procedures for nonlinear integral equations. Journal of
    the ACM 12.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import AdaptiveRobustRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1))
    >>> y = 2.0 * X.ravel() + 1.0 + rng.standard_cauchy(size=500)
    >>> model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(1), round(model.alpha_, 1)
    (array([2.]), 0.0)
    """

    _on_collections = "DaskAdaptiveRobustRegressor"

    def __init__(
        self,
        *,
        alpha_bounds=(0.0, 2.0),
        scale_bounds=None,
        scale_features=None,
        scale_l2_regularization=0.0,
        l1_regularization=0.0,
        l2_regularization=0.0,
        penalty_weights=None,
        fit_intercept=True,
        solver="auto",
        init="auto",
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.alpha_bounds = alpha_bounds
        self.scale_bounds = scale_bounds
        self.scale_features = scale_features
        self.scale_l2_regularization = scale_l2_regularization
        self.l1_regularization = l1_regularization
        self.l2_regularization = l2_regularization
        self.penalty_weights = penalty_weights
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, error_scale=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays float32 (sums are float64); other types become float64. Dense data
            are not copied, sparse data are read as CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Every target is fitted separately, with a separate scale and shape.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative and not all zero.
        error_scale : array-like of shape (n_samples,), optional
            Sizes of the errors of the rows relative to each other, positive. Residuals are divided
            by them before the loss, so ``scale_`` is that of a row of size 1. They say how accurate
            a row is; ``sample_weight`` says how many rows it stands for.

        Returns
        -------
        self : AdaptiveRobustRegressor

        Raises
        ------
        ValueError
            If a parameter is out of range, if X, y, the weights or the sizes of errors hold NaN,
            infinity or masked values or differ in length, if weights are negative or all zero, or
            if sizes of errors are not positive.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough.
        UserWarning
            If more than half of the rows are fitted exactly, so that the scale is at its floor.
        """
        if self.scale_features is None:
            return self._fit(X, y, sample_weight, error_scale)
        named = self.scale_features
        self._scale_features = named(X) if callable(named) else named
        try:
            return self._fit(X, y, sample_weight, error_scale)
        finally:
            del self._scale_features

    def predict_scale(self, X):
        """Return the scale c of rows; that of a row of ``error_scale`` 1, if the fit had any.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the unit of y; ``scale_`` for all rows without ``scale_features``.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If X is one that :meth:`predict` does not accept.
        """
        shape = np.shape(self.predict(X))
        X = self._accepted(check_unmasked("X", X), reset=False)
        sizes = self._sizes_of_errors(X, np.ones(shape[0]))
        return (np.stack(sizes, axis=1) * self.scale_).reshape(shape)

    def _again(self, X, y, sample_weight, random_state, error_scale=None):
        if callable(self.scale_features):  # it takes X as users give it
            other = copy(self).set_params(scale_features=self.scale_features_.tolist())
            return other._again(X, y, sample_weight, random_state, error_scale)
        return super()._again(X, y, sample_weight, random_state, error_scale)

    def _sizes_of_errors(self, X, error_scale):
        known = super()._sizes_of_errors(X, error_scale)
        if not hasattr(self, "scale_coef_"):
            return known
        u = X[:, self.scale_features_]
        logs = np.asarray(u @ np.atleast_2d(self.scale_coef_).T) + self.scale_intercept_
        scales = np.exp(np.clip(logs, -_LARGEST_LOG, _LARGEST_LOG))
        scales = np.maximum(scales, self._least_scales_) / self.scale_
        return [of if known[0] is None else of * known[0] for of in scales.T]

    def nll(self, X, y, error_scale=None):
        """Return the negative log-likelihood of each row under the fitted model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        error_scale : array-like of shape (n_samples,) or None, default=None
            Sizes of the errors of these rows, in the unit of those of the fit. None means 1 for
            all.

        Returns
        -------
        ndarray of the shape of ``y``
            ``nll_`` is its weighted mean over the training rows that count.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If X or y hold NaN, infinity or masked values, or do not match the fit in shape.
        """
        check_is_fitted(self)
        X, y = check_unmasked("X", X), check_unmasked("y", y)
        seen, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, reset=False
        )
        sizes = self._sizes_of_errors(seen, check_error_scale(error_scale, len(y)))
        logpdf = residual_distribution().logpdf
        scale = self.scale_
        if sizes[0] is not None:
            scale = scale * np.stack(sizes, axis=1).reshape(y.shape)
        return -logpdf(y, self.alpha_, loc=self.predict(X), scale=scale)

    def predict_interval(self, X, coverage=0.9, *, kind="prediction", rows="all", error_scale=None):
        """Predict the intervals of new observations, or of the plane itself.

        As :meth:`RobustRegressor.predict_interval` does, but outliers are part of the learned
        distribution, so intervals are about rows as they come unless ``rows="good"`` is given.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9
            The probability that an interval contains the new observation or the value of the plane.
            It does not apply to bad leverage points.
        kind : {"prediction", "mean"}, default="prediction"
            Whether the interval holds a new observation, or the value of the plane.
        rows : {"all", "good"}, default="all"
            Whether intervals are for all new observations, bad ones included, or for good ones.
        error_scale : array-like of shape (n_samples,) or None, default=None
            Sizes of the errors of the new observations, in the unit of those of the fit. None means
            1 for all.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper ends, in the unit of y.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As :meth:`RobustRegressor.predict_interval` does.

        Warns
        -----
        UserWarning
            If intervals are infinite, because no believed row determines the plane there.
        """
        return super().predict_interval(X, coverage, kind=kind, rows=rows, error_scale=error_scale)

    def _solvers(self):
        return ["auto", *fits().LIKELIHOOD_SOLVERS]

    def _check_parameters(self):
        super()._check_parameters()
        check_penalty(self)
        check_number("scale_l2_regularization", self.scale_l2_regularization, 0.0, np.inf, "[)")
        if self.scale_features is not None and self.l1_regularization > 0.0:
            raise ValueError(
                f"l1_regularization must be 0 with scale_features, got {self.l1_regularization!r}."
            )
        check_pair("alpha_bounds", self.alpha_bounds, 0.0, 2.0, "[]")
        if self.scale_bounds is not None:
            check_pair("scale_bounds", self.scale_bounds, *GIVEN_SCALES, "[]")
        if isinstance(self.init, str):
            check_choice("init", self.init, ["auto", *fits().STARTS], " or an array")

    def _fit_target(self, design, initial, report):
        if self.scale_features is not None:
            names = getattr(self, "feature_names_in_", None)
            columns = check_columns(
                "scale_features", self._scale_features, self.n_features_in_, names
            )
            self.scale_features_ = columns
            return fits().fit_growing(self, design, columns, initial, report=report)
        return fits().fit_likelihood(self, design, initial, report=report)


def residual_distribution():
    """Return the distribution; imported late because SciPy's take longer to load than a fit."""
    from ..distribution import general_robust

    return general_robust
