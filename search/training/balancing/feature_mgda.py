"""MGDA on what the heads read instead of on the trunk's parameters: a bound that costs one pass through the trunk.

Sener & Koltun, *Multi-Task Learning as Multi-Objective Optimization*, NeurIPS 2018, MGDA-UB: the weights come from the
gradients by the shared features, and the trunk is differentiated once, for the weighted losses.

Axes: ``K`` tasks with a label in the batch, ``N`` rows, ``H`` features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search.balancing import Balancing
from search.errors import TrialError
from search.training.balancing.balancer import BalancingState, Setting

__all__ = ["FeatureMgda"]


class FeatureMgda:
    """MGDA-UB.

    Args:
        balancing: What gradients are divided by first.
        setting: Of the network.
    """

    looks_again = False

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        self._normalise = balancing.normalise
        self._first_T = torch.full((setting.n_tasks,), torch.nan, device=setting.device)
        self._features: Tensor | None = None

    def watch(self, trunk: nn.Module) -> None:
        """Keep what the trunk gives for the heads in each forward pass.

        Raises:
            TrialError: a trunk that gives every task features of its own.
        """
        trunk.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, arguments: object, features: object) -> None:
        if not isinstance(features, Tensor):
            raise TrialError(
                "mgda on features needs one trunk whose features all heads read", fix="Use balancing: mgda"
            )
        self._features = features if features.requires_grad else self._features

    def gradients(
        self, losses_T: Tensor, present_T: Tensor, trunk: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> list[Tensor]:
        now_T = losses_T.detach().to(self._first_T)
        self._first_T = torch.where(present_T & self._first_T.isnan(), now_T, self._first_T)
        features_NH = self._features
        assert features_NH is not None, "a forward pass comes first"
        losses_K = losses_T[present_T]
        rows = [torch.autograd.grad(loss, features_NH, retain_graph=True)[0].flatten() for loss in losses_K]
        rows_KP = torch.stack(rows)
        divisor_K = self._first_T[present_T].clone() if self._normalise in {"loss", "loss+"} else torch.ones(len(rows))
        if self._normalise in {"l2", "loss+"}:
            divisor_K = divisor_K * rows_KP.norm(dim=1)
        divisor_K = divisor_K.to(rows_KP).clamp_min(1e-12)
        scaled_KP = rows_KP / divisor_K[:, None]
        from torchjd.aggregation import MGDAWeighting  # with its solvers a second and a half, which few runs need

        weights_K = MGDAWeighting()(scaled_KP @ scaled_KP.T) / divisor_K
        plain = torch.autograd.grad(losses_K.sum(), list(heads), retain_graph=True, materialize_grads=True)
        shared = torch.autograd.grad(features_NH, list(trunk), (weights_K @ rows_KP).view_as(features_NH))
        return [*shared, *plain]

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        return None

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        return None

    def state(self) -> BalancingState:
        return {"first": self._first_T.cpu().numpy().copy()}

    def restore(self, state: BalancingState) -> None:
        self._first_T = torch.tensor(state["first"], device=self._first_T.device)
