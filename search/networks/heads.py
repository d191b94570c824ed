"""What is a task's own in a shared network: one linear map from the trunk's features to the task's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search.networks.trunks import linear

__all__ = ["Heads"]


class Heads(nn.Module):
    """One linear head a task, stored as consecutive rows of one matrix: a step costs one product for any task count.

    Args:
        n_features: Features that the trunk gives.
        outputs: Outputs of each task (1, or the number of classes), length T.
        generators: Where each task's initial values come from, length T: a task starts from the same head whoever
            else shares the network.
    """

    def __init__(self, n_features: int, outputs: Sequence[int], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        heads = [linear(n_features, size, own) for size, own in zip(outputs, generators, strict=True)]
        self.weight = nn.Parameter(torch.cat([head.weight.detach() for head in heads]))
        self.bias = nn.Parameter(torch.cat([head.bias.detach() for head in heads]))

    def forward(self, features_NH: Tensor) -> Tensor:
        """Outputs of all tasks side by side, [N, sum of outputs]."""
        return nn.functional.linear(features_NH, self.weight, self.bias)
