"""What the linear estimators share: data in, targets one by one, attributes out."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from copy import copy
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.utils import assert_all_finite
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from ..validation import (
    check_choice,
    check_error_scale,
    check_finite_rows,
    check_flag,
    check_integer,
    check_number,
    check_penalty_weights,
    check_seed,
    check_unmasked,
    check_weights,
    not_finite_in,
    text_in,
)
from .messages import messages_about
from .progress import WRAPPERS, CallbackSupportMixin, Progress
from .targets import Initial, TargetFit, given_initial, store

DOCUMENTATION = "https://sklearn-robust.readthedocs.io/en/stable"
"""The address of the documentation."""
GIVEN_SCALES = 1e-150, 1e150
"""Least and largest scale that users may give: its square does not under- or overflow."""
_DATA = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def fits():
    """Return the module ``fits``, imported late because it loads the compiled code."""
    from . import fits

    return fits


class Documented:
    """An estimator whose HTML links to its page; scikit-learn reads these two names."""

    _doc_link_module = "sklearn_robust"
    _doc_link_template = f"{DOCUMENTATION}/generated/sklearn_robust.{{estimator_name}}.html"


class RobustLinearModel(Documented, CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """A linear model whose targets are fitted one by one."""

    _on_collections = "DaskRobustRegressor"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    @abstractmethod
    def _fit_target(self, design, initial, report) -> TargetFit:
        """Fit one target, from given coefficients or, if None, from the start named ``init``.

        ``report`` is called with the objective at the beginning of every iteration.
        """

    def _fit(self, X, y, sample_weight, error_scale=None):
        self._check_parameters()
        X, y, sample_weight, error_scale = self._validated_fit(X, y, sample_weight, error_scale)
        progress = Progress(self, X, y, sample_weight)
        found = self._fit_targets(X, y, sample_weight, error_scale, progress.report)
        progress.end()
        self._warn(found)
        return self

    def _fit_targets(self, X, y, sample_weight, error_scale, report):
        """Fit and store every target; return the fits."""
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        initial = self._previous(n_targets) or given_initial(
            self.init, n_targets, self.n_features_in_, self.fit_intercept
        )
        designs = self._designs(X, y, sample_weight, error_scale)
        with fits().serial_algebra(X.shape[1]):
            found = list(map(partial(self._fit_target, report=report), designs, initial))
        store(self, found, one_target=y.ndim == 1)
        return found

    def _validated_fit(self, X, y, sample_weight, error_scale):
        """Return the validated data of a fit."""
        X, y, sample_weight = self._validated(X, y, sample_weight)
        self._refuse_collections(error_scale)
        return X, y, sample_weight, check_error_scale(error_scale, len(y))

    def _validated(self, X, y, sample_weight, *, reset=True):
        """Return validated data; X is not yet checked for NaN and infinity."""
        self._refuse_collections(X, y, sample_weight)
        X, y = check_unmasked("X", X), check_unmasked("y", y)
        options = {"multi_output": True, "y_numeric": True, "ensure_all_finite": False}
        X, y = self._accepted(X, y, reset=reset, **options)
        check_penalty_weights(self.penalty_weights, X.shape[1])
        y = np.asarray(y, dtype=np.float64)
        return X, y, check_weights(sample_weight, len(y))

    def _accepted(self, X, *args, **options):
        """Return validated data, or raise an error that names the columns of a frame at fault."""
        try:
            return validate_data(self, X, *args, **_DATA, **options)
        except (TypeError, ValueError) as error:
            at_fault = text_in(X)
            if at_fault is None and "ensure_all_finite" not in options:
                at_fault = not_finite_in(X)
            if at_fault is None:
                for y in args:
                    check_finite_rows("y", y)
                raise
            raise ValueError(f"X must hold {at_fault}.") from error

    def _refuse_collections(self, *data):
        """Raise an error for collections of Dask, which would be loaded into memory silently."""
        if any(hasattr(type(of), "__dask_graph__") for of in data):
            raise TypeError(
                f"{type(self).__name__} must be given data in memory, got a Dask collection: "
                f"sklearn_robust.dask.{self._on_collections} takes collections."
            )

    def _designs(self, X, y, sample_weight, error_scale=None):
        """Yield the design with each target, or raise an error if X holds NaN or infinity."""
        return fits().designs(self, X, y, sample_weight, error_scale)

    def predict(self, X):
        """Predict with the linear model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the unit of y.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If X holds NaN, infinity or masked values, or has another number of features than in
            the fit.
        """
        check_is_fitted(self)
        self._refuse_collections(X)
        X = self._accepted(check_unmasked("X", X), reset=False)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_

    def predict_interval(
        self, X, coverage=0.9, *, kind="prediction", rows="good", error_scale=None
    ):
        r"""Predict the intervals of new observations, or of the plane itself.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        coverage : float in (0, 1), default=0.9
            The probability that an interval contains the new observation or the value of the plane.
        kind : {"prediction", "mean"}, default="prediction"
            - "prediction": the interval is for a new observation at x.
            - "mean": the interval is for the value of the plane at x.
        rows : {"good", "all"}, default="good"
            The new observations of which the share ``coverage`` is in the intervals: the good ones,
            or all, bad ones included. It does not matter for "mean".
        error_scale : array-like of shape (n_samples,) or None, default=None
            Sizes of the errors of the new observations, in the unit of those of the fit. None means
            1 for all. They do not matter for "mean".

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper ends, in the unit of y. They are infinite, with a warning, where no
            believed row determines the plane, as for a level all of whose rows were rejected, and
            everywhere if the fit has as many coefficients as rows.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If a parameter is out of range, X is one that :meth:`predict` does not accept, or
            ``kind`` is "mean" for a fit with ``l1_regularization``.

        Warns
        -----
        UserWarning
            If intervals are infinite, because no believed row determines the plane there, or
            because the fit has as many coefficients as rows.

        Notes
        -----
        **The mean.** The half-width is :math:`t\,s(x)`, where t is the quantile of Student's
        distribution with n - p degrees of freedom, and s(x) is the standard error of the plane by
        the formula for M-estimates of Huber (1981). If the loss redescends, rows count in the
        matrix of X by their robust weights. The size of the errors must not depend on X. The bias
        of a penalty is not included. With more than 500 coefficients the leverage of every row is
        taken as p/n.

        **The prediction.** The half-width is :math:`\sqrt{q^2 + t^2 s(x)^2}`, where q is the
        quantile of the absolute training residuals at the probability ``coverage``, with the
        conformal correction of the rank for n rows, times :math:`\sqrt{n/(n - p)}`, because
        training residuals are smaller than errors. Beyond the largest residual, the quantile of a
        fitted distribution is taken.

        **Good rows.** With ``rows="all"`` every training residual counts. Outliers then widen the
        interval without bound if their share is more than ``1 - coverage``. With ``rows="good"``,
        residuals count by a weight: 1 up to 3.8 sigma, 0 from 5.9 sigma, where sigma is the
        deviation of the residuals within 2.5 sigma. Bad rows further off than that do not widen
        the interval, and no good row is left out of it, since normal errors are hardly ever that
        large.

        Heavy tails are not bad rows. Three models of the absolute residuals are compared by their
        likelihood, with the penalty of Schwarz (1978) for more parameters. In the first, all rows
        have one distribution of Barron's family, of shape 0 to 2; then all count. In the second,
        good rows are normal, and the logarithm of the size of the others is uniform; then the
        weights above are used. In the third, good rows have a distribution of the family, and the
        logarithm of the size of the others is normal; then rows count by the probability that they
        are good. As such a mixture can imitate any tail, the third model is admitted only if the
        others lie apart: the density of the logarithm of the sizes falls, and further out it rises
        again or nearly stops falling, which it does for no distribution of the family. Outliers far
        enough off do not pass for a tail: each costs twice the logarithm of its size in the first
        model, and once in the others.

        Where outliers are no further off than the largest good errors, the choice is uncertain,
        the more so with few rows: a few hundred with heavy tails and outliers at 5 to 15 times
        their scale may pass for one tail, which makes the interval too wide, and thirty Cauchy
        errors may look like outliers, which makes it too narrow.

        References
        ----------
        Huber, P. J. (1981). Robust Statistics. Wiley, section 7.6.

        Lei, J. et al. (2018). Distribution-free predictive inference for regression. Journal of
        the American Statistical Association 113.

        Clarkson, J., Xu, W., Cucuringu, M. & Reinert, G. (2024). Split conformal prediction under
        data contamination. Proceedings of Machine Learning Research 230, on what outliers among
        the calibration rows do to the coverage of good ones.

        Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics 6.

        Examples
        --------
        >>> from sklearn_robust import RobustRegressor
        >>> from sklearn_robust.datasets import load_phones
        >>> X, y = load_phones(return_X_y=True)
        >>> model = RobustRegressor(random_state=0).fit(X, y)
        >>> model.predict_interval([[74.0]], 0.9).round()
        array([[27., 31.]])
        """
        check_is_fitted(self)
        from .intervals import intervals_of_linear  # late, because it loads the compiled code

        return intervals_of_linear(self, X, coverage, kind, rows, error_scale)

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R² of the predictions.

        Outliers among the rows count fully. :mod:`sklearn_robust.metrics` has robust scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
            As of ``sklearn.metrics.r2_score``: at most 1; the mean over several targets.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If data hold NaN, infinity or masked values, or do not match the fit in shape.
        """
        sample_weight = check_unmasked("sample_weight", sample_weight)
        return super().score(X, check_unmasked("y", y), sample_weight)

    def to_linear_regression(self):
        """Return the fit as scikit-learn's linear model.

        Returns
        -------
        sklearn.linear_model.LinearRegression
            With the same coefficients and predictions. It has no scale, shape or weights, and no
            ``rank_`` or ``singular_``.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        linear = LinearRegression(fit_intercept=self.fit_intercept)
        for name in ("coef_", "intercept_", "n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(linear, name, copy(getattr(self, name)))
        return linear

    def _sizes_of_errors(self, X, error_scale) -> list:
        """Return by what the residuals of every target are divided; None if by nothing."""
        return [error_scale] * np.size(self.scale_)

    def _plain(self):
        """Return a fitted estimator without a search: this one, or the chosen candidate."""
        return self

    def _learned(self):
        """Return the attributes of the fit by name."""
        return {name: value for name, value in vars(self).items() if name.endswith("_")}

    def _again(self, X, y, sample_weight, random_state, error_scale=None):
        """Return a fit to other data that begins at this one and prints nothing."""
        other = copy(self).set_params(warm_start=True, verbose=0, random_state=random_state)
        if hasattr(other, "set_callbacks"):
            other.set_callbacks()
        return other.fit(X, y, sample_weight, error_scale)

    def _check_parameters(self):
        check_choice("solver", self.solver, self._solvers())
        check_number("tol", self.tol, 0.0, np.inf, "[)")
        check_integer("max_iter", self.max_iter, 1)
        check_flag("fit_intercept", self.fit_intercept)
        check_flag("warm_start", self.warm_start)
        check_integer("verbose", self.verbose, 0, flag_too=True)
        check_seed("random_state", self.random_state)

    def _solvers(self):
        """Return the names of the solvers."""
        return ["auto", *fits().SOLVERS]

    def _previous(self, n_targets):
        """Return the initial values of a warm start for every target, None for a cold start."""
        if self.warm_start and hasattr(self, "coef_"):
            previous = np.atleast_2d(self.coef_)
            if previous.shape != (n_targets, self.n_features_in_):
                raise ValueError(
                    "warm_start must be False when the shape of the data changes, got True: the "
                    f"previous fit had {previous.shape[1]} features and {len(previous)} targets, "
                    f"this one has {self.n_features_in_} and {n_targets}."
                )
            others = (self.intercept_, self.scale_, self.alpha_)
            return list(map(Initial, previous, *map(np.atleast_1d, others)))
        return None

    def _warn(self, found, n_unconverged=0):
        """Issue at most one warning, about all targets and ``n_unconverged`` fits of folds."""
        messages, converged = messages_about(self, found, n_unconverged)
        if messages:
            category = UserWarning if converged else ConvergenceWarning
            warnings.warn(" ".join(messages), category, stacklevel=4 + WRAPPERS)


def check_finite(estimator, X):
    """Raise if X, already validated, holds NaN or infinity; the error names the columns."""
    try:
        assert_all_finite(X, estimator_name=type(estimator).__name__, input_name="X")
    except ValueError as error:
        at_fault = not_finite_in(X, getattr(estimator, "feature_names_in_", None))
        if at_fault is None:
            raise
        raise ValueError(f"X must hold {at_fault}.") from error


def check_penalty(estimator):
    """Raise unless the strengths of the penalty can be used, and by the solver."""
    for name in ("l1_regularization", "l2_regularization"):
        check_number(name, getattr(estimator, name), 0.0, np.inf, "[)")
    if estimator.l1_regularization > 0.0:
        more = " where l1_regularization is positive"
        check_choice("solver", estimator.solver, ["auto", "irls"], more)
