"""The losses as objectives of gradient boosting: XGBoost and LightGBM.

Neither library is imported here. An objective is a callable that both of them take, in their
scikit-learn estimators and in their native functions ``train``.
"""

from __future__ import annotations

import math
import threading
from dataclasses import KW_ONLY, dataclass, field, fields
from numbers import Real

import numpy as np

from .losses import Loss, check_loss, regression_constant, resolve
from .metrics import s_scale
from .scales import ENOUGH, TIE, WINDOW, m_scale, mad, middle, scale_floor, truncated_deviation
from .validation import check_choice, check_number, check_unmasked, check_weights

__all__ = ["RobustObjective", "eval_metric", "initial_prediction"]

_LEAST_CURVATURE = 1e-6
"""Share of the curvature at zero that every row keeps. A leaf that holds rejected rows alone would
otherwise step all the way to them where a library asks for no least sum of curvatures."""
_PACE = 0.5
"""How fast the scale may fall, as a power of the rate at which trees take up residuals. Without a
limit LightGBM rejects rare combinations of levels before a tree has reached them, and errors are up
to 1.5 times as large; at 0.3 they are 1.1 times as large where 30 % of the rows are bad."""
_PASSES = 2
"""Times that the centre of the residuals is refined by their mean within the window."""
_RESTART = 1.1
"""Residuals that grow by more than this from a round to the next are those of another fit, and so
are moves that would need a learning rate above this."""
_FLOAT32 = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
"""Both libraries hold targets in single precision: the least scale is so many times larger."""


def _reweighted(residuals, sample_weight):
    """Return the deviation of the residuals within 2.5 times itself, from the M-scale down."""
    return truncated_deviation(residuals, m_scale(residuals, sample_weight), sample_weight)


_SCALES = {"mad": mad, "s": m_scale, "reweighted": _reweighted}
"""Residual scales by name: functions of residuals and case weights."""


def _shorth(residuals, cases):
    """Return the midpoint of the shortest interval that holds half of the case weight."""
    order = np.argsort(residuals, kind="stable")
    order = order[cases[order] > 0.0]
    ordered, upto = residuals[order], np.cumsum(cases[order])
    before = np.append(0.0, upto[:-1])
    last = np.searchsorted(upto, before + (0.5 - TIE) * upto[-1])
    first = np.flatnonzero(last < len(ordered))
    widths = ordered[last[first]] - ordered[first]
    at = first[np.argmin(widths)]
    return float(0.5 * ordered[at] + 0.5 * ordered[last[at]])


def _centre(residuals, cases):
    """Return the mean of the residuals around which most lie close together."""
    centre = _shorth(residuals, cases)
    for _ in range(_PASSES):
        about = residuals - centre
        inside = np.abs(about) <= WINDOW * _reweighted(about, cases)
        held = np.where(inside, cases, 0.0)
        if not held.any():  # more than half of the residuals are equal, to rounding
            return centre
        centre += float(np.average(about, weights=held))
    return centre


