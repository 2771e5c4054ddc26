"""The partition function, log Z(alpha), and the information of a location, both at c = 1."""

from __future__ import annotations

import math
from importlib.resources import files

import numpy as np

from . import kernels

__all__ = ["log_partition"]


def _read_table(name):
    source = files("sklearn_robust") / "data" / f"{name}.csv"
    with source.open(encoding="utf-8") as lines:
        table = np.loadtxt(lines, delimiter=",", skiprows=1)
    table.flags.writeable = False
    return table


TABLES = _read_table("log_partition"), _read_table("log_information")
"""Chebyshev coefficients, computed by tools/make_log_partition.py."""


def log_partition(alpha: float) -> tuple[float, float]:
    """Return the log of Z, the integral of exp(-rho(x; alpha)) over x, and its derivative.

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
    return kernels.log_partition(float(alpha), TABLES[0])


def log_normaliser(alpha: float, fitted: float) -> tuple[float, float]:
    """Return log Z plus half of ``fitted`` times log I, and the derivative in alpha.

    I is the information of a location, E psi², at c = 1. ``fitted`` is the number of parameters per
    case, p/n. :class:`sklearn_robust.problem.Likelihood` says what this is for.
    """
    return kernels.log_normaliser(float(alpha), TABLES, fitted)


def adjustment(scale: float, alpha: float, fitted: float) -> float:
    """Return what a likelihood adds to its mean nll for ``fitted`` parameters per case."""
    information = log_normaliser(alpha, fitted)[0] - log_normaliser(alpha, 0.0)[0]
    return information - fitted * math.log(scale)
