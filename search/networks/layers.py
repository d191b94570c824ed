"""A built-in trunk cut into its layers, for networks that share some of them or do something in between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn

from search.networks.shape import TrunkShape
from search.networks.trunks import Residual, make_trunk

__all__ = ["Layer", "pooled", "trunk_layers"]


class Layer(nn.Module):
    """One product or residual block, its normalisation and ReLU, and what follows before the next (pooling, dropout).

    Args:
        before: Reshaping and product, and normalisation if there is one.
        after: What follows the ReLU.
    """

    def __init__(self, before: Sequence[nn.Module], after: Sequence[nn.Module]) -> None:
        super().__init__()
        self.before = nn.Sequential(*before)
        self.after = nn.Sequential(*after)

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.after(torch.relu(self.before(values)))
        return found


def trunk_layers(shape: TrunkShape, trunk_seed: int, dropout_seed: int) -> list[Layer]:
    """The layers of a built-in trunk in order, with the values that ``hard_sharing`` gives it for these seeds."""
    generator = torch.Generator().manual_seed(trunk_seed)
    trunk = make_trunk(shape, generator, count(dropout_seed))
    assert isinstance(trunk, nn.Sequential)
    layers, before, after = [], list[nn.Module](), list[nn.Module]()
    active = False
    for module in trunk:
        if active and isinstance(module, nn.Linear | nn.Conv2d | nn.Flatten | nn.AdaptiveAvgPool2d | Residual):
            layers.append(Layer(before, after))
            before, after, active = [], [], False
        if isinstance(module, nn.ReLU):
            active = True
        elif active:
            after.append(module)
        else:
            before.append(module)
    return [*layers, Layer(before, after)]


def pooled(values: Tensor) -> Tensor:
    """Features [N, C] of feature maps [N, C, H, W], their means over the image; features as they are."""
    return values.mean(dim=(2, 3)) if values.dim() == 4 else values