@dataclass(frozen=True)
class _Rows:
    """Targets, predictions and case weights of the rows that have a weight, at most 20 000."""

    y_true: np.ndarray
    y_pred: np.ndarray
    cases: np.ndarray

    @classmethod
    def evenly_spaced(cls, *columns) -> _Rows:
        """Return the rows from which centre, scale and learning rate are taken."""
        present = np.flatnonzero(columns[-1] > 0.0)
        taken = present[:: -(-len(present) // ENOUGH)]
        return cls(*(of[taken] for of in columns))


@dataclass(frozen=True)
class _Round:
    """What the next round of a fit has to know of the last one.

    Attributes
    ----------
    rows : _Rows
    centre, scale : float
        Of the residuals: from them follow gradient and curvature, and so what the tree did.
    floor : float
        The least residual scale of the fit.
    measured, sigma : float
        The residual scale that was found, and the one that was taken.
    """

    rows: _Rows
    centre: float
    scale: float
    floor: float
    measured: float
    sigma: float

    def learning_rate(self, family, rows, measured) -> float | None:
        """Return the learning rate of the tree since, or None where this is another fit.

        A tree moves the rows of a leaf by the learning rate times gradient over curvature. So the
        squares of the moves, weighted by the curvature, over their product with the gradient are
        the learning rate. No other fit of the same rows is likely to begin at such a move.
        """
        last = self.rows
        if (
            measured > _RESTART * self.measured
            or np.ptp(rows.y_pred) == 0.0
            or not np.array_equal(rows.y_true, last.y_true)
            or not np.array_equal(rows.cases, last.cases)
        ):
            return None
        residuals, moves = last.y_true - last.y_pred, rows.y_pred - last.y_pred
        if not moves.any():
            return 0.0
        gradient, curvature = _majorant(family, residuals, self.centre, self.scale, last.cases)
        owed = -float(gradient @ moves)
        moved = float(curvature @ moves**2)
        return min(moved / owed, 1.0) if 0.0 < moved <= _RESTART * owed else None


@dataclass(frozen=True)
class RobustObjective:
    r"""A robust loss as the objective of XGBoost and LightGBM.

    It gives every row the gradient and the curvature of the quadratic that touches the loss at the
    present prediction and lies above it, as reweighted least squares does:

    .. math:: g_i = -s_i\,w\bigl((r_i - m)/c\bigr)\,r_i, \qquad
              h_i = s_i\,w\bigl((r_i - m)/c\bigr)

    with :math:`r_i` the residual, w the robust weight, c the scale, :math:`s_i` the sample weight
    and m the centre of the residuals; h is never below 1e-6 of its value at zero. The true second
    derivative would be negative where a loss redescends. The unit is that of squared error:
    settings such as ``min_child_weight`` and ``reg_lambda`` mean what they mean there. Scale and
    centre are computed again in every round.

    Pass it as ``objective`` of ``XGBRegressor`` and ``LGBMRegressor``, as ``obj`` of
    ``xgboost.train``, or as ``params["objective"]`` of ``lightgbm.train``. Let boosting begin at
    :func:`initial_prediction`.

    Parameters
    ----------
    alpha : float in [-inf, 2], default=-inf
        Shape of the loss: 2 is squared error, 1 pseudo-Huber (Charbonnier), 0 Cauchy, -2
        Geman-McClure, -inf Welsch.
    loss : str, default="general"
        "general" for the loss of shape ``alpha``; or another by its name, which ignores
        ``alpha``: :func:`sklearn_robust.losses.rho` lists them.
    scale : "auto", "mad", "s", "reweighted" or float in [1e-150, 1e150], default="auto"
        The scale c, in the unit of y: a number, or c = k·sigma for a scale sigma of the residuals
        and the k that follows from ``efficiency``.

        - "mad": the median absolute residual over 0.6745.
        - "s": the M-scale, with a breakdown point of 1/2.
        - "reweighted": from the M-scale, the standard deviation of the residuals within 2.5
          sigma, corrected for the window.
        - "auto": "reweighted" where the loss redescends, else "mad".
    efficiency : float in (0, 1), default=0.95
        Asymptotic efficiency at normal errors from which k is computed. k is never below 0.5.

    Raises
    ------
    ValueError
        If a parameter is out of range; when called, if y, predictions or weights hold NaN or
        infinity, do not match, have several targets, or (weights) are negative or all zero.

    See Also
    --------
    initial_prediction : Where boosting should begin.
    eval_metric : What early stopping should look at.

    Notes
    -----
    With a number as ``scale``, and for a convex loss, m is 0 and g is :math:`c^2` times the
    derivative of the loss. Where a loss redescends and its scale is estimated, two things keep
    boosting from a poor minimum. Weights are those of the residuals about their centre m, the mean
    of the residuals within 2.5 sigma of the densest half: while trees still lie off the good rows,
    all to one side because of outliers on the other, rows are judged by where most residuals are.
    When the fit is done m is 0 but for noise. And sigma begins at the spread of y and falls no
    faster than the square root of the rate at which trees take up residuals, so that no group of
    rows is rejected before a tree has had the time to reach it; the learning rate is read off the
    predictions. With few rounds (fewer than about 4 over the learning rate where the noise is a
    sixth of the spread of y) sigma may not get down to the scale of the noise.

    For that the object remembers the last round, one for each thread. The memory ends where the
    predictions are all equal again, as they are when a fit begins, where y or the weights are
    others, where the residuals grow, or where the predictions moved as no tree moves them. A second
    fit gives the same result, and copies and pickles remember nothing. Training that goes on from
    the last fit of the object (``xgb_model``) goes on from its scale.

    If more than 20 000 rows have a weight, centre and scale are computed from that many evenly
    spaced ones. Residuals of training rows shrink as trees fit the noise, and the scale with them.
    Small trees, a small learning rate and early stopping by :func:`eval_metric` prevent that.

    References
    ----------
    Barron, J. T. (2019). A general and adaptive robust loss function. CVPR.

    Friedman, J. H. (2001). Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29.

    Rousseeuw, P. J. & Leroy, A. M. (1987). Robust Regression and Outlier Detection. Wiley, section
    4.2, for the shortest half.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.objectives import RobustObjective
    >>> objective = RobustObjective(scale=2.0)
    >>> gradient, curvature = objective(np.array([1.0, 2.0, 50.0]), np.array([0.0, 2.0, 0.0]))
    >>> gradient.round(2), curvature.round(2)
    (array([-0.88, -0.  , -0.  ]), array([0.88, 1.  , 0.  ]))

    >>> from xgboost import XGBRegressor  # doctest: +SKIP
    >>> start = initial_prediction(y)  # doctest: +SKIP
    >>> model = XGBRegressor(objective=RobustObjective(), base_score=start)  # doctest: +SKIP
    >>> model.fit(X, y)  # doctest: +SKIP
    """

    alpha: float = -math.inf
    _: KW_ONLY
    loss: str = "general"
    scale: str | float = "auto"
    efficiency: float = 0.95
    _memory: threading.local = field(
        default_factory=threading.local, init=False, repr=False, compare=False
    )

    def __post_init__(self):
        check_number("alpha", self.alpha, -math.inf, 2.0)
        check_loss(self.loss)
        if isinstance(self.scale, Real):
            check_number("scale", self.scale, 1e-150, 1e150)
        else:
            check_choice("scale", self.scale, ["auto", *_SCALES], " or a number in [1e-150, 1e150]")
        check_number("efficiency", self.efficiency, 0.0, 1.0, "()")
        if not isinstance(self.scale, Real):
            regression_constant(self._family, float(self.efficiency))

    def __getstate__(self):
        return {of.name: getattr(self, of.name) for of in fields(self) if of.init}

    def __setstate__(self, state):
        for name, value in state.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_memory", threading.local())

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return gradient and curvature of every row.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            In the native interfaces this is the predictions.
        y_pred : array-like of shape (n_samples,)
            In the native interfaces this is the ``xgboost.DMatrix`` or ``lightgbm.Dataset`` that
            holds targets and weights.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights; in the native interfaces those of the data.

        Returns
        -------
        gradient, curvature : ndarray of shape (n_samples,)
            In the unit of y, and without unit; both times the case weight.
        """
        y_true, y_pred, sample_weight = _taken(y_true, y_pred, sample_weight)
        cases = np.ones(len(y_true)) if sample_weight is None else sample_weight
        residuals = y_true - y_pred
        if isinstance(self.scale, Real):
            return _majorant(self._family, residuals, 0.0, float(self.scale), cases)
        now = self._memory.last = self._next_round(_Rows.evenly_spaced(y_true, y_pred, cases))
        return _majorant(self._family, residuals, now.centre, now.scale, cases)

    def _next_round(self, rows) -> _Round:
        """Return centre and scale of a round, from its residuals and from the round before."""
        family, last = self._family, getattr(self._memory, "last", None)
        residuals = rows.y_true - rows.y_pred
        centre = _centre(residuals, rows.cases) if family.redescending else 0.0
        measured = _SCALES[self._rule](residuals - centre, rows.cases)
        rate = None if last is None else last.learning_rate(family, rows, measured)
        if last is None or rate is None:
            floor = least = _FLOAT32 * scale_floor(rows.y_true, rows.cases)
        else:
            floor = last.floor
            least = last.sigma * (1.0 - rate) ** _PACE if family.redescending else floor
        sigma = max(measured, least, floor)
        scale = regression_constant(family, float(self.efficiency)) * sigma
        return _Round(rows, centre, scale, floor, measured, sigma)

    @property
    def _family(self) -> Loss:
        return resolve(self.loss, self.alpha)

    @property
    def _rule(self) -> str:
        if self.scale == "auto":
            return "reweighted" if self._family.redescending else "mad"
        return str(self.scale)


def _majorant(family, residuals, centre, scale, cases):
    """Return gradient and curvature of the quadratic that touches the loss and lies above it."""
    weights = family.rho_psi_weight(residuals - centre, scale)[2]
    curvature = np.maximum(weights, _LEAST_CURVATURE * family.weight_at_zero)
    return -cases * weights * residuals, cases * curvature


def _taken(first, second, sample_weight):
    """Return targets, predictions and case weights as copies, from either order of arguments."""
    if hasattr(second, "get_label"):
        sample_weight = second.get_weight()
        if sample_weight is not None and len(sample_weight) == 0:
            sample_weight = None  # a DMatrix without weights
        first, second = second.get_label(), first
    # LightGBM writes the predictions of every round into the same memory.
    y_true = np.array(check_unmasked("y_true", first), dtype=np.float64)
    y_pred = np.array(check_unmasked("y_pred", second), dtype=np.float64)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape or len(y_true) == 0:
        raise ValueError(
            "y_true and y_pred must have the same shape (n_samples,), one target and at least one "
            f"row, got {y_true.shape} and {y_pred.shape}."
        )
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        if not np.all(np.isfinite(values)):
            raise ValueError(
                f"{name} must be finite numbers, got {float(values[~np.isfinite(values)][0])!r}."
            )
    return y_true, y_pred, check_weights(sample_weight, len(y_true))


def initial_prediction(y, sample_weight=None):
    """Return a number at which boosting should begin, the median of the targets.

    In each round boosting corrects a wrong start only by the learning rate times what is left of
    the error. Under a custom objective XGBoost begins at 0.5 and LightGBM at 0, however far from
    that the targets are. Give XGBoost this as ``base_score``. LightGBM takes ``init_score`` for the
    training rows only and leaves it out of predictions, so there, and wherever folds or units
    differ, let scikit-learn's ``TransformedTargetRegressor`` with a ``RobustScaler`` centre the
    targets.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Targets. Of more than 20 000, that many evenly spaced ones are looked at.
    sample_weight : array-like of shape (n_samples,), optional
        Case weights: 2 is the row written twice.

    Returns
    -------
    float
        In the unit of y.

    Raises
    ------
    ValueError
        If y or the weights hold NaN or infinity, y has several targets, or weights do not match,
        are negative or all zero.

    Examples
    --------
    >>> from sklearn_robust.objectives import initial_prediction
    >>> initial_prediction([3.0, 1.0, 2.0, 4.0, 1e9])
    3.0
    """
    y_true, _, weights = _taken(y, y, sample_weight)
    return float(middle(y_true, weights))


def eval_metric(y_true, y_pred, sample_weight=None):
    """Return the M-scale of the residuals of validation rows, in the form that a library takes.

    By squared error, bad rows among the validation rows decide when boosting stops. The M-scale,
    :func:`sklearn_robust.metrics.s_scale`, hardly changes while fewer than half of them are bad.
    Pass this function as ``custom_metric`` of ``xgboost.train``, ``feval`` of ``lightgbm.train`` or
    ``eval_metric`` of ``LGBMRegressor.fit``; there ``metric="None"`` keeps LightGBM from stopping
    by squared error as well. ``XGBRegressor`` takes a score that returns a number: its
    ``eval_metric`` is ``metrics.s_scale`` itself.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        In the native interfaces this is the predictions.
    y_pred : array-like of shape (n_samples,)
        In the native interfaces this is the ``xgboost.DMatrix`` or ``lightgbm.Dataset``.
    sample_weight : array-like of shape (n_samples,), optional
        Case weights; in the native interfaces those of the data.

    Returns
    -------
    name : str
        "s_scale".
    value : float
        In the unit of y; less is better.
    greater_is_better : bool
        False. Not returned to XGBoost, which takes two values.

    Raises
    ------
    ValueError
        If the arguments hold NaN, infinity or masked values or do not match in shape, or weights
        are negative or all zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_robust.objectives import eval_metric
    >>> name, value, greater = eval_metric(np.arange(4.0), np.array([0.1, 0.8, 2.1, 99.0]))
    >>> name, round(value, 2), greater
    ('s_scale', 0.26, False)
    """
    # Only a DMatrix has information of other types; a Dataset and an array have none.
    of_xgboost = hasattr(y_pred, "get_float_info")
    y_true, y_pred, weights = _taken(y_true, y_pred, sample_weight)
    score = "s_scale", s_scale(y_true, y_pred, sample_weight=weights)
    return score if of_xgboost else (*score, False)
