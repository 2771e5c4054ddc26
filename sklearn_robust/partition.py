"""The partition function: log Z(alpha) = log of the integral of exp(-rho(x; alpha)) over x."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from . import kernels

__all__ = ["log_partition"]


def _read_table():
    source = files("sklearn_robust") / "data" / "log_partition.csv"
    with source.open(encoding="utf-8") as lines:
        table = np.loadtxt(lines, delimiter=",", skiprows=1)
    table.flags.writeable = False
    return table


TABLE = _read_table()
"""Chebyshev coefficients, computed by tools/make_log_partition.py."""


def log_partition(alpha: float) -> tuple[float, float]:
    """Return log Z and its derivative in alpha.

    Parameters
    ----------
    alpha : float in [0, inf]
        The shape. At 2 the derivative is -inf.

    Returns
    -------
    value, slope : float
        Each within 1e-12, absolutely.

    Raises
    ------
    ValueError
        If ``alpha`` is negative, where the integral is infinite, or NaN.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR, eq. 16-17.

    Examples
    --------
    >>> from sklearn_robust.partition import log_partition
    >>> round(log_partition(0.0)[0], 6)  # log(pi·√2)
    1.491303
    """
    if not alpha >= 0.0:
        raise ValueError(f"alpha must be a number in [0, inf], got {alpha!r}.")
    return kernels.log_partition(float(alpha), TABLE)
