"""Search of planes with a small M-scale if some columns are level columns.

A plane through a few random rows gives a rare level the coefficient of one row. The levels are
therefore treated separately, as in the M-S-estimates of Maronna & Yohai (2000). A convex fit
removes them from y and from the numeric columns, and slopes are searched in the residuals. Given
the slopes, a convex fit gives the coefficients of the levels. S-steps of all coefficients and moves
of single levels follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..design.levels import Blocks, fit_levels
from ..design.packed import PackedRows
from ..scales import SHRINKAGE
from . import s_search

_ROUGH = {"tol": 1e-3, "steps": 15, "rounds": 3}
_BETTER = {"tol": 1e-5, "steps": 30, "rounds": 2}
_FINE = {"tol": 1e-7, "steps": 200, "rounds": 5}
"""Relative change of the scale at which S-steps end, the most steps, and the most rounds of S-steps
and level moves."""
_FOLLOWED = 4
"""Candidates that are iterated to convergence."""
_REDRAWS = 40
"""Number of random changes of level coefficients of the best plane."""
_REDRAWN = 0.2
"""Share of the levels that a random change concerns."""
_REDRAW_STEPS = 8
"""S-steps after which a changed plane is compared with the best."""
_PROMISING, _CLOSE = 1.02, 1.001
"""Scales, relative to the best, below which a changed plane is refined further, and fully."""
_LOWER = 1.0 - 1e-9
"""Ratio of two scales below which the first is lower by more than rounding."""


@dataclass
class Candidate:
    """A plane during the search.

    Attributes
    ----------
    plane : ndarray
        Coefficients of the orthonormal combinations of the numeric columns.
    coefs : ndarray
        Coefficients of the moves of the levels.
    residuals : ndarray
    scale : float
    value : float
        The criterion: the M-scale, or with a penalty the root of its square plus the penalty.
    """

    plane: np.ndarray
    coefs: np.ndarray
    residuals: np.ndarray
    scale: float = 0.0
    value: float = math.inf

    def copy(self) -> Candidate:
        """Return an independent copy."""
        return Candidate(self.plane.copy(), self.coefs.copy(), self.residuals.copy(), self.scale)


class LevelSearch:
    """The search on one block of rows.

    Parameters
    ----------
    numeric : ndarray of int
        The positions of the numeric columns among the parameters; the intercept is the last.
    block : PackedRows
        All rows, with the numeric columns and the column of ones only.
    levels : Blocks
    half : float
        The case-weighted sum of rho that defines the M-scale.
    floor : float
        The least scale, in the unit of y.
    penalty : ndarray of shape (n_parameters,)
        Factor of half the squared parameters, which are added to half the squared scale.
    """

    def __init__(self, numeric, block: PackedRows, levels: Blocks, *, half, floor, penalty):
        self._numeric, self._block, self._levels = numeric, block, levels
        self._unit = s_search.unit_of(block.y)
        self._half, self._floor, self._penalty = half, floor / self._unit, penalty
        self._y, self._cases = s_search.in_units(block.y, self._unit), block.cases
        columns = block.columns.T
        self._root = s_search.root_of(columns, s_search.far_weights(columns))
        self._Z = np.ascontiguousarray((columns @ self._root).T)
        self._inverse = np.linalg.pinv(self._root)
        shrunk = SHRINKAGE * self._cases.sum() * penalty
        self._ridge = (self._root.T * shrunk[numeric]) @ self._root
        self._level_ridge = np.zeros(self._levels.n_moves)
        self._indifferent = np.zeros((2, self._levels.n_moves))
        self._level_ridge[: len(self._levels.columns)] = shrunk[self._levels.columns]

    def best(self, given, random_state) -> np.ndarray:
        """Return different parameters of small M-scale, the best first, at most four.

        Parameters
        ----------
        given : ndarray of shape (n_given, n_parameters)
            Further parameters to start from.
        random_state : RandomState
        """
        starts = [self._split(params / self._unit) for params in given]
        starts += self._from_numeric_columns(random_state)
        found = [self._refined(one, **_ROUGH) for one in starts]
        found.sort(key=lambda one: one.value)
        found = [self._refined(one, **_FINE) for one in found[:_FOLLOWED]]
        found.append(self._redrawn(min(found, key=lambda one: one.value), random_state))
        found.sort(key=lambda one: one.value)
        return self._unit * np.array([self._joined(one) for one in found])

    # ---- parameters and candidates ----

    def _split(self, params) -> Candidate:
        coefs = np.zeros(self._levels.n_moves)
        coefs[: len(self._levels.columns)] = params[self._levels.columns]
        rest = params - self._levels.directions @ coefs
        return self._candidate(self._inverse @ rest[self._numeric], coefs)

    def _joined(self, one: Candidate) -> np.ndarray:
        params = self._levels.directions @ one.coefs
        params[self._numeric] += self._root @ one.plane
        return params

    def _candidate(self, plane, coefs) -> Candidate:
        residuals, own = self._y - plane @ self._Z, np.zeros(self._levels.n_moves)
        kernels.change_blocks(coefs, *self._levels.arrays, residuals, own)
        return Candidate(plane, own, residuals)

    def _measure(self, one: Candidate):
        """Compute scale and criterion of a candidate."""
        one.scale = kernels.m_scale(
            one.residuals, self._cases, self._half, self._floor, one.scale, 1e-10,
            np.empty(len(one.residuals)),
        )  # fmt: skip
        one.value = one.scale
        if np.any(self._penalty):
            params = self._joined(one)
            one.value = math.hypot(one.scale, math.sqrt(np.dot(self._penalty * params, params)))

    # ---- candidates from the numeric columns ----

    def _from_numeric_columns(self, random_state) -> list[Candidate]:
        """Return candidates with slopes found after the levels are removed from y and columns."""
        n_slopes = self._block.n_features
        numeric = self._block.columns[:n_slopes]
        if n_slopes == 0:
            return [self._given_slopes(np.empty(0))]
        left = np.array([self._without_levels(values)[0] for values in (*numeric, self._y)])
        found = s_search.search(
            PackedRows(left[:-1], left[-1], self._cases, n_slopes), half=self._half,
            floor=self._floor,
            penalty=self._penalty[self._numeric[:n_slopes]], given=np.zeros((1, n_slopes)),
            random_state=random_state,
        )  # fmt: skip
        return [self._given_slopes(slopes) for slopes in found]

    def _given_slopes(self, slopes) -> Candidate:
        left = self._y - slopes @ self._block.columns[: len(slopes)]
        _, constant, coefs = self._without_levels(left)
        with_ones = len(self._numeric) > len(slopes)
        slopes = np.append(slopes, constant) if with_ones else slopes
        return self._candidate(self._inverse @ slopes, coefs)

    def _without_levels(self, values):
        """Return residuals, constant and coefficients of a convex fit of the levels."""
        return fit_levels(values, self._cases, self._levels, self._level_ridge)

    # ---- refinement ----

    def _s_steps(self, one: Candidate, tol, steps):
        one.scale = kernels.refine_mixed(
            self._Z, self._cases, self._half, self._floor, self._ridge, *self._levels.arrays,
            self._level_ridge, tol, steps, one.plane, one.coefs, one.residuals, one.scale,
        )  # fmt: skip
        self._measure(one)

    def _refined(self, one: Candidate, *, tol, steps, rounds) -> Candidate:
        """Improve a candidate in place by alternating S-steps and level moves."""
        self._measure(one)
        for _ in range(rounds):
            if one.scale > self._floor:
                self._s_steps(one, tol, steps)
            c = kernels.CONSTANT * one.scale
            if one.scale <= self._floor:
                break
            _, n_moved = kernels.move_blocks(
                one.residuals, self._cases, kernels.GENERAL, -math.inf, c, *self._levels.arrays,
                self._level_ridge / c**2, one.coefs, *self._indifferent,
            )  # fmt: skip
            if n_moved == 0:
                break
            self._measure(one)
        return one

    def _redrawn(self, best: Candidate, random_state) -> Candidate:
        """Return the best plane found after fitting random levels to a few of their rows."""
        n_blocks, widest = len(self._levels.widths), int(self._levels.widths.max())
        for _ in range(_REDRAWS if best.scale > self._floor else 0):
            draws = random_state.uniform(size=(n_blocks, 3 * widest + 2))
            draws[random_state.uniform(size=n_blocks) >= _REDRAWN, 0] = -1.0
            one = best.copy()
            kernels.redraw_blocks(draws, *self._levels.arrays, one.residuals, one.coefs)
            self._measure(one)
            self._s_steps(one, _BETTER["tol"], _REDRAW_STEPS)
            if one.value <= _PROMISING * best.value:
                self._refined(one, **_BETTER)
                if one.value <= _CLOSE * best.value:
                    self._refined(one, **_FINE)
                if one.value < _LOWER * best.value:
                    best = one
        return best
