"""Attention masks on a shared trunk: every task takes from each layer's features what it needs (MTAN).

Liu, Johns & Davison, *End-to-End Multi-Task Learning with Attention*, CVPR 2019. Of a layer, ``p`` are the features
before the ReLU and ``u`` those after it; the mask of task ``i`` is ``sigmoid(g(relu(h([p; m]))))`` with what the layer
before handed on, ``m``, and ``m`` of the next layer is ``f(mask * u)``, where ``f`` is the same for all tasks. In
convolutional layers ``g`` and ``h`` are 1 x 1, ``f`` is 3 x 3; with ``norm: batch`` each is normalised. A mask of 1
gives the features of hard sharing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search.networks.layers import Layer, pooled, trunk_layers
from search.networks.shape import KERNEL, TrunkShape
from search.networks.shared_network import TaskTrunk
from search.networks.sharing import Sharing
from search.networks.sharing_cost import SQUEEZE
from search.networks.trunks import convolution, linear

__all__ = ["Attended", "AttendedLayer", "Mask"]


class Mask(nn.Module):
    """The mask of one task on one layer, between 0 and 1, as large as the layer's features.

    Args:
        width: Features or channels of the layer.
        handed_on: Those that come from the layer before; 0 in the first.
        image: Whether the layer gives feature maps.
        normed: Whether both maps are normalised.
        generator: Where initial values come from.
    """

    def __init__(self, width: int, handed_on: int, *, image: bool, normed: bool, generator: torch.Generator) -> None:
        super().__init__()
        hidden = max(1, width // SQUEEZE)
        sizes = ((width + handed_on, hidden), (hidden, width))
        self.inner, self.outer = (_product(*size, 1, image=image, normed=normed, generator=generator) for size in sizes)

    def forward(self, early: Tensor, handed_on: Tensor | None) -> Tensor:
        seen = early if handed_on is None else torch.cat([early, handed_on], dim=1)
        mask: Tensor = torch.sigmoid(self.outer(torch.relu(self.inner(seen))))
        return mask


class AttendedLayer(nn.Module):
    """One layer of the shared trunk with a mask for every task.

    Args:
        layer: What is shared.
        masks: Of each task, length T.
        handing_on: From attended features to what the next layer's masks see; None in the last layer.
    """

    def __init__(self, layer: Layer, masks: Sequence[Mask], handing_on: nn.Module | None) -> None:
        super().__init__()
        self.layer = layer
        self.masks = nn.ModuleList(masks)
        self.handing_on = handing_on

    def forward(self, shared: Tensor, handed_on: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
        """The shared features, and each task's: attended in the last layer, else what the next layer's masks see."""
        early = self.layer.before(shared)
        late = torch.relu(early)
        shared = self.layer.after(late)
        seen = [None if on is None else _fitted(on, early) for on in handed_on]
        masks = [mask(early, on) for mask, on in zip(self.masks, seen, strict=True)]
        if self.handing_on is None:
            return shared, [mask * shared for mask in masks]
        return shared, [self.layer.after(torch.relu(self.handing_on(mask * late))) for mask in masks]


def _product(
    fan_in: int, fan_out: int, kernel: int, *, image: bool, normed: bool, generator: torch.Generator
) -> nn.Module:
    """A convolution or fully connected layer, normalised or with a bias."""
    if image:
        layer: nn.Module = convolution(fan_in, fan_out, generator, kernel=kernel, bias=not normed)
        return nn.Sequential(layer, nn.BatchNorm2d(fan_out)) if normed else layer
    layer = linear(fan_in, fan_out, generator, bias=not normed)
    return nn.Sequential(layer, nn.BatchNorm1d(fan_out)) if normed else layer


def _fitted(handed_on: Tensor, early: Tensor) -> Tensor:
    """What is handed on in the size of a layer that halves; a fully connected layer sees the means of feature maps."""
    if handed_on.dim() != early.dim():
        return pooled(handed_on)
    if handed_on.shape[2:] == early.shape[2:]:
        return handed_on
    fitted: Tensor = functional.adaptive_avg_pool2d(handed_on, (early.shape[2], early.shape[3]))
    return fitted


class Attended(TaskTrunk):
    """One trunk, a mask for every task and layer."""

    def __init__(self, sharing: Sharing, shape: TrunkShape, n_tasks: int, trunk_seed: int, dropout_seed: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        generator = torch.Generator().manual_seed(trunk_seed)
        last, before = len(shape.widths) - 1, 0
        for level, (layer, width) in enumerate(
            zip(trunk_layers(shape, trunk_seed, dropout_seed), shape.widths, strict=True)
        ):
            image = shape.image is not None and level < last
            normed = shape.norm == "batch"
            masks = [Mask(width, before, image=image, normed=normed, generator=generator) for _ in range(n_tasks)]
            onward = _product(width, width, KERNEL, image=image, normed=normed, generator=generator)
            self.layers.append(AttendedLayer(layer, masks, onward if level < last else None))
            before = width
        self._n_tasks = n_tasks

    def forward(self, inputs_NF: Tensor) -> Sequence[Tensor]:
        shared, features = inputs_NF, list[Tensor | None]([None] * self._n_tasks)
        for layer in self.layers:
            shared, features = layer(shared, features)
        return [values for values in features if values is not None]
