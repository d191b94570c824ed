"""Networks by what their tasks share: the registry of built-in ways, and the one function that builds them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from search.networks.attention import Attended
from search.networks.branching import Branches
from search.networks.cross_stitch import CrossStitched
from search.networks.experts import Experts, LayeredExperts
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.networks.heads import Heads
from search.networks.policy_network import policy_trunk
from search.networks.shape import TrunkShape
from search.networks.shared_network import SharedNetwork, TaskTrunk
from search.networks.sharing import SEARCHED, Sharing, SharingKind
from search.networks.soft_sharing import SoftlyShared

__all__ = ["TASK_TRUNKS", "Network", "make_network"]

Network: TypeAlias = HardSharing | SharedNetwork

TASK_TRUNKS: dict[SharingKind, Callable[[Sharing, TrunkShape, int, int, int], TaskTrunk]] = {
    "branch": Branches,
    "soft": SoftlyShared,
    "cross-stitch": CrossStitched,
    "mtan": Attended,
    "mmoe": Experts,
    "cgc": Experts,
    "ple": LayeredExperts,
    **dict.fromkeys(SEARCHED, policy_trunk),
}
"""(sharing, shape, tasks, trunk's seed, dropout's seed) -> trunk, for everything but hard sharing."""


def make_network(
    sharing: Sharing,
    shape: TrunkShape,
    outputs: Sequence[int],
    trunk_seed: int = 0,
    head_seeds: Sequence[int] | None = None,
    dropout_seed: int = 0,
) -> Network:
    """A network, in training mode, whose values and masks depend on the given seeds and on nothing else.

    Args:
        sharing: What its tasks share.
        shape: Of a trunk; built in, unless sharing is hard.
        outputs: Outputs of each task's head, length T.
        trunk_seed: Seed of the trunk's initial values.
        head_seeds: Seed of each head's initial values, length T; default: all 0.
        dropout_seed: Seed of the first layer that drops features; the next one has the next number.

    Raises:
        InputError: the trunk of another package cannot be built.
    """
    if sharing.kind == "hard":
        return hard_sharing(shape, outputs, trunk_seed, head_seeds, dropout_seed)
    generators = [torch.Generator().manual_seed(seed) for seed in head_seeds or [0] * len(outputs)]
    trunk = TASK_TRUNKS[sharing.kind](sharing, shape, len(outputs), trunk_seed, dropout_seed)
    return SharedNetwork(trunk, Heads(shape.widths[-1], outputs, generators), outputs)
