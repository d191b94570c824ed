"""MTG-Net's form of surrogate, as a rival of the linear one: attention among the members of a group.

After Song et al., *Efficient and Effective Multi-task Grouping via Meta Learning on Task Combinations*, NeurIPS 2022:
an embedding a task, two layers of self-attention masked to the members, one shared linear head that gives each member's
gain; L1 loss, Adam at 0.007, weight decay 5e-4.

Axes: ``N`` groups, ``T`` tasks, ``E`` embedding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from grouping.candidates import BoolArray, FloatArray
from grouping.losses import LossTable

__all__ = ["set_attention"]

_EMBEDDING, _STEPS, _RATE, _DECAY = 64, 600, 0.007, 5e-4


class _Groups(nn.Module):
    def __init__(self, n_tasks: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(n_tasks, _EMBEDDING))
        self.layers = nn.ModuleList(nn.MultiheadAttention(_EMBEDDING, 1, batch_first=True) for _ in range(2))
        self.head = nn.Linear(_EMBEDDING, 1)

    def forward(self, members_NT: torch.Tensor) -> torch.Tensor:
        """Gains, [N, T]."""
        found = self.embedding.expand(len(members_NT), -1, -1)
        for layer in self.layers:
            found = found + layer(found, found, found, key_padding_mask=~members_NT, need_weights=False)[0]
        gains_NT: torch.Tensor = self.head(found)[..., 0]
        return gains_NT


def set_attention(relative: LossTable, seed: int) -> FloatArray:
    """Relative losses of all candidates, from the mean losses of those that were measured, [C, T]."""
    torch.manual_seed(seed)
    members_CT, mean_CT = relative.candidates.members_CT, relative.mean_CT
    known_C: BoolArray = ~np.isnan(mean_CT).all(axis=1) & (relative.candidates.size_C > 1)
    gain_CT = np.where(members_CT, 1 - mean_CT, np.nan)
    level, spread = float(np.nanmean(gain_CT[known_C])), float(np.nanstd(gain_CT[known_C]))
    members, wanted = (
        torch.from_numpy(members_CT[known_C]),
        torch.from_numpy(np.nan_to_num((gain_CT[known_C] - level) / spread)).float(),
    )
    network = _Groups(members_CT.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss = (network(members) - wanted).abs()[members].mean()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found: FloatArray = network(torch.from_numpy(members_CT)).double().numpy()
    return np.asarray(np.where(members_CT, 1 - (level + spread * found), np.nan))
