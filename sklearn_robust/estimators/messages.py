"""What the one warning of a fit says."""

from __future__ import annotations

import math

from .targets import TargetFit

_NO_WEIGHT = 1e-12
"""If no robust weight is above this, the fit has rejected every row."""
_NAMED = 10
"""Columns that a warning names, at most."""
_NO_SCALE = (
    "so the residual scale is zero to rounding; scale_ is the least that rounding allows, or comes "
    "from the rows that are further off."
)


def messages_about(estimator, found: list[TargetFit], n_unconverged=0):
    """Return what to warn of, about all targets, and whether all fits converged.

    Parameters
    ----------
    estimator : RobustLinearModel
    found : list of TargetFit
    n_unconverged : int
        Fits of folds that did not converge.
    """
    messages = []
    loss, alpha = getattr(estimator, "loss", "general"), getattr(estimator, "alpha", -math.inf)
    if loss != "general" and alpha != -math.inf:
        messages.append(f"alpha={alpha:g} has no effect with loss={loss!r}.")
    converged = all(fit.converged or fit.exact for fit in found) and not n_unconverged
    if not converged:
        where = f" in {n_unconverged} fits of folds" if n_unconverged else ""
        messages.append(
            f"No convergence to tol={estimator.tol:g} in max_iter={estimator.max_iter} iterations"
            f"{where}; raise max_iter or tol."
        )
    if any(fit.largest_weight < _NO_WEIGHT for fit in found):
        messages.append(
            "No row has any weight: the scale is far below all residuals at the start, so the "
            "search could not move; give a larger scale."
        )
    messages += _about_exact_fits(estimator, found)
    n_at_floor = sum(fit.growth.n_at_floor for fit in found if fit.growth is not None)
    if n_at_floor:
        messages.append(
            f"The scale of {n_at_floor} rows is at its floor, because rows like them are "
            "fitted exactly."
        )
    if any(fit.few_believed for fit in found):
        messages.append(
            "Most rows are rejected: l1_regularization is so large beside scale_ that "
            "coefficients have gone to zero with the rows; use a smaller penalty, a larger "
            "scale or alpha=1."
        )
    return messages + _about_rejected_rows(estimator, found), converged


def _about_exact_fits(estimator, found):
    messages = []
    exact = [fit for fit in found if fit.exact]
    if exact:
        n_rows = min(fit.n_cases for fit in exact)
        n_coefs = estimator.n_features_in_ + bool(estimator.fit_intercept)
        few = (
            f" {n_rows:.10g} rows are too few for {n_coefs} coefficients."
            if n_rows <= n_coefs
            else ""
        )
        messages.append(f"More than half of the rows are fitted exactly, {_NO_SCALE}{few}")
    if any(fit.vanished and not fit.exact for fit in found):
        messages.append(
            f"More than half of the rows lie on a plane that is not the one fitted, {_NO_SCALE}"
        )
    return messages


def _about_rejected_rows(estimator, found):
    """Return what to say of columns whose coefficients rest on few of their rows."""
    messages = []
    unbelieved = sorted({column for fit in found for column in fit.unbelieved})
    if unbelieved:
        # A last number may be the intercept.
        columns = [k for k in unbelieved if k < estimator.n_features_in_]
        messages.append(
            "No believed row determines the coefficients of "
            f"{columns_named(estimator, columns)}: they come from a convex fit to rejected rows."
        )
    counts: dict = {}
    for fit in found:
        for column, *numbers in fit.mostly_rejected:
            if column not in unbelieved:
                counts.setdefault(column, numbers)
    if counts:
        several = len(counts) > 1
        shown = [
            f"{_named(estimator, k)} ({rejected:.10g} of {rows:.10g})"
            for k, (rejected, rows) in sorted(counts.items())
        ]
        messages.append(
            f"Most rows of level {'columns' if several else 'column'} {_listed(shown)} are "
            f"rejected: {'their coefficients fit' if several else 'its coefficient fits'} the "
            "others alone. Where a column stands for several categories, these may not be alike. "
            "inspection.rejected_levels lists all levels."
        )
    return messages


def columns_named(estimator, columns):
    """Return a phrase with the names of some columns, or their numbers if they have no names."""
    word = "column" if len(columns) == 1 else "columns"
    return f"{word} {_listed([_named(estimator, k) for k in columns])}"


def _named(estimator, column):
    """Return the name of a column in quotes, or its number if columns have no names.

    ``inspection`` knows the names that the steps of a pipeline give.
    """
    if hasattr(estimator, "_column_names"):
        return repr(estimator._column_names()[column])
    names = getattr(estimator, "feature_names_in_", None)
    return str(column) if names is None else repr(str(names[column]))


def _listed(names):
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
