"""How much an auxiliary task counts in a step: as much as its gradient points where the main tasks' does.

Du et al., *Adapting Auxiliary Losses Using Gradient Similarity*, 2018: the weight is the cosine of the two gradients of
the shared parameters, and 0 where that is negative. So a step never does the main tasks less good than one without
auxiliary tasks, to first order.

Axes: ``T`` tasks, ``P`` shared parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from grouping.errors import InputError

__all__ = ["auxiliary_weights"]


def auxiliary_weights(gradients_TP: Tensor, main_T: Tensor) -> Tensor:
    """Weight of each task's loss, [T]: 1 for main tasks, the cosine or 0 for auxiliary ones.

    Args:
        gradients_TP: Gradient of each task's loss, times its declared weight if it has one, by the shared parameters.
            A task without labels in the batch has a gradient of zeros, and then the weight 0 if it is auxiliary.
        main_T: Which tasks are main ones, boolean; their gradients are added up.

    Raises:
        InputError: no main task.
    """
    if not main_T.any():
        raise InputError(
            "every task is auxiliary, so there is nothing to help with", where="main_T", fix="Name a main task"
        )
    wanted_P = gradients_TP[main_T].sum(dim=0)
    # Scaled first: products of tiny gradients would vanish before they are divided.
    cosine_T = _directions(gradients_TP) @ _directions(wanted_P[None])[0]
    return torch.where(main_T, torch.ones_like(cosine_T), cosine_T.clamp(min=0, max=1))


def _directions(gradients_TP: Tensor) -> Tensor:
    """Gradients of length 1; zeros stay zeros."""
    largest_T = gradients_TP.abs().amax(dim=1, keepdim=True)
    scaled_TP = torch.where(largest_T > 0, gradients_TP / largest_T, 0.0)
    length_T = torch.linalg.vector_norm(scaled_TP, dim=1, keepdim=True)
    return torch.where(largest_T > 0, scaled_TP / length_T, 0.0)
