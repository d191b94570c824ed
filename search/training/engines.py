"""Engines: ways to train a pack, which agree up to rounding. A run uses one for everything that it compares."""

from __future__ import annotations

from dataclasses import dataclass

from search.spec import EngineName
from search.training.fused import train_fused
from search.training.packs import TrainPack, train_plain

__all__ = ["ENGINES", "Engine"]


@dataclass(frozen=True)
class Engine:
    """What trains packs.

    Args:
        train: Trains one.
        pack_size: So many networks in a pack are worth having; more leave the processor's cache.
    """

    train: TrainPack
    pack_size: int


ENGINES: dict[EngineName, Engine] = {
    "plain": Engine(train_plain, pack_size=1),
    "fused": Engine(train_fused, pack_size=8),
}
