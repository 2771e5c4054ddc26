"""Coefficients that no believed row determines."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.linalg import orth
from scipy.sparse import issparse

from ..design import LocalDesign
from ..design.algebra import gram
from ..design.residuals import robust_weights
from ..linear_algebra import InverseRoot
from ..problem import Objective

_BELIEVED = 1e-8
"""Robust weight up to which a row carries no information: a standard error from rows with this
weight alone would be ten thousand times an ordinary one."""
_NOTHING = 1e-7
"""Relative size of rounding errors in directions of the standardised parameters."""
_NAMED = 10
"""Most columns that a warning names."""
_NAMED_DEPENDENT = 5
"""Most dependent columns that a warning names; one of a category is enough to recognise it."""


def disbelieved(objective: Objective, params) -> np.ndarray:
    """Return the numbers of the rows to which a redescending loss gives no weight."""
    rows = cast(LocalDesign, objective.design)
    if not objective.loss.redescending:
        return np.empty(0, dtype=np.intp)
    weights = robust_weights(rows, params, objective.loss, objective.scale)
    return np.flatnonzero(weights <= _BELIEVED)


def root_of_believed(objective: Objective, params, without) -> InverseRoot:
    """Return the inverse root of a curvature whose null space is exact.

    Tiny weights leave directions with a tiny curvature, which is no information but not zero
    either. If there may be directions of this kind, the rows ``without`` are left out.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_parameters,)
    without : ndarray of int
        The numbers of the rows without information.
    """
    root = objective.curvature(params)[-1]
    # Standardised columns have unit size, so this bounds the curvature without believed rows.
    least = _BELIEVED * len(params)
    informed = root.null.size == 0 and root.norm**2 < 1.0 / least
    if informed or len(without) == 0 or not objective.problem.standardised_penalty.is_zero:
        return root
    if np.all(np.isin(cast(LocalDesign, objective.design).present(), without)):
        return InverseRoot(np.empty((len(params), 0)), np.eye(len(params)))
    others = objective.problem.on(objective.design.without(without))
    root = replace(objective, problem=others).curvature(params)[-1]
    # A curvature is a mean over the cases, and there are fewer now.
    share = objective.design.total_weight / others.design.total_weight
    return InverseRoot(root.root * math.sqrt(share), root.null)


@dataclass(frozen=True)
class Undetermined:
    """Coefficients and intercept that the believed rows do not determine.

    Attributes
    ----------
    columns : ndarray of bool of shape (n_names,)
        Columns of X that vary over all rows, but not over the believed rows.
    others : ndarray of bool of shape (n_names,)
        The other parameters that can change without changing the fitted values of believed rows.
    dependent : ndarray of bool of shape (n_names,)
        Parameters that can change without changing the fitted value of any row, because columns of
        X are dependent.
    """

    columns: np.ndarray
    others: np.ndarray
    dependent: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Whether a parameter is not determined."""
        return self.columns | self.others

    def of_dependent_columns(self, names) -> list[str]:
        """Return the sentences of a warning about dependent columns, if there are any."""
        which = [name for name, chosen in zip(names, self.dependent, strict=True) if chosen]
        if not which:
            return []
        slopes = [repr(name) for name in which if name != "intercept"]
        with_intercept = " with the intercept" if len(slopes) < len(which) else ""
        named = _listed(slopes, _NAMED_DEPENDENT)
        return [
            f"Columns of X are dependent{with_intercept}: {named}. Standard errors are those of "
            "the coefficients of least norm. Columns are not dependent if none is constant and one "
            'level of every category is left out: OneHotEncoder(drop="first").'
        ]

    def sentences(self, names, target=None) -> list[str]:
        """Return the sentences of a warning; ``target`` is the name of the target, if any."""
        of, said = "" if target is None else f" of target {target!r}", []
        for mask, before in (
            (self.columns, f"No row of {{}} is believed{of}: "),
            (self.others, f"The believed rows{of} do not determine {{}}: "),
        ):
            which = [repr(name) for name, chosen in zip(names, mask, strict=True) if chosen]
            if which:
                several = len(which) > 1
                word = "column" if mask is self.columns else "coefficient"
                listed = f"{word}{'s' if several else ''} {_listed(which)}"
                after = "their standard errors are" if several else "its standard error is"
                said.append(f"{before.format(listed)}{after} infinite.")
        return said


