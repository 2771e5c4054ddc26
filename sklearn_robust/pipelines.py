"""The last estimator of a pipeline or a search."""

from __future__ import annotations

from inspect import Parameter, signature

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter


def unwrapped(estimator):
    """Return the transformers of a pipeline and its last step, also of nested pipelines.

    A fitted search, such as ``GridSearchCV``, is replaced by its best estimator.

    Returns
    -------
    transformers : list of estimator
        In the order in which they transform X.
    last : estimator
    """
    transformers: list = []
    while True:
        estimator = getattr(estimator, "best_estimator_", estimator)
        if not isinstance(estimator, Pipeline):
            return transformers, estimator
        steps = [step for _, step in estimator.steps]
        transformers += [s for s in steps[:-1] if s is not None and not isinstance(s, str)]
        estimator = steps[-1]


def last_of(estimator, X):
    """Return the last step of a pipeline or search, and X transformed by the others."""
    transformers, last = unwrapped(estimator)
    for transformer in transformers:
        X = transformer.transform(X)
    return last, X


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
