"""The folds of a cross-validation, in which all candidates are fitted and scored."""

from __future__ import annotations

import time
from copy import copy
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from ..metrics import m_scale_or_zero
from .base import fits
from .progress import silent
from .targets import given_initial, store


class Fold(NamedTuple):
    """Scores and times in seconds of all candidates in a fold, and how many did not converge."""

    scores: np.ndarray
    fit_times: np.ndarray
    score_times: np.ndarray
    n_unconverged: int


class Search(NamedTuple):
    """What all folds of a search share.

    Without a scorer, the score is minus the M-scale of the held-out residuals. ``near`` holds, for
    every penalty, the S-estimates of all rows, a tuple for each target.
    """

    candidates: list
    scorer: Any
    X: Any
    y: np.ndarray
    weights: np.ndarray | None
    error_scale: np.ndarray | None
    score_params: dict
    near: dict

    def fold(self, template, train, test) -> Fold:
        """Fit all candidates to the rows of a fold, and score them on the others.

        Parameters
        ----------
        template : RobustRegressor
            With the parameters that all candidates share.
        train, test : ndarray of int or bool
        """
        train, test = (np.arange(len(self.y))[part] for part in (train, test))
        weights = None if self.weights is None else self.weights[train]
        for name, part in (("fitted", train), ("held out", test)):
            if self.weights is not None and not np.any(self.weights[part]):
                raise ValueError(
                    f"sample_weight must not be all zero in a fold, got that for the {len(part)} "
                    f"rows that are {name}."
                )
        sizes = None if self.error_scale is None else self.error_scale[train]
        designs = list(fits().designs(template, self.X[train], self.y[train], weights, sizes))
        score_params = {name: np.asarray(of)[test] for name, of in self.score_params.items()}
        held_out = self.X[test], self.y[test]
        scores, fit_times, score_times = np.empty((3, len(self.candidates)))
        n_unconverged, begin = 0, time.perf_counter()
        with fits().serial_algebra(self.X.shape[1]):
            for place, estimator, shared, results in self._fits(template, designs):
                n_unconverged += sum(not (of.converged or of.exact) for of in results)
                if self.scorer is not None:
                    found = map(partial(fits().regression_fit, estimator), shared, results)
                    store(estimator, list(found), one_target=self.y.ndim == 1)
                fit_times[place] = time.perf_counter() - begin
                if self.scorer is None:
                    scores[place] = _score(designs, results, *held_out, **score_params)
                else:
                    scores[place] = self._scored(estimator, *held_out, **score_params)
                score_times[place] = time.perf_counter() - begin - fit_times[place]
                begin = time.perf_counter()
        return Fold(scores, fit_times, score_times, n_unconverged)

    def _scored(self, estimator, X, y, **params):
        score = self.scorer(estimator, X, y, **params)
        if not isinstance(score, Real):
            raise ValueError(f"scoring must give a number, got {score!r}.")
        return score

    def _fits(self, template, designs):
        """Yield every candidate's index and estimator, and each target's starts and results.

        Candidates with the same penalty share their starts. The fits of a shape may begin at those
        of the previous shape. So that folds and all rows have the same one of several minima, the
        S-estimates are searched near that of all rows (as in Kepplinger & Wei 2024) and, if the
        penalty selects columns, near those of the next larger penalty.
        """
        n_features = self.X.shape[1]
        initial = given_initial(template.init, len(designs), n_features, template.fit_intercept)
        last: tuple = (None, None)
        shared: list[Any] = [None] * len(designs)
        results: list[Any] = []
        for place in self._in_order():
            candidate = self.candidates[place]
            estimator = copy(template)  # not a clone, which takes longer than a small fit
            vars(estimator).update(candidate, n_features_in_=n_features)
            group = penalty_of(candidate), candidate["scale"]
            if group[0] != last[0]:
                near = self.near.get(group[0], [()] * len(designs))
                if last[0] is None or group[0][1] != last[0][1]:
                    shared = [None] * len(designs)
                shared = [
                    fits().shared_starts(estimator, *of, part=True)
                    for of in zip(designs, near, shared, strict=True)
                ]
            if group != last:
                results = [None] * len(designs)
            last = group
            results = [
                fits().fit_regression(estimator, *of, report=silent)
                for of in zip(shared, initial, results, strict=True)
            ]
            yield place, estimator, shared, results

    def told(self, fold):
        """Return the line that is printed about a fold."""
        best = int(np.argmax(np.nan_to_num(fold.scores, nan=-np.inf)))
        seconds = fold.fit_times.sum() + fold.score_times.sum()
        chosen = ", ".join(
            f"{name} {value:g}" if isinstance(value, Real) else f"{name} {value}"
            for name, value in self.candidates[best].items()
        )
        return f"best score {fold.scores[best]:.6g} at {chosen}; {seconds:.2g} s"

    def _in_order(self):
        """Return the indices of the candidates, in the order of penalty, scale and shape."""

        def order(place):
            candidate = self.candidates[place]
            l1, l2 = penalty_of(candidate)
            return l2, -l1, str(candidate["scale"]), candidate["alpha"]

        return sorted(range(len(self.candidates)), key=order)


