"""Iteratively reweighted least squares on a block of rows, without leaving compiled code."""

import math

from .algebra import LINE, add_weighted_gram, dot, factor, mirror, substitute, zeros
from .compiled import compiled, entry
from .elementary import larger, smaller
from .linked import COUNT, FLAG, MATRIX, NUMBER, OUT, OUT_MATRIX, ROW, VOID, linked
from .planes import residuals_of
from .residuals import BLOCK, block_curvatures, block_weights
from .scales import m_scale_of

LONGEST = 1.9
"""Steps are lengthened at most this much, as in the solver ``irls``."""
_LEAST_SHARE = 0.01
_FASTEST = 0.1
_SHORTER = 0.25
_UPHILL = 1e-12
"""These as there too."""
SETTLED = 0.03
"""After smaller steps the curvature is taken to be what it was."""
_SLOWEST = 0.99
"""Bound on the rate at which changes of log c, or of the shape, are taken to shrink."""
TINY = 1e-300
_SCALE_TOL = 1e-9
"""Last Newton step of a log M-scale; its error is then about the square of this."""


@linked(VOID, ROW, COUNT, NUMBER, NUMBER, ROW, OUT, OUT, OUT, OUT)
def weigh_rows(cases, code, alpha, c, residuals, influence, weights, rho, sums):
    """Do what ``block_weights`` does for many blocks; the first sum begins at zero."""
    sums[0] = 0.0
    for first in range(0, residuals.shape[0], BLOCK):
        n = smaller(BLOCK, residuals.shape[0] - first)
        last = first + n
        block_weights(
            code, alpha, c, residuals[first:last], cases[first:last], n, rho,
            influence[first:last], weights[first:last], sums,
        )  # fmt: skip


@compiled()
def _select(values, k):
    """Return the k-th smallest value; those before it come to lie before it (Hoare 1961)."""
    low, high = 0, values.shape[0] - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@linked(NUMBER, ROW, OUT)
