"""Search of planes with a small M-scale, for the S-estimate of a block of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from .. import kernels
from ..design.packed import PackedRows
from ..scales import SHRINKAGE, abs_residual_quantile

_DRAWN, _DRAW_WORK = (20, 500), 1_000_000
"""Least and largest number of planes through elemental subsets (as few rows as determine a plane),
and the multiplications to spend on one step of each of them."""
_MORE, _MORE_WORK = (20, 200), 3_000_000
"""The same for each further batch, if there may be several minima."""
_BATCHES, _MEETINGS, _FEW_MEETINGS = 60, 14, 3
"""Most further batches, and the number of them that must lead to the best minimum: if rows are far
off or few, and if there only seems to be another minimum. That is often a plane which has not yet
converged to the best one."""
_MOST_WORK = 500_000_000
"""Most multiplications for drawn planes, even if fewer than the least number are drawn."""
_ALL_WORK = 5_000_000
"""Multiplications up to which the planes through all elemental subsets are tried."""
_PART_WORK = 40_000_000
"""Multiplications to spend on planes fitted to halves of the rows."""
_REFINE_WORK = 2_000_000_000
"""Most multiplications in a stage of the refinement, which has at least a few steps."""
_LEAST_STEPS = 3
"""Least number of steps in a stage of the refinement."""
_ROUGH, _SHARP = 0.2, 1e-2
"""Relative errors of scales: before a step, and for comparisons."""
_FIRST, _BATCH, _NEAR = (8, 3), (15, 8), (20, 8)
"""How many planes take further steps, and how many of these are iterated to near convergence: of
the first candidates, of each further batch, and near the best minimum."""
_STEPS = 4
"""Number of further steps."""
_RETURNED = 3
"""Most planes that are returned."""
_END, _MOST_STEPS = 5e-3, 50
"""Length of a step, in scales, at which a plane has nearly converged; most steps until then."""
_RIVAL = 1.2
"""Largest ratio of the scale of another minimum to the least, for the search to go on."""
_CROWDED = 10
"""With fewer rows per parameter there are often several minima."""
_ROUNDS = 3
"""Most rounds in which planes near the best one are tried."""
_MORE_STEPS = 1000
"""Approximate number of steps of the longer search, which is left out if they are too much work."""
_EXCHANGED = 20
"""Number of rows that are taken into the fit one at a time, and of rows that are taken out."""
_BELIEVED = 0.05
"""Rows with a larger robust weight are believed."""
_FAR = 10.0
"""Rows further off than this, in median deviations of a column, count less in the coordinates."""
_CONCENTRATED, _CONCENTRATED_WORK = 2, 200_000_000
"""Steps towards the most concentrated half of the rows in X, and the multiplications in a Gram
matrix above which there are none."""
_ALONE = 1e-8
"""If 1 - leverage is below this, the row determines its fitted value alone; it is not deleted."""
_SAME = 0.02
"""Planes whose root mean square difference, in scales, is below this count as the same."""
_APART = 0.04
"""Planes that have nearly converged and are further apart than this are different minima."""
_LOWER = 1.0 - 1e-6
"""Ratio of two criteria below which the first is lower by more than their errors."""
_LEAST_LEVERAGE = 1e-100
"""Lower bound on leverage, to avoid a division by zero."""
_TINY = 1e-9
"""Added to the diagonal of a curvature, relative to its mean, so that it is not singular."""


def search(block: PackedRows, *, half, floor, penalty, given, random_state):
    """Return different planes that are nearly local minima of the M-scale, the best first.

    Candidates are the given planes, and least squares on halves of the rows that are cut at the
    principal sensitivity components of Peña & Yohai (1999), which point to groups of outliers that
    mask each other. Further candidates are least squares on the half that is most concentrated in
    X, and planes through elemental subsets. All subsets are used if they are few; otherwise they
    are drawn at random. Rows that depend on others in a subset are skipped. Each candidate takes a
    step before they are compared, and the best are refined further (Salibian-Barrera & Yohai
    2006). If rows are far off in X or few for the number of columns, more planes are drawn and
    refined, and the neighbourhood of the best is searched. If only several minima seem to have been
    found, a few more are drawn.

    Parameters
    ----------
    block : PackedRows
    half : float
        The case-weighted sum of rho that defines the M-scale.
    floor : float
        The least scale, in the unit of y.
    penalty : ndarray of shape (n_parameters,)
        Factor of half the squared parameters, which are added to half the squared scale.
    given : ndarray of shape (n_given, n_parameters)
    random_state : RandomState

    Returns
    -------
    ndarray of shape (n_planes, n_parameters)
        At least one, at most three.
    """
    y, cases = block.y, block.cases
    far = distances(block.columns.T)
    root = root_of(block.columns.T, np.minimum(1.0, _FAR / far) ** 2)
    if root.shape[1] == 0:
        return given
    unit = unit_of(y)
    target = in_units(y, unit)
    Z = np.ascontiguousarray(root.T @ block.columns)
    rows = _Rows(Z, target, cases, half, floor / unit, (root.T * penalty) @ root)
    basis = None  # of the columns, unless far rows or case weights made Z another one
    if np.max(far) <= _FAR and block.equal:
        basis = Z.T / math.sqrt(len(y))
    parts = np.vstack([
        _halves(Z.T, target, cases, basis), *_concentrated(Z, cases, far),
        cases * (far <= 0.5 * _FAR),
    ])  # fmt: skip
    planes = np.vstack([
        np.linalg.lstsq(root, given.T / unit)[0].T, rows.fitted(parts),
        rows.drawn(_DRAWN, _DRAW_WORK, random_state),
    ])  # fmt: skip
    planes, scales = rows.minima(planes, *_FIRST)
    if scales[0] > rows.floor and rows.cheap:
        if _are_doubtful(far, len(Z)):
            planes, scales = rows.met_again(planes, scales, _MEETINGS, random_state)
            planes, scales = rows.descended(planes, scales)
        elif rows.several(planes, scales):
            planes, scales = rows.met_again(planes, scales, _FEW_MEETINGS, random_state)
    return unit * (planes[:_RETURNED] @ root.T)


def may_have_several_minima(block: PackedRows) -> bool:
    """Return whether rows are far off in X, or few for the number of columns."""
    return _are_doubtful(distances(block.columns.T), len(block.columns))


def _are_doubtful(far, n_columns):
    return bool(np.max(far) > _FAR or len(far) < _CROWDED * n_columns)


def unit_of(y):
    """Return the unit of y in which ordinary targets are about 1."""
    return abs_residual_quantile(y, 0.75) or float(np.max(np.abs(y))) or 1.0


def in_units(y, unit):
    """Return targets in a unit, clipped so that their squares do not overflow."""
    with np.errstate(over="ignore"):
        return np.clip(y / unit, -1e150, 1e150)


def distances(columns):
    """Return the largest distance of a row from a column's median, in deviations of the column."""
    values = np.ascontiguousarray(columns.T)
    apart = np.abs(values - _medians(values))
    ordinary = _medians(apart)
    spread = np.where(ordinary > 0.0, ordinary, apart.mean(axis=1, keepdims=True))
    return np.max(apart / np.where(spread > 0.0, spread, 1.0), axis=0, initial=1e-300)