def _score(designs, results, X, y, sample_weight=None):
    """Return minus the mean M-scale of the held-out residuals of all targets."""
    found = []
    for design, result, target in zip(designs, results, y.reshape(len(y), -1).T, strict=True):
        coef, intercept = design.to_original(result.params)
        found.append(m_scale_or_zero(target - (X @ coef + intercept), sample_weight))
    return -float(np.mean(found))


def penalty_of(candidate) -> tuple[float, float]:
    """Return the penalties of a candidate, on absolute and on squared coefficients."""
    return candidate.get("l1_regularization", 0.0), candidate["l2_regularization"]


def s_estimates_of(template, designs, candidates) -> dict:
    """Return the S-estimates of all rows for every penalty.

    Parameters
    ----------
    template : RobustRegressor
        With the parameters that all candidates share.
    designs : list of LocalDesign
        One for each target.
    candidates : list of dict

    Returns
    -------
    dict
        From penalties to the S-estimates of each target, a tuple. Empty if fits do not begin
        there.
    """
    found: dict = {}
    if not isinstance(template.init, str) or template.init != "s":
        return found
    penalties = {penalty_of(candidate) for candidate in candidates}
    for l2 in sorted({l2 for _, l2 in penalties}):
        falling = sorted((l1 for l1, of in penalties if of == l2 and l1 > 0.0), reverse=True)
        template.set_params(l2_regularization=l2)
        paths = [fits().s_estimates_of_path(template, design, falling) for design in designs]
        found |= {
            (l1, l2): [(one,) for one in of]
            for l1, of in zip(falling, zip(*paths, strict=True), strict=True)
        }
        if (0.0, l2) in penalties:
            found[0.0, l2] = [fits().s_estimates(template, design) for design in designs]
    return found


def results_of(candidates, folds):
    """Return the results of the folds in the form of ``GridSearchCV``."""
    results = {}
    for name in ("fit_time", "score_time"):
        times = np.array([getattr(fold, name + "s") for fold in folds])
        results[f"mean_{name}"], results[f"std_{name}"] = times.mean(axis=0), times.std(axis=0)
    for name in candidates[0]:
        values = [candidate[name] for candidate in candidates]
        mixed = any(isinstance(value, str) for value in values)
        results[f"param_{name}"] = np.ma.array(values, dtype=object if mixed else float)
    results["params"] = candidates
    scores = np.array([fold.scores for fold in folds])
    results |= {f"split{k}_test_score": of for k, of in enumerate(scores)}
    mean = scores.mean(axis=0)
    results["mean_test_score"], results["std_test_score"] = mean, scores.std(axis=0)
    least = np.nanmin(mean, initial=0.0) - 1.0
    ranks = rankdata(-np.nan_to_num(mean, nan=least), method="min")
    results["rank_test_score"] = ranks.astype(np.int32)
    return results
