"""Soft parameter sharing: every task has a trunk of its own, and the trunks are drawn towards each other.

Two penalties on matched parameters: the squares of all differences between two tasks (Duong et al. 2015), or the trace
norm of the tasks' parameters side by side (Yang & Hospedales, arXiv 1606.04038), which asks for a common subspace.

Axes: ``T`` tasks, ``P`` values of one parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search.networks.layers import trunk_layers
from search.networks.shape import TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Penalty, Sharing

__all__ = ["SoftlyShared", "differences", "trace_norm"]


class SoftlyShared(TaskTrunk):
    """A trunk a task, all with the same values at the start."""

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(
            nn.Sequential(*trunk_layers(shape, trunk_seed, dropout_seed)) for _ in range(n_tasks)
        )
        self._weight = sharing.weight
        self._penalty: Penalty = sharing.penalty

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        return [trunk(inputs_NF) for trunk in self.trunks]

    def penalty(self) -> Tensor | None:
        if self._weight == 0 or len(self.trunks) == 1:
            return None
        matched = zip(*(trunk.parameters() for trunk in self.trunks), strict=True)
        stacked = [torch.stack([values.flatten() for values in parameters]) for parameters in matched]
        term = differences if self._penalty == "l2" else trace_norm
        return self._weight * torch.stack([term(values_TP) for values_TP in stacked]).sum()


def differences(values_TP: Tensor) -> Tensor:
    """Sum over all pairs of tasks of the squared distance: T times the squared distances from the mean."""
    return len(values_TP) * (values_TP - values_TP.mean(dim=0)).square().sum()


def trace_norm(values_TP: Tensor) -> Tensor:
    """Sum of the singular values; its slope exists where they differ from zero, as they do in training."""
    found: Tensor = torch.linalg.svdvals(values_TP).sum()
    return found
