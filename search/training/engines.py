"""Engines: ways to train a pack, which agree up to rounding. A run uses one for everything that it compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search.balancing import EQUAL
from search.spec import EngineName
from search.task_sampling import BY_ROWS
from search.training import stack_onednn
from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.packs import TrainPack, train_plain
from search.training.stacks import can_fuse

__all__ = ["ENGINES", "Engine"]

_GPU_PACK = 128


@dataclass(frozen=True)
class Engine:
    """What trains packs.

    Args:
        train: Trains one.
        pack_size: So many networks in a pack are worth having on a CPU; more leave its cache.
        exact: Whether it never rounds more than single precision does; only such an engine is chosen unasked.
        obstacle: Why it cannot train the networks of an experiment; empty if it can.
    """

    train: TrainPack
    pack_size: int
    exact: bool = True
    obstacle: Callable[[Experiment], str] = lambda experiment: ""

    def networks(self, gpus: float) -> int:
        """Most networks in a pack, for workers with (a share of) a GPU or none: there launches count, not the cache."""
        return _GPU_PACK if gpus and self.pack_size > 1 else self.pack_size


def _onednn_obstacle(experiment: Experiment) -> str:
    if not stack_onednn.available():
        return "this build of torch lacks the operator mkldnn._linear_pointwise"
    if experiment.training.balancing != EQUAL or experiment.training.sampling != BY_ROWS:
        return can_fuse(experiment)
    network = experiment.network
    fully_connected = network.trunk == "mlp" and network.norm == "none" and not network.dropout
    if not fully_connected or experiment.training.precision != "float32":
        return "it is for the trunk mlp in float32, without normalisation and dropout"
    return ""


ENGINES: dict[EngineName, Engine] = {
    "plain": Engine(train_plain, pack_size=1),
    "fused": Engine(train_fused, pack_size=8, obstacle=can_fuse),
    "fused-onednn": Engine(train_fused, pack_size=8, obstacle=_onednn_obstacle),
    "fused-relaxed": Engine(train_fused, pack_size=16, exact=False, obstacle=can_fuse),
}
"""``fused`` leaves products to torch's batched operation, ``fused-onednn`` to oneDNN network by network, and
``fused-relaxed`` to whatever torch takes when it is permitted to round (``search.training.relaxed``).
"""
