"""The network of all peers: the reference job's, with one matrix for all heads, the quickest way to write it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from search.data.dataset import Dataset

__all__ = ["PeerData", "network", "peer_data", "validation_loss"]


class PeerData(NamedTuple):
    """Training and validation rows as tensors: inputs [N, F], targets [N, T]."""

    inputs: Tensor
    targets: Tensor
    validation_inputs: Tensor
    validation_targets: Tensor


def peer_data(dataset: Dataset) -> PeerData:
    """The rows of a data set without missing labels."""
    parts = (dataset.train, dataset.validation)
    return PeerData(*(torch.from_numpy(array) for part in parts for array in (part.inputs_NF, part.targets_NT)))


def network(n_inputs: int, n_tasks: int, seed: int) -> nn.Module:
    """64-128-128 and one output a task."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(n_inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, n_tasks))


def validation_loss(model: nn.Module, data: PeerData, tasks: list[int]) -> float:
    """Mean squared error over the validation rows."""
    with torch.inference_mode():
        return float(nn.functional.mse_loss(model(data.validation_inputs), data.validation_targets[:, tasks]))