def _medians(values):
    """Return the upper median of each row."""
    middle = values.shape[1] // 2
    return np.partition(values, middle, axis=1)[:, middle, None]


def far_weights(columns):
    """Return weights of the rows for the coordinates, below 1 for rows far off."""
    return np.minimum(1.0, _FAR / distances(columns)) ** 2


def root_of(columns, weights):
    """Return the matrix that makes weighted columns orthonormal, without dependent ones."""
    upper = np.linalg.qr(np.sqrt(weights)[:, None] * columns, mode="r")
    sizes = np.sqrt(np.einsum("ij,ij->j", upper, upper))
    sizes[sizes == 0.0] = 1.0
    _, singular, right = np.linalg.svd(upper / sizes)
    kept = singular > len(columns) * np.finfo(np.float64).eps * singular.max(initial=0.0)
    kept = kept & (singular > 0.0)
    return right[: len(kept)][kept].T / sizes[:, None] / singular[kept] * math.sqrt(len(columns))


def _halves(rows, y, cases, basis=None):
    """Return case weights of the halves of the rows cut at the sensitivity components.

    The shape is (n_halves, n_rows); the first has all rows. ``basis`` is an orthonormal basis of
    the columns of ``rows`` times the roots of the case weights, if it is known.
    """
    m, r = rows.shape
    size = max(m // 2, min(r + 1, m))
    cases = cases * max(1.0, m / cases.sum())  # weights with a small sum are proportions
    roots = np.sqrt(cases)[:, None]
    orthonormal = np.linalg.qr(roots * rows)[0] if basis is None else basis
    fitted = orthonormal @ (orthonormal.T @ (roots[:, 0] * y))
    left = 1.0 - np.einsum("ij,ij->i", orthonormal, orthonormal) / cases
    alone = left < _ALONE
    deleted = (y - fitted / roots[:, 0]) / np.where(alone, 1.0, left)
    changes = orthonormal * np.where(alone, 0.0, deleted)[:, None]
    directions = np.linalg.eigh(changes.T @ changes)[1][:, ::-1]
    most = max(int(_PART_WORK / (3 * m * r * r)), 1)
    values = directions[:, :most].T @ (orthonormal / roots).T
    ordered = np.partition(values, (m - size, size - 1), axis=1)
    sizes = np.abs(values)
    middle = np.partition(sizes, size - 1, axis=1)[:, size - 1, None]
    low, high = ordered[:, size - 1, None], ordered[:, m - size, None]
    cuts = np.stack([values <= low, values >= high, sizes <= middle], axis=1).reshape(-1, m)
    return cases * np.vstack([np.ones(m, dtype=bool), cuts])


def _concentrated(Z, cases, far):
    """Yield case weights of halves of the rows, each more concentrated in X than the last.

    These are steps of Rousseeuw & Van Driessen (1999) towards the least determinant. The first half
    has the rows that are not far off in any column. Each further half has the rows of least
    leverage with respect to the previous one.
    """
    r, m = Z.shape
    size = max(m // 2 + 1, min(r + 1, m))
    for _ in range(_CONCENTRATED if m * r * r <= _CONCENTRATED_WORK else 0):
        weights = cases * (far <= np.partition(far, size - 1)[size - 1])
        yield weights
        inverse = np.linalg.inv(_regular((Z * weights) @ Z.T))
        far = np.einsum("ij,ij->j", Z, inverse @ Z)


def _regular(gram):
    """Return the matrix with a small multiple of the identity added, so that it has an inverse."""
    return gram + (_TINY * np.trace(gram) / len(gram) or 1.0) * np.eye(len(gram))


@dataclass(frozen=True)
class _Rows:
    """Rows in orthonormal coordinates, and the search of planes.

    Attributes
    ----------
    Z : ndarray of shape (n_coordinates, n_rows)
    y, cases : ndarray of shape (n_rows,)
    half, floor : float
        As of :func:`search`.
    ridge : ndarray of shape (n_coordinates, n_coordinates)
        The matrix of the quadratic form of the penalty.
    """

    Z: np.ndarray
    y: np.ndarray
    cases: np.ndarray
    half: float
    floor: float
    ridge: np.ndarray

    @cached_property
    def _penalised(self):
        return bool(np.any(self.ridge))

    @cached_property
    def _shrunk(self):
        return SHRINKAGE * self.cases.sum() * self.ridge

    @property
    def _work(self):
        """Return the approximate multiplications in a step of a plane; exp counts as 30."""
        r, m = self.Z.shape
        return m * (r * (r + 4) // 2 + 30) + r**3

    @property
    def cheap(self):
        """Whether a longer search is not too much work."""
        return _MORE_STEPS * self._work <= _REFINE_WORK

    # ---- candidates ----

    def fitted(self, parts):
        """Return the weighted least-squares planes, one for each row of weights."""
        return kernels.planes_of_parts(self.Z, self.y, parts, self._shrunk)

    def drawn(self, counts, work, random_state):
        """Return planes through elemental subsets, as many as ``work`` allows."""
        r, m = self.Z.shape
        count = min(int(np.clip(work // self._work, *counts)), _MOST_WORK // self._work)
        if 0 < math.comb(m, r) * self._work <= _ALL_WORK:
            draws = np.array(list(combinations(range(m), r)))
        else:
            draws = (m * random_state.uniform(size=(count, 3 * r + 10))).astype(np.int64)
        return kernels.planes_through(self.Z, self.y, draws)

    def near(self, plane):
        """Return planes near a minimum from which a lower one may be reached.

        Rejected rows of high leverage are taken into the fit, or believed ones out of it, one at a
        time. Other planes are fitted to halves of the believed rows.
        """
        scale = self._scales(plane[None], _SHARP)[0]
        left = self.y - plane @ self.Z
        with np.errstate(over="ignore"):
            weights = self.cases * np.exp(-0.5 * (left / (kernels.CONSTANT * scale)) ** 2)
        moves = np.linalg.inv(_regular((self.Z * weights) @ self.Z.T + self._shrunk)) @ self.Z
        leverage = np.maximum(np.einsum("ij,ij->j", self.Z, moves), _LEAST_LEVERAGE)
        believed = weights > _BELIEVED * self.cases
        enter = np.argsort(-leverage * (weights < 0.5 * self.cases), kind="stable")[:_EXCHANGED]
        leave = np.argsort(-leverage * weights, kind="stable")[:_EXCHANGED]
        through = plane + (moves[:, enter] * (left[enter] / leverage[enter])).T
        rest = np.maximum(1.0 - weights * leverage, _ALONE)
        without = plane - (moves[:, leave] * (weights * left / rest)[leave]).T
        return np.vstack([through, without, self.fitted(self._halves_of(believed))])

    def _halves_of(self, which):
        halves = _halves(self.Z[:, which].T, self.y[which], self.cases[which])
        parts = np.zeros((len(halves), len(self.y)))
        parts[:, which] = halves
        return parts

    # ---- refinement ----

    def minima(self, planes, kept, followed):
        """Return different minima reached from planes and their scales, the best first.

        Each plane takes a step. Then ``kept`` planes take further steps, and ``followed`` of these
        are iterated to near convergence.
        """
        planes, scales = self._begun(planes)
        planes, scales = self._improved(planes, scales, 1, kept)
        planes, scales = self._improved(planes, scales, _STEPS, kept)
        planes, scales = self._different(planes, scales, followed)
        self._refine(planes, scales, _END, self._bearable(_MOST_STEPS, followed))
        return self._different(planes, self._scales(planes, 1e-6), followed)

    def several(self, planes, scales):
        """Return whether another minimum, clearly apart from the best, is nearly as good."""
        criteria = self._criteria(planes, scales)
        apart = np.linalg.norm(planes - planes[0], axis=1) > _APART * scales[0]
        return bool(np.any(apart & (criteria <= _RIVAL**2 * criteria[0])))

    def met_again(self, planes, scales, wanted, random_state):
        """Draw batches until ``wanted`` of them have led to the best minimum; return the minima."""
        meetings = 0
        for _ in range(_BATCHES):
            best = planes[0]
            drawn = self.drawn(_MORE, _MORE_WORK, random_state)
            if len(drawn) == 0:  # too few rows are independent
                break
            new, new_scales = self.minima(drawn, *_BATCH)
            planes, scales = self._joined(planes, scales, new, new_scales)
            if not self._same(planes[0], best, scales[0]):
                meetings = 0
            meetings += self._same(planes[0], new[0], scales[0])
            if meetings == wanted:
                break
        return planes, scales

    def descended(self, planes, scales):
        """Search the neighbourhood of the best minimum; return the minima, the best first."""
        for _ in range(_ROUNDS):
            least = self._criteria(planes, scales)[0]
            planes, scales = self._joined(
                planes, scales, *self.minima(self.near(planes[0]), *_NEAR)
            )
            if self._criteria(planes, scales)[0] > _LOWER * least:
                break
        return planes, scales

    def _joined(self, planes, scales, new, new_scales):
        planes, scales = np.vstack([planes, new]), np.append(scales, new_scales)
        return self._different(planes, scales, _RETURNED)

    def _same(self, plane, other, scale):
        return bool(np.linalg.norm(plane - other) <= _SAME * scale)

    @property
    def _most_steps(self):
        return int(_REFINE_WORK / self._work)

    def _begun(self, planes):
        """Return planes and their scales; 0 if they are found with the first step.

        If there are too many planes for a step of each, the best are returned.
        """
        if len(planes) <= self._most_steps:
            return planes, np.zeros(len(planes))
        return self._best(planes, self._scales(planes, _ROUGH, len(planes)), 1 + self._most_steps)

    def _improved(self, planes, scales, steps, count):
        """Return the best of the planes after some steps, and their scales."""
        steps = self._bearable(steps, min(count, len(planes)))
        planes, scales = self._best(planes, scales, 1 + self._most_steps // steps)
        self._refine(planes, scales, 0.0, steps)
        return self._best(planes, self._scales(planes, _SHARP, count), count)

    def _bearable(self, steps, count):
        """Return how many steps ``count`` planes may take, at most ``steps``."""
        return min(steps, max(self._most_steps // count, _LEAST_STEPS))

    def _refine(self, planes, scales, tol, steps):
        kernels.refine(
            self.Z, self.y, self.cases, self.half, self.floor, self._shrunk, tol, steps, _ROUGH,
            planes, scales,
        )  # fmt: skip

    def _scales(self, planes, tol, wanted=None):
        """Return the scales of planes; beyond the ``wanted`` best they may be infinite."""
        # With a penalty the order of the scales is not that of the criteria.
        wanted = len(planes) if wanted is None or self._penalised else wanted
        return kernels.scales_of(
            self.Z, self.y, self.cases, self.half, self.floor, tol, wanted, planes
        )

    def _criteria(self, planes, scales):
        """Return the squared scales plus the penalty."""
        with np.errstate(over="ignore"):
            squares = scales**2
            if not self._penalised:
                return squares
            return squares + np.einsum("ij,jk,ik->i", planes, self.ridge, planes)

    def _best(self, planes, scales, count):
        best = np.argsort(self._criteria(planes, scales), kind="stable")[:count]
        return planes[best], scales[best]

    def _different(self, planes, scales, count):
        """Return the best planes, without those close to a better one, and their scales."""
        planes, scales = self._best(planes, scales, len(planes))
        kept: list[int] = []
        for k, scale in enumerate(scales):
            if not any(self._same(planes[k], planes[other], scale) for other in kept):
                kept.append(k)
            if len(kept) == count:
                break
        return planes[kept], scales[kept]
