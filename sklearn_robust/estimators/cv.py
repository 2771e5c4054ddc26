"""RobustRegressorCV: shape, scale and penalty chosen by held-out rows."""

from __future__ import annotations

import math
import warnings

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed

from ..metrics import SCORERS, get_scorer
from ..validation import check_choice, check_error_scale, check_flag, check_number, listed
from .base import RobustLinearModel, check_finite, fits
from .folds import Search, penalty_of, results_of, s_estimates_of
from .grids import adaptive_weights, check_grid, is_number, l1_grid, l2_grid
from .progress import WRAPPERS, Progress, with_callbacks
from .robust import RobustRegressor, check_scale
from .routing import check_only_groups, router_to_splitter, routing_is_on, takes_weights
from .targets import given_initial, store

_LARGEST_SEED = 2**31 - 1


class RobustRegressorCV(RobustLinearModel):
    r"""Robust linear regression with shape, scale and penalty chosen by cross-validation.

    Every candidate is a :class:`RobustRegressor`. The candidate whose held-out residuals have the
    least M-scale is fitted to all rows. Unlike the mean squared error, the M-scale is hardly
    changed by outliers among the held-out rows.

    Parameters
    ----------
    alphas : sequence of float in [-inf, 2], default=(2.0, 1.0, 0.0, -2.0, -inf)
        Shapes of the loss. A named ``loss`` ignores the shape, so only the first one is tried.
    scales : sequence of "auto", "mad", "s", "reweighted" or float, default=("auto",)
        Scales c, as :class:`RobustRegressor` takes them.
    l1_regularizations : int or sequence of float >= 0, default=(0.0,)
        Penalties on the absolute coefficients, in the user's units. A number asks for a geometric
        grid of that size, made from the data as by :func:`robust_path`.
    l2_regularizations : int or sequence of float >= 0, default=(0.0,)
        Penalties on the squared coefficients, in the user's units. A number asks for a geometric
        grid of that size. The largest penalty is the sum of the variances of the columns, under
        which every direction of the coefficients shrinks by half or more; the least is a millionth
        of it.
    penalty_weights : array-like of shape (n_features,) or None, default=None
        Factors of both penalties for every column, as for :class:`RobustRegressor`.
    adaptive_penalty : bool, default=False
        Whether there is a second search, whose penalty weights come from the coefficients that the
        first has chosen. The weight of a column is the mean absolute standardised coefficient (over
        those that are not zero) divided by that of the column, times its ``penalty_weights``.
        Columns with a coefficient of zero stay out.
    cv : int, splitter, iterable or None, default=None
        How rows are held out, as in ``GridSearchCV``. A number is the number of folds of ``KFold``;
        None means 5.
    scoring : str, callable or None, default=None
        The score; greater is better. It is a name that :func:`sklearn_robust.metrics.get_scorer`
        takes, such as "tau_size" or "r2", or a callable as in ``GridSearchCV``. None is "s_scale",
        minus the M-scale of the held-out residuals. "nll" is not allowed, because candidates have
        no likelihood.
    selection : {"best", "1se"}, default="best"
        "best" is the candidate with the best mean score. "1se" is the simplest candidate whose
        mean score is within one standard error of the best: that with the largest penalty, then
        the largest shape, then the best score.
    n_jobs : int or None, default=None
        Number of folds fitted in parallel, as in ``GridSearchCV``; it changes no bit of a result.
    loss : str, default="general"
        This and all parameters that follow are as for :class:`RobustRegressor`.
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors from which c is computed where it is estimated.
    fit_intercept : bool, default=True
        Whether to fit an intercept b.
    solver : {"auto", "irls", "lbfgs"}, default="auto"
        How a candidate is fitted.
    init : "auto", "s", "ols", "gnc" or array-like of shape (n_features + 1,), default="auto"
        Where searches begin. "auto" is "s" for every shape, convex ones too. One S-estimate for
        each fold and penalty serves all shapes and scales, and its scale makes their scores
        comparable.
    max_iter : int >= 1, default=100
        Maximum number of iterations of one fit, all scales together.
    tol : float >= 0, default=1e-6
        Bound on the estimated remaining step.
    warm_start : bool, default=False
        Whether the fit of all rows begins at the coefficients of the previous one.
    random_state : int, RandomState or None, default=None
        Seed for the rows that S-estimates draw. An integer is the seed of every fold.
    verbose : int >= 0, default=0
        If positive, a line is printed for every fold, and for every iteration of the last fit.

    Attributes
    ----------
    coef_, intercept_, scale_, sigma_, alpha_, weights_, n_iter_
        Those of the fit of all rows, as in :class:`RobustRegressor`.
    residual_sizes_, n_cases_, n_parameters_
        Those of the fit of all rows, too.
    l1_regularization_, l2_regularization_ : float
        The chosen penalties.
    penalty_weights_ : ndarray of shape (n_features,) or None
        The penalty weights of the fit: those given, or with ``adaptive_penalty`` those of the
        second search.
    best_params_ : dict
        The chosen "alpha", "scale", "l2_regularization" and, if any is positive,
        "l1_regularization", as they were given or made from the data.
    best_score_ : float
        The mean score of the chosen candidate over the folds.
    best_index_ : int
        The index of the chosen candidate in ``cv_results_``.
    cv_results_ : dict of ndarray
        Parameters, scores, ranks and times of every candidate, as of ``GridSearchCV``. The time
        of an S-estimate counts for the first candidate that uses it.
    n_splits_ : int
        The number of folds.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X has any.

    See Also
    --------
    RobustRegressor : One candidate.
    sklearn.model_selection.GridSearchCV : For searches over a whole pipeline, with
        ``scoring=get_scorer("s_scale")``.
    sklearn_robust.metrics.get_scorer : The scorers by their names.

    Notes
    -----
    **Order of the fits.** Shapes are fitted in rising order. A search begins at the fit of the
    previous shape if the objective is lower there than at the start, unless this could change which
    minimum is found.

    **Starts of the folds.** If ``init`` is "s" or "auto", the S-estimates of all rows are computed
    first, for every penalty. The S-estimates of the folds and of the last fit are searched near
    them, which is fast, and all end in the same one of several minima. (The folds thus share a
    start with the rows held out, but no coefficient.) Unless the penalty selects columns, a fold
    is searched like any table if it has few rows, rows far off in X, or level columns, because it
    may then have another minimum.

    **Weights and groups.** ``sample_weight`` holds case weights, in the fits and in the scores. A
    scorer gets those of the held-out rows if it takes them: a function if it has a parameter
    ``sample_weight``, a scorer of ``make_scorer`` if its metric has that parameter.
    ``GridSearchCV`` has the same rule since scikit-learn 1.7. The mean over the folds counts every
    fold once, whatever the weights of its rows. The splitter gets ``groups``.

    **Metadata routing.** With metadata routing, the scorer and the splitter get what they request.
    The default score and the names of this package request ``sample_weight``. The names of
    scikit-learn request nothing, so a fit with ``sample_weight`` raises an error, as in
    ``GridSearchCV`` (before scikit-learn 1.9, its scores are unweighted). Give
    ``get_scorer(name).set_score_request(sample_weight=True)`` instead.

    **What scorers see.** Scorers and splitters always see X as an array or sparse matrix.

    References
    ----------
    Ronchetti, E., Field, C. & Blanchard, W. (1997). Robust linear model selection by
    cross-validation. Journal of the American Statistical Association 92.
    Kepplinger, D. & Wei, S. (2024). Information sharing for robust and stable cross-validation.
    arXiv 2409.12890.
    Zou, H. (2006). The adaptive lasso and its oracle properties. Journal of the American
    Statistical Association 101.
    Breiman, L., Friedman, J. H., Olshen, R. A. & Stone, C. J. (1984). Classification and
    Regression Trees. Wadsworth, section 3.4.3 (one standard error).

    Examples
    --------
    >>> from sklearn_robust import RobustRegressorCV
    >>> from sklearn_robust.datasets import load_stackloss
    >>> X, y = load_stackloss(return_X_y=True)
    >>> model = RobustRegressorCV(alphas=(2.0, 1.0, -2.0), random_state=0).fit(X, y)
    >>> model.alpha_, model.coef_.round(2)
    (-2.0, array([ 0.87,  0.58, -0.1 ]))
    """

    def __init__(
        self,
        alphas=(2.0, 1.0, 0.0, -2.0, -math.inf),
        *,
        scales=("auto",),
        l1_regularizations=(0.0,),
        l2_regularizations=(0.0,),
        penalty_weights=None,
        adaptive_penalty=False,
        cv=None,
        scoring=None,
        selection="best",
        n_jobs=None,
        loss="general",
        efficiency=0.95,
        fit_intercept=True,
        solver="auto",
        init="auto",
        max_iter=100,
        tol=1e-6,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.alphas = alphas
        self.scales = scales
        self.l1_regularizations = l1_regularizations
        self.l2_regularizations = l2_regularizations
        self.penalty_weights = penalty_weights
        self.adaptive_penalty = adaptive_penalty
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.n_jobs = n_jobs
        self.loss = loss
        self.efficiency = efficiency
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, sample_weight=None, error_scale=None, **params):
        """Choose a candidate and fit it to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            One candidate is chosen for all targets.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative, and not all zero in the training or held-out rows of a fold.
        error_scale : array-like of shape (n_samples,), optional
            Sizes of the errors of the rows relative to each other, as for
            :meth:`RobustRegressor.fit`. The fit of a fold gets those of its rows. Scores are of
            residuals as they are, not divided.
        **params : dict
            ``groups`` for the splitter; with metadata routing, what splitter and scorer request.

        Returns
        -------
        self : RobustRegressorCV

        Raises
        ------
        ValueError
            If a parameter is out of range, if :meth:`RobustRegressor.fit` does not accept the
            data, or if the scores of all candidates are NaN.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough, in folds or in the last fit.
        UserWarning
            If more than half of the rows are fitted exactly, so that the residual scale is zero,
            or lie on a plane that is not the one fitted. If only rejected rows determine the
            coefficient of a column. If most rows of a level with five rows or more are rejected.
            If ``sample_weight`` is given and the scorer does not accept it.
        """
        return self._fit(X, y, sample_weight, error_scale, **params)

    def _fit(self, X, y, sample_weight, error_scale=None, **params):
        self._check_parameters()
        X, y, weights = self._validated(X, y, sample_weight)
        error_scale = check_error_scale(error_scale, len(y))
        check_finite(self, X)
        cv = check_cv(self.cv)  # before routing, which would use up an iterable
        scorer = self._scorer()
        routed = self._routed(scorer, weights, params)
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError(f"cv must give at least one split, got none from {self.cv!r}.")
        progress = Progress(self, X, y, weights)
        designs = list(self._designs(X, y, weights, error_scale))
        data = {
            "scorer": None if self.scoring is None else scorer, "X": X, "y": y, "weights": weights,
            "error_scale": error_scale, "score_params": routed.scorer.score,
        }  # fmt: skip
        self.penalty_weights_ = self.penalty_weights
        with fits().serial_algebra(X.shape[1]):
            found, n_unconverged = self._chosen(designs, splits, data, progress)
            heavier = adaptive_weights(self, designs[0]) if self.adaptive_penalty else None
            if heavier is not None:
                self.penalty_weights_ = heavier
                found, n_unconverged = self._chosen(designs, splits, data, progress)
        progress.end()
        self._warn(found, n_unconverged)
        return self

    def _chosen(self, designs, splits, data, progress):
        """Choose a candidate and fit all rows.

        Returns
        -------
        found : list of TargetFit
        n_unconverged : int
            Fits of folds that did not converge.
        """
        candidates = self._candidates(designs)
        near = s_estimates_of(self._template(self.random_state), designs, candidates)
        search, folds = Search(candidates, near=near, **data), []
        for fold in Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(search.fold)(self._template(seed), *split)
            for split, seed in zip(splits, self._seeds(len(splits)), strict=True)
        ):
            folds.append(fold)
            progress.step("fold", search.told(fold))
        results = results_of(candidates, folds)
        self.best_index_ = self._best_place(results, len(splits))
        self.n_splits_, self.cv_results_ = len(splits), results
        self.best_params_ = candidates[self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
        penalty = penalty_of(self.best_params_)
        self.l1_regularization_, self.l2_regularization_ = map(float, penalty)
        found = self._fit_all(designs, near.get(penalty), progress.report, data["y"].ndim == 1)
        return found, sum(fold.n_unconverged for fold in folds)

    def _fit_all(self, designs, near, report, one_target):
        """Fit all rows by the chosen candidate, and store every target; return the fits."""
        n_targets = len(designs)
        initial = self._previous(n_targets) or given_initial(
            self.init, n_targets, self.n_features_in_, self.fit_intercept
        )
        each = zip(designs, initial, near or [()] * n_targets, strict=True)
        found = [self._fit_target(design, first, report, of) for design, first, of in each]
        store(self, found, one_target=one_target)
        return found

    def _fit_target(self, design, initial, report, near=()):
        return self._best_estimator()._fit_target(design, initial, report, near)

    def get_metadata_routing(self):
        """Return how metadata are routed to the splitter and the scorer.

        Returns
        -------
        MetadataRouter
        """
        return router_to_splitter(self).add(
            scorer=self._scorer(),
            method_mapping=MethodMapping().add(caller="fit", callee="score"),
        )

    def _routed(self, scorer, sample_weight, params):
        """Return what splitter and scorer are given."""
        if routing_is_on():
            return process_routing(self, "fit", sample_weight=sample_weight, **params)
        check_only_groups(params)
        score = {}
        if sample_weight is not None and takes_weights(scorer):
            score["sample_weight"] = sample_weight
        elif sample_weight is not None:
            warnings.warn(
                f"scoring={self.scoring!r} does not take sample_weight: the fits are weighted, "
                "their scores are not.",
                UserWarning,
                stacklevel=4 + WRAPPERS,
            )
        return Bunch(splitter=Bunch(split=params), scorer=Bunch(score=score))

    def _scorer(self):
        """Return the scorer; one named as in this package requests weights, since users cannot."""
        named = "s_scale" if self.scoring is None else self.scoring
        scorer = get_scorer(named)
        if not isinstance(named, str) or named not in SCORERS:
            return check_scoring(RobustRegressor(), scorer)
        if named == "nll":
            others = sorted(set(SCORERS) - {"nll"})
            raise ValueError(
                f"scoring must be one of {others}, a name of sklearn.metrics.get_scorer_names(), a "
                "callable or None, got 'nll', which only AdaptiveRobustRegressor has."
            )
        if routing_is_on():
            scorer.set_score_request(sample_weight=True)
        return scorer

    def _check_parameters(self):
        super()._check_parameters()
        check_choice("selection", self.selection, ["best", "1se"])
        for alpha in listed("alphas", self.alphas):
            check_number("every one of alphas", alpha, -math.inf, 2.0)
        check_flag("adaptive_penalty", self.adaptive_penalty)
        for name in ("l1_regularizations", "l2_regularizations"):
            check_grid(name, getattr(self, name))
        for scale in listed("scales", self.scales):
            check_scale("every one of scales", scale)
        l1 = self.l1_regularizations
        largest = float(is_number(l1)) or float(max(l1))
        self._template(None).set_params(l1_regularization=largest)._check_parameters()

    def _candidates(self, designs):
        alphas = list(self.alphas)[: None if self.loss == "general" else 1]
        grid = {
            "alpha": alphas,
            "l2_regularization": l2_grid(
                self.l2_regularizations, designs[0], self.penalty_weights_
            ),
            "scale": list(self.scales),
        }
        if is_number(self.l1_regularizations):
            # One grid serves all shapes and scales: that of the least shape at the first scale.
            template = self._template(self.random_state).set_params(
                alpha=min(alphas), scale=self.scales[0]
            )
            grid["l1_regularization"] = l1_grid(template, self.l1_regularizations, designs).tolist()
        elif any(self.l1_regularizations):
            grid["l1_regularization"] = list(self.l1_regularizations)
        return list(ParameterGrid(grid))

    def _template(self, random_state):
        """Return an estimator with the parameters that all candidates share."""
        named = self.init if not isinstance(self.init, str) or self.init != "auto" else "s"
        weights = vars(self).get("penalty_weights_", self.penalty_weights)
        return RobustRegressor(
            loss=self.loss, efficiency=self.efficiency, penalty_weights=weights,
            fit_intercept=self.fit_intercept, solver=self.solver, init=named,
            max_iter=self.max_iter, tol=self.tol, random_state=random_state,
        )  # fmt: skip

    def _seeds(self, n_folds):
        """Return a seed for every fold; an integer is the seed of all, as in a grid search."""
        if isinstance(self.random_state, np.random.RandomState):
            return self.random_state.randint(_LARGEST_SEED, size=n_folds)
        return [self.random_state] * n_folds

    def _best_place(self, results, n_splits):
        """Return the index of the chosen candidate."""
        mean = results["mean_test_score"]
        if np.all(np.isnan(mean)):
            raise ValueError("scoring must give some candidate a number, got NaN for all of them.")
        best = int(np.nanargmax(mean))
        if self.selection == "best":
            return best
        scores = [results[f"split{k}_test_score"][best] for k in range(n_splits)]
        error = np.std(scores, ddof=1) / math.sqrt(n_splits) if n_splits > 1 else 0.0

        def plainness(place):
            candidate = results["params"][place]
            return *penalty_of(candidate), candidate["alpha"], mean[place]

        return max(np.flatnonzero(mean >= mean[best] - error).tolist(), key=plainness)

    def _best_estimator(self):
        return self._template(self.random_state).set_params(**self.best_params_)

    def _plain(self):
        plain = self._best_estimator()
        plain.__dict__.update(self._learned())
        return plain
