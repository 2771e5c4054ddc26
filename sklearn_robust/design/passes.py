"""Passes over the rows: the mean loss and its derivatives, each from one pass over X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import kernels
from ..losses import Loss
from ..scales import AbsResiduals
from .base import Design

if TYPE_CHECKING:
    from .local import LocalDesign


_FROM_PACKED = kernels.NOTHING, kernels.GRAM
"""What a pass over packed rows may compute besides loss and gradient."""


@dataclass(frozen=True)
class LossPass:
    """The computation of a pass over a range of rows.

    Attributes
    ----------
    coef : ndarray of shape (n_features,)
        Coefficients of ``x - centre``.
    intercept : float
    loss : Loss
    scale : float
        The scale c, in the unit of y.
    extra : int
        What to compute besides loss and gradient: ``kernels.NOTHING``, ``GRAM``, ``SIZES`` or
        ``SHAPE``.
    low, high : float
        Bounds of the absolute residuals that are listed with ``SIZES``.
    majorant : float in [0, 1]
        With ``GRAM``, the weights are the positive part of psi', plus this share of the difference
        of the robust weights to it.
    """

    coef: np.ndarray
    intercept: float
    loss: Loss
    scale: float
    extra: int = kernels.NOTHING
    low: float = 0.0
    high: float = 0.0
    majorant: float = 1.0

    @property
    def options(self):
        """The last arguments of the kernels."""
        return self.extra, self.low, self.high, self.majorant


def loss_gradient(design: Design, params, loss: Loss, scale: float):
    """Return the mean of rho and ``scale`` times its gradient in the parameters.

    Parameters
    ----------
    design : Design
    params : ndarray of shape (n_parameters,)
        Parameters of the standardised columns.
    loss : Loss
    scale : float
        The scale c, in the unit of y.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_parameters,)
    """
    sums, gradient, *_ = _means(design, params, loss, scale)
    return float(sums[0]), gradient


def curvature(design: Design, params, loss: Loss, scale: float, majorant: float = 1.0):
    """Return the results of :func:`loss_gradient`, and the mean weighted Gram matrix.

    Parameters
    ----------
    design, params, loss, scale
        As in :func:`loss_gradient`.
    majorant : float in [0, 1]
        As in :class:`LossPass`.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_parameters,)
    gram : ndarray of shape (n_parameters, n_parameters)
        Of the standardised columns.
    """
    sums, gradient, gram, _ = _means(
        design, params, loss, scale, extra=kernels.GRAM, majorant=majorant
    )
    size = design.columns.n_parameters
    return float(sums[0]), gradient, gram[:size, :size]


def scale_gradient(design: Design, params, loss: Loss, scale: float):
    """Return the results of :func:`loss_gradient`, and the derivative in log c."""
    sums, gradient, *_ = _means(design, params, loss, scale)
    return float(sums[0]), gradient, -float(sums[1])


def shape_gradient(design: Design, params, loss: Loss, scale: float):
    """Return the results of :func:`loss_gradient`, and the slopes in scale and shape.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_parameters,)
    scale_slope, shape_slope : float
        The derivatives of the mean of rho in log c and in alpha.
    """
    sums, gradient, *_ = _means(design, params, loss, scale, extra=kernels.SHAPE)
    return float(sums[0]), gradient, -float(sums[1]), float(sums[2])


def abs_residuals_gradient(design: Design, params, loss: Loss, scale: float, bounds):
    """Return the results of :func:`loss_gradient`, and absolute residuals between two bounds.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_parameters,)
    abs_residuals : AbsResiduals
    """
    low, high = bounds
    sums, gradient, _, lists = _means(
        design, params, loss, scale, extra=kernels.SIZES, low=low, high=high
    )
    below, squares = design.total_weight * sums[3:5]
    sizes, cases = map(np.concatenate, zip(*lists, strict=True))
    found = AbsResiduals(sizes, cases, float(below), float(squares), low, high, design.total_weight)
    return float(sums[0]), gradient, found


def _means(design, params, loss, scale, **extra):
    """Return the sums of a pass, divided by the total case weight, in standardised parameters."""
    packed = design.packed()
    if packed is not None and extra.get("extra", kernels.NOTHING) in _FROM_PACKED:
        return _packed_means(packed, params, loss, scale, **extra)
    coef, intercept = design.columns.split(params)
    wanted = LossPass(coef, intercept, loss, scale, **extra)

    def task(rows: LocalDesign, start, stop):
        *parts, sizes, cases = rows.loss_pass(wanted, start, stop)
        # The copies let the larger buffers be freed. Lists are concatenated.
        return *parts, [(sizes.copy(), cases.copy())]

    sums, gradient, gram, lists = design.reduce(task)
    total = design.total_weight
    gradient = gradient / total
    gradient[:-1] /= design.columns.unit
    return sums / total, gradient[: design.columns.n_parameters], gram / total, lists


def _packed_means(rows, params, loss, scale, extra=kernels.NOTHING, majorant=1.0):
    """Return the same for packed rows."""
    sums, gradient, gram = kernels.packed_pass(
        rows.columns, rows.y, rows.cases, loss.code, loss.alpha, scale, extra == kernels.GRAM,
        majorant, np.array(params),  # never read-only: a kernel is compiled for each type
    )  # fmt: skip
    return sums / rows.total, gradient / rows.total, gram / rows.total, []
