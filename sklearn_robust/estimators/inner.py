"""The regressor inside a ReweightedRegressor: its seeds, its weights, its fits."""

from __future__ import annotations

from functools import partial

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_predict

from ..pipelines import weight_parameter

_LARGEST_SEED = 2**31 - 1
_MOST_PARTS = 5


def check_inner(estimator):
    """Raise unless ``estimator`` is a regressor that takes sample weights."""
    usable = hasattr(estimator, "fit") and hasattr(estimator, "predict")
    if isinstance(estimator, type) or not usable or is_classifier(estimator):
        raise ValueError(f"estimator must be a regressor, got {estimator!r}.")
    if weight_parameter(estimator) is None:
        raise ValueError(
            "estimator must be a regressor whose fit takes sample_weight, such as "
            "HistGradientBoostingRegressor, RandomForestRegressor, KernelRidge, Ridge or SVR, or a "
            f"pipeline that ends in one, got {estimator!r}, whose fit takes none."
        )


def splits_of(cv, X, y, **params):
    """Return the rows of every fold; raise unless every row is held out once."""
    splits = list(cv.split(X, y, **params))
    held_out = np.sort(np.concatenate([np.arange(len(y))[test] for _, test in splits]))
    if not np.array_equal(held_out, np.arange(len(y))):
        raise ValueError(
            f"cv must hold every row out once, got {cv!r}, which holds {len(held_out)} rows out "
            f"of {len(y)}, some of them never or repeatedly."
        )
    return splits


class Inner:
    """A regressor and the rows it is fitted to, at robust weights that differ from fit to fit.

    Parameters
    ----------
    estimator : regressor
        Cloned; every ``random_state`` in it that is None becomes the same number in all fits:
        weights that follow the luck of a forest would not come to rest.
    random_state : RandomState
    X, y
        The data.
    cases : ndarray of shape (n_samples,) or None
        Case weights.
    """

    def __init__(self, estimator, random_state, X, y, cases):
        seed = int(random_state.randint(_LARGEST_SEED))
        unseeded = {
            name: seed
            for name, value in estimator.get_params().items()
            if value is None and name.split("__")[-1] == "random_state"
        }
        self._estimator = clone(estimator).set_params(**unseeded)
        self._name = weight_parameter(estimator)
        self._X, self._y, self._cases = X, y, cases

    def fitted(self, weights):
        """Return the regressor fitted to all rows at robust weights.

        One that is set to start warm from coefficients goes on from those of the fit before.
        """
        resumes = self._estimator.get_params().get("warm_start", False)
        before = self._estimator
        estimator = before if resumes and hasattr(before, "coef_") else clone(before)
        self._fit(estimator, weights)
        if resumes:
            self._estimator = estimator
        return estimator

    def _fit(self, estimator, weights):
        # Within a fit of this class there is one thing to pass on, and it is known where to.
        with sklearn.config_context(enable_metadata_routing=False):
            return estimator.fit(self._X, self._y, **self._params(weights))

    def train(self, weights):
        """Return the residuals of the fit to all rows at robust weights."""
        return self._residuals(self.fitted(weights).predict(self._X))

    def held_out(self, splits, n_jobs):
        """Return the function that returns the residuals of held-out rows at robust weights."""
        return partial(self._held_out, splits, n_jobs)

    def _held_out(self, splits, n_jobs, weights):
        with sklearn.config_context(enable_metadata_routing=False):
            predicted = cross_val_predict(
                self._estimator, self._X, self._y, cv=splits, n_jobs=n_jobs,
                params=self._params(weights),
            )  # fmt: skip
        return self._residuals(predicted)

    def of_parts(self, splits):
        """Return the function that returns residuals from the median of fits to a few parts.

        The parts are the rows that are held out together, joined if they are more than five. Every
        row is predicted by the fits to the other parts. None if there are fewer than three parts,
        or a part has no weight.
        """
        n_parts = min(len(splits), _MOST_PARTS)
        parts = np.zeros((n_parts, len(self._y)))
        for number, (_, test) in enumerate(splits):
            parts[number % n_parts, test] = 1.0
        cases = np.ones(len(self._y)) if self._cases is None else self._cases
        return partial(self._of_parts, parts) if n_parts > 2 and np.all(parts @ cases) else None

    def _of_parts(self, parts, weights):
        predicted = np.empty(parts.shape)
        for part, of_part in zip(parts, predicted, strict=True):
            # Not of its rows alone: encoders have to see every category.
            fitted = self._fit(clone(self._estimator), weights * part)
            of_part[:] = np.reshape(fitted.predict(self._X), len(part))
        others = np.ma.array(predicted, mask=parts == 1.0)
        return self._residuals(np.ma.median(others, axis=0).filled(np.nan))

    def _residuals(self, predicted):
        residuals = self._y - np.reshape(predicted, len(self._y))
        if not np.all(np.isfinite(residuals)):
            raise ValueError(
                f"estimator must predict finite numbers, got NaN or infinity from "
                f"{self._estimator!r}."
            )
        return residuals

    def _params(self, weights):
        if self._cases is None and np.all(weights == 1.0):
            return {}  # histogram boosting of equal weights takes several times as long
        return {self._name: weights if self._cases is None else self._cases * weights}
