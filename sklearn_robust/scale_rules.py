"""Rules by which the scale c follows from residuals: given, MAD, M-scale, truncated."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from . import scales
from .design import Design, passes
from .design.residuals import (
    loss_gradient_and_abs_residuals,
    m_scale,
    normal_scaled_quantile,
    truncated_deviation,
)
from .problem import Objective, Problem
from .scales import WIDER, normal_quantile

MOST_IN_USE = 0.45
"""Largest number of columns in use, relative to the number of cases, for which the residuals still
say how large the errors are. With more columns most rows are fitted closely in any case."""
_LOWER, _UPPER = 0.97, 1.03
"""Window, relative to the last median, in which the next pass gathers absolute residuals."""


class ScaleRule(ABC):
    """The scale c = k·sigma of residuals, as a function of the parameters."""

    def __init__(self, design: Design, constant):
        self._design = design
        self._constant = constant

    def c_at(self, params) -> float:
        """Return the scale c of the residuals at ``params``."""
        return self._constant * self.sigma_at(params)

    def c_of_residuals(self, residuals, cases) -> float:
        """Return the scale c of given residuals; ``cases`` is empty if every row counts once."""
        raise NotImplementedError

    def c_of(self, sigma: float) -> float:
        """Return the scale c of a residual scale."""
        return self._constant * sigma

    def is_floor(self, c: float) -> bool:
        """Return whether the residual scale of a scale c is at the floor."""
        return self.sigma_of(c) <= self._design.floor

    def sigma_of(self, c: float) -> float:
        """Return the residual scale of a scale c."""
        return c / self._constant

    @abstractmethod
    def sigma_at(self, params) -> float:
        """Return the residual scale at ``params``."""

    def read(self, objective: Objective, params):
        """Return F/c², c times its gradient, and the step of log c towards this rule."""
        value, gradient = objective.value_gradient(params)
        return value, gradient, math.log(self.c_at(params) / objective.scale)


class GivenScale(ScaleRule):
    """The given scale ``constant``, independent of the residuals."""

    def sigma_at(self, params):
        return 1.0

    def c_of_residuals(self, residuals, cases):
        return self.c_of(1.0)

    def read(self, objective, params):
        return *objective.value_gradient(params), 0.0


class MadScale(ScaleRule):
    """The MAD; if it is zero, a wider quantile of absolute residuals; the floor if all are zero.

    A quantile that has been zero is not used again. Otherwise the larger scale of the wider
    quantile would release the rows that made it zero, and the two would alternate.

    Attributes
    ----------
    vanished : bool
        Whether the MAD was zero to rounding at any parameters so far.
    """

    def __init__(self, design, constant):
        super().__init__(design, constant)
        self._shares = [0.5, *WIDER]
        self.vanished = False

    def sigma_at(self, params):
        while self._shares:
            sigma = normal_scaled_quantile(self._design, params, self._shares[0])
            if sigma > self._design.floor:
                return sigma
            self._shares.pop(0)
            self.vanished = True
        return self._design.floor

    def c_of_residuals(self, residuals, cases):
        weights = cases if len(cases) else None
        sigma = scales.normal_scaled_quantile(residuals, 0.5, weights)
        return self.c_of(max(sigma, self._design.floor))

    def read(self, objective, params):
        if not self._shares:  # the scale stays at the floor
            value, gradient = objective.value_gradient(params)
            return value, gradient, math.log(self.c_of(self._design.floor) / objective.scale)
        unit = normal_quantile(self._shares[0])
        middle = self.sigma_of(objective.scale) * unit
        value, gradient, near = loss_gradient_and_abs_residuals(
            self._design, params, objective.loss, objective.scale,
            (_LOWER * middle, _UPPER * middle),
        )  # fmt: skip
        found = near.quantile(self._shares[0])
        sigma = found / unit if found is not None else 0.0
        scale = self.c_of(sigma) if sigma > self._design.floor else self.c_at(params)
        return *objective.with_penalty(params, value, gradient), math.log(scale / objective.scale)

    @property
    def median_constant(self) -> float:
        """The ratio of c to the median absolute residual."""
        return self._constant / normal_quantile(0.5)


class MScale(ScaleRule):
    """The M-scale with a breakdown point of 1/2, corrected for the number of free parameters."""

    def __init__(self, design, constant, n_parameters):
        super().__init__(design, constant)
        self._n_parameters = n_parameters
        self._known: dict[bytes, float] = {}  # a search asks for the same parameters again

    def sigma_at(self, params):
        key = params.tobytes()
        if key not in self._known:
            sigma = m_scale(self._design, params, self._n_parameters, self._design.floor)
            self._known[key] = sigma
        return self._known[key]

    @property
    def definition(self) -> tuple[float, float, float]:
        """The ratio of c to the M-scale, the sum of rho that defines it, and the least M-scale."""
        half = self._design.half_of_cases(self._n_parameters)
        return self._constant, half, self._design.floor

    def read(self, objective, params):
        design = self._design
        value, gradient, slope = passes.scale_gradient(
            design, params, objective.loss, objective.scale
        )
        excess = value - design.half_of_cases(self._n_parameters) / design.total_weight
        return *objective.with_penalty(params, value, gradient), -excess / slope


class TruncatedScale(ScaleRule):
    """The deviation of the residuals within 2.5 times itself, at most ``largest``.

    It jumps when rows enter or leave the window, so it need not have a joint fixed point with the
    coefficients. It may therefore only fall, and comes to rest.
    """

    def __init__(self, design, constant, n_parameters, largest):
        super().__init__(design, constant)
        self._n_parameters = n_parameters
        self._largest = largest

    def at_most(self, c: float) -> TruncatedScale:
        """Return the same rule with another upper bound on c."""
        largest = self.sigma_of(c)
        return TruncatedScale(self._design, self._constant, self._n_parameters, largest)

    def sigma_at(self, params):
        sigma = truncated_deviation(self._design, params, self._largest, self._n_parameters)
        return max(sigma, self._design.floor)


class SelectingScale(TruncatedScale):
    """The truncated deviation where columns are selected, at most ``largest``.

    Columns in use count as free parameters. With too many of them it is ``largest``.
    """

    def __init__(self, problem: Problem, constant, largest):
        super().__init__(problem.design, constant, 0.0, largest)
        self._problem = problem

    def at_most(self, c):
        return SelectingScale(self._problem, self._constant, self.sigma_of(c))

    def sigma_at(self, params):
        self._n_parameters = self._problem.standardised_penalty.n_in_use(params)
        if self._n_parameters > MOST_IN_USE * self._design.n_cases:
            return self._largest
        return super().sigma_at(params)


def falling_scale(problem: Problem, constant, n_parameters, largest) -> TruncatedScale:
    """Return the truncated deviation, at most ``largest``, of a problem.

    ``n_parameters`` counts if the penalty selects no columns.
    """
    if problem.standardised_penalty.selects:
        return SelectingScale(problem, constant, largest)
    return TruncatedScale(problem.design, constant, n_parameters, largest)
