"""The former name of :mod:`sklearn_robust.scales`, for code that imports it."""

from __future__ import annotations

from .scales import m_scale, mad, scale_floor, truncated_deviation

__all__ = ["m_scale", "mad", "scale_floor", "truncated_deviation"]
