"""What a network costs to serve, in closed form and without torch: FLOPs, parameters, widths for a capacity.

Only matrix products count (2 FLOPs per multiply-add, biases and activations free), exactly what
``torch.utils.flop_counter.FlopCounterMode`` counts on the real module; tests hold the two equal. Measured latency is
``search.networks.latency``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from grouping.errors import InputError

__all__ = ["CAPACITY_TOLERANCE", "NetworkCost", "network_cost", "reached_capacity", "scaled_widths"]

CAPACITY_TOLERANCE = 0.05
"""How far trunk FLOPs may lie from the asked capacity, relative to it."""


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


def network_cost(n_inputs: int, widths: Sequence[int], outputs: Sequence[int]) -> NetworkCost:
    """Cost of an MLP trunk with one linear head a task.

    Args:
        n_inputs: Columns of an input row.
        widths: Hidden widths of the trunk, at least one.
        outputs: Outputs of each task's head (1, or the number of classes).
    """
    layers = list(pairwise((n_inputs, *widths)))
    return NetworkCost(
        trunk_flops=2 * sum(rows * columns for rows, columns in layers),
        head_flops=2 * widths[-1] * sum(outputs),
        trunk_parameters=sum(rows * columns + columns for rows, columns in layers),
        head_parameters=(widths[-1] + 1) * sum(outputs),
    )


def reached_capacity(n_inputs: int, standard: Sequence[int], widths: Sequence[int]) -> float:
    """Trunk FLOPs of ``widths`` in units of the standard trunk's (SNT)."""
    return network_cost(n_inputs, widths, ()).trunk_flops / network_cost(n_inputs, standard, ()).trunk_flops


def scaled_widths(n_inputs: int, widths: Sequence[int], capacity: float) -> tuple[int, ...]:
    """Hidden widths whose trunk costs ``capacity`` standard network times, all scaled by one factor and rounded.

    FLOPs never fall when the factor grows, so the factor is bisected down to the two neighbouring roundings around the
    target; the nearer one is taken.

    Args:
        n_inputs: Columns of an input row.
        widths: Hidden widths at 1 SNT.
        capacity: The asked size in SNT, above 0.

    Raises:
        InputError: no rounding comes within 5 % of the asked capacity; names the nearest that exists.
    """

    def rounded(factor: float) -> tuple[int, ...]:
        return tuple(max(1, math.floor(width * factor + 0.5)) for width in widths)

    def reached(factor: float) -> float:
        return reached_capacity(n_inputs, widths, rounded(factor))

    below, above = 0.0, max(1.0, capacity)  # FLOPs grow at least linearly beyond factor 1
    while reached(above) <= capacity:
        above *= 2
    while rounded(below) != rounded(above) and above - below > 1e-12 * above:
        middle = (below + above) / 2
        if reached(middle) <= capacity:
            below = middle
        else:
            above = middle
    factor = min(below, above, key=lambda candidate: abs(reached(candidate) - capacity))
    nearest = reached(factor)
    if abs(nearest - capacity) > CAPACITY_TOLERANCE * capacity:
        raise InputError(
            f"no integer widths bring the trunk {list(widths)} on {n_inputs} inputs within 5 % of capacity "
            f"{capacity:g}; the nearest is {nearest:.6g} with widths {list(rounded(factor))}",
            where="network.capacities",
            fix=f"Ask for capacity {nearest:.6g}, or start from wider layers",
        )
    return rounded(factor)
