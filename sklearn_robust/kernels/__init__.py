"""All compiled code: the losses of one residual, and passes over a range of rows.

A pass reads rows ``start`` to ``stop`` once and returns a few sums. It holds no lock and starts
no thread, so that callers may run several ranges side by side and add the sums in order.
"""

from .columns import dense_moments
from .coordinates import column_products, descend_coordinates, less_combination
from .dense import dense_gradient, dense_pass, dense_residuals
from .growing import growing_loss
from .level_moves import move_blocks
from .levels import change_blocks, fit_blocks, redraw_blocks, refine_mixed
from .likelihood import fit_likelihood_packed
from .losses import GENERAL, psi_slopes, rho_influence_weight, rho_psi_weights
from .packed import irls_packed, packed_pass
from .partition import log_information, log_normaliser, log_partition
from .planes import planes_of_parts, planes_through, refine, scales_of
from .residuals import (
    BLOCK,
    GRAM,
    NOTHING,
    SHAPE,
    SIZES,
    range_loss,
    residuals_to_weights,
    sizes_between,
)
from .scales import CONSTANT, m_scale
from .sparse import csr_gradient, csr_gram, csr_residuals
from .twofold import add_gradient

__all__ = [
    "BLOCK",
    "CONSTANT",
    "GENERAL",
    "GRAM",
    "NOTHING",
    "SHAPE",
    "SIZES",
    "add_gradient",
    "change_blocks",
    "column_products",
    "csr_gradient",
    "csr_gram",
    "csr_residuals",
    "dense_gradient",
    "dense_moments",
    "dense_pass",
    "dense_residuals",
    "descend_coordinates",
    "fit_blocks",
    "fit_likelihood_packed",
    "growing_loss",
    "irls_packed",
    "less_combination",
    "log_information",
    "log_normaliser",
    "log_partition",
    "m_scale",
    "move_blocks",
    "packed_pass",
    "planes_of_parts",
    "planes_through",
    "psi_slopes",
    "range_loss",
    "redraw_blocks",
    "refine",
    "refine_mixed",
    "residuals_to_weights",
    "rho_influence_weight",
    "rho_psi_weights",
    "scales_of",
    "sizes_between",
]
