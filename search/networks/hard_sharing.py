"""Hard parameter sharing: one trunk for all tasks of a group, one head a task (Caruana 1997)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search.networks.heads import Heads
from search.networks.trunks import TRUNKS

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
    trunk: str,
    n_inputs: int,
    widths: Sequence[int],
    outputs: Sequence[int],
    trunk_seed: int = 0,
    head_seeds: Sequence[int] | None = None,
) -> HardSharing:
    """A network with initial values that depend on the given seeds and on nothing else.

    Args:
        trunk: Name in ``TRUNKS``.
        n_inputs: Columns of an input row.
        widths: Hidden widths of the trunk.
        outputs: Outputs of each task's head, length T.
        trunk_seed: Seed of the trunk's initial values.
        head_seeds: Seed of each head's initial values, length T; default: all 0.
    """
    return HardSharing(
        TRUNKS[trunk](n_inputs, widths, _generator(trunk_seed)),
        Heads(widths[-1], outputs, [_generator(seed) for seed in head_seeds or [0] * len(outputs)]),
    )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
