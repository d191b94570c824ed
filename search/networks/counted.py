"""What a trunk without a closed form costs: it is built, sent one row, and its operations are counted."""

from __future__ import annotations

from functools import cache
from itertools import count

import torch
from torch.utils.flop_counter import FlopCounterMode

from search.networks.cost import TrunkCost
from search.networks.foreign import foreign_failure
from search.networks.shape import TrunkShape
from search.networks.trunks import make_trunk

__all__ = ["counted_cost"]


@cache
def counted_cost(shape: TrunkShape) -> TrunkCost:
    """FLOPs of one row in evaluation, and trained parameters.

    Raises:
        InputError: the trunk cannot be built, or has nothing that counts.
    """
    trunk = make_trunk(shape, torch.Generator().manual_seed(0), count()).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        trunk(torch.zeros(1, shape.n_inputs))
    if not counter.get_total_flops():
        raise foreign_failure(shape.trunk, "has no matrix product or convolution, so its size cannot be counted")
    parameters = sum(parameter.numel() for parameter in trunk.parameters())
    return TrunkCost(counter.get_total_flops(), parameters)
