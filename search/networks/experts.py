"""Mixtures of experts: several trunks, and for every task a gate that says how much of which.

MMoE (Ma et al., KDD 2018): all experts are everybody's. CGC (Tang et al., RecSys 2020): some are everybody's, some a
task's own. PLE (the same): CGC in every layer, with a gate for what everybody shares too. A gate is a softmax of a
linear map: of the input row (MMoE, CGC), or of the features it goes with (PLE; of feature maps, their means).

Axes: ``N`` rows, ``E`` experts of a gate, ``H`` features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search.networks.layers import pooled, trunk_layers
from search.networks.shape import TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Sharing
from search.networks.trunks import linear

__all__ = ["ExpertLayer", "Experts", "LayeredExperts", "mixed"]


class Experts(TaskTrunk):
    """Whole trunks as experts: of everybody (MMoE), or of everybody and of each task (CGC)."""

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        owners = n_tasks if sharing.kind == "cgc" else 0
        count = sharing.experts * (1 + owners)
        self.experts = nn.ModuleList(
            nn.Sequential(*trunk_layers(shape, trunk_seed + e, dropout_seed)) for e in range(count)
        )
        everybodys = list(range(sharing.experts))
        own = [everybodys[-1] + 1 + t * sharing.experts for t in range(n_tasks)]
        self._of = [[*everybodys, *(range(o, o + sharing.experts) if owners else ())] for o in own]
        generator = torch.Generator().manual_seed(trunk_seed)
        self.gates = nn.ModuleList(linear(shape.n_inputs, len(of), generator) for of in self._of)

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        given = [expert(inputs_NF) for expert in self.experts]
        return [mixed([given[e] for e in of], gate(inputs_NF)) for of, gate in zip(self._of, self.gates, strict=True)]


class ExpertLayer(nn.Module):
    """One layer's experts and gates: each task's first, everybody's last.

    Args:
        experts: ``each`` of every task in turn, then of everybody.
        gates: Of each task, over its own experts and everybody's; then, but in the last layer, of everybody, over all.
        each: Experts of a task.
    """

    def __init__(self, experts: Sequence[nn.Module], gates: Sequence[nn.Module], each: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.gates = nn.ModuleList(gates)
        self._each = each
        self._n_tasks = len(experts) // each - 1

    def forward(self, groups: Sequence[Tensor], seen: Sequence[Tensor]) -> list[Tensor]:
        """Features of each task and of everybody, and what their gates look at, to the features of the next layer."""
        each, n_tasks = self._each, self._n_tasks
        given = [expert(groups[e // each]) for e, expert in enumerate(self.experts)]
        experts = [[*given[t * each : (t + 1) * each], *given[n_tasks * each :]] for t in range(n_tasks)]
        return [mixed(of, gate(s)) for of, gate, s in zip([*experts, given], self.gates, seen, strict=False)]


class LayeredExperts(TaskTrunk):
    """Layers as experts, of everybody and of each task; every task, and everybody together, goes on with a mixture."""

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        each, self._image, self._groups = sharing.experts, shape.image, n_tasks + 1
        trunks = [trunk_layers(shape, trunk_seed + e, dropout_seed) for e in range(self._groups * each)]
        generator = torch.Generator().manual_seed(trunk_seed)
        fans = [shape.n_inputs if shape.image is None else shape.image[0], *shape.widths]
        self.layers = nn.ModuleList()
        for level, experts in enumerate(zip(*trunks, strict=True)):
            sizes = [2 * each] * n_tasks + [self._groups * each] * (level < len(shape.widths) - 1)
            gates = [linear(fans[level], size, generator) for size in sizes]
            self.layers.append(ExpertLayer(experts, gates, each))

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        groups = [inputs_NF] * self._groups
        seen = [pooled(inputs_NF if self._image is None else torch.unflatten(inputs_NF, 1, self._image))] * self._groups
        for layer in self.layers:
            groups = layer(groups, seen)
            seen = [pooled(values) for values in groups]
        return groups


def mixed(experts: Sequence[Tensor], logits_NE: Tensor) -> Tensor:
    """Experts' features [N, ...] weighted by the softmax of a gate's outputs."""
    stacked = torch.stack([values.flatten(1) for values in experts], dim=1)
    weighted_N1H = torch.softmax(logits_NE, dim=1).unsqueeze(1) @ stacked
    return weighted_N1H.squeeze(1).view_as(experts[0])
