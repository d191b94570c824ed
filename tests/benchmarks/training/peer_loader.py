"""Peer a: a loop over ``DataLoader(TensorDataset)`` with ``torch.optim.Adam``, as the tutorials have it."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.training.job import BATCH, LEARNING_RATE, Group
from tests.benchmarks.training.peer_network import PeerData, network, validation_loss

__all__ = ["train"]


def train(data: PeerData, group: Group, epochs: int, seed: int) -> float:
    """Train one network; its validation loss after the last epoch."""
    tasks = list(group)
    loader = DataLoader(TensorDataset(data.inputs, data.targets[:, tasks]), batch_size=BATCH, shuffle=True)
    model = network(data.inputs.shape[1], len(tasks), seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss = 0.0
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            error = functional.mse_loss(model(inputs), targets) * len(tasks)
            error.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        loss = validation_loss(model, data, tasks)
    return loss
