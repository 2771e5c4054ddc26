"""RobustRegressor: linear regression under a loss of given shape."""

from __future__ import annotations

import math
from numbers import Real

from ..validation import check_choice, check_number
from .base import GIVEN_SCALES, RobustLinearModel, check_penalty, fits
from .progress import with_callbacks


class RobustRegressor(RobustLinearModel):
    r"""Linear regression under Barron's general robust loss of a given shape.

    The fit minimises over coefficients and intercept

    .. math:: F(\beta, b) = c^2 \frac{\sum_i s_i\,\rho\bigl((y_i - x_i\beta - b)/c\bigr)}
              {\sum_i s_i} + \sum_j v_j \Bigl(\lambda_1 |\beta_j|
              + \frac{\lambda_2}{2} \beta_j^2\Bigr)

    where :math:`\rho` is the loss of shape ``alpha``, c is the scale of the residuals, :math:`s_i`
    are the sample weights, :math:`\lambda_1` is ``l1_regularization``, :math:`\lambda_2` is
    ``l2_regularization`` and :math:`v_j` are ``penalty_weights``. Rows whose residuals are several
    times c count little or not at all. At ``alpha=2`` the fit is that of scikit-learn's
    ``ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2))`` or, without ``l1_regularization``, of
    ``Ridge(alpha=l2_regularization * sum(s))``.

    Parameters
    ----------
    alpha : float in [-inf, 2], default=-inf
        Shape of the loss: how fast the influence of a row falls as its residual grows. 2 is least
        squares, 1 pseudo-Huber (Charbonnier), 0 Cauchy, -2 Geman-McClure, -inf Welsch. From 1 up
        the objective is convex and has one minimum. Below 1 the influence of rows that are far off
        falls towards zero, and the start decides which minimum is found. It is not a penalty,
        unlike the ``alpha`` of ``Ridge``, ``Lasso`` and ``HuberRegressor``.
    loss : str, default="general"
        "general" is the loss of shape ``alpha``. Named losses ignore ``alpha``, such as "huber" and
        "tukey" (bisquare) with threshold c, or "optimal", the bias-optimal loss of Yohai & Zamar;
        if ``alpha`` is given as well, a warning says that it has no effect.
        :func:`sklearn_robust.losses.rho` lists them.
    scale : "auto", "mad", "s", "reweighted" or float in [1e-150, 1e150], default="auto"
        The scale c, in the unit of y: a number, or the name of a residual scale sigma. Then c =
        k·sigma, with the k that follows from ``efficiency``.

        - "mad": the median absolute residual divided by 0.6745, iterated with the coefficients to
          a joint fixed point. Where it is zero, as with ties, wider quantiles (0.75, 0.9, 0.99)
          take its place, then a floor. It stays finite with outliers in up to half of the rows,
          but they raise it. Where few rows support many coefficients there can be several fixed
          points, under a convex loss too; start and solver then decide which is found.
        - "s": the M-scale of the S-estimate, the least that any plane has, kept fixed. With
          ``init="s"`` this is the MM-estimate of R's ``lmrob``. It has a breakdown point of 1/2:
          far outliers, in X too, leave it finite while they are fewer than half of the rows, but
          30 per cent of them raise it by 3/4.
        - "reweighted": the standard deviation of the residuals within 2.5 sigma, corrected for this
          window. It begins at the M-scale and is iterated with the coefficients, and may only fall.
          It removes most of what outliers add, and keeps the breakdown point. With fewer than 30
          rows for each free parameter and hardly a penalty, it is the standard deviation of a set
          of rows that grows from the half nearest to the S-estimate until the next row is too far
          off, with n - p degrees of freedom. If y is rounded, and most of so few rows lie on one
          plane for this reason, it is half a step of the rounding.
        - "auto": "reweighted" with ``init="s"``, else "mad".
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors, from which k is computed where c is estimated.
        k is never below 0.5: shapes above about 1.58 exceed an efficiency of 0.95 at any c.
    l1_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda_1` on the absolute coefficients, in the user's units. It makes
        coefficients exactly zero. Under the default loss all rows together add at most c² to the
        objective, so penalties that suit ``Lasso`` can be too large for coefficients that matter to
        few rows; ``RobustRegressorCV`` compares penalties.
    l2_regularization : float >= 0, default=0.0
        Penalty :math:`\lambda_2` on the squared coefficients, in the user's units: 1/n of the
        ``alpha`` of ``Ridge``. The intercept has no penalty.
    penalty_weights : array-like of shape (n_features,) or None, default=None
        Factors :math:`v_j` of both penalties for every column, not negative; 0 leaves a column
        unpenalised. None means 1 for all.
    fit_intercept : bool, default=True
        Whether to fit an intercept b.
    solver : {"auto", "irls", "lbfgs"}, default="auto"
        "irls" solves weighted normal equations by Cholesky factors. "lbfgs" is SciPy's L-BFGS-B,
        preconditioned by the curvature of least squares. "auto" is the faster one, or, after a
        sample has been fitted, Newton's method with the sample's curvature, Anderson-accelerated.
        Under a convex loss (``alpha`` of 1 or more, "huber", "balanced_l1") and a fixed scale, all
        find the same optimum, within ``tol``, from any start. Under a redescending loss each finds
        a minimum. From ``init="s"`` this is the same minimum but for rare ties; from other starts
        they may find different minima near the start.
    init : "auto", "ols", "gnc", "s" or array-like of shape (n_features + 1,), default="auto"
        Where the search begins. Below ``alpha=1`` and for "tukey" and "optimal" this decides which
        minimum is found.

        - "ols": (penalised) least squares. Resists few and moderate outliers in y.
        - "gnc": graduated non-convexity: the shape is lowered step by step from 1, at a fixed c.
          Resists many outliers in y, none in X.
        - "s": the S-estimate, the plane of least M-scale, searched from principal sensitivity
          components and random subsets of the rows. Resists bad rows, in X and y, as long as they
          are fewer than half and the plane of the good rows has the least M-scale. The plane
          through a tight cluster of bad rows, not far from the good one, can have a smaller
          M-scale.
        - "auto": "s" where the start matters, else "ols".

        An array holds the coefficients in the user's units, then the intercept (none with
        ``fit_intercept=False``); for 2-D y also of shape (n_targets, n_features + 1).
    max_iter : int >= 1, default=100
        Maximum number of iterations, all scales together.
    tol : float >= 0, default=1e-6
        The fit has converged when the estimated remaining step is at most ``tol`` in every
        coefficient, :math:`|\Delta\beta_j|\,\mathrm{rms}(x_j) \le \mathrm{tol}\,(c + |\beta_j|\,
        \mathrm{rms}(x_j))` with x centred, and at most ``tol`` in log c where c is estimated.
    warm_start : bool, default=False
        Whether a refit begins at the coefficients of the previous fit instead of ``init``. With
        ``scale="reweighted"`` it also begins at the previous scale. If coefficients and scale
        then change no more than ``tol`` allows, as on the same rows, no S-estimate is computed;
        otherwise the scale falls from that of the S-estimate, as in a first fit.
    random_state : int, RandomState or None, default=None
        Seed for the rows that the S-estimate draws.
    verbose : int >= 0, default=0
        If positive, a line is printed for every iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients; of least norm if columns are dependent and there is no penalty.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercept; 0 with ``fit_intercept=False``.
    scale_ : float or ndarray of shape (n_targets,)
        The scale c of the fit, in the unit of y.
    sigma_ : float or ndarray of shape (n_targets,)
        The residual scale, comparable to a standard deviation, from which c was computed; only
        if c was estimated. It is at least a floor: 1e-12 of the 0.75 quantile of the distances
        of y from its median, plus 4 units of its rounding. A warning says if it is at the floor,
        or comes from a wider quantile because the median absolute residual was zero.
    alpha_ : float or ndarray of shape (n_targets,)
        The shape; NaN for a named loss outside the family.
    weights_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row in [0, 1], without its sample weight. 1 is a row that
        counts fully, 0 a rejected row.
    residual_sizes_ : ndarray of shape (1001,) or (n_targets, 1001)
        Quantiles of the absolute residuals of the training rows, at 0, 0.001, ..., 1, in the unit
        of y.
    n_cases_ : float or ndarray of shape (n_targets,)
        Number of cases: the sum of the sample weights, or the number of rows. Weights that sum to
        less than their effective sample size are treated as proportions of it.
    n_parameters_ : float or ndarray of shape (n_targets,)
        Number of free coefficients, including the intercept. Coefficients that no believed row
        determines do not count, and a penalty reduces the number.
    n_iter_ : int or ndarray of shape (n_targets,)
        Number of iterations on all rows.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X has any.

    See Also
    --------
    sklearn.linear_model.HuberRegressor : Convex loss with jointly estimated scale.
    sklearn_robust.losses.rho : The loss.

    Notes
    -----
    **Weights and units.** A sample weight is a case weight, in sums and medians alike: 2 is the row
    written twice, 0 the row absent. Columns are centred and scaled within the fit, so data far from
    zero or in very different units lose no digits. All parameters and results are in the user's
    units.

    **Many rows.** With more than about 6000 rows, a sample is fitted first in the same way, from
    ``init`` and with ``scale``. The fit of all rows begins at its result, so for a loss with
    several minima the sample decides which one is found. It is always the same sample, and has at
    least 40 rows for every parameter and at most a third of all rows. No sample is drawn at
    ``alpha=2``, for dependent columns, for an array as ``init``, and for least squares as ``init``
    if X holds up to some 260 000 numbers. Many rows are shared among threads, as many as joblib and
    threadpoolctl allow; their number changes no bit of the result.

    **Many columns.** With more than 2000 columns "lbfgs" forms no Gram matrix, and coefficients of
    dependent columns are of least norm in units of the columns' root mean squares. With more than
    2000 columns besides level columns, the search for the S-estimate starts from least squares
    alone, and its breakdown point is lost.

    **Level columns.** Level columns are those in which at least two fifths of the rows share one
    value: dummies, flags, indicators of missing values, and their products with each other and with
    numeric columns. They are recognised from X. The search for the S-estimate treats them
    separately, as M-S-estimates do: a convex fit removes their effects from y and from the other
    columns, and another one gives their coefficients once the other coefficients are known. After
    every fit under a redescending loss, the coefficient of each level is compared with values that
    fit some of its rows, and the search continues if one is better. A coefficient that only
    rejected rows determine comes from a convex fit to these rows, and a warning names its column.

    **Ties and exact planes.** The M-scale divides by the sum of the weights less the number of
    parameters (less what a penalty takes from it). Weights that sum to less than Kish's effective
    sample size are treated as proportions. If more than (n + p)/2 of n rows lie on a plane, where p
    is the number of parameters, the S-estimate is that plane and its scale is at the floor. (With
    more than 2000 rows and p over 6, this is judged on a sample of the rows.) With the scale "s" or
    "reweighted" the search then begins at that plane if its objective is lower there than at
    ``init``. A redescending loss keeps the plane, with weights 1 on it and 0 elsewhere. A convex
    loss continues to the least sum of absolute residuals, which may take many iterations. A warning
    says whether more than half of the rows are fitted exactly, or lie on a plane that is not the
    one fitted. With few rows and a rounded y, "reweighted" is half a step of the rounding instead,
    and no plane is exact.

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
    (array([2.]), array([0.99, 0.92, 0.91, 0.  , 0.84]))
    """

    def __init__(
        self,
        alpha=-math.inf,
        *,
        loss="general",
        scale="auto",
        efficiency=0.95,
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
        self.alpha = alpha
        self.loss = loss
        self.scale = scale
        self.efficiency = efficiency
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
            Every target is fitted separately, with a separate scale.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative and not all zero.
        error_scale : array-like of shape (n_samples,), optional
            Sizes of the errors of the rows relative to each other, positive. Residuals are divided
            by them before the loss, so ``scale_`` is that of a row of size 1. They say how accurate
            a row is; ``sample_weight`` says how many rows it stands for.

        Returns
        -------
        self : RobustRegressor

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
            If more than half of the rows are fitted exactly, so that the residual scale is zero,
            or lie on a plane that is not the one fitted. If only rejected rows determine the
            coefficient of a column. If most rows of a level with five rows or more are rejected
            (their weight is under 0.1). If ``l1_regularization`` is so large beside the scale that
            coefficients are zero and most rows are rejected.
        """
        return self._fit(X, y, sample_weight, error_scale)

    def _check_parameters(self):
        super()._check_parameters()
        check_penalty(self)
        check_number("alpha", self.alpha, -math.inf, 2.0)
        fits().check_loss(self.loss)
        if isinstance(self.init, str):
            check_choice("init", self.init, ["auto", *fits().STARTS], " or an array")
        check_scale("scale", self.scale)
        check_number("efficiency", self.efficiency, 0.0, 1.0, "()")

    def _fit_target(self, design, initial, report, near=()):
        shared = fits().shared_starts(self, design, near)
        result = fits().fit_regression(self, shared, initial, report=report)
        return fits().regression_fit(self, shared, result)


def check_scale(name, scale):
    """Raise unless ``scale`` is the name of a residual scale or a number that may be given."""
    if isinstance(scale, Real):
        check_number(name, scale, *GIVEN_SCALES)
    else:
        check_choice(name, scale, ["auto", *fits().SCALES], " or a number in [1e-150, 1e+150]")
