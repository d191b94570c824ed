"""Hard parameter sharing: one trunk for all tasks of a group, one head a task (Caruana 1997)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor, nn

from search.networks.heads import Heads
from search.networks.shape import TrunkShape
from search.networks.trunks import make_trunk

__all__ = ["HardSharing", "hard_sharing"]


class HardSharing(nn.Module):
    """Trunk and heads; ``forward`` maps rows [N, F] to the outputs of all tasks side by side, [N, O].

    Raw outputs: standardised targets for regression, logits for classes.
    """

    def __init__(self, trunk: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = heads

    def forward(self, inputs_NF: Tensor) -> Tensor:
        outputs_NO: Tensor = self.heads(self.trunk(inputs_NF))
        return outputs_NO


def hard_sharing(
    shape: TrunkShape,
    outputs: Sequence[int],
    trunk_seed: int = 0,
    head_seeds: Sequence[int] | None = None,
    dropout_seed: int = 0,
) -> HardSharing:
    """A network, in training mode, whose values and masks depend on the given seeds and on nothing else.

    Args:
        shape: Of the trunk.
        outputs: Outputs of each task's head, length T.
        trunk_seed: Seed of the trunk's initial values.
        head_seeds: Seed of each head's initial values, length T; default: all 0.
        dropout_seed: Seed of the first layer that drops features; the next one has the next number.

    Raises:
        InputError: the trunk of another package cannot be built.
    """
    return HardSharing(
        make_trunk(shape, _generator(trunk_seed), count(dropout_seed)),
        Heads(shape.widths[-1], outputs, [_generator(seed) for seed in head_seeds or [0] * len(outputs)]),
    )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
