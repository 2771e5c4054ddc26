"""The likelihood of a range of residuals, each with a scale of its own."""

from .algebra import zeros
from .compiled import entry
from .elementary import exponential, larger, smaller
from .losses import GENERAL
from .residuals import BLOCK, block_shapes


@entry
def growing_loss(alpha, residuals, logs, log_c, least, most, case_weights):
    """Return sums of the likelihood of residuals whose scales have these logarithms.

    Logarithms below ``least`` or above ``most`` count as these, and have no slope.

    Returns
    -------
    value : float
        The sum of rho + log c.
    shape : float
        The sum of drho/dalpha.
    influence : ndarray of shape (n_rows,)
        The influence of every row on the fitted values, times exp(log_c).
    pull : ndarray of shape (n_rows,)
        The derivative in log c of every row.
    """
    rows, weighted = residuals.shape[0], case_weights.shape[0] > 0
    blocks, parts = zeros(9, BLOCK), zeros(2, rows)
    work, weights, sums = blocks[:4], blocks[4], blocks[5, :6]
    scaled, bounded, inverse = blocks[6], blocks[7], blocks[8]
    influence, pull = parts[0], parts[1]
    total, scale = 0.0, exponential(log_c)[0]
    for first in range(0, rows, BLOCK):
        n = smaller(BLOCK, rows - first)
        last = first + n
        for i in range(n):
            bounded[i] = smaller(larger(logs[first + i], least), most)
        for i in range(n):
            inverse[i] = exponential(-bounded[i])[0]
        for i in range(n):
            scaled[i] = residuals[first + i] * inverse[i]
        if weighted:
            for i in range(n):
                scaled[i] = scaled[i] if case_weights[first + i] > 0.0 else 0.0
        block_shapes(
            GENERAL, alpha, 1.0, scaled, case_weights[first:last], n, work, influence[first:last],
            weights, sums,
        )  # fmt: skip
        for i in range(n):
            at = first + i
            case = case_weights[at] if weighted else 1.0
            push = influence[at]
            total += case * bounded[i]
            pull[at] = case - (push * scaled[i] if push != 0.0 else 0.0)
            pull[at] = pull[at] if least < logs[at] < most else 0.0
            influence[at] = push * inverse[i] * scale
    return sums[0] + total, sums[2], influence, pull
