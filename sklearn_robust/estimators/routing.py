"""Where metadata of ``fit`` go in estimators that hold rows out."""

from __future__ import annotations

from inspect import signature

import sklearn
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, get_routing_for_object


def routing_is_on() -> bool:
    """Return whether scikit-learn routes metadata."""
    return sklearn.get_config()["enable_metadata_routing"]


def router_to_splitter(estimator) -> MetadataRouter:
    """Return the router of an estimator whose ``fit`` splits the rows by its ``cv``."""
    return (
        # The owner is a name: scikit-learn 1.6 copies it, and not every cv can be copied.
        MetadataRouter(owner=type(estimator).__name__)
        .add_self_request(estimator)
        .add(
            splitter=check_cv(estimator.cv),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
    )


def check_only_groups(params):
    """Raise unless ``groups`` are all that ``fit`` is given besides the rows and their weights."""
    unknown = sorted(set(params) - {"groups"})
    if unknown:
        raise TypeError(
            f"fit must be given X, y, sample_weight or groups, got {unknown}; others need metadata "
            "routing."
        )


def takes_weights(scorer):
    """Return whether ``GridSearchCV`` without metadata routing gives a scorer ``sample_weight``."""
    request = getattr(get_routing_for_object(scorer), "score", None)
    if request is not None and "sample_weight" in request.requests:
        return True
    # A scorer of make_scorer has the parameter even where its metric does not, and then fails.
    # Before scikit-learn 1.9 its request does not list what the metric takes.
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in signature(function).parameters
