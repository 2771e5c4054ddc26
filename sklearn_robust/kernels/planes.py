"""Compiled code of the S-estimator: planes through few rows, and the refinement of planes.

A block of rows comes with one row of ``Z`` for every coordinate, one column for every row of the
data, so that all inner loops run over neighbours in memory.
"""

import math

from .algebra import LINE, add_weighted_gram, dot, factor, substitute, zeros
from .compiled import compiled, entry
from .elementary import larger, smaller
from .linked import (
    FLAG,
    INTEGERS,
    MATRIX,
    OUT,
    OUT_MATRIX,
    ROW,
    VOID,
    linked,
)
from .residuals import BLOCK
from .scales import CONSTANT, m_scale_of, weigh

_LONGEST = 1.9
"""Steps are lengthened this much: the loss has a quarter of the quadratic's curvature."""
_FURTHEST = 10.0
"""And no more than this: where the curvature is nearly none, or not that of a minimum."""
_DEPENDENT = 1e-7
"""A row is dependent on others where so little of it remains when they are taken off."""


@linked(VOID, MATRIX, ROW, ROW, OUT)
def residuals_of(Z, y, plane, out):
    """Write the residuals from a plane to ``out``."""
    for i in range(y.shape[0]):
        out[i] = y[i]
    for j in range(Z.shape[0]):
        coef = plane[j]
        for i in range(y.shape[0]):
            out[i] -= coef * Z[j, i]


@compiled()
def _largest(row, q):
    """Return the place of the number largest in size among the first q."""
    place = 0
    for j in range(1, q):
        if abs(row[j]) > abs(row[place]):
            place = j
    return place


@linked(FLAG, MATRIX, ROW, INTEGERS, OUT_MATRIX, OUT, OUT)
def plane_through(Z, y, draw, reduced, pivots, plane):
    """Write the plane through the first independent rows of ``draw``; return whether it exists."""
    q, found = Z.shape[0], 0
    for i in draw:
        row = reduced[found]
        for j in range(q):
            row[j] = Z[j, i]
        row[q] = y[i]
        size = abs(row[_largest(row, q)])
        for k in range(found):
            factor = row[int(pivots[k])]
            for j in range(q + 1):
                row[j] -= factor * reduced[k, j]
        pivot = _largest(row, q)
        if not abs(row[pivot]) > _DEPENDENT * size:
            continue
        scale = row[pivot]
        for j in range(q + 1):
            row[j] /= scale
        for k in range(found):
            factor = reduced[k, pivot]
            for j in range(q + 1):
                reduced[k, j] -= factor * row[j]
        pivots[found] = pivot
        found += 1
        if found == q:
            break
    for k in range(found):
        plane[int(pivots[k])] = reduced[k, q]
    return found == q


@entry
def planes_through(Z, y, draws):
    """Return the planes through the rows of every draw that determine one."""
    q, found = Z.shape[0], 0
    planes, reduced = zeros(draws.shape[0] + 1, q), zeros(q, q + 1)
    pivots = planes[draws.shape[0]]
    for k in range(draws.shape[0]):
        if plane_through(Z, y, draws[k], reduced, pivots, planes[found]):
            found += 1
    return planes[:found]


@linked(FLAG, MATRIX, ROW, ROW, MATRIX, OUT_MATRIX, OUT_MATRIX, OUT, OUT)
def weighted_fit(Z, y, weights, ridge, packed, gram, weighted, plane):
    """Write the weighted (ridge) least squares to ``plane``; return whether that exists.

    ``packed``, ``gram`` and ``weighted``, as long as there are rows, are overwritten.
    """
    q, n = Z.shape
    for i in range(n):
        weighted[i] = weights[i] * y[i]
    for j in range(q):
        plane[j] = dot(Z[j], weighted)
        for k in range(q):
            gram[j, k] = ridge[j, k]
    for i in range(n):
        weighted[i] = math.sqrt(weights[i])
    add_weighted_gram(Z, weighted, packed, gram)
    exists = factor(gram)
    if exists:
        substitute(gram, plane)
    return exists


