"""Our way of calling Adam is torch's own optimiser, bit for bit."""

from __future__ import annotations

import pytest
import torch

from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.training.adam import Adam


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_equal_those_of_torchs_optimiser(weight_decay: float) -> None:
    ours, theirs = (hard_sharing(TrunkShape("mlp", 5, (8, 4)), [1, 2], trunk_seed=1) for _ in range(2))
    adam = Adam(ours.parameters(), 1e-2, weight_decay)
    reference = torch.optim.Adam(theirs.parameters(), lr=1e-2, weight_decay=weight_decay, fused=True)
    rows = torch.randn(20, 16, 5, generator=torch.Generator().manual_seed(0))
    for batch in rows:
        adam.step((ours(batch) - batch[:, :3]).square().mean())
        reference.zero_grad()
        (theirs(batch) - batch[:, :3]).square().mean().backward()
        reference.step()
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
