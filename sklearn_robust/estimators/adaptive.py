"""AdaptiveRobustRegressor: linear regression whose loss is learned with the coefficients."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..validation import check_choice, check_number, check_pair, check_unmasked
from .base import GIVEN_SCALES, RobustLinearModel, fits
from .progress import with_callbacks

_FEW = 10.0
"""Rows outside an interval from which its width cannot be told."""
_MOST_FITTED = 0.5
"""Share of parameters in the rows beyond which intervals are not widened further."""


class AdaptiveRobustRegressor(RobustLinearModel):
    r"""Linear regression by maximum likelihood in coefficients, scale and shape together.

    The residuals are taken to follow Barron's general robust distribution; minimised over
    coefficients, intercept, scale c and shape :math:`\alpha` is the mean negative
    log-likelihood

    .. math:: \frac{\sum_i s_i\,[\rho((y_i - x_i\beta - b)/c; \alpha) + \log c +
              \log Z(\alpha)]}{\sum_i s_i} + \frac{\lambda}{2 c^2} \lVert\beta\rVert^2

    with sample weights :math:`s_i` and :math:`\lambda` = ``l2_regularization``. Data with
    light tails get a shape near 2, least squares; data with heavy tails one near 0, the Cauchy
    distribution: nothing has to be tuned. Bad leverage points, rows wrong in X, the likelihood
    would follow; by default they are left out of it.

    Parameters
    ----------
    alpha_bounds : (float, float), default=(0.0, 2.0)
        Least and largest shape, within [0, 2]. Both may be the answer; ``(a, a)`` fixes the
        shape.
    scale_bounds : (float, float) or None, default=None
        Least and largest scale c, in [1e-150, 1e150], in the unit of y; ``(c, c)`` fixes it.
        None leaves it free. Where the bounds allow, c stops at a floor of about 1e-12 of the
        spread of y, below which residuals are rounding.
    l2_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda` on the coefficients, in the user's units. The intercept is not
        penalised.
    fit_intercept : bool, default=True
        Whether to fit an intercept b.
    solver : {"auto", "irls", "lbfgs"}, default="auto"
        "lbfgs" searches all arguments together by SciPy's L-BFGS-B, the coefficients
        preconditioned by the curvature of least squares; "irls" alternates between weighted
        least squares and a search of scale and shape. "auto" is the faster one: for few rows
        weighted least squares and Newton's method side by side, for many Newton's method with
        the curvature of a sample, Anderson-accelerated, and "lbfgs" where neither closes in.
        All find the same minimum where the start is near it, as that of ``init="s"`` is; the
        likelihood can have several, and from another start they may end at different ones.
    init : "auto", "s", "ols", "gnc" or array-like of shape (n_features + 1,), default="auto"
        Where the search begins, and which rows are taken in.

        - "s": the S-estimate, least squares and a convex fit are each searched from on a sample of
          at most 2000 rows; the best goes on with all rows. Bad leverage points are left out:
          rows whose residual from the S-estimate is over 2.5 M-scales and whose robust distance
          in X exceeds that of the furthest of as many normal rows in 99 samples of 100. Good
          leverage points and outliers in y alone stay in.
        - "ols": least squares alone, all rows.
        - "gnc": a convex fit, its shape lowered step by step, all rows.
        - "auto": "s".

        An array holds the coefficients in the user's units, then the intercept (none with
        ``fit_intercept=False``); for 2-D y also of shape (n_targets, n_features + 1). All rows
        are then taken in.
    max_iter : int >= 1, default=100
        Iterations allowed.
    tol : float >= 0, default=1e-6
        The fit has converged when the step still owed is at most ``tol`` in every coefficient,
        :math:`|\Delta\beta_j|\,\mathrm{rms}(x_j) \le \mathrm{tol}\,(c + |\beta_j|\,
        \mathrm{rms}(x_j))` with x centred, and in log c and :math:`\alpha`.
    warm_start : bool, default=False
        Whether a refit begins at coefficients, scale and shape of the previous fit instead of
        those that ``init`` finds.
    random_state : int, RandomState or None, default=None
        Seed of the rows that the S-estimate and the comparison of starts draw.
    verbose : int >= 0, default=0
        If positive, prints a line for every iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients. Where columns are dependent and there is no penalty, those of least norm.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercept; 0 with ``fit_intercept=False``.
    alpha_ : float or ndarray of shape (n_targets,)
        The learned shape.
    scale_ : float or ndarray of shape (n_targets,)
        The learned scale c, in the unit of y.
    nll_ : float or ndarray of shape (n_targets,)
        Mean negative log-likelihood of the training rows taken in, without the penalty; it may
        be negative.
    residual_sizes_ : ndarray of shape (1001,) or (n_targets, 1001)
        Quantiles of the absolute residuals of the training rows taken in, at 0, 0.001, ..., 1,
        in the unit of y.
    n_cases_ : float or ndarray of shape (n_targets,)
        Sum of the sample weights of the rows taken in; their number where there are none.
    n_parameters_ : float or ndarray of shape (n_targets,)
        How many coefficients are free, the intercept among them: not those of dependent columns,
        nor what a penalty takes.
    weights_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row in [0, 1], without its sample weight; 0 for a row
        that was left out.
    n_iter_ : int or ndarray of shape (n_targets,)
        Iterations used with all rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has column names.

    See Also
    --------
    RobustRegressor : The shape is given.
    sklearn_robust.distribution.general_robust : The distribution of the residuals.

    Notes
    -----
    The bounds are kept by the optimiser, so that a shape of exactly 0 or 2 can be the answer.
    The paper's reparameterisation (sigmoid and softplus) cannot reach them, and took 452 passes
    over the rows where bounds took 231, in 15 fits of 10 000 rows drawn at five shapes.
    Of more than about 6000 rows (three times the sample, which has at least 40 rows for every
    parameter) a sample, always the same, is searched first, and its answer followed on all
    rows; bad leverage points are then those that the sample's S-estimate rejects. With
    ``init="ols"`` that begins where X holds more than some 260 000 numbers.
    With more than 2000 columns besides level columns, in which most rows share one value (dummies,
    flags, indicators), the S-estimate is sought from least squares alone, and no row
    is left out.

    With a share s of the rows on one plane and the shape at 0, the likelihood of that plane grows
    as (2s - 1) log(1/c) as c falls: without bound where s is more than half. Whatever the solver,
    that plane is then the fit, ``scale_`` is at its floor, ``alpha_`` the most likely shape
    there, and a warning says so. The S-estimate finds the plane where it holds more than
    (n + p)/2 of n rows, p the number of parameters with the intercept; one of fewer rows is
    returned if a search ends there, which may depend on the solver. Of more than 1000 rows and
    p over 6, so many of a sample have to lie on the plane. With fewer than 2p rows some plane
    holds more than half of them always. A penalty, or a least shape above 0, keeps the likelihood
    bounded, and the fit is then an ordinary optimum; with a least shape above 0, unless all rows
    are fitted exactly.

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
        l2_regularization=0.0,
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
        self.l2_regularization = l2_regularization
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 stays float32 (sums are float64); other types become float64. Dense data
            are not copied, sparse data are read as CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Every target is fitted by itself, with its own scale and shape.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative and not all zero.

        Returns
        -------
        self : AdaptiveRobustRegressor

        Raises
        ------
        ValueError
            If a parameter is out of range, or X, y or the weights hold NaN, infinity or masked
            values, do not match in length, or (weights) are negative or all zero.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough.
        UserWarning
            If more than half of the rows are fitted exactly, so that the scale is at its floor.
        """
        return self._fit(X, y, sample_weight)

    def nll(self, X, y):
        """Negative log-likelihood of each row under the fitted model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)

        Returns
        -------
        ndarray of the shape of ``y``
            ``nll_`` is its weighted mean over the training rows taken in.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If X or y hold NaN, infinity or masked values, or do not match the fit in shape.
        """
        check_is_fitted(self)
        X, y = check_unmasked("X", X), check_unmasked("y", y)
        _, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, reset=False
        )
        logpdf = residual_distribution().logpdf
        return -logpdf(y, self.alpha_, loc=self.predict(X), scale=self.scale_)

    def predict_interval(self, X, coverage=0.9):
        """Predict the interval in which a new observation falls with given probability.

        Its half-width is the size below which the residuals of that share of the training
        rows taken in lie, so that it covers as much of rows like them whether or not the errors
        follow the fitted distribution. Only where fewer than 10 of them lie outside is it taken
        from that distribution. With p coefficients of n rows, training residuals are smaller and
        errors of predictions larger than errors of y; by the root of (n + p)/(n - p), their ratio
        under least squares, the interval is wider. Of bad leverage points it promises nothing.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9
            The probability, on average over rows like those of the fit.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper ends, in the unit of y.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If ``coverage`` is out of range, or X is as :meth:`predict` refuses it.
        """
        check_is_fitted(self)
        check_number("coverage", coverage, 0.0, 1.0, "()")
        probabilities = np.linspace(0.0, 1.0, self.residual_sizes_.shape[-1])

        def reach(sizes, n_cases, n_parameters, alpha, scale):
            share = min(n_parameters / n_cases, _MOST_FITTED)
            wider = math.sqrt((1.0 + share) / (1.0 - share))
            if n_cases * (1.0 - coverage) < _FEW:
                return wider * residual_distribution().isf(0.5 - 0.5 * coverage, alpha, scale=scale)
            return wider * np.interp(coverage * (1.0 + 1.0 / n_cases), probabilities, sizes)

        fitted = map(np.atleast_1d, (self.n_cases_, self.n_parameters_, self.alpha_, self.scale_))
        reaches = np.array(list(map(reach, np.atleast_2d(self.residual_sizes_), *fitted)))
        reaches = reaches if np.ndim(self.scale_) else reaches[0]
        middle = self.predict(X)
        return np.stack([middle - reaches, middle + reaches], axis=-1)

    def _solvers(self):
        return ["auto", *fits().LIKELIHOOD_SOLVERS]

    def _check_parameters(self):
        super()._check_parameters()
        check_number("l2_regularization", self.l2_regularization, 0.0, math.inf, "[)")
        check_pair("alpha_bounds", self.alpha_bounds, 0.0, 2.0, "[]")
        if self.scale_bounds is not None:
            check_pair("scale_bounds", self.scale_bounds, *GIVEN_SCALES, "[]")
        if isinstance(self.init, str):
            check_choice("init", self.init, ["auto", *fits().STARTS], " or an array")

    def _fit_target(self, design, initial, report):
        return fits().fit_likelihood(self, design, initial, report=report)


def residual_distribution():
    """Return the distribution of the residuals: SciPy's take longer to load than a fit."""
    from ..distribution import general_robust

    return general_robust
