"""The estimators for collections of Dask: data larger than memory, or on several machines.

This module needs the extra "dask".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .estimators.adaptive import AdaptiveRobustRegressor, residual_distribution
from .estimators.base import DOCUMENTATION, RobustLinearModel
from .estimators.progress import with_callbacks
from .estimators.robust import RobustRegressor
from .validation import check_error_scale, check_penalty_weights, check_unmasked

try:
    import dask
    import dask.array as da
except ImportError as error:
    needed = "sklearn_robust.dask needs Dask, which the extra dask of the package installs."
    raise ImportError(needed) from error

from .estimators.by_block import by_block, nothing_like, sizes_like

__all__ = ["DaskAdaptiveRobustRegressor", "DaskRobustRegressor"]

_PERSIST = ("auto", True, False)


class _OnCollections(RobustLinearModel):
    """The methods that differ for collections: reading rows, predicting, the client."""

    persist: Any
    _local: type
    _doc_link_template = f"{DOCUMENTATION}/generated/sklearn_robust.dask.{{estimator_name}}.html"

    @property
    def client(self):
        """The ``distributed.Client`` whose workers do the fit; None is the active one.

        Without an active client, Dask's scheduler in this process does the fit. The client is not
        a parameter: clones and pickles do not have it.
        """
        return self.__dict__.get("_client")

    @client.setter
    def client(self, client):
        self._client = client

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_client"}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _check_parameters(self):
        super()._check_parameters()
        if self.l1_regularization != 0.0:
            got = f"got {self.l1_regularization!r}; data in memory may have it."
            raise ValueError(f"l1_regularization must be 0 for collections of Dask, {got}")
        if not isinstance(self.persist, bool) and self.persist != "auto":
            raise ValueError(f"persist must be one of {list(_PERSIST)}, got {self.persist!r}.")

    def _validated_fit(self, X, y, sample_weight, error_scale):
        return *self._validated(X, y, sample_weight, error_scale), None  # the blocks hold the sizes

    def _validated(self, X, y, sample_weight, error_scale=None, *, reset=True):
        self._blocks = _designs().parts_of(X, y, sample_weight, error_scale)
        validate_data(self, nothing_like(X), reset=reset, skip_check_array=True)
        check_penalty_weights(self.penalty_weights, self.n_features_in_)
        return X, y if isinstance(y, da.Array) else y.to_dask_array(), sample_weight

    def _designs(self, X, y, sample_weight, error_scale=None):
        rows = _designs().DaskDesign(
            self.__dict__.pop("_blocks"),
            _designs().Scheduler(self.client or _active_client()),
            fit_intercept=self.fit_intercept,
            persist=self.persist,
        )
        self.n_passes_ = 0
        for target in range(rows.n_targets):
            of_target = rows.with_target(target) if target else rows
            yield of_target.here() if of_target.are_few else of_target
            self.n_passes_ = rows.readings.count

    def predict(self, X):
        """Predict with the linear model, block by block.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)
            For an array in memory, predictions are computed at once.

        Returns
        -------
        dask.array of shape (n_samples,) or (n_samples, n_targets)
            In the unit of y, in the blocks of X, and not computed yet. An ndarray if X is an array
            in memory.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            When the result is computed, if X holds NaN, infinity or masked values, or other columns
            than in the fit.
        """
        check_is_fitted(self)
        return by_block(self.to_local(), X, np.shape(self.intercept_))

    def predict_interval(self, X, coverage=0.9, *, kind="prediction", rows=None, error_scale=None):
        """Predict intervals as the estimator for data in memory does, block by block.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)
            For an array in memory, intervals are computed at once.
        coverage, kind
            As for the estimator in memory. Leverages are computed from at most 20 000 evenly spaced
            rows of the fit; if these do not determine all coefficients, every row gets the mean
            leverage.
        rows : {"good", "all"} or None, default=None
            None is the default of the estimator in memory.
        error_scale : dask.array or dask.dataframe of shape (n_samples,), optional
            Sizes of the errors of the rows, in the blocks of X; an array in memory if X is one.

        Returns
        -------
        dask.array of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Not computed yet. An ndarray if X is an array in memory.

        Raises
        ------
        NotFittedError, ValueError
            As the estimator in memory does.
        """
        from .estimators.intervals import check_interval  # late: it loads the compiled code

        local, shape = self.to_local(), (*np.shape(self.intercept_), 2)
        options = {"coverage": coverage, "kind": kind} | ({} if rows is None else {"rows": rows})
        check_interval(coverage, kind, rows or "all")
        return by_block(local, X, shape, "predict_interval", options, error_scale)

    def to_local(self):
        """Return the fitted estimator for arrays in memory.

        Returns
        -------
        RobustRegressor or AdaptiveRobustRegressor
            With all fitted attributes except ``weights_`` and ``n_passes_``: the weights stay where
            the rows are.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        check_is_fitted(self)
        parameters = self.get_params(deep=False)
        del parameters["persist"]
        local = self._local(**parameters)
        learned = self._learned()
        for name in ("weights_", "n_passes_"):
            learned.pop(name, None)
        local.__dict__.update(learned)
        return local