def median_size(residuals, sizes):
    """Return the median of the sizes, which are written to ``sizes`` in some order."""
    n = residuals.shape[0]
    for i in range(n):
        sizes[i] = abs(residuals[i])
    upper = _select(sizes, n // 2)
    if n % 2:
        return upper
    lower = 0.0
    for i in range(n // 2):
        lower = larger(lower, sizes[i])
    return 0.5 * lower + 0.5 * upper


@compiled()
def relative_size(step, params, c, change, n_slopes, rounding):
    """Return what the objective's method of this name does.

    ``step`` and ``change``, that of the fitted values, are in units of c.
    """
    largest, size = 0.0, 0.0
    for j in range(params.shape[0]):
        own = abs(params[j]) if j < n_slopes else 0.0
        largest = larger(largest, own)
        size = larger(size, abs(c * step[j]) / (c + own))
    if change <= rounding[0] * (largest / c + rounding[1]):
        return 0.0
    return larger(change, size)


@compiled()
def penalty_of(ridge, params):
    """Return half the sum of the squared parameters, each times its ridge."""
    total = 0.0
    for j in range(params.shape[0]):
        total += 0.5 * ridge[j] * params[j] * params[j]
    return total


@linked(FLAG, MATRIX, NUMBER, OUT, ROW, OUT_MATRIX, OUT_MATRIX)
def factor_weighted(Z, total, weights, ridge, packed, lower):
    """Write the Cholesky factor of the weighted normal equations; return whether there is one.

    The weights are overwritten by their roots.
    """
    for i in range(weights.shape[0]):
        weights[i] = math.sqrt(weights[i])
    for j in range(Z.shape[0]):
        for k in range(Z.shape[0]):
            lower[j, k] = total * ridge[j] if k == j else 0.0
    add_weighted_gram(Z, weights, packed, lower)
    return factor(lower)


@linked(VOID, MATRIX, NUMBER, OUT, ROW, ROW, NUMBER, OUT)
def write_downhill(Z, total, influence, ridge, params, c, downhill):
    """Write minus the gradient, times the total case weight, to ``downhill``."""
    for j in range(Z.shape[0]):
        downhill[j] = dot(Z[j], influence) - total * ridge[j] * (params[j] / c)


@linked(NUMBER, MATRIX, ROW, NUMBER, OUT)
def weighted_step(lower, downhill, total, step):
    """Write the step of weighted least squares, in units of c, to ``step``.

    Return the root of its product with the gradient.
    """
    for j in range(step.shape[0]):
        step[j] = downhill[j]
    substitute(lower, step)
    return math.sqrt(abs(dot(downhill, step)) / total)


@compiled()
def share_of_curvature(slope, ahead, length):
    """Return the share of the quadratic's curvature seen along a step of this length.

    From the slopes along it where it began and where it has led.
    """
    if slope == 0.0:
        return _LEAST_SHARE
    return smaller(larger((1.0 - ahead / slope) / length, _LEAST_SHARE), 1.0)


@compiled()
def still_owed(change, previous):
    """Return what is owed after a change that shrinks at the rate of the last two."""
    rate = smaller(change / previous, _SLOWEST)
    return change * rate / (1.0 - rate)


@entry
def packed_pass(Z, y, cases, code, alpha, c, wants_gram, majorant, params):
    """Return the sums of ``block_weights``, c times the gradient, and the Gram matrix if wanted.

    The matrix has the weights of ``block_curvatures``.
    """
    q, n = Z.shape
    rows, size = zeros(3, n), q if wants_gram else 0
    residuals, influence, weights = rows[0], rows[1], rows[2]
    sums, gradient, rho = zeros(1, 6)[0], zeros(1, q)[0], zeros(1, BLOCK)[0]
    gram, packed = zeros(size, size), zeros(size, BLOCK + LINE)
    residuals_of(Z, y, params, residuals)
    weigh_rows(cases, code, alpha, c, residuals, influence, weights, rho, sums)
    for j in range(q):
        gradient[j] = -dot(Z[j], influence)
    if wants_gram:
        if majorant < 1.0:
            block_curvatures(code, alpha, c, residuals, cases, n, majorant, weights)
        for i in range(n):
            weights[i] = math.sqrt(weights[i])
        add_weighted_gram(Z, weights, packed, gram)
        mirror(gram)
    return sums, gradient, gram


@entry
def irls_packed(
    Z, y, cases, ridge, n_slopes, code, alpha, c, learned, newton, tol, max_iter, rounding,
    params, history,
):  # fmt: skip
    """Do in place what the solver ``irls`` does.

    Parameters
    ----------
    Z : ndarray of shape (n_parameters, n_rows)
        The first ``n_slopes`` rows are columns of X, the others, if any, ones.
    y, cases : ndarray of shape (n_rows,)
    ridge : ndarray of shape (n_parameters,)
        What multiplies half the squared parameters.
    code, alpha, c
        The loss and its scale.
    learned : (float, float, float)
        Three numbers k, half and floor. If k is 0, c is given. Otherwise c is k times a scale of
        the residuals, which is computed at every iteration. That is their median size if half
        is 0. Otherwise it is their M-scale: the sum of rho there is half, and it is at least
        floor.
    newton : (float, float)
        How near to Newton's the steps may come, a majorant as in ``block_curvatures``, and the
        size of a step after which they may. They do where the scale is held: values of the
        objective can be compared only then.
    tol, max_iter
        The solver's options; ``tol`` also bounds what log c still owes.
    rounding : (float, float)
        The unit of rounding, and the norm of the inverse root of the curvature.
    params : ndarray of shape (n_parameters,)
    history : ndarray of shape (max_iter,)
        Is given F/c² at the beginning of every iteration.

    Returns
    -------
    n_iter : int
    c : float
    converged : bool
    found : bool
        False where a system had no solution or the scale was not positive.
    """
    q, n = Z.shape
    total = 0.0
    for i in range(n):
        total += cases[i]
    rows, vectors, lower = zeros(3, n), zeros(2, q), zeros(q, q)
    packed, blocks = zeros(q, BLOCK + LINE), zeros(2, BLOCK)
    residuals, influence, weights, rho, sums = rows[0], rows[1], rows[2], blocks[0], blocks[1]
    step, downhill, size, change = vectors[0], vectors[1], math.inf, 0.0
    length, converged, n_iter, previous, nearer = 1.0, False, 0, TINY, False
    (least_majorant, within), (constant, half, floor) = newton, learned
    share, majorant, value, slope = _LEAST_SHARE, 1.0, math.inf, 0.0
    while not converged and n_iter < max_iter:
        residuals_of(Z, y, params, residuals)
        scale_owed = 0.0
        if constant > 0.0:
            if half > 0.0:
                own = m_scale_of(residuals, cases, half, floor, c / constant, _SCALE_TOL, weights)
            else:
                own = median_size(residuals, weights)
            change = math.log(constant * own / c)
            if not abs(change) < math.inf:
                return n_iter, c, False, False
            c *= math.exp(change)
            scale_owed, previous = still_owed(abs(change), previous), larger(abs(change), TINY)
        weigh_rows(cases, code, alpha, c, residuals, influence, weights, rho, sums)
        before, value = value, sums[0] / total + penalty_of(ridge, params) / (c * c)
        n_iter += 1
        if nearer and not value <= before + _UPHILL * before:
            history[n_iter - 1] = value = before
            for j in range(q):
                params[j] -= c * (1.0 - _SHORTER) * length * step[j]
            length, majorant = _SHORTER * length, smaller(majorant / _FASTEST, 1.0)
            continue
        history[n_iter - 1] = value
        write_downhill(Z, total, influence, ridge, params, c, downhill)
        if n_iter > 1:
            share = share_of_curvature(slope, dot(downhill, step), length)
            length = smaller(1.0 / share, LONGEST)
            if constant == 0.0 and share * LONGEST < 1.0 and size <= within:
                majorant = larger(majorant * larger(share, _FASTEST), least_majorant)
        if majorant < 1.0:
            block_curvatures(code, alpha, c, residuals, cases, n, majorant, weights)
        anew = nearer or majorant < 1.0 or not larger(size, abs(change)) <= SETTLED
        if anew and not factor_weighted(Z, total, weights, ridge, packed, lower):
            return n_iter, c, False, False
        nearer = majorant < 1.0
        fitted = weighted_step(lower, downhill, total, step)
        size, slope = relative_size(step, params, c, fitted, n_slopes, rounding), total * fitted**2
        known = share > _LEAST_SHARE or size == 0.0 or majorant <= least_majorant
        converged = known and size <= tol * share and scale_owed <= tol
        if converged and size == 0.0 and constant == 0.0:
            break  # the step is rounding, and under weights that differ much it may lead up
        for j in range(q):
            params[j] += c * length * step[j]
    return n_iter, c, converged, True
