"""What stands around an estimator: pipelines, searches, transformations of the target."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter


@dataclass(frozen=True)
class Unwrapped:
    """An estimator without what stands around it.

    Attributes
    ----------
    steps : list of (str, estimator)
        The transformers of X by their names, in the order in which they transform.
    of_target : list of transformer
        The transformers of y, in the order in which they transform.
    last : estimator
    path : str
        How ``last`` is read from the outermost estimator, such as ".regressor_[-1]".
    """

    steps: list
    of_target: list
    last: Any
    path: str

    def transform(self, X):
        """Return X as the last estimator gets it."""
        for _, transformer in self.steps:
            X = transformer.transform(X)
        return X


def unwrapped(estimator) -> Unwrapped:
    """Return the last estimator of pipelines, searches and ``TransformedTargetRegressor``.

    They may be nested. A fitted search, such as ``GridSearchCV``, is replaced by its best
    estimator. What has not been fitted is the last estimator.
    """
    steps: list = []
    of_target: list = []
    path = ""
    while True:
        # Not by getattr: a ReweightedRegressor hands on the attributes of the regressor in it.
        own = getattr(estimator, "__dict__", {})
        if "best_estimator_" in own:
            estimator = estimator.best_estimator_
            path += ".best_estimator_"
        elif isinstance(estimator, Pipeline):
            steps += [
                (name, step)
                for name, step in estimator.steps[:-1]
                if step is not None and not isinstance(step, str)
            ]
            estimator = estimator.steps[-1][1]
            path += "[-1]"
        elif "regressor_" in own and "transformer_" in own:
            # A TransformedTargetRegressor, whose class would take long to import.
            of_target.append(estimator.transformer_)
            estimator = estimator.regressor_
            path += ".regressor_"
        else:
            return Unwrapped(steps, of_target, estimator, path)


def weight_parameter(estimator) -> str | None:
    """Return the name under which ``fit`` takes sample weights, or None where it takes none.

    A pipeline takes those of its last step under a name that begins with that of the step; a
    search or a ``TransformedTargetRegressor`` hands on what it is given.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        within = weight_parameter(last)
        return None if within is None else f"{name}__{within}"
    if has_fit_parameter(estimator, "sample_weight"):
        return "sample_weight"
    hands_on = any(
        parameter.kind is Parameter.VAR_KEYWORD
        for parameter in signature(estimator.fit).parameters.values()
    )
    if not hands_on:
        return None
    wrapped = getattr(estimator, "estimator", getattr(estimator, "regressor", None))
    return None if wrapped is None else weight_parameter(wrapped)
