"""What networks cost that share otherwise than by one trunk, in closed form and without torch.

Counted as ``search.networks.cost`` does; tests hold both equal to what torch counts on the real modules. All is trunk
but the heads: masks, gates and units that mix features are there for sharing's sake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

from grouping.errors import InputError
from grouping.policy import Policy
from search.networks.cost import (
    Layer,
    NetworkCost,
    TrunkCost,
    network_cost,
    scaled_widths,
    trunk_cost,
    trunk_layers,
    widths_for,
)
from search.networks.shape import BUILT_IN, KERNEL, TrunkShape
from search.networks.sharing import FRESH, HARD, SEARCHED, Sharing, check_sharing

__all__ = [
    "SQUEEZE",
    "UnitCost",
    "policy_cost",
    "shared_cost",
    "shared_widths",
    "sharing_trunk_cost",
    "unit_costs",
]

SQUEEZE = 4
"""An attention mask is computed through a layer this many times narrower (Liu et al. 2019)."""

_ASIDE = 4  # some parts, such as masks, grow in steps, which scaling all widths alike cannot make up for


def shared_cost(sharing: Sharing, shape: TrunkShape, outputs: Sequence[int]) -> NetworkCost:
    """Cost of a network with one linear head a task.

    Args:
        sharing: What its tasks share.
        shape: Of a trunk.
        outputs: Outputs of each task's head.
    """
    if sharing.kind == HARD:
        return network_cost(shape, outputs)
    trunk, width = sharing_trunk_cost(sharing, shape, len(outputs)), shape.widths[-1]
    return NetworkCost(trunk.flops, 2 * width * sum(outputs), trunk.parameters, (width + 1) * sum(outputs))


def sharing_trunk_cost(sharing: Sharing, shape: TrunkShape, n_tasks: int) -> TrunkCost:
    """Cost of all that is not a head.

    Raises:
        InputError: a trunk of another package, which cannot be cut into layers; a depth that the trunk does not have.
    """
    if sharing.kind in SEARCHED:
        layers = unit_costs(shape)
        check_sharing(sharing, shape.trunk, len(layers))
        if sharing.policy.n_tasks != n_tasks:
            what = f"the policy '{sharing.policy}' is for {sharing.policy.n_tasks} tasks, the network has {n_tasks}"
            raise InputError(what, where="architectures", fix="Give modes for every task")
        return policy_cost(sharing.policy, layers)
    check_sharing(sharing, shape.trunk, len(shape.widths))
    layers = trunk_layers(shape)
    counts = {
        "hard": [(1, layer) for layer in layers],
        "branch": [(1 if level < sharing.depth else n_tasks, layer) for level, layer in enumerate(layers)],
        "soft": [(n_tasks, layer) for layer in layers],
        "cross-stitch": [(n_tasks, layer) for layer in layers],
        "mtan": [(1, layer) for layer in layers],
        "mmoe": [(sharing.experts, layer) for layer in layers],
        "cgc": [(sharing.experts * (n_tasks + 1), layer) for layer in layers],
        "ple": [(sharing.experts * (n_tasks + 1), layer) for layer in layers],
    }[sharing.kind]
    flops = sum(count * layer.flops for count, layer in counts)
    parameters = sum(count * layer.parameters for count, layer in counts)
    more = _EXTRAS.get(sharing.kind)
    extra = more(sharing, shape, layers, n_tasks) if more else TrunkCost(0, 0)
    return TrunkCost(flops + extra.flops, parameters + extra.parameters)


class UnitCost(Protocol):
    """What a unit costs, whoever counted it; see ``search.networks.cost.Layer``."""

    @property
    def flops(self) -> int: ...

    @property
    def parameters(self) -> int: ...

    @property
    def norms(self) -> int: ...

    @property
    def skip(self) -> TrunkCost | None: ...

    @property
    def within(self) -> bool: ...

    @property
    def skip_norms(self) -> int: ...


def unit_costs(shape: TrunkShape) -> Sequence[UnitCost]:
    """Cost of every unit of a trunk.

    Raises:
        InputError: the trunk of another package cannot be built or cut.
    """
    if shape.trunk in BUILT_IN:
        return trunk_layers(shape)
    from search.networks.counted import counted_units  # needs torch, as such a trunk does

    return counted_units(shape)


def policy_cost(policy: Policy, layers: Sequence[UnitCost]) -> TrunkCost:
    """Cost of the network of a policy: of every step, and of every part that some step uses.

    Raises:
        InputError: a policy for other layers, or one that skips what cannot be skipped.
    """
    refusal = policy.refusal([layer.skip is not None for layer in layers])
    if refusal:
        what = f"the policy '{policy}' does not fit: {refusal}"
        raise InputError(what, where="architectures", fix="Correct its modes")
    flops = parameters = 0
    shared = {step.level for step in policy.steps if step.mode == "shared"}
    for step in policy.steps:
        layer = layers[step.level]
        if step.mode == "skip":
            assert layer.skip is not None
            flops += layer.skip.flops
            if not (layer.within and step.level in shared):
                parameters += layer.skip.parameters if step.path == 0 else layer.skip_norms
        else:
            flops += layer.flops
            parameters += layer.parameters if step.path == 0 else layer.norms
    return TrunkCost(flops, parameters)


def _stitches(_: Sharing, shape: TrunkShape, layers: Sequence[Layer], n_tasks: int) -> TrunkCost:
    return TrunkCost(sum(2 * n_tasks**2 * layer.values for layer in layers), n_tasks**2 * len(layers))


def _masks(_: Sharing, shape: TrunkShape, layers: Sequence[Layer], n_tasks: int) -> TrunkCost:
    """Of each task and layer: two maps that give the mask, and one, the same for all tasks, to the next layer's."""
    flops = parameters = before = 0
    beside = 2 if shape.norm == "batch" else 1  # scale and shift of a normalisation, or a bias
    for level, layer in enumerate(layers):
        hidden = max(1, layer.width // SQUEEZE)
        inner, outer = (layer.width + before) * hidden, hidden * layer.width
        flops += 2 * n_tasks * (inner + outer) * layer.positions
        parameters += n_tasks * (inner + outer + beside * (hidden + layer.width))
        if level < len(layers) - 1:
            weights = layer.width**2 * (KERNEL**2 if shape.image is not None else 1)
            flops += 2 * n_tasks * weights * layer.positions
            parameters += weights + beside * layer.width
            before = layer.width
    return TrunkCost(flops, parameters)


def _gates(sharing: Sharing, shape: TrunkShape, layers: Sequence[Layer], n_tasks: int) -> TrunkCost:
    """Of each task: a softmax over its experts, read off the input row, and the mixture."""
    experts = sharing.experts * (1 if sharing.kind == "mmoe" else 2)
    gate = shape.n_inputs * experts
    mixed = experts * layers[-1].values
    return TrunkCost(2 * n_tasks * (gate + mixed), n_tasks * (gate + experts))


def _layered_gates(sharing: Sharing, shape: TrunkShape, layers: Sequence[Layer], n_tasks: int) -> TrunkCost:
    """The same after every layer, and of what all share too, but after the last."""
    own, everyone = 2 * sharing.experts, sharing.experts * (n_tasks + 1)
    flops = parameters = 0
    fans = [shape.n_inputs if shape.image is None else shape.image[0], *(layer.width for layer in layers)]
    for level, (layer, fan_in) in enumerate(zip(layers, fans, strict=False)):
        experts = n_tasks * own + (everyone if level < len(layers) - 1 else 0)
        flops += 2 * experts * (fan_in + layer.values)
        parameters += experts * (fan_in + 1)
    return TrunkCost(flops, parameters)


_EXTRAS = {"cross-stitch": _stitches, "mtan": _masks, "mmoe": _gates, "cgc": _gates, "ple": _layered_gates}


@cache
def shared_widths(sharing: Sharing, shape: TrunkShape, capacity: float, n_tasks: int) -> tuple[int, ...]:
    """Hidden widths with which all that is not a head costs ``capacity`` times the standard trunk.

    So networks that share differently are compared at equal cost; but one that goes on from a search's weights has the
    widths of the searched trunk, whatever its policy then costs.

    Raises:
        InputError: no rounding comes within 5 % of the asked capacity; names the nearest that exists.
    """
    if sharing.kind == HARD or sharing.start != FRESH:
        return scaled_widths(shape, capacity)
    standard = trunk_cost(shape).flops

    def reached(widths: tuple[int, ...]) -> float:
        return sharing_trunk_cost(sharing, replace(shape, widths=widths), n_tasks).flops / standard

    return widths_for(shape, capacity, reached, f" that {n_tasks} tasks share by '{sharing}'", _ASIDE)
