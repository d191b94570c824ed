"""Hard sharing up to a depth: the first layers are everybody's, the others are each task's own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from search.networks.layers import trunk_layers
from search.networks.shape import TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Sharing

__all__ = ["Branches"]


class Branches(TaskTrunk):
    """Branching after ``depth`` layers: 0 is a trunk a task, all of them one trunk for everybody.

    Every branch starts from the same values, those of the task's own network with the same seeds.
    """

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        copies = [trunk_layers(shape, trunk_seed, dropout_seed) for _ in range(n_tasks)]
        self.stem = nn.Sequential(*copies[0][: sharing.depth])
        self.branches = nn.ModuleList(nn.Sequential(*layers[sharing.depth :]) for layers in copies)

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        shared = self.stem(inputs_NF)
        return [branch(shared) for branch in self.branches]