class DaskRobustRegressor(_OnCollections, RobustRegressor):
    """:class:`~sklearn_robust.RobustRegressor` for the rows of a Dask collection.

    Objective, starts and solvers are the same, and so are the results, to rounding. A sample of
    the rows is fitted in this process, and the fit of all rows begins at its result. Each of the
    few passes sends the parameters to the blocks and returns sums. Rows are not moved, except for
    the sample and at most 20 000 evenly spaced rows.

    Parameters
    ----------
    alpha, loss, scale, efficiency
        As for :class:`~sklearn_robust.RobustRegressor`.
    l1_regularization : float, default=0.0
        Must be 0: columns of collections cannot be selected.
    l2_regularization, penalty_weights, fit_intercept, solver, init, max_iter, tol, warm_start, \
random_state, verbose
        As for :class:`~sklearn_robust.RobustRegressor`.
    persist : "auto", True or False, default="auto"
        Whether the workers keep the blocks in memory between passes. "auto" keeps them if they
        fit into three tenths of the memory. Blocks that are not kept are read again in every pass.

    Attributes
    ----------
    weights_ : dask.array of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row, not computed yet.
    n_passes_ : int
        How often the blocks were read, including the passes that fetch a few rows.
    client : distributed.Client or None
        The client whose workers do the fit. None is the active client, or else the scheduler in
        this process.
    coef_, intercept_, scale_, sigma_, alpha_, residual_sizes_, n_cases_, n_parameters_, n_iter_, \
n_features_in_, feature_names_in_
        As for :class:`~sklearn_robust.RobustRegressor`.

    See Also
    --------
    RobustRegressor : For rows in memory.

    Notes
    -----
    The sums are added in a tree whose form depends only on the number of blocks, so the result has
    the same bits for any number of workers. If a worker is lost, another worker reads its blocks
    again. Blocks must be dense. The median of the residuals is exact: the residuals near it are
    gathered in this process. If there are more than a million, passes that count residuals narrow
    the range first.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn_robust.dask import DaskRobustRegressor
    >>> rng = da.random.default_rng(0)
    >>> X = rng.normal(size=(30_000, 2), chunks=10_000)
    >>> y = X.sum(axis=1) + 0.1 * rng.normal(size=30_000, chunks=10_000)
    >>> y = da.where(X[:, 0] > 1.0, 50.0, y)
    >>> model = DaskRobustRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(2)
    array([1., 1.])
    """

    _local = RobustRegressor

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
        persist="auto",
    ):
        super().__init__(
            alpha, loss=loss, scale=scale, efficiency=efficiency,
            l1_regularization=l1_regularization, l2_regularization=l2_regularization,
            penalty_weights=penalty_weights, fit_intercept=fit_intercept, solver=solver, init=init,
            max_iter=max_iter, tol=tol, warm_start=warm_start, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.persist = persist

    @with_callbacks
    def fit(self, X, y, sample_weight=None, error_scale=None):
        """Fit the model.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)
            The lengths of its blocks need not be known.
        y : dask.array or dask.dataframe of shape (n_samples,) or (n_samples, n_targets)
            In blocks of the same lengths.
        sample_weight : dask.array or dask.dataframe of shape (n_samples,), optional
            Case weights, not negative and not all zero, in blocks of the same lengths.
        error_scale : dask.array or dask.dataframe of shape (n_samples,), optional
            Sizes of the errors of the rows relative to each other, positive, in blocks of the same
            lengths. Each block is divided by them whenever it is read.

        Returns
        -------
        self : DaskRobustRegressor

        Raises
        ------
        TypeError
            If an argument is not a collection of Dask.
        ValueError
            If a parameter is out of range, or if blocks hold values that are masked, not finite or
            not numbers, weights or sizes of errors out of range, or do not match. The message has
            the number of the block.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough.
        UserWarning
            If more than half of the rows are fitted exactly, so that the residual scale is zero,
            or lie on a plane that is not the one fitted.
        """
        return self._fit(X, y, sample_weight, error_scale)


class DaskAdaptiveRobustRegressor(_OnCollections, AdaptiveRobustRegressor):
    """:class:`~sklearn_robust.AdaptiveRobustRegressor` for the rows of a Dask collection.

    :class:`DaskRobustRegressor` describes how the rows are read.

    Parameters
    ----------
    alpha_bounds, scale_bounds
        As for :class:`~sklearn_robust.AdaptiveRobustRegressor`.
    l1_regularization : float, default=0.0
        Must be 0: columns of collections cannot be selected.
    l2_regularization, penalty_weights, fit_intercept, solver, init, max_iter, tol, warm_start, \
random_state, verbose
        As for :class:`~sklearn_robust.AdaptiveRobustRegressor`.
    persist : "auto", True or False, default="auto"
        As for :class:`DaskRobustRegressor`.

    Attributes
    ----------
    weights_ : dask.array of shape (n_samples,) or (n_samples, n_targets)
        Robust weight of each training row, 0 for those left out; not computed yet.
    n_passes_ : int
        How often the blocks were read, including the passes that fetch a few rows.
    client : distributed.Client or None
        As for :class:`DaskRobustRegressor`.
    coef_, intercept_, scale_, alpha_, nll_, residual_sizes_, n_cases_, n_parameters_, n_iter_, \
n_features_in_, feature_names_in_
        As for :class:`~sklearn_robust.AdaptiveRobustRegressor`.

    See Also
    --------
    AdaptiveRobustRegressor : For rows in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn_robust.dask import DaskAdaptiveRobustRegressor
    >>> rng = da.random.default_rng(0)
    >>> X = rng.normal(size=(30_000, 2), chunks=10_000)
    >>> y = X.sum(axis=1) + rng.standard_cauchy(size=30_000, chunks=10_000)
    >>> model = DaskAdaptiveRobustRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(1), round(model.alpha_, 1)
    (array([1., 1.]), 0.0)
    """

    _local = AdaptiveRobustRegressor

    def __init__(
        self, *, alpha_bounds=(0.0, 2.0), scale_bounds=None, l1_regularization=0.0,
        l2_regularization=0.0, penalty_weights=None, fit_intercept=True, solver="auto",
        init="auto", max_iter=100, tol=1e-6, warm_start=False, random_state=None, verbose=0,
        persist="auto",
    ):  # fmt: skip
        super().__init__(
            alpha_bounds=alpha_bounds, scale_bounds=scale_bounds, fit_intercept=fit_intercept,
            l1_regularization=l1_regularization, l2_regularization=l2_regularization,
            penalty_weights=penalty_weights, solver=solver, init=init, max_iter=max_iter, tol=tol,
            warm_start=warm_start, random_state=random_state, verbose=verbose,
        )  # fmt: skip
        self.persist = persist

    @with_callbacks
    def fit(self, X, y, sample_weight=None, error_scale=None):
        """Fit the model.

        Parameters
        ----------
        X, y, sample_weight, error_scale
            As for :meth:`DaskRobustRegressor.fit`.

        Returns
        -------
        self : DaskAdaptiveRobustRegressor

        Raises
        ------
        TypeError, ValueError
            As :meth:`DaskRobustRegressor.fit` does.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough.
        UserWarning
            If more than half of the rows are fitted exactly, so that the scale is at its floor.
        """
        return self._fit(X, y, sample_weight, error_scale)

    def nll(self, X, y, error_scale=None):
        """Return the negative log-likelihood of each row under the fitted model.

        Parameters
        ----------
        X, y
            As for :meth:`fit`, in blocks of the same lengths.
        error_scale : dask.array or dask.dataframe of shape (n_samples,), optional
            Sizes of the errors of the rows, in blocks of the same lengths.

        Returns
        -------
        dask.array of the shape of ``y``
            Not computed yet.

        Raises
        ------
        NotFittedError, ValueError
            As :meth:`predict` does, and if blocks of y hold masked values.
        """
        check_is_fitted(self)
        if not dask.is_dask_collection(X):
            return self.to_local().nll(X, y, error_scale)
        logpdf = residual_distribution().logpdf
        y = y if isinstance(y, da.Array) else y.to_dask_array()
        alpha, scale = self.alpha_, self.scale_  # the estimator would be sent with its weights
        residuals = y - self.predict(X)  # masked where y is

        def of_block(r, sizes=None):
            r = check_unmasked("y", r)
            if sizes is None:
                return -logpdf(r, alpha, scale=scale)
            sizes = check_error_scale(np.ravel(sizes), len(r))
            sizes = sizes if r.ndim == 1 else sizes[:, None]
            return -logpdf(r, alpha, scale=scale * sizes)

        if error_scale is None:
            return residuals.map_blocks(of_block, dtype=np.float64)
        return residuals.map_blocks(of_block, sizes_like(error_scale, residuals), dtype=np.float64)


def _designs():
    """Return the module of the designs of collections: it loads the compiled code."""
    from .design import dask as designs

    return designs


def _active_client():
    """Return the active client, or None."""
    try:
        from distributed import default_client

        return default_client()
    except (ImportError, ValueError):
        return None
