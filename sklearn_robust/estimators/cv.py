"""RobustRegressorCV: shape, scale and penalty chosen by held-out rows."""

from __future__ import annotations

import math
import warnings
from inspect import signature

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MethodMapping,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from ..metrics import SCORERS, get_scorer
from ..validation import check_choice, check_number
from .base import RobustLinearModel, check_finite
from .folds import Search, results_of
from .progress import WRAPPERS, Progress, with_callbacks
from .robust import RobustRegressor, check_scale
from .routing import check_only_groups, router_to_splitter, routing_is_on

_LARGEST_SEED = 2**31 - 1


class RobustRegressorCV(RobustLinearModel):
    r"""Robust linear regression, its shape, scale and penalty chosen by cross-validation.

    Every candidate is a :class:`RobustRegressor`. The candidate whose held-out residuals have the
    least M-scale is fitted to all rows. Outliers among the held-out rows do not decide this
    criterion, as they decide the mean squared error.

    Parameters
    ----------
    alphas : sequence of float in [-inf, 2], default=(2.0, 1.0, 0.0, -2.0, -inf)
        Shapes of the loss. A named ``loss`` ignores the shape, so only the first one is tried.
    scales : sequence of "auto", "mad", "s", "reweighted" or float, default=("auto",)
        Scales c, as :class:`RobustRegressor` takes them.
    l1_regularizations : sequence of float >= 0, default=(0.0,)
        Penalties on the absolute coefficients, in the user's units.
    l2_regularizations : sequence of float >= 0, default=(0.0,)
        Penalties on the squared coefficients, in the user's units.
    penalty_weights : array-like of shape (n_features,) or None, default=None
        Factors of both penalties for every column, as for :class:`RobustRegressor`.
    cv : int, splitter, iterable or None, default=None
        How rows are held out, as in ``GridSearchCV``. A number is that of the folds of ``KFold``;
        None is 5.
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
        Number of folds fitted in parallel, as in ``GridSearchCV``; it changes no bit of the
        result.
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
        Iterations allowed in one fit, all scales together.
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
        Of the fit of all rows, as of :class:`RobustRegressor`.
    residual_sizes_, n_cases_, n_parameters_
        Of the fit of all rows, too.
    l1_regularization_, l2_regularization_ : float
        The chosen penalty.
    best_params_ : dict
        The chosen "alpha", "scale", "l2_regularization" and, if any is positive,
        "l1_regularization", as they were given.
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
    Shapes are fitted in rising order. A search begins at the fit of the previous shape if the
    objective is lower there than at the start, unless this could change which minimum is found.

    ``sample_weight`` holds case weights, in the fits and in the scores. A scorer gets those of the
    held-out rows if it takes them: a function if it has a parameter ``sample_weight``, a scorer of
    ``make_scorer`` if its metric has that parameter. ``GridSearchCV`` has the same rule since
    scikit-learn 1.7. The mean over the folds counts every fold once, whatever the weights of its
    rows. The splitter gets ``groups``.

    With metadata routing, the scorer and the splitter get what they request. None and the names
    of this package request ``sample_weight``. The names of scikit-learn request nothing, so a fit
    with ``sample_weight`` raises an error, as in ``GridSearchCV`` (before scikit-learn 1.9, its
    scores are unweighted). Give ``get_scorer(name).set_score_request(sample_weight=True)`` instead.

    Scorers and splitters see X as an array or sparse matrix, in whatever form it was given.

    References
    ----------
    Ronchetti, E., Field, C. & Blanchard, W. (1997). Robust linear model selection by
    cross-validation. Journal of the American Statistical Association 92.
    Breiman, L., Friedman, J. H., Olshen, R. A. & Stone, C. J. (1984). Classification and
    Regression Trees. Wadsworth, section 3.4.3 (one standard error).

    Examples
    --------
    >>> from sklearn_robust import RobustRegressorCV
    >>> from sklearn_robust.datasets import load_stackloss
    >>> X, y = load_stackloss(return_X_y=True)
    >>> model = RobustRegressorCV(alphas=(2.0, 1.0, -2.0), random_state=0).fit(X, y)
    >>> model.alpha_, model.coef_.round(2)
    (-2.0, array([ 0.87,  0.6 , -0.1 ]))
    """

    def __init__(
        self,
        alphas=(2.0, 1.0, 0.0, -2.0, -math.inf),
        *,
        scales=("auto",),
        l1_regularizations=(0.0,),
        l2_regularizations=(0.0,),
        penalty_weights=None,
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
    def fit(self, X, y, sample_weight=None, **params):
        """Choose a candidate and fit it to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            One candidate is chosen for all targets.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights, not negative, and not all zero in the training or held-out rows of a
            fold.
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
            or lie on a plane that is not the one fitted. If ``sample_weight`` is given and the
            scorer does not take it.
        """
        return self._fit(X, y, sample_weight, **params)

    def _fit(self, X, y, sample_weight, **params):
        self._check_parameters()
        X, y, weights = self._validated(X, y, sample_weight)
        check_finite(self, X)
        cv = check_cv(self.cv)  # before routing, which would use up an iterable
        scorer = self._scorer()
        routed = self._routed(scorer, weights, params)
        splits = list(cv.split(X, y, **routed.splitter.split))
        if not splits:
            raise ValueError(f"cv must give at least one split, got none from {self.cv!r}.")
        search = Search(self._candidates(), scorer, X, y, weights, routed.scorer.score)
        progress = Progress(self, X, y, weights)
        folds = []
        for fold in Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(search.fold)(self._template(seed), *split)
            for split, seed in zip(splits, self._seeds(len(splits)), strict=True)
        ):
            folds.append(fold)
            progress.step("fold", search.told(fold))
        results = results_of(search.candidates, folds)
        self.best_index_ = self._best_place(results, len(splits))
        self.n_splits_, self.cv_results_ = len(splits), results
        self.best_params_ = search.candidates[self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
        self.l1_regularization_ = float(self.best_params_.get("l1_regularization", 0.0))
        self.l2_regularization_ = float(self.best_params_["l2_regularization"])
        found = self._fit_targets(X, y, weights, progress.report)
        progress.end()
        self._warn(found, sum(fold.n_unconverged for fold in folds))
        return self

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
        if sample_weight is not None and _takes_weights(scorer):
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
        for alpha in _listed("alphas", self.alphas):
            check_number("every one of alphas", alpha, -math.inf, 2.0)
        for name in ("l1_regularizations", "l2_regularizations"):
            for penalty in _listed(name, getattr(self, name)):
                check_number(f"every one of {name}", penalty, 0.0, math.inf, "[)")
        for scale in _listed("scales", self.scales):
            check_scale("every one of scales", scale)
        largest = max(self.l1_regularizations)
        self._template(None).set_params(l1_regularization=largest)._check_parameters()

    def _candidates(self):
        alphas = list(self.alphas)[: None if self.loss == "general" else 1]
        grid = {
            "alpha": alphas,
            "l2_regularization": list(self.l2_regularizations),
            "scale": list(self.scales),
        }
        if any(self.l1_regularizations):
            grid["l1_regularization"] = list(self.l1_regularizations)
        return list(ParameterGrid(grid))

    def _template(self, random_state):
        """Return an estimator with the parameters that all candidates share."""
        named = self.init if not isinstance(self.init, str) or self.init != "auto" else "s"
        return RobustRegressor(
            loss=self.loss,
            efficiency=self.efficiency,
            penalty_weights=self.penalty_weights,
            fit_intercept=self.fit_intercept,
            solver=self.solver,
            init=named,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=random_state,
        )

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
            penalty = candidate.get("l1_regularization", 0.0), candidate["l2_regularization"]
            return *penalty, candidate["alpha"], mean[place]

        return max(np.flatnonzero(mean >= mean[best] - error).tolist(), key=plainness)

    def _best_estimator(self):
        return self._template(self.random_state).set_params(**self.best_params_)

    def _plain(self):
        plain = self._best_estimator()
        plain.__dict__.update(self._learned())
        return plain

    def _fit_target(self, design, initial, report):
        return self._best_estimator()._fit_target(design, initial, report)


def _takes_weights(scorer):
    """Return whether ``GridSearchCV`` without metadata routing gives a scorer ``sample_weight``."""
    request = getattr(get_routing_for_object(scorer), "score", None)
    if request is not None and "sample_weight" in request.requests:
        return True
    # A scorer of make_scorer has the parameter even where its metric does not, and then fails.
    # Before scikit-learn 1.9 its request does not list what the metric takes.
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in signature(function).parameters


def _listed(name, values):
    """Return the values as a list, or raise if there are none."""
    try:
        if len(values) > 0 and not isinstance(values, str):
            return list(values)
    except TypeError:
        pass
    raise ValueError(f"{name} must be a sequence of at least one value, got {values!r}.")
