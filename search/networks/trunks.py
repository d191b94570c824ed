"""The shared part of a network: input rows in, features out.

A trunk ends in features that every head reads. New kinds are one function in ``TRUNKS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.init import skip_init

__all__ = ["TRUNKS", "MakeTrunk", "linear", "mlp"]

MakeTrunk = Callable[[int, Sequence[int], torch.Generator], nn.Module]
"""(columns of an input row, hidden widths, initial values) -> module [N, F] -> [N, widths[-1]]."""


def linear(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """``nn.Linear`` with its usual initial distribution, drawn from ``generator`` and never from the global one."""
    layer = skip_init(nn.Linear, n_inputs, n_outputs)  # type: ignore[no-untyped-call]
    bound = 1 / math.sqrt(n_inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    assert isinstance(layer, nn.Linear)
    return layer


def mlp(n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> nn.Module:
    """Fully connected layers, each followed by ReLU."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise((n_inputs, *widths)):
        layers += [linear(fan_in, fan_out, generator), nn.ReLU()]
    return nn.Sequential(*layers)


TRUNKS: dict[str, MakeTrunk] = {"mlp": mlp}
