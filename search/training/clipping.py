"""Gradient clipping: each network's gradient is shortened to a largest norm (Pascanu, Mikolov & Bengio 2013)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["clip_each"]

_LEAST = 1e-6  # as torch.nn.utils.clip_grad_norm_ does it


def clip_each(blocks: Sequence[Tensor], limit: float) -> None:
    """Shorten the gradients of each network in place, as ``torch.nn.utils.clip_grad_norm_`` does those of one.

    Args:
        blocks: Gradients [K, ...] by all parameters; K networks.
        limit: Largest norm of all gradients of a network together.
    """
    norms_KB = torch.stack([torch.linalg.vector_norm(block.flatten(1), dim=1) for block in blocks], dim=1)
    # Along the last axis: only there the order of the sum does not depend on how many networks there are.
    factor_K = (limit / (torch.linalg.vector_norm(norms_KB, dim=1) + _LEAST)).clamp_(max=1)
    for block in blocks:
        block.mul_(factor_K.view(-1, *[1] * (block.dim() - 1)))
