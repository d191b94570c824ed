"""What a policy is about: a trunk as a chain of units, each with the way round it where there is one.

Built-in trunks are cut here; ``search.policy.cut`` cuts anybody's module.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from search.networks import cost
from search.networks.layers import Layer, trunk_layers
from search.networks.shape import TrunkShape
from search.networks.trunks import Residual, convolution

__all__ = ["PathNorm", "Unit", "built_in_units", "with_paths"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True, eq=False)
class Unit:
    """A layer or block that tasks share, have for themselves, or skip.

    Args:
        name: For people.
        module: What is shared; copies of it are a task's own.
        skip: The way round it; None where there is none.
        flops: Of the module, for one row.
        skip_flops: Of the way round.
        why_not: Why there is none, in a few words.
        searchable: Whether modes are searched at all; else every task shares it.
    """

    name: str
    module: nn.Module
    skip: nn.Module | None
    flops: int
    skip_flops: int = 0
    why_not: str = ""
    searchable: bool = True

    @property
    def skip_within(self) -> bool:
        """Whether the way round is made of a part of the module."""
        return any(part is self.skip for part in self.module.modules())

    def copy(self) -> Self:
        """The same with modules of its own, of the same values."""
        # In one go: what module and way round have in common stays in common.
        module, skip = deepcopy((self.module, self.skip))
        return type(self)(self.name, module, skip, self.flops, self.skip_flops, self.why_not, self.searchable)


class PathNorm(nn.Module):
    """A batch normalisation for each of several ways that lead through a module: their statistics differ.

    Args:
        norm: The one whose values all start with.
        n_paths: How many ways there are.
    """

    def __init__(self, norm: nn.Module, n_paths: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(deepcopy(norm) for _ in range(n_paths))
        self.path = 0

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.norms[self.path](values)
        return found


def with_paths(module: nn.Module, n_paths: int) -> tuple[nn.Module, list[PathNorm]]:
    """The module with a batch normalisation for each way through it, in place, and those normalisations."""
    if isinstance(module, _NORMS):
        found = PathNorm(module, n_paths)
        return found, [found]
    norms: list[PathNorm] = []
    for name, child in list(module.named_children()):
        replaced, its = with_paths(child, n_paths)
        setattr(module, name, replaced)
        norms += its
    return module, norms


def built_in_units(shape: TrunkShape, trunk_seed: int, dropout_seed: int) -> list[Unit]:
    """A built-in trunk in units, with the values that ``hard_sharing`` gives it for these seeds.

    A residual block is skipped by its shortcut, a layer of as many features by nothing at all, a convolution by a
    1 x 1 one and averaging. What leads in, and what turns an image into features, always runs.
    """
    generator = torch.Generator().manual_seed(trunk_seed)
    layers = trunk_layers(shape, trunk_seed, dropout_seed)
    fans = [shape.n_inputs if shape.image is None else shape.image[0], *shape.widths]
    units = []
    for level, (layer, counted) in enumerate(zip(layers, cost.trunk_layers(shape), strict=True)):
        skip, why = None, ""
        if counted.skip is not None:
            skip = _way_round(layer, fans[level], fans[level + 1], generator)
        elif level == 0:
            why = "it leads into the network"
        else:
            why = "a way round it would cost as much" if shape.image is None else "it turns an image into features"
        skip_flops = counted.skip.flops if counted.skip else 0
        units.append(Unit(_name(layer, level), layer, skip, counted.flops, skip_flops, why))
    return units


def _way_round(layer: Layer, fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Module:
    first = layer.before[0]
    if isinstance(first, Residual):
        return first.shortcut
    if isinstance(first, nn.Linear):
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(2), convolution(fan_in, fan_out, generator, kernel=1, bias=False))


def _name(layer: Layer, level: int) -> str:
    kinds = {nn.Linear: "layer", nn.Conv2d: "convolution", Residual: "block"}
    kind = next((name for module in layer.before for known, name in kinds.items() if isinstance(module, known)), "unit")
    return f"{kind} {level + 1}"
