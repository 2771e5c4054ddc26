"""Compiled code of the S-estimator: M-scales, planes through few rows, refinement of planes.

The loss is Welsch's, bounded by 1, at c = 1/sqrt(3) scales: E rho(Z/c) = 1/2 for the standard
normal, so that the M-scale has a breakdown point of 1/2 and is consistent there. This file calls
no compiled function of another one, because numba's cache would not notice an edit in it.

A block of rows comes with one row of ``Z`` for every coordinate, one column for every row of the
data, so that all inner loops run over neighbours in memory.
"""

import math

import numpy as np

from .kernels import _SUM, _compiled

CONSTANT = math.sqrt(1.0 / 3.0)
"""The scale c of the loss, in M-scales."""

_LONGEST = 1.0
"""Newton steps of a log scale are no longer: the equation is flat far from its root."""
_STEPS = 200
"""Steps within which bisection alone would find a scale to the last bit."""
_DEPENDENT = 1e-7
"""A row is dependent on others where so little of it remains when they are taken off."""
_SINGULAR = 1e-13
"""A pivot is lost in rounding below this share of its diagonal entry."""


# ---- scales --------------------------------------------------------------------------


@_compiled()
def _weigh(residuals, cases, c, weights):
    """Fill the case-weighted weights; return the sums of rho and of weight times (r/c)²."""
    total, slope = 0.0, 0.0
    for i in range(residuals.shape[0]):
        u = residuals[i] / c
        z = u * u
        weight = math.exp(-0.5 * z)
        total += cases[i] * (1.0 - weight)
        weights[i] = cases[i] * weight
        if weight > 0.0:
            slope += weights[i] * z
    return total, slope


@_compiled()
def m_scale(residuals, cases, half, floor, first, tol, weights):
    """Return the s at which the sum of rho(r/(c·s)) is ``half``, or ``floor`` where s is less.

    Newton steps of log s from ``first``, kept between bounds that close in on the root.
    ``weights`` is filled with the weights at nearly s.
    """
    low, high = math.log(floor), math.inf
    if _weigh(residuals, cases, CONSTANT * floor, weights)[0] <= half:
        return floor
    log_s = max(math.log(first), low) if first > 0.0 else low
    for _ in range(_STEPS):
        total, slope = _weigh(residuals, cases, CONSTANT * math.exp(log_s), weights)
        excess = total - half
        if excess > 0.0:
            low = log_s
        else:
            high = log_s
        step = math.copysign(_LONGEST, excess)
        if slope > abs(excess) / _LONGEST:
            step = excess / slope
        if not low <= log_s + step <= high:
            step = 0.5 * (low + high) - log_s
        log_s += step
        if abs(step) <= tol:
            break
    return math.exp(log_s)


# ---- planes --------------------------------------------------------------------------


