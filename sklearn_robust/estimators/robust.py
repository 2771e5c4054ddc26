"""RobustRegressor: linear regression under a loss of given shape."""

from __future__ import annotations

import math
from numbers import Real

from ..validation import check_choice, check_number
from .base import GIVEN_SCALES, RobustLinearModel, fits
from .progress import with_callbacks


class RobustRegressor(RobustLinearModel):
    r"""Linear regression under Barron's general robust loss of a given shape.

    Minimises over coefficients and intercept

    .. math:: F(\beta, b) = c^2 \frac{\sum_i s_i\,\rho\bigl((y_i - x_i\beta - b)/c\bigr)}
              {\sum_i s_i} + \frac{\lambda}{2} \lVert\beta\rVert^2

    where :math:`\rho` is the loss of shape ``alpha``, c the scale of the residuals,
    :math:`s_i` the sample weights and :math:`\lambda` = ``l2_regularization``. Rows whose
    residuals are several c count little, or nothing. At ``alpha=2`` this is
    ``Ridge(alpha=l2_regularization * sum(s))``.

    Parameters
    ----------
    alpha : float in [-inf, 2], default=-inf
        Shape of the loss: how fast the influence of a row falls as its residual grows. 2 is
        least squares, 1 pseudo-Huber (Charbonnier), 0 Cauchy, -2 Geman-McClure, -inf Welsch.
        From 1 up the problem is convex and has one answer; below 1 far rows lose all
        influence, and the start decides which minimum is found.
    loss : str, default="general"
        "general" for the loss of shape ``alpha``; or another by its name, which ignores
        ``alpha``, such as "huber" or "tukey" (bisquare) with threshold c:
        :func:`sklearn_robust.losses.rho` lists them.
    scale : "auto", "mad", "s", "reweighted" or float in [1e-150, 1e150], default="auto"
        The scale c, in the unit of y: a number, or c = k·sigma for a residual scale sigma and
        the k that follows from ``efficiency``.

        - "mad": the median absolute residual over 0.6745, iterated with the coefficients to a
          joint fixed point. Where it is zero, as with ties, the same of the quantiles 0.75,
          0.9 and 0.99, then a floor. Outliers on one side of up to half of the rows leave it
          finite, but raise it. There can be several fixed points, under a convex loss too,
          where few rows support many coefficients: start and solver then decide which is found.
        - "s": the least M-scale that any plane has, with a breakdown point of 1/2, held. With
          ``init="s"`` this is the MM-estimate of R's ``lmrob``. Far outliers, in X too, leave it
          finite while they are fewer than half of the rows, but 30 per cent raise it by 3/4.
        - "reweighted": from the M-scale, the standard deviation of the residuals within 2.5
          sigma, corrected for the window, iterated with the coefficients; it may only fall.
          Takes back most of what outliers add, and keeps the breakdown point.
        - "auto": "reweighted" with ``init="s"``, else "mad".
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors from which k is computed, where c is estimated.
        k is never below 0.5: shapes above about 1.58 exceed an efficiency of 0.95 at any c.
    l2_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda` on the coefficients, in the user's units. The intercept is not
        penalised.
    fit_intercept : bool, default=True
        Whether to fit an intercept b.
    solver : {"auto", "irls", "lbfgs"}, default="auto"
        "irls" solves weighted normal equations by Cholesky, "lbfgs" is SciPy's L-BFGS-B
        preconditioned by the curvature of least squares, "auto" is the faster one. Where a
        sample has been fitted first, "auto" is Newton's method with the sample's curvature,
        Anderson-accelerated. Under a convex loss (``alpha`` of 1 or more, "huber",
        "balanced_l1") and a scale that is given or held, all find the same optimum, within
        ``tol``, from any start. Under a loss that redescends each finds a minimum; from
        ``init="s"`` that is the same but for rare ties, from "ols", "gnc" or an array it need
        not be where several are near.
    init : "auto", "ols", "gnc", "s" or array-like of shape (n_features + 1,), default="auto"
        Where the search begins, which below ``alpha=1`` and for "tukey" decides what it finds.

        - "ols": (penalised) least squares. Survives few and moderate outliers in y.
        - "gnc": graduated non-convexity, the shape lowered step by step from 1, c held.
          Survives many outliers in y, none in X.
        - "s": the S-estimate, the plane of least M-scale, searched from principal sensitivity
          components and random subsets of the rows. Survives fewer than half of the rows wrong
          in X and y as long as the good plane has the least M-scale: a cluster of bad
          rows that lies exactly on a plane not far from the good one can have less.
        - "auto": "s" where the start matters, else "ols".

        An array holds the coefficients in the user's units, then the intercept (none with
        ``fit_intercept=False``); for 2-D y also of shape (n_targets, n_features + 1).
    max_iter : int >= 1, default=100
        Iterations allowed, all scales together.
    tol : float >= 0, default=1e-6
        The fit has converged when the step still owed is at most ``tol`` in every coefficient,
        :math:`|\Delta\beta_j|\,\mathrm{rms}(x_j) \le \mathrm{tol}\,(c + |\beta_j|\,
        \mathrm{rms}(x_j))` with x centred, and at most ``tol`` in log c where c is estimated.
    warm_start : bool, default=False
        Whether a refit begins at the coefficients of the previous fit instead of ``init``. With
        ``scale="reweighted"`` it begins at its scale too, and where both are still at rest, as
        on the same rows, no S-estimate is made; else the scale falls from the S-estimate's, as
        in a first fit.
    random_state : int, RandomState or None, default=None
        Seed of the rows that the S-estimate draws.
    verbose : int >= 0, default=0
        If positive, prints a line for every iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients. Where columns are dependent and there is no penalty, those of least norm.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercept; 0 with ``fit_intercept=False``.
    scale_ : float or ndarray of shape (n_targets,)
        The scale c of the fit, in the unit of y.
    sigma_ : float or ndarray of shape (n_targets,)
        The residual scale, comparable to a standard deviation, from which c was made; only
        where c was estimated. Never below a floor, 1e-12 of the 0.75 quantile of the distances
        of y from its median plus 4 units of its rounding. A warning says where it is at the
        floor, or is that of a wider quantile because the median residual was zero.
    alpha_ : float or ndarray of shape (n_targets,)
        The shape; NaN for a named loss outside the family.
    weights_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row in [0, 1], without its sample weight: 1 is a row
        fully believed, 0 a row that was left out.
    n_iter_ : int or ndarray of shape (n_targets,)
        Iterations used with all rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has column names.

    See Also
    --------
    sklearn.linear_model.HuberRegressor : Convex loss with jointly estimated scale.
    sklearn_robust.losses.rho : The loss.

    Notes
    -----
    A sample weight is a case weight: 2 is the row written twice, 0 the row absent, in sums and
    medians alike. Columns are centred and scaled within the fit, so that data far from zero or
    in units far apart lose no digits; all parameters and results are in the user's units.
    Of more than about 6000 rows (three times the sample, which has at least 40 rows for every
    parameter) a sample, always the same, is fitted first in the same way, ``init`` and ``scale``
    included, and its answer followed on all rows: for a loss with several minima the sample
    decides which one. No sample is drawn at ``alpha=2``, for dependent columns, for an array as
    ``init``, and for least squares as ``init`` where X holds up to some 260 000 numbers. Threads
    share the rows where there are many, as many as joblib and threadpoolctl allow; their number
    changes no bit of the result.
    With more than 2000 columns no Gram matrix is formed by "lbfgs": coefficients of dependent
    columns are then of least norm in units of the columns' root mean squares. With more than 2000
    columns besides level columns the S-estimate is sought from least squares alone, without its
    breakdown point.

    Level columns are those in which most rows share one value: dummies, flags, indicators of
    missing values, their products with each other and with numbers. They are recognised from X.
    The search of the S-estimate treats them apart, as M-S-estimates do: a convex fit takes them
    off y and off the other columns, and given the slopes of these it gives their coefficients.
    After every fit under a loss that redescends, whatever its start, the coefficient of each level
    is held against those that fit some of its rows, and the search goes on where one is better.
    Where only rejected rows tell a coefficient, a convex fit to these gives it, and a warning
    names its column.

    The M-scale divides by the sum of the weights less the number of parameters (what a penalty
    takes is not counted). Weights that sum to less than the number of rows are taken as shares
    of it. Where more than (n + p)/2 of n rows lie on a plane, p the number of parameters, the
    S-estimate is that plane and its scale the floor; of more than 1000 rows and p over 6, so
    many of a sample have to. With the scale "s" or "reweighted" the search then begins there if
    that is nearer the optimum than ``init``: a loss that redescends keeps the plane, with weights
    1 on it and 0 elsewhere, and a convex one goes on to the least sum of absolute residuals,
    which may take many iterations. One warning says whether more than half of the rows are
    fitted exactly, or lie on a plane that is not the one fitted.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR.

    Maronna, R. A. & Yohai, V. J. (2000). Robust regression with both continuous and categorical
    predictors. Journal of Statistical Planning and Inference 89.

    Yohai, V. J. & Zamar, R. H. (1988). High breakdown-point estimates of regression by means of the
    minimization of an efficient scale. Journal of the American Statistical Association 83.

    Huber, P. J. (1981). Robust Statistics. Wiley, chapter 7.

    Anderson, D. G. (1965). Iterative procedures for nonlinear integral equations. Journal of
    the ACM 12.

    Yohai, V. J. (1987). High breakdown-point and high efficiency robust estimates for
    regression. Annals of Statistics 15.

    Peña, D. & Yohai, V. J. (1999). A fast procedure for outlier diagnostics in large regression
    problems. Journal of the American Statistical Association 94.

    Salibian-Barrera, M. & Yohai, V. J. (2006). A fast algorithm for S-regression estimates.
    Journal of Computational and Graphical Statistics 15.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust import RobustRegressor
    >>> X = np.arange(10.0).reshape(-1, 1)
    >>> y = 2.0 * X.ravel() + 1.0 + 0.1 * np.sin(X.ravel())
    >>> y[3] = 50.0
    >>> model = RobustRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(2), model.weights_[:5].round(2)
    (array([2.]), array([1.  , 0.93, 0.92, 0.  , 0.85]))
    """

    def __init__(
        self,
        alpha=-math.inf,
        *,
        loss="general",
        scale="auto",
        efficiency=0.95,
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
        self.alpha = alpha
        self.loss = loss
        self.scale = scale
        self.efficiency = efficiency
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
            Every target is fitted by itself, with its own scale.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative and not all zero.

        Returns
        -------
        self : RobustRegressor

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
            If more than half of the rows are fitted exactly, so that their scale is zero, or
            if they lie on a plane that is not the one fitted; if no believed row tells the
            coefficient of a column.
        """
        return self._fit(X, y, sample_weight)

    def _check_parameters(self):
        super()._check_parameters()
        check_number("l2_regularization", self.l2_regularization, 0.0, math.inf, "[)")
        check_number("alpha", self.alpha, -math.inf, 2.0)
        check_choice("loss", self.loss, ["general", *fits().NAMED])
        if isinstance(self.init, str):
            check_choice("init", self.init, ["auto", *fits().STARTS], " or an array")
        check_scale("scale", self.scale)
        check_number("efficiency", self.efficiency, 0.0, 1.0, "()")

    def _fit_target(self, design, initial, report):
        shared = fits().shared_starts(self, design)
        return fits().fit_shape(self, shared, initial, report=report)[0]


def check_scale(name, scale):
    """Raise unless ``scale`` is the name of a residual scale or a number that may be given."""
    if isinstance(scale, Real):
        check_number(name, scale, *GIVEN_SCALES)
    else:
        check_choice(name, scale, ["auto", *fits().SCALES], " or a number in [1e-150, 1e+150]")
