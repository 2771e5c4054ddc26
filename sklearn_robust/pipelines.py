"""The last estimator of a pipeline or a search."""

from __future__ import annotations

from sklearn.pipeline import Pipeline


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
