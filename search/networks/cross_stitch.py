"""Cross-stitch networks: every task has a trunk of its own, and learns how much of the others' features to mix in.

Misra et al., *Cross-stitch Networks for Multi-task Learning*, CVPR 2016.

Axes: ``T``, ``S`` tasks, ``N`` rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search.networks.layers import trunk_layers
from search.networks.shape import TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Sharing

__all__ = ["CrossStitched", "StitchedLayer"]

_OWN = 0.9
"""Share of a task's own features at the start; the rest is the others', in equal parts."""


class StitchedLayer(nn.Module):
    """A layer a task, and the mixing of what they give.

    ``stitch[s, t]`` is what task ``s`` takes of task ``t``'s features.

    Args:
        layers: Of each task, length T.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        n_tasks = len(layers)
        mixed_ST = torch.full((n_tasks, n_tasks), (1 - _OWN) / max(n_tasks - 1, 1))
        self.stitch = nn.Parameter(mixed_ST.fill_diagonal_(_OWN if n_tasks > 1 else 1.0))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        own = torch.stack([layer(values) for layer, values in zip(self.layers, features, strict=True)])
        return list((self.stitch @ own.flatten(1)).view_as(own))


class CrossStitched(TaskTrunk):
    """A trunk a task, all with the same values at the start; after every layer features are mixed."""

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        trunks = [trunk_layers(shape, trunk_seed, dropout_seed) for _ in range(n_tasks)]
        self.layers = nn.ModuleList(StitchedLayer(layers) for layers in zip(*trunks, strict=True))
        self._n_tasks = n_tasks

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        features = [inputs_NF] * self._n_tasks
        for layer in self.layers:
            features = layer(features)
        return features
