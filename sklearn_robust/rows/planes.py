"""Planes from which the S-estimate of a block of rows may be reached, the best first."""

from __future__ import annotations

import math
from itertools import chain, combinations

import numpy as np

from .. import kernels
from ..scale import SHRINKAGE, size_quantile
from .block import Block

_SUBSETS = (50, 500)
"""Least and largest number of planes through as few rows as determine one."""
_SUBSET_WORK = (500_000, 500_000_000)
"""Multiplications to spend on them, and not to go beyond even for the least number."""
_ALL_WORK = 2_500_000
"""Multiplications for which all such planes are looked at."""
_PART_WORK = 40_000_000
"""Multiplications to spend on the planes of halves of the rows."""
_REFINE_WORK = 2_000_000_000
"""Multiplications not to go beyond in either stage of the refinement, but for a few steps."""
_LEAST_STEPS = 3
_LOOKED_AT = 10
"""Planes that are refined by two steps; the others have been seen to be worse."""
_FOLLOWED = 3
"""Planes that are refined until little changes."""
_FAR = 10.0
"""Rows further off than so many deviations of a column count less in the coordinates."""
_ALONE = 1e-8
"""A row leaves the others so little of its fitted value that its deletion says nothing."""
_SAME = 0.05
"""Planes nearer than this, in scales at the root mean square row, are taken for one."""


def search(block: Block, *, half, floor, penalty, given, random_state):
    """Return planes of small M-scale: local minima of it, nearly, and different.

    Looked at are given planes; least squares on halves of the rows, cut at the principal
    sensitivity components of Peña & Yohai (1999), which point to groups of outliers that mask
    each other; and planes through few rows, all such where they are not many, otherwise drawn
    at random, rows that depend on others passed over. The best are refined (Salibian-Barrera
    & Yohai 2006).

    Parameters
    ----------
    block : Block
    half : float
        What the case-weighted sum of rho is to be.
    floor : float
        The least scale, in the unit of y.
    penalty : ndarray of shape (n_parameters,)
        What multiplies half the squared parameters beside half the squared scale.
    given : ndarray of shape (n_given, n_parameters)
    random_state : RandomState

    Returns
    -------
    ndarray of shape (n_planes, n_parameters)
        At least one, at most three.
    """
    y, cases = block.y, block.cases
    columns = block.columns.T
    far = distances(columns)
    root = root_of(columns, np.minimum(1.0, _FAR / far) ** 2)
    if root.shape[1] == 0:
        return given
    rows = columns @ root
    unit = unit_of(y)
    target = in_units(y, unit)
    ridge = (root.T * penalty) @ root
    least = SHRINKAGE * cases.sum() * ridge
    Z = np.ascontiguousarray(rows.T)
    parts = np.array([*_halves(rows, target, cases), (far <= 0.5 * _FAR) * cases])
    planes = np.vstack([
        np.linalg.lstsq(root, given.T / unit)[0].T,
        kernels.planes_of_parts(Z, target, parts, least),
        kernels.planes_through(Z, target, _draws(len(rows), len(Z), random_state)),
    ])  # fmt: skip
    found = _refined(Z, target, cases, half, floor / unit, least, planes, ridge)
    return unit * (found @ root.T)


def unit_of(y):
    """Return a unit in which ordinary targets are about 1."""
    return size_quantile(y, 0.75) or float(np.max(np.abs(y))) or 1.0


def in_units(y, unit):
    """Return targets in a unit, none so large that its square would not fit a double."""
    with np.errstate(over="ignore"):
        return np.clip(y / unit, -1e150, 1e150)


def distances(columns):
    """Return how many deviations of a column a row lies from its median, at the most."""
    apart = np.abs(columns - np.median(columns, axis=0))
    ordinary = np.median(apart, axis=0)
    spread = np.where(ordinary > 0.0, ordinary, apart.mean(axis=0))
    return np.max(apart / np.where(spread > 0.0, spread, 1.0), axis=1, initial=1e-300)


