"""What a network costs to serve, in closed form and without torch: FLOPs, parameters, widths for a capacity.

Only matrix products and convolutions count (2 FLOPs per multiply-add; biases, activations, pooling and normalisation
free), exactly what ``torch.utils.flop_counter.FlopCounterMode`` counts on the real module; tests hold the two equal.
Trunks of other packages have no closed form: they are built and counted (``counted``). Measured latency is
``search.networks.latency``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

from grouping.errors import InputError
from search.networks.shape import BUILT_IN, KERNEL, OF_IMAGES, RESIDUAL, TrunkShape

__all__ = [
    "CAPACITY_TOLERANCE",
    "Layer",
    "NetworkCost",
    "TrunkCost",
    "network_cost",
    "reached_capacity",
    "scaled_widths",
    "trunk_cost",
    "trunk_layers",
    "widths_for",
]

CAPACITY_TOLERANCE = 0.05
"""How far trunk FLOPs may lie from the asked capacity, relative to it."""

_WIDEST = 1_000_000  # where the search for widths ends, should FLOPs of a foreign trunk not grow with them


class TrunkCost(NamedTuple):
    """FLOPs per input row, and trained parameters."""

    flops: int
    parameters: int


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network; FLOPs are per input row.

    Trunk and heads are counted apart, because capacity compares trunks only: heads come with the tasks, however they
    are grouped.
    """

    trunk_flops: int
    head_flops: int
    trunk_parameters: int
    head_parameters: int

    @property
    def flops(self) -> int:
        return self.trunk_flops + self.head_flops

    @property
    def parameters(self) -> int:
        return self.trunk_parameters + self.head_parameters


def network_cost(shape: TrunkShape, outputs: Sequence[int]) -> NetworkCost:
    """Cost of a trunk with one linear head a task.

    Args:
        shape: Of the trunk.
        outputs: Outputs of each task's head (1, or the number of classes).
    """
    trunk, width = trunk_cost(shape), shape.widths[-1]
    return NetworkCost(trunk.flops, 2 * width * sum(outputs), trunk.parameters, (width + 1) * sum(outputs))


def trunk_cost(shape: TrunkShape) -> TrunkCost:
    """Cost of a trunk alone.

    Raises:
        InputError: the trunk of another package cannot be built.
    """
    if shape.trunk not in BUILT_IN:
        from search.networks.counted import counted_cost  # needs torch, as such a trunk does

        return counted_cost(shape)
    layers = trunk_layers(shape)
    return TrunkCost(sum(layer.flops for layer in layers), sum(layer.parameters for layer in layers))


def reached_capacity(shape: TrunkShape, widths: Sequence[int]) -> float:
    """Trunk FLOPs with other ``widths`` in units of the standard trunk's (SNT)."""
    return trunk_cost(replace(shape, widths=tuple(widths))).flops / trunk_cost(shape).flops


@cache
def scaled_widths(shape: TrunkShape, capacity: float) -> tuple[int, ...]:
    """Hidden widths whose trunk costs ``capacity`` standard network times, all scaled by one factor and rounded.

    Args:
        shape: The trunk at 1 SNT.
        capacity: The asked size in SNT, above 0.

    Raises:
        InputError: no rounding comes within 5 % of the asked capacity; names the nearest that exists.
    """
    return shape.widths if capacity == 1 else widths_for(shape, capacity, lambda w: reached_capacity(shape, w))


def widths_for(
    shape: TrunkShape, capacity: float, reach: Callable[[tuple[int, ...]], float], shared: str = "", aside: int = 0
) -> tuple[int, ...]:
    """Hidden widths with which something reaches a capacity.

    What it reaches never falls when the factor grows that all widths are scaled by, so the factor is bisected down to
    the two neighbouring roundings around the target; the nearer one is taken.

    Args:
        shape: The trunk at 1 SNT.
        capacity: The asked size in SNT, above 0.
        reach: Widths to SNT.
        shared: What is more than the trunk, for messages.
        aside: How far the last two widths may be from a common factor where that alone misses the capacity.

    Raises:
        InputError: no rounding comes within 5 % of the asked capacity; names the nearest that exists.
    """

    def rounded(factor: float) -> tuple[int, ...]:
        return tuple(max(1, math.floor(width * factor + 0.5)) for width in shape.widths)

    reached = cache(reach)
    below, above = 0.0, max(1.0, capacity)  # FLOPs grow at least linearly beyond factor 1
    while reached(rounded(above)) <= capacity and max(rounded(above)) < _WIDEST:
        above *= 2
    while rounded(below) != rounded(above) and above - below > 1e-12 * above:
        middle = (below + above) / 2
        if reached(rounded(middle)) <= capacity:
            below = middle
        else:
            above = middle

    def miss(candidate: tuple[int, ...]) -> float:
        return abs(reached(candidate) - capacity)

    widths = min(rounded(below), rounded(above), key=miss)
    if miss(widths) > CAPACITY_TOLERANCE * capacity and shape.trunk in RESIDUAL:
        # Widths that become equal need no projection, so FLOPs may fall where the factor grows.
        steps = {(k + 0.5) / width for width in shape.widths for k in range(int(2 * above * width) + 1)}
        widths = min((rounded(step) for step in sorted(steps)), key=miss)
    if miss(widths) > CAPACITY_TOLERANCE * capacity and aside:
        kept, last = widths[:-2], widths[-2:]
        near = product(*(range(max(1, width - aside), width + aside + 1) for width in last))
        widths = min(((*kept, *moved) for moved in near), key=miss)
    nearest = reached(widths)
    if abs(nearest - capacity) > CAPACITY_TOLERANCE * capacity:
        raise InputError(
            f"no integer widths bring the trunk {list(shape.widths)}{shared} on {shape.n_inputs} inputs within 5 % of "
            f"capacity {capacity:g}; the nearest is {nearest:.6g} with widths {list(widths)}",
            where="network.capacities",
            fix=f"Ask for capacity {nearest:.6g}, or start from wider layers",
        )
    return widths