def undetermined(rows: LocalDesign, X, told, null) -> Undetermined:
    """Find the coefficients that the believed rows do not determine.

    Parameters
    ----------
    rows : LocalDesign
        All rows of the fit.
    X : {ndarray, sparse matrix} of shape (n_rows, n_features)
        The columns in the user's units.
    told : ndarray of bool of shape (n_rows,)
        Whether a row is believed.
    null : ndarray of shape (n_parameters, n_null)
        Orthonormal directions of the standardised parameters along which the fitted values of
        believed rows do not change.
    """
    columns, n_slopes = rows.columns, rows.columns.n_slopes
    present = np.zeros(rows.n_rows, dtype=bool)
    present[rows.present()] = True
    told = told & present
    flagged, others = np.zeros((2, columns.n_parameters), dtype=bool)
    jacobian = columns.jacobian()
    if np.all(told[present]):
        return Undetermined(flagged, others, _moved(null, jacobian))
    values, constant = _values_of_constant(X, told, columns.has_intercept)
    flagged[:n_slopes] = constant & ~_values_of_constant(X, present, columns.has_intercept)[1]
    of_no_row = null
    if null.shape[1] > 0:
        squares, turned = np.linalg.eigh(gram(rows, null, np.ones(rows.n_present)))
        # Directions along which no fitted value changes, of believed rows or others.
        of_no_row = null @ turned[:, squares <= _NOTHING**2]
        which = np.flatnonzero(flagged)
        alone = np.zeros((len(flagged), len(which)))
        alone[which, np.arange(len(which))] = 1.0
        if columns.has_intercept:
            alone[-1] = (columns.zero[which] - values[which]) / columns.unit[which]
            alone[-1] *= columns.intercept_unit
        accounted = np.hstack([of_no_row, alone / np.linalg.norm(alone, axis=0)])
        others = _moved(_beyond(null, accounted), jacobian) & ~flagged
    return Undetermined(flagged, others, _moved(of_no_row, jacobian))


def _values_of_constant(X, which, any_value):
    """Return the least values of the columns in some rows, and which columns are constant there.

    Without ``any_value`` the constant has to be zero, because there is no intercept to absorb it.
    """
    if not np.any(which):
        return np.zeros(X.shape[1]), np.ones(X.shape[1], dtype=bool)
    if issparse(X):
        low, high = (np.ravel(of(axis=0).toarray()) for of in (X[which].min, X[which].max))
    else:
        options = {"axis": 0, "where": which[:, None]}
        low = np.min(X, initial=np.inf, **options)
        high = np.max(X, initial=-np.inf, **options)
    return low, (low == high) & (any_value | (low == 0.0))


def _beyond(directions, others):
    """Return an orthonormal basis of some directions after projection off others."""
    if others.shape[1]:
        basis = orth(others, rcond=_NOTHING)
        directions = directions - basis @ (basis.T @ directions)
    left, sizes, _ = np.linalg.svd(directions, full_matrices=False)
    return left[:, sizes > _NOTHING]


def _moved(directions, jacobian):
    """Return which coefficients, in the user's units, change along some directions."""
    change = np.max(np.abs(jacobian @ directions), axis=1, initial=0.0)
    return change > _NOTHING * np.sum(np.abs(jacobian), axis=1)


def _listed(names, most=_NAMED) -> str:
    """Return the first few names as a phrase."""
    shown, hidden = names[:most], len(names) - most
    if hidden > 0:
        return f"{', '.join(shown)} and {hidden} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
