"""What a trunk without a closed form costs: it is built, sent one row, and its operations are counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import NamedTuple

import torch
from torch import nn

from grouping.errors import InputError
from search.networks.cost import TrunkCost
from search.networks.cut import counted_flops, cut
from search.networks.foreign import foreign_failure
from search.networks.shape import TrunkShape
from search.networks.trunks import make_trunk
from search.networks.units import Unit

__all__ = ["CountedUnit", "costs_of", "counted_cost", "counted_units", "foreign_units"]


class CountedUnit(NamedTuple):
    """What ``search.networks.cost.Layer`` says of a built-in trunk's layer."""

    flops: int
    parameters: int
    norms: int
    skip: TrunkCost | None
    within: bool = False
    skip_norms: int = 0


def foreign_units(shape: TrunkShape, trunk_seed: int, dropout_seed: int) -> list[Unit]:
    """The trunk of another package in units, at the submodules that its shape names or wherever it can be cut.

    Raises:
        InputError: it cannot be built or traced.
    """
    generator = torch.Generator().manual_seed(trunk_seed)
    trunk = make_trunk(shape, generator, count(dropout_seed))
    rows_NF = torch.randn(2, shape.n_inputs, generator=torch.Generator().manual_seed(0))
    try:
        return cut(trunk, rows_NF, shape.units or None, generator)
    except InputError as error:
        raise InputError(error.what, where="network.units", fix=error.fix) from error


@cache
def counted_units(shape: TrunkShape) -> tuple[CountedUnit, ...]:
    """What those units cost; a batch normalisation is one more for every way through a unit."""
    return costs_of(foreign_units(shape, 0, 0))


def _scales(module: nn.Module) -> int:
    """Trained parameters of a module's batch normalisations."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    return sum(parameter.numel() for norm in norms for parameter in norm.parameters())


def costs_of(units: Sequence[Unit]) -> tuple[CountedUnit, ...]:
    """What any units cost, as ``search.networks.sharing_cost.policy_cost`` wants it: FLOPs of a row, parameters."""
    found = []
    for unit in units:
        skip = None
        if unit.skip is not None:
            skip = TrunkCost(unit.skip_flops, sum(p.numel() for p in unit.skip.parameters()))
        parameters = sum(p.numel() for p in unit.module.parameters())
        aside = 0 if unit.skip is None else _scales(unit.skip)
        found.append(CountedUnit(unit.flops, parameters, _scales(unit.module), skip, unit.skip_within, aside))
    return tuple(found)


@cache
def counted_cost(shape: TrunkShape) -> TrunkCost:
    """FLOPs of one row in evaluation, and trained parameters.

    Raises:
        InputError: the trunk cannot be built, or has nothing that counts.
    """
    trunk = make_trunk(shape, torch.Generator().manual_seed(0), count()).eval()
    with torch.no_grad():
        flops = counted_flops(trunk, torch.zeros(1, shape.n_inputs))
    if not flops:
        raise foreign_failure(shape.trunk, "has no matrix product or convolution, so its size cannot be counted")
    parameters = sum(parameter.numel() for parameter in trunk.parameters())
    return TrunkCost(flops, parameters)
