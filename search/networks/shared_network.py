"""Networks whose tasks share something else than one trunk: features of each task, and its head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search.networks.heads import Heads

__all__ = ["SharedNetwork", "TaskTrunk"]


class TaskTrunk(nn.Module):
    """Gives every task features of its own; subclasses say what they share."""

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        """Input rows [N, F] to the features [N, H] of each task, length T."""
        raise NotImplementedError

    def penalty(self) -> Tensor | None:
        """What training adds to the loss; None if nothing."""
        return None


class SharedNetwork(nn.Module):
    """Trunk and heads; ``forward`` maps rows [N, F] to the outputs of all tasks side by side, [N, O].

    Args:
        trunk: Features of each task.
        heads: As in a network of one trunk.
        outputs: Outputs of each task's head, length T.
    """

    def __init__(self, trunk: TaskTrunk, heads: Heads, outputs: Sequence[int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = heads
        self._outputs = list(outputs)

    def forward(self, inputs_NF: Tensor) -> Tensor:
        features = self.trunk(inputs_NF)
        if all(values is features[0] for values in features):  # then it is hard sharing, to the bit
            common: Tensor = self.heads(features[0])
            return common
        weights, biases = (torch.split(values, self._outputs) for values in (self.heads.weight, self.heads.bias))
        outputs = [functional.linear(*task) for task in zip(features, weights, biases, strict=True)]
        return torch.cat(outputs, dim=1)

    def penalty(self) -> Tensor | None:
        """What training adds to the loss; None if nothing."""
        return self.trunk.penalty()
