"""The policy while it is learnt: logits of the modes of every task in every unit, and samples that gradients pass.

Jang et al., *Categorical Reparameterization with Gumbel-Softmax*, ICLR 2017. Soft samples are what AdaShare uses, in
forward and backward pass; straight-through samples are one mode, with the gradient of the soft one.

Axes: ``L`` units, ``T`` tasks, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grouping.policy import Mode
from search.networks.sharing import Sampling
from search.networks.units import Unit

__all__ = ["PolicyLogits", "allowed_modes", "prefixed"]


def allowed_modes(units: Sequence[Unit], modes: Sequence[Mode]) -> Tensor:
    """Which modes a task can have in each unit, [L, M]: one that cannot be skipped has no skip."""
    return torch.tensor(
        [
            [mode == "shared" or (unit.searchable and (mode == "own" or unit.skip is not None)) for mode in modes]
            for unit in units
        ]
    )


class PolicyLogits:
    """Logits, all 0 at the start: every allowed mode is as likely.

    Args:
        allowed_LM: Which modes there are.
        n_tasks: Tasks.
        prefix: What is own stays own: a task shares a unit only if it shares all before it (branching). Modes are
            then (shared, own).
    """

    def __init__(self, allowed_LM: Tensor, n_tasks: int, *, prefix: bool = False) -> None:
        self.allowed_LM = allowed_LM
        self._prefix = prefix
        self.values_LTM = torch.zeros(len(allowed_LM), n_tasks, allowed_LM.shape[1], requires_grad=True)

    def masked(self) -> Tensor:
        """Logits, minus infinity where a mode is not allowed."""
        return self.values_LTM.masked_fill(~self.allowed_LM[:, None], -torch.inf)

    def probabilities(self) -> Tensor:
        """Probabilities of the modes, [L, T, M]; what is own stays own where that is the rule."""
        return self._as_ruled(torch.softmax(self.masked(), dim=2))

    def sample(self, temperature: float, sampling: Sampling, generator: torch.Generator) -> Tensor:
        """Weights of the modes for one batch, [L, T, M]; they sum to 1.

        Args:
            temperature: Above 0; near 0 a soft sample is one mode.
            sampling: ``soft``: a mixture. ``straight-through``: one mode; its gradient is the mixture's.
            generator: Where noise comes from.
        """
        uniform_LTM = torch.rand(self.values_LTM.shape, generator=generator).clamp_(1e-10, 1 - 1e-7)
        gumbel_LTM = -torch.log(-torch.log(uniform_LTM))
        soft_LTM = torch.softmax((self.masked() + gumbel_LTM) / temperature, dim=2)
        if sampling == "straight-through":
            hard_LTM = torch.zeros_like(soft_LTM).scatter_(2, soft_LTM.argmax(dim=2, keepdim=True), 1.0)
            soft_LTM = hard_LTM + soft_LTM - soft_LTM.detach()
        return self._as_ruled(soft_LTM)

    def _as_ruled(self, weights_LTM: Tensor) -> Tensor:
        return prefixed(weights_LTM) if self._prefix else weights_LTM


def prefixed(weights_LTM: Tensor) -> Tensor:
    """Weights of (shared, own) under the rule that a task shares a unit only if it shares all before it."""
    shared_LT = torch.cumprod(weights_LTM[..., 0], dim=0)
    return torch.stack([shared_LT, 1 - shared_LT], dim=2)
