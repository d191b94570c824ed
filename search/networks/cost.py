"""What a network costs to serve, in closed form and without torch: FLOPs, parameters, widths for a capacity.

Only matrix products and convolutions count (2 FLOPs per multiply-add; biases, activations, pooling and normalisation
free), exactly what ``torch.utils.flop_counter.FlopCounterMode`` counts on the real module; tests hold the two equal.
Trunks of other packages have no closed form: they are built and counted (``counted``). Measured latency is
``search.networks.latency``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from grouping.errors import InputError
from search.networks.shape import BUILT_IN, KERNEL, TrunkShape

__all__ = [
    "CAPACITY_TOLERANCE",
    "NetworkCost",
    "TrunkCost",
    "network_cost",
    "reached_capacity",
    "scaled_widths",
    "trunk_cost",
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
    layers = list(_layers(shape))
    return TrunkCost(
        flops=2 * sum(weights * positions for weights, _, positions in layers),
        parameters=sum(weights + others for weights, others, _ in layers),
    )


def reached_capacity(shape: TrunkShape, widths: Sequence[int]) -> float:
    """Trunk FLOPs with other ``widths`` in units of the standard trunk's (SNT)."""
    return trunk_cost(replace(shape, widths=tuple(widths))).flops / trunk_cost(shape).flops


@cache
def scaled_widths(shape: TrunkShape, capacity: float) -> tuple[int, ...]:
    """Hidden widths whose trunk costs ``capacity`` standard network times, all scaled by one factor and rounded.

    FLOPs never fall when the factor grows, so the factor is bisected down to the two neighbouring roundings around the
    target; the nearer one is taken.

    Args:
        shape: The trunk at 1 SNT.
        capacity: The asked size in SNT, above 0.

    Raises:
        InputError: no rounding comes within 5 % of the asked capacity; names the nearest that exists.
    """

    def rounded(factor: float) -> tuple[int, ...]:
        return tuple(max(1, math.floor(width * factor + 0.5)) for width in shape.widths)

    @cache
    def reached(widths: tuple[int, ...]) -> float:
        return reached_capacity(shape, widths)

    if capacity == 1:
        return shape.widths
    below, above = 0.0, max(1.0, capacity)  # FLOPs grow at least linearly beyond factor 1
    while reached(rounded(above)) <= capacity and max(rounded(above)) < _WIDEST:
        above *= 2
    while rounded(below) != rounded(above) and above - below > 1e-12 * above:
        middle = (below + above) / 2
        if reached(rounded(middle)) <= capacity:
            below = middle
        else:
            above = middle
    widths = min(rounded(below), rounded(above), key=lambda candidate: abs(reached(candidate) - capacity))
    nearest = reached(widths)
    if abs(nearest - capacity) > CAPACITY_TOLERANCE * capacity:
        raise InputError(
            f"no integer widths bring the trunk {list(shape.widths)} on {shape.n_inputs} inputs within 5 % of capacity "
            f"{capacity:g}; the nearest is {nearest:.6g} with widths {list(widths)}",
            where="network.capacities",
            fix=f"Ask for capacity {nearest:.6g}, or start from wider layers",
        )
    return widths


def _layers(shape: TrunkShape) -> Iterator[tuple[int, int, int]]:
    """Of each layer: weights, other parameters, and how many positions of an image the weights are used at."""
    extra = 2 if shape.norm == "batch" else 1  # scale and shift of the normalisation; else a bias
    if shape.trunk == "mlp":
        for fan_in, fan_out in pairwise((shape.n_inputs, *shape.widths)):
            yield fan_in * fan_out, extra * fan_out, 1
        return
    assert shape.image is not None
    *channels, width = shape.widths
    for (fan_in, fan_out), size in zip(pairwise((shape.image[0], *channels)), shape.sizes, strict=False):
        yield KERNEL**2 * fan_in * fan_out, extra * fan_out, math.prod(size)
    yield channels[-1] * math.prod(shape.sizes[-1]) * width, width, 1
