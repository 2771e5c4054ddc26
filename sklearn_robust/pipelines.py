"""What a pipeline or a search ends in."""

from __future__ import annotations

from sklearn.pipeline import Pipeline


def unwrapped(estimator):
    """Return the steps before the last of a pipeline, and the last; however they are nested.

    Of a search that was refitted, such as ``GridSearchCV``, it is the best estimator's.

    Returns
    -------
    transformers : list of estimator
        In the order in which X goes through them.
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
    """Return the last step of a pipeline or search, and X as that sees it."""
    transformers, last = unwrapped(estimator)
    for transformer in transformers:
        X = transformer.transform(X)
    return last, X
