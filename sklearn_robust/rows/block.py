"""Few rows, packed and standardised, for searches that do not leave compiled code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import kernels
from ..losses import Loss


@dataclass(frozen=True)
class Block:
    """A copy of a few rows.

    Attributes
    ----------
    columns : ndarray of shape (n_parameters, n_rows)
        Standardised, and ones where there is an intercept.
    y : ndarray of shape (n_rows,)
        Less what is taken off it first.
    cases : ndarray of shape (n_rows,)
        Case weights, positive.
    n_features : int
    """

    columns: np.ndarray
    y: np.ndarray
    cases: np.ndarray
    n_features: int

    @cached_property
    def equal(self) -> bool:
        """Whether every row counts once."""
        return bool(np.all(self.cases == 1.0))

    def reweighted(
        self, params, loss: Loss, scale, penalty, *, constant, newton, tol, max_iter,
        rounding,
    ):  # fmt: skip
        """Return what iteratively reweighted least squares finds, or None where it must not.

        The other parameters are those of ``kernels.reweighted``.

        Returns
        -------
        params : ndarray of shape (n_parameters,)
        scale : float
        converged : bool
        history : ndarray of shape (n_iter,)
            The mean loss and the penalty, both over c², at the beginning of each iteration.
        """
        params, history = params.copy(), np.empty(max_iter)
        n_iter, scale, converged, found = kernels.reweighted(
            self.columns, self.y, self.cases, penalty, self.n_features, loss.code, loss.alpha,
            scale, constant, newton, tol, max_iter, rounding, params, history,
        )  # fmt: skip
        return (params, scale, converged, history[:n_iter]) if found else None

    def most_likely(self, params, scale, alpha, penalty, table, *, bounds, tol, max_iter, rounding):
        """Return what a search of the likelihood finds, or None where it does not converge.

        The other parameters are those of ``kernels.most_likely``.

        Returns
        -------
        params : ndarray of shape (n_parameters,)
        scale, alpha : float
        history : ndarray of shape (n_iter,)
            The mean likelihood, with the penalty, at the beginning of each iteration.
        """
        params, history = params.copy(), np.empty(max_iter)
        n_iter, log_scale, alpha, converged = kernels.most_likely(
            self.columns, self.y, self.cases, penalty, self.n_features, table, bounds, tol,
            max_iter, rounding, math.log(scale), alpha, params, history,
        )  # fmt: skip
        return (params, math.exp(log_scale), alpha, history[:n_iter]) if converged else None