@dataclass(frozen=True)
class Layer:
    """One layer of a built-in trunk.

    Args:
        weights: Of the product, each used at every position.
        others: Trained parameters beside them.
        positions: Of the image that the weights are used at; 1 in a fully connected layer.
        width: Features or channels that it gives.
        kept: Positions that are left once it is pooled.
        norms: Those of ``others`` that belong to its normalisation.
        skip: What the way round it costs; None where there is none that is cheaper.
        within: Whether what that way is made of is part of the layer.
        skip_norms: Parameters of its normalisation.
    """

    weights: int
    others: int
    positions: int
    width: int
    kept: int = 1
    norms: int = 0
    skip: TrunkCost | None = None
    within: bool = False
    skip_norms: int = 0

    @property
    def flops(self) -> int:
        return 2 * self.weights * self.positions

    @property
    def parameters(self) -> int:
        return self.weights + self.others

    @property
    def values(self) -> int:
        """Numbers that it hands on."""
        return self.width * self.kept


def trunk_layers(shape: TrunkShape) -> tuple[Layer, ...]:
    """The layers of a built-in trunk, inputs first."""
    return _image_layers(shape) if shape.trunk in OF_IMAGES else _row_layers(shape)


def _row_layers(shape: TrunkShape) -> tuple[Layer, ...]:
    found = []
    for level, (fan_in, fan_out) in enumerate(pairwise((shape.n_inputs, *shape.widths))):
        if level and shape.trunk == "resmlp":
            found.append(_block(shape, fan_in, fan_out, 1, 1))
        else:
            others, norms = _beside(shape, fan_out)
            skip = TrunkCost(0, 0) if level and fan_in == fan_out else None
            found.append(Layer(fan_in * fan_out, others, 1, fan_out, norms=norms, skip=skip, within=True))
    return tuple(found)


def _image_layers(shape: TrunkShape) -> tuple[Layer, ...]:
    assert shape.image is not None
    *channels, width = shape.widths
    found = []
    sizes = [math.prod(size) for size in shape.sizes]
    fans = pairwise((shape.image[0], *channels))
    for level, ((fan_in, fan_out), (before, kept)) in enumerate(zip(fans, pairwise(sizes), strict=True)):
        if level and shape.trunk == "resnet":
            found.append(_block(shape, fan_in, fan_out, kept, KERNEL**2))
        else:
            others, norms = _beside(shape, fan_out)
            skip = TrunkCost(2 * fan_in * fan_out * kept, fan_in * fan_out) if level else None
            found.append(Layer(KERNEL**2 * fan_in * fan_out, others, before, fan_out, kept, norms, skip))
    flat = channels[-1] * (1 if shape.trunk == "resnet" else sizes[-1])
    return (*found, Layer(flat * width, width, 1, width))


def _block(shape: TrunkShape, fan_in: int, fan_out: int, positions: int, kernel: int) -> Layer:
    """A residual block; its shortcut is the way round it."""
    projection = 0 if fan_in == fan_out else fan_in * fan_out
    others, norms = _beside(shape, fan_out)
    skip = TrunkCost(2 * projection * positions, projection)
    weights = kernel * (fan_in + fan_out) * fan_out + projection
    return Layer(weights, 2 * others, positions, fan_out, positions, 2 * norms, skip, within=True)


def _beside(shape: TrunkShape, width: int) -> tuple[int, int]:
    """Trained parameters beside a product's, and those of them that are its normalisation's scale and shift."""
    return (2 * width, 2 * width) if shape.norm == "batch" else (width, 0)
