"""Peers b and b': tensors stay where they are, batches are indices; ``torch.optim.Adam`` as it comes, or fused."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.benchmarks.training.job import BATCH, LEARNING_RATE, Group
from tests.benchmarks.training.peer_network import PeerData, network, validation_loss

__all__ = ["train"]


def train(data: PeerData, group: Group, epochs: int, seed: int, *, fused: bool | None = None) -> float:
    """Train one network; its validation loss after the last epoch."""
    tasks = list(group)
    targets = data.targets[:, tasks]
    model = network(data.inputs.shape[1], len(tasks), seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)
    loss = 0.0
    for _ in range(epochs):
        for index in torch.split(torch.randperm(len(targets)), BATCH):
            optimizer.zero_grad()
            error = functional.mse_loss(model(data.inputs[index]), targets[index]) * len(tasks)
            error.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        loss = validation_loss(model, data, tasks)
    return loss
