"""Dropout with a random stream of its own, so that what a network drops depends on its seed and on nothing else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]


class Dropout(nn.Module):
    """Zeroes values at random while training and scales up the others (Srivastava et al. 2014, inverted).

    Masks are drawn on the CPU in float32, whatever the device and precision of the values, so that a network drops the
    same everywhere. The stream's place is no part of ``state_dict``: to carry a training on, keep
    ``generator.get_state()`` and give it to ``generator.set_state()``.

    Args:
        probability: Of dropping a value, at least 0 and below 1.
        seed: Of the stream of masks.
    """

    def __init__(self, probability: float, seed: int) -> None:
        super().__init__()
        self.probability = probability
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape; the same ones in evaluation."""
        if not self.training or not self.probability:
            return values
        return values * self.mask(values.shape).to(values).div_(1 - self.probability)

    def mask(self, shape: torch.Size) -> Tensor:
        """The next mask: 1 where a value stays, 0 where it is dropped; float32, on the CPU."""
        return torch.empty(shape).bernoulli_(1 - self.probability, generator=self.generator)

    def extra_repr(self) -> str:
        return f"probability={self.probability}"
