"""ReweightedRegressor: any regressor that takes sample weights, made robust."""

from __future__ import annotations

import math
import warnings
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import check_array, check_random_state, column_or_1d, get_tags
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..scales import abs_residual_quantiles, n_cases
from ..validation import (
    check_choice,
    check_finite_rows,
    check_integer,
    check_number,
    check_seed,
    check_unmasked,
    check_weights,
)
from .base import Documented, fits
from .inner import Inner, check_inner, splits_of
from .progress import WRAPPERS, CallbackSupportMixin, Progress, with_callbacks
from .robust import check_scale
from .routing import check_only_groups, router_to_splitter, routing_is_on

_FOLDS = 5
"""Folds where ``cv`` says nothing, as in scikit-learn."""
_LARGEST_SEED = 2**31 - 1
_REFITS = ("fit", "partial_fit", "set_")
"""How names of methods begin that would change the fit of the inner regressor."""
_OWN = "sigma_"
"""The attribute that is not always there: that of the inner regressor is something else."""


class ReweightedRegressor(Documented, CallbackSupportMixin, RegressorMixin, BaseEstimator):
    r"""Any regressor that takes sample weights, fitted so that bad rows do not count.

    The regressor is fitted in rounds. In each round every row gets a robust weight from its
    residual, and the next fit multiplies the sample weights by the robust ones. A flexible
    regressor follows the outliers it is fitted to, so that its residuals do not show them. Weights
    are therefore computed from residuals of fits that have not seen the row.

    Parameters
    ----------
    estimator : regressor or None, default=None
        A regressor whose ``fit`` takes ``sample_weight``, or a pipeline, a
        ``TransformedTargetRegressor`` or a search that passes it on to one. None is
        ``HistGradientBoostingRegressor()``. It is cloned, and where its ``random_state`` is None
        every fit of it has the same seed.
    alpha : float in [-inf, 2] or "learned", default=-inf
        Shape of the loss: how fast the weight of a row falls as its residual grows. 2 is least
        squares, 1 pseudo-Huber (Charbonnier), 0 Cauchy, -2 Geman-McClure, -inf Welsch. "learned" is
        the shape in [0, 2] that, with the scale, maximises the likelihood of the residuals.
    loss : str, default="general"
        "general" for the loss of shape ``alpha``; or another by its name, which ignores
        ``alpha``, such as "huber" or "tukey": :func:`sklearn_robust.losses.rho` lists them.
    scale : "auto", "mad", "s", "reweighted" or float in [1e-150, 1e150], default="auto"
        The scale c, in the unit of y: a number, or c = k·sigma for a residual scale sigma about
        zero and the k that follows from ``efficiency``.

        - "mad": the median absolute residual over 0.6745.
        - "s": the M-scale with a breakdown point of 1/2.
        - "reweighted": from the M-scale, the standard deviation of the residuals within 2.5 sigma,
          corrected for the window; it may only fall from round to round. Removes most of what
          outliers add.
        - "auto": "reweighted" for a loss that redescends, else "mad". With another scale, or a
          shape of 0 or more, 30 % of outliers on one side may make the fit follow them.

        ``alpha="learned"`` takes "auto" only.
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors from which k is computed.
    weighting : callable or None, default=None
        Weights of your own in place of those of a loss: a function of the residuals in units of
        the scale and of the case weights, both of shape (n_samples,), that returns a weight of at
        least 0 for every row, such as :class:`sklearn_robust.weightings.GHMWeighting`. Then
        ``alpha``, ``loss`` and ``efficiency`` have no effect, the scale is sigma itself, "auto" is
        "mad", and the weights are used as they are, from the first round on. A deep copy is
        called once a round, so it may remember the rounds before.
    residuals : {"cv", "train"}, default="cv"
        "cv" weighs every row by the residual of a fit to other folds; rows that are clearly good
        get the weight 1, rows that are clearly bad 0. "train" weighs it by the residual of the fit
        to all rows, as iteratively reweighted least squares does. This takes one fit per round, and
        is for regressors with few parameters compared with the rows.
    cv : int, splitter, iterable or None, default=None
        How rows are held out, as in ``cross_val_predict``: every row has to be held out once. A
        number is ``KFold`` without shuffling; None is 5 folds of shuffled rows. Rows that belong
        together, such as repeated measurements, need a splitter for groups.
    max_iter : int >= 1, default=20
        Maximum number of rounds.
    tol : float >= 0, default=1e-3
        The rounds end when the weights have changed by at most this on average, relative to the
        mean weight.
    n_jobs : int or None, default=None
        Number of folds fitted in parallel, as in ``cross_val_predict``.
    random_state : int, RandomState or None, default=None
        Seed of the default folds, and of estimators that have none.
    verbose : int >= 0, default=0
        If positive, a line is printed for every round.

    Attributes
    ----------
    estimator_ : regressor
        Fitted to all rows with their final weights. Its other attributes and methods, such as
        ``feature_importances_``, ``coef_`` or ``staged_predict``, are also available here.
    weights_ : ndarray of shape (n_samples,)
        Robust weight of each training row, without its sample weight: 1 is a row fully believed,
        0 a row that was left out. In [0, 1], or as ``weighting`` returns them.
    scale_ : float
        The scale c of the last round, in the unit of y.
    sigma_ : float
        The residual scale, comparable to a standard deviation, from which c was computed, if it
        was. Held-out residuals include the error of the fit, so it is larger than the deviation of
        y from the truth. At least about 1e-6 of the spread of y, the accuracy to which regressors
        solve.
    alpha_ : float
        The shape; NaN for a named loss outside the family, and with ``weighting``.
    n_iter_ : int
        Number of rounds.
    residuals_ : ndarray of shape (n_samples,)
        The residuals that were weighed last, in the unit of y: with ``residuals="cv"`` those of
        rows held out.
    n_features_in_ : int
        Number of columns of X, if the regressor has it.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if the regressor has them.

    See Also
    --------
    RobustRegressor : Linear models, with a start that also resists bad rows far off in X.

    Notes
    -----
    **First residuals.** The first residuals of a row are those from the fit to the other folds, or
    those from the median of fits to single folds (at most five), whichever have the smaller M-scale
    about their centre. A group of bad rows that is the majority in a small part of X attracts a fit
    to many rows, but not most of the fits to few.

    **First rounds.** For a redescending loss, at least the first two rounds subtract the S-estimate
    of location from the residuals, because one-sided outliers shift the whole fit. There are more
    such rounds while each reduces the scale by a tenth.

    **Weights.** Let w be the weight that the loss gives. A held-out row gets the weight 1 if w is
    at least 0.2, 0 if it is at most 0.02, and between them a weight linear in w; for Welsch's loss
    these bounds are at 3.8 and 5.9 sigma. (The bounds of the first rounds are stricter: 0.9 and
    0.5, then 0.8 and 0.3. With training residuals the weight is w itself, and the first rounds have
    the shapes 0 and -2.) Weights that vary among good rows would enlarge the error that the
    regressor has where the truth is steep; and trees that are grown to single rows follow a row
    however small its weight is, unless it is zero.

    **Limitations.** Reweighting cannot help a regressor that fits a small group of bad rows
    exactly, such as a narrow kernel: its held-out residuals are small there.

    **When the rounds end.** The weights of trees change in jumps. So the rounds also end when the
    mean change is below 1 % and has stopped shrinking. If it has stopped shrinking above 1 %,
    residuals are averaged over rounds, so that the weights do not alternate.

    **Cost.** With 5 folds, a round costs about five fits to four fifths of the rows; one fit
    follows.

    **Sample weights.** A sample weight is a case weight: 2 is the row written twice in the same
    fold, 0 the row absent, as far as the regressor treats weights in this way.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR.

    Holland, P. W. & Welsch, R. E. (1977). Robust regression using iteratively reweighted
    least-squares. Communications in Statistics - Theory and Methods 6.

    Chernozhukov, V. et al. (2018). Double/debiased machine learning for treatment and structural
    parameters. The Econometrics Journal 21. (Cross-fitting.)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from sklearn_robust import ReweightedRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(400, 2))
    >>> y = np.sin(6.0 * X[:, 0]) + 0.1 * rng.normal(size=400)
    >>> y[:80] += 5.0
    >>> plain = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    >>> robust = ReweightedRegressor(plain, random_state=0).fit(X, y)
    >>> bool(np.all(robust.weights_[:80] == 0.0)), bool(np.mean(robust.weights_[80:]) > 0.95)
    (True, True)
    """

    def __init__(
        self,
        estimator=None,
        *,
        alpha=-math.inf,
        loss="general",
        scale="auto",
        efficiency=0.95,
        weighting=None,
        residuals="cv",
        cv=None,
        max_iter=20,
        tol=1e-3,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.loss = loss
        self.scale = scale
        self.efficiency = efficiency
        self.weighting = weighting
        self.residuals = residuals
        self.cv = cv
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, **params):
        """Fit the regressor in rounds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As the regressor takes it: data frames with categories, NaN and sparse matrices too.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative and not all zero.
        **params : dict
            ``groups`` for the splitter; with metadata routing, whatever it requests.

        Returns
        -------
        self : ReweightedRegressor

        Raises
        ------
        ValueError
            If a parameter is out of range, the estimator takes no sample weights, y or the
            weights hold NaN or infinity, ``cv`` does not hold every row out once, or the
            regressor refuses X or predicts what is not finite.
        TypeError
            If other ``params`` are given than ``groups``, without metadata routing.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` rounds were not enough.
        UserWarning
            If no row has a weight, as at a scale far below all residuals.
        """
        self._check_parameters()
        check_finite_rows("y", check_unmasked("y", y))
        y = column_or_1d(check_unmasked("y", y), warn=True)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(X, y)
        cases = check_weights(sample_weight, len(y))
        random_state = check_random_state(self.random_state)
        splits = self._splits(X, y, sample_weight, params, random_state)
        inner = Inner(self._inner(), random_state, X, y, cases)
        residuals_of, of_parts = inner.train, None
        if splits is not None:
            residuals_of, of_parts = inner.held_out(splits, self.n_jobs), inner.of_parts(splits)
        progress = Progress(self, X, y, sample_weight)
        result = fits().reweighted(
            self, (residuals_of, of_parts), y, cases, report=partial(_tell, progress)
        )
        self.estimator_ = inner.fitted(result.weighed.weights)
        self._store(result, cases)
        progress.end()
        self._warn(result)
        return self

    def predict(self, X):
        """Predict with the regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            In the unit of y.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def predict_interval(self, X, coverage=0.9, *, kind="prediction", rows="good"):
        """Predict the interval in which a new observation falls with given probability.

        The half-width is a quantile of the absolute ``residuals_``, the same for all x. With
        ``residuals="cv"`` these are errors of predictions of held-out rows, so that the error of
        the regressor is in them. With ``residuals="train"`` the interval is too narrow for a
        regressor with many parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9
            The probability that an interval contains the new observation, on average over rows like
            those of the fit.
        kind : {"prediction"}, default="prediction"
            The interval is for a new observation. An interval of the mean, as that of
            :meth:`RobustRegressor.predict_interval`, needs the covariance of coefficients, which a
            regressor of any kind does not have.
        rows : {"good", "all"}, default="good"
            Whether intervals are for good new rows, or for all rows, bad ones included.
            :meth:`RobustRegressor.predict_interval` says which rows are good; here the residuals
            are those of held-out rows.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends, in the unit of y.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If a parameter is out of range.

        References
        ----------
        Barber, R. F. et al. (2021). Predictive inference with the jackknife+. Annals of
        Statistics 49, of whose intervals from held-out rows this is the one of equal width.
        """
        from .intervals import Errors, check_interval  # late: it loads the compiled code

        check_is_fitted(self)
        check_interval(coverage, kind, rows, kinds=["prediction"])
        half = Errors(*self._errors).half_width(coverage, rows)
        middle = self.predict(X)
        return np.stack([middle - half, middle + half], axis=-1)

    def get_metadata_routing(self):
        """Return how metadata go on to the splitter.

        Returns
        -------
        MetadataRouter
        """
        return router_to_splitter(self)

    def __getattr__(self, name):
        fitted = vars(self).get("estimator_")
        if fitted is None or name == _OWN or name.startswith(("_", *_REFITS)):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(fitted, name)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._inner())
        tags.input_tags = inner.input_tags
        if inner.regressor_tags is not None:
            tags.regressor_tags = inner.regressor_tags
        return tags

    def _inner(self):
        if self.estimator is not None:
            return self.estimator
        # Ensembles take long to load, and not every fit needs them.
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor()

    def _check_parameters(self):
        check_inner(self._inner())
        fits().check_loss(self.loss)
        if isinstance(self.alpha, str):
            check_choice("alpha", self.alpha, ["learned"], " or a number in [-inf, 2]")
            check_choice("loss", self.loss, ["general"], " with alpha='learned'")
            check_choice("scale", self.scale, ["auto"], " with alpha='learned'")
        else:
            check_number("alpha", self.alpha, -math.inf, 2.0)
        check_scale("scale", self.scale)
        check_number("efficiency", self.efficiency, 0.0, 1.0, "()")
        if self.weighting is not None and not callable(self.weighting):
            raise ValueError(f"weighting must be None or callable, got {self.weighting!r}.")
        check_choice("residuals", self.residuals, ["cv", "train"])
        check_integer("max_iter", self.max_iter, 1)
        check_number("tol", self.tol, 0.0, math.inf, "[)")
        check_seed("random_state", self.random_state)
        check_integer("verbose", self.verbose, 0, flag_too=True)

    def _splits(self, X, y, sample_weight, params, random_state):
        """Return the rows of every fold, or None where no row is held out."""
        cv = check_cv(self.cv)  # before routing, which would use up an iterable
        if self.cv is None:
            cv = KFold(_FOLDS, shuffle=True, random_state=random_state.randint(_LARGEST_SEED))
        if routing_is_on():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            params = routed.splitter.split
        else:
            check_only_groups(params)
        return None if self.residuals == "train" else splits_of(cv, X, y, **params)

    def _store(self, result, cases):
        weighed = result.weighed
        for name in ("n_features_in_", "feature_names_in_"):
            self._learn(name, getattr(self.estimator_, name, None))
        self.weights_, self.residuals_ = weighed.weights, result.residuals
        self.scale_, self.alpha_, self.n_iter_ = weighed.scale, weighed.alpha, result.n_iter
        self._learn("sigma_", weighed.sigma)
        n_rows = float(len(result.residuals)) if cases is None else n_cases(cases)
        self._errors = abs_residual_quantiles(result.residuals, cases), n_rows

    def _learn(self, name, value):
        """Set a learned attribute; at None it is not there."""
        if value is not None:
            setattr(self, name, value)
        elif name in vars(self):
            delattr(self, name)

    def _warn(self, result):
        if not result.believed:
            warnings.warn(
                "No row has any weight: the scale is far below all residuals; allow a larger "
                "scale.",
                UserWarning,
                stacklevel=3 + WRAPPERS,
            )
        elif not result.converged:
            warnings.warn(
                f"No convergence to tol={self.tol:g} in max_iter={self.max_iter} rounds; allow "
                "more, or a larger tol.",
                ConvergenceWarning,
                stacklevel=3 + WRAPPERS,
            )


def _tell(progress, weighed, change):
    mean = float(np.mean(weighed.weights))
    text = f"scale {weighed.scale:.6g}, mean weight {mean:.4f}, which changed by {change:.2g}"
    progress.step("round", text)