def far_weights(columns):
    """Return weights of the rows for the coordinates, less than 1 of those far off."""
    return np.minimum(1.0, _FAR / distances(columns)) ** 2


def root_of(columns, weights):
    """Return the matrix that makes the weighted columns orthonormal, dependent ones left out."""
    upper = np.linalg.qr(np.sqrt(weights)[:, None] * columns, mode="r")
    sizes = np.sqrt(np.einsum("ij,ij->j", upper, upper))
    sizes[sizes == 0.0] = 1.0
    _, singular, right = np.linalg.svd(upper / sizes)
    kept = singular > len(columns) * np.finfo(np.float64).eps * singular.max(initial=0.0)
    kept = kept & (singular > 0.0)
    return right[: len(kept)][kept].T / sizes[:, None] / singular[kept] * math.sqrt(len(columns))


def _halves(rows, y, cases):
    """Yield case weights of the halves of the rows that the components tell apart."""
    m, r = rows.shape
    size = max(m // 2, min(r + 1, m))
    cases = cases * max(1.0, m / cases.sum())  # weights below 1 are shares of the rows
    roots = np.sqrt(cases)[:, None]
    orthonormal = np.linalg.qr(roots * rows)[0]
    fitted = orthonormal @ (orthonormal.T @ (roots[:, 0] * y))
    left = 1.0 - np.einsum("ij,ij->i", orthonormal, orthonormal) / cases
    alone = left < _ALONE
    deleted = (y - fitted / roots[:, 0]) / np.where(alone, 1.0, left)
    changes = orthonormal * np.where(alone, 0.0, deleted)[:, None]
    directions = np.linalg.eigh(changes.T @ changes)[1][:, ::-1]
    most = max(int(_PART_WORK / (3 * m * r * r)), 1)
    components = orthonormal / roots @ directions[:, :most]
    yield cases
    for values in chain(components.T, -components.T, np.abs(components.T)):
        yield cases * (values <= np.partition(values, size - 1)[size - 1])


def _draws(m, r, random_state):
    """Return the numbers of rows, one draw a line, that a plane is to go through."""
    work = m * (r + 10) + r**3
    wanted, bearable = (spent // work for spent in _SUBSET_WORK)
    n_subsets = min(int(np.clip(wanted, *_SUBSETS)), bearable)
    if 0 < math.comb(m, r) * work <= _ALL_WORK:
        return np.array(list(combinations(range(m), r)))
    return random_state.randint(m, size=(n_subsets, 3 * r + 10))


def _refined(Z, y, cases, half, floor, least, planes, ridge):
    """Return the planes that refinement finds the best, different ones, the best first."""

    def criteria(scales):
        with np.errstate(over="ignore"):
            squares = scales**2
        return squares + np.einsum("ij,jk,ik->i", planes, ridge, planes)

    bearable = max(int(_REFINE_WORK / (Z.size * len(Z))), 1)
    looked_at = ((_LOOKED_AT, 0.0, 2), (_FOLLOWED, 1e-4, 50))
    wanted = len(planes) if np.any(ridge) else _LOOKED_AT  # a penalty counts in the order too
    scales = kernels.scales_of(Z, y, cases, half, floor, 1e-2, wanted, planes)
    for count, tol, steps in looked_at:
        count = min(count, 1 + bearable // steps)
        steps = min(steps, max(bearable // count, _LEAST_STEPS))
        best = np.argsort(criteria(scales), kind="stable")[:count]
        planes, scales = planes[best], scales[best]
        kernels.refine(Z, y, cases, half, floor, least, tol, steps, planes, scales)
    scales = kernels.scales_of(Z, y, cases, half, floor, 1e-6, len(planes), planes)
    kept: list[np.ndarray] = []
    for k in np.argsort(criteria(scales), kind="stable"):
        apart = [np.linalg.norm(planes[k] - other) for other in kept]
        if min(apart, default=math.inf) > _SAME * scales[k]:
            kept.append(planes[k])
    return np.array(kept)