@entry
def planes_of_parts(Z, y, parts, ridge):
    """Return the weighted least-squares planes, one for each row of weights in ``parts``."""
    q, n = Z.shape
    planes, packed, gram = zeros(parts.shape[0], q), zeros(q, BLOCK + LINE), zeros(q, q)
    weighted, found = zeros(1, n)[0], 0
    for k in range(parts.shape[0]):
        if weighted_fit(Z, y, parts[k], ridge, packed, gram, weighted, planes[found]):
            found += 1
    return planes[:found]


@entry
def scales_of(Z, y, cases, half, floor, tol, wanted, planes):
    """Return the M-scales of the residuals of planes, to a relative accuracy of ``tol``.

    Of so many planes as are wanted, those with the least scale; the others may have infinity:
    one look at the sum of rho tells that their scale is above those.
    """
    n, most = y.shape[0], smaller(wanted, planes.shape[0])
    rows, scales, best = zeros(2, n), zeros(1, planes.shape[0])[0], zeros(1, most)[0]
    residuals, weights, worst, last = rows[0], rows[1], math.inf, 0.0
    for k in range(planes.shape[0]):
        residuals_of(Z, y, planes[k], residuals)
        scales[k] = math.inf
        if k >= most and weigh(residuals, cases, CONSTANT * worst, weights)[0] > half:
            continue
        last = scales[k] = m_scale_of(residuals, cases, half, floor, last, tol, weights)
        place = k if k < most else _largest(best, most)
        best[place] = scales[k]
        if k >= most - 1:
            worst = best[_largest(best, most)]
    return scales


@compiled()
def _step_length(way, last, length):
    """Return how far to go, in units of the way to the weighted least squares.

    Barzilai & Borwein (1988): as the way has changed over the last step, it vanishes there. A
    step of any length up to twice the way does not lead up, so that it is never less.
    """
    squared = dot(last, last)
    change = squared - dot(last, way)
    if not change > 0.0:
        return _FURTHEST
    return smaller(larger(length * squared / change, _LONGEST), _FURTHEST)


@entry
def refine(Z, y, cases, half, floor, ridge, tol, max_steps, rough, planes, scales):
    """Improve planes and scales in place: reweighted least squares, a step of s each time.

    A scale of 0 is first found to the relative accuracy ``rough``.

    Neither kind of step increases s (Salibian-Barrera & Yohai 2006, section 2), nor does one
    that goes less than twice as far; one that goes further is taken back where it does. A plane
    is left where it moves by less than ``tol`` scales, or after ``max_steps``.
    """
    q, n = Z.shape
    rows, vectors, packed, gram = zeros(3, n), zeros(2, q), zeros(q, BLOCK + LINE), zeros(q, q)
    residuals, weights, weighted, way, last = rows[0], rows[1], rows[2], vectors[0], vectors[1]
    total, first = half, 0.0
    for k in range(planes.shape[0]):
        plane, length = planes[k], 0.0
        for step in range(max_steps):
            residuals_of(Z, y, plane, residuals)
            if scales[k] > 0.0:
                total = weigh(residuals, cases, CONSTANT * scales[k], weights)[0]
            else:
                first = m_scale_of(residuals, cases, half, floor, first, rough, weights)
                scales[k], total = first, half
            if length > _LONGEST and total > half:
                for j in range(q):
                    plane[j] -= (length - _LONGEST) * last[j]
                length = _LONGEST
                continue
            scales[k] = larger(scales[k] * math.sqrt(total / half), floor)
            if scales[k] == floor:
                break
            if not weighted_fit(Z, y, weights, ridge, packed, gram, weighted, way):
                break
            for j in range(q):
                way[j] -= plane[j]
            length = _step_length(way, last, length) if length > 0.0 else 1.0
            ends = length * math.sqrt(dot(way, way)) < tol * scales[k]
            if ends or step == max_steps - 1:  # nobody will look whether it leads up
                length = smaller(length, _LONGEST)
            for j in range(q):
                plane[j] += length * way[j]
                last[j] = way[j]
            if ends:
                break
