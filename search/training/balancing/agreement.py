"""Auxiliary tasks as far as they agree: each counts by the cosine of its gradient with that of the main tasks.

Du et al., *Adapting Auxiliary Losses Using Gradient Similarity*, 2018: an auxiliary gradient that points away from the
main tasks' is left out of the shared parameters. Its own head is trained as ever, so that it can agree later.

Axes: ``T`` tasks, ``P`` values of the trunk's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.balancing import Balancing
from search.training.balancing.balancer import BalancingState, Setting

__all__ = ["Agreement"]


class Agreement:
    """Main tasks add up with weight 1; auxiliary ones with weight ``max(0, cosine)``, anew in every step.

    A step without main tasks, as where each step is of one task, is held against the last one that had some.

    Args:
        balancing: Has no options.
        setting: Of the network; without auxiliary tasks all weights are 1.
    """

    looks_again = False

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        self._auxiliary_T = torch.tensor(list(setting.auxiliary_T), device=setting.device)
        self._main_P: Tensor | None = None

    def gradients(
        self, losses_T: Tensor, present_T: Tensor, trunk: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> list[Tensor]:
        main_T, helping_T = present_T & ~self._auxiliary_T, present_T & self._auxiliary_T
        plain = torch.autograd.grad(losses_T[present_T].sum(), list(heads), retain_graph=True, materialize_grads=True)
        total_P = _flat(losses_T[main_T].sum(), trunk)
        if main_T.any():
            self._main_P = total_P.clone()
        if self._main_P is not None:
            for loss in losses_T[helping_T]:
                own_P = _flat(loss, trunk)
                total_P += torch.nn.functional.cosine_similarity(own_P, self._main_P, dim=0).clamp_min(0.0) * own_P
        parts = torch.split(total_P, [parameter.numel() for parameter in trunk])
        return [*(part.view_as(parameter) for part, parameter in zip(parts, trunk, strict=True)), *plain]

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        return None

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        return None

    def state(self) -> BalancingState:
        return {} if self._main_P is None else {"main": self._main_P.cpu().numpy().copy()}

    def restore(self, state: BalancingState) -> None:
        self._main_P = torch.tensor(state["main"], device=self._auxiliary_T.device) if "main" in state else None


def _flat(loss: Tensor, trunk: Sequence[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(loss, list(trunk), retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])