@_compiled(_SUM)
def _dot(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@_compiled()
def _residuals(Z, y, plane, out):
    out[:] = y
    for j in range(Z.shape[0]):
        for i in range(y.shape[0]):
            out[i] -= plane[j] * Z[j, i]


@_compiled()
def _plane_through(Z, y, draw, reduced, pivots, plane):
    """Write the plane through the first independent rows of a draw; return whether it exists."""
    q, found = Z.shape[0], 0
    for i in draw:
        row = reduced[found]
        size = 0.0
        for j in range(q):
            row[j] = Z[j, i]
            size = max(size, abs(row[j]))
        row[q] = y[i]
        for k in range(found):
            row -= row[pivots[k]] * reduced[k]
        pivot = np.argmax(np.abs(row[:q]))
        if not abs(row[pivot]) > _DEPENDENT * size:
            continue
        row /= row[pivot]
        for k in range(found):
            reduced[k] -= reduced[k, pivot] * row
        pivots[found] = pivot
        found += 1
        if found == q:
            break
    for k in range(found):
        plane[pivots[k]] = reduced[k, q]
    return found == q


@_compiled()
def planes_through(Z, y, draws):
    """Return the planes through the rows of every draw that determine one."""
    q, found = Z.shape[0], 0
    planes = np.empty((draws.shape[0], q))
    reduced, pivots = np.empty((q, q + 1)), np.empty(q, np.int64)
    for draw in draws:
        if _plane_through(Z, y, draw, reduced, pivots, planes[found]):
            found += 1
    return planes[:found]


@_compiled()
def _solve(gram, right):
    """Overwrite ``right`` with the solution by Cholesky; return whether there is one."""
    q = gram.shape[0]
    for j in range(q):
        rest = gram[j, j] - _dot(gram[j, :j], gram[j, :j])
        if not rest > _SINGULAR * gram[j, j]:
            return False
        gram[j, j] = math.sqrt(rest)
        for i in range(j + 1, q):
            gram[i, j] = (gram[i, j] - _dot(gram[i, :j], gram[j, :j])) / gram[j, j]
        right[j] = (right[j] - _dot(gram[j, :j], right[:j])) / gram[j, j]
    for j in range(q - 1, -1, -1):
        for i in range(j + 1, q):
            right[j] -= gram[i, j] * right[i]
        right[j] /= gram[j, j]
    return True


@_compiled()
def _weighted_plane(Z, y, weights, ridge, weighted, gram, plane):
    """Overwrite ``plane`` with the weighted (ridge) least squares; return whether it exists."""
    q = Z.shape[0]
    right = np.empty(q)
    for j in range(q):
        for i in range(y.shape[0]):
            weighted[j, i] = weights[i] * Z[j, i]
        for k in range(j + 1):
            gram[j, k] = _dot(weighted[j], Z[k]) + ridge[j, k]
        right[j] = _dot(weighted[j], y)
    exists = _solve(gram, right)
    if exists:
        plane[:] = right
    return exists


@_compiled()
def planes_of_parts(Z, y, parts, ridge):
    """Return the weighted least-squares planes, one for each row of weights in ``parts``."""
    q, found = Z.shape[0], 0
    planes = np.empty((parts.shape[0], q))
    weighted, gram = np.empty_like(Z), np.empty((q, q))
    for weights in parts:
        if _weighted_plane(Z, y, weights, ridge, weighted, gram, planes[found]):
            found += 1
    return planes[:found]


@_compiled()
def scales_of(Z, y, cases, half, floor, tol, planes):
    """Return the M-scale of the residuals of every plane, to a relative accuracy of ``tol``."""
    scales = np.empty(planes.shape[0])
    residuals, weights = np.empty_like(y), np.empty_like(y)
    for k in range(planes.shape[0]):
        _residuals(Z, y, planes[k], residuals)
        first = np.median(np.abs(residuals)) / 0.6745
        scales[k] = m_scale(residuals, cases, half, floor, first, tol, weights)
    return scales


@_compiled()
def refine(Z, y, cases, half, floor, ridge, tol, max_steps, planes, scales):
    """Improve planes and scales in place: reweighted least squares, a step of s each time.

    Neither kind of step increases s (Salibian-Barrera & Yohai 2006, section 2); a plane is
    left where s changes by less than ``tol``, or after ``max_steps``.
    """
    q = Z.shape[0]
    residuals, weights = np.empty_like(y), np.empty_like(y)
    weighted, gram = np.empty_like(Z), np.empty((q, q))
    for k in range(planes.shape[0]):
        for _ in range(max_steps):
            _residuals(Z, y, planes[k], residuals)
            total = _weigh(residuals, cases, CONSTANT * scales[k], weights)[0]
            shrink = math.sqrt(total / half)
            scales[k] = max(scales[k] * shrink, floor)
            if scales[k] == floor or abs(shrink - 1.0) < tol:
                break
            if not _weighted_plane(Z, y, weights, ridge, weighted, gram, planes[k]):
                break
