"""What a worker takes of a GPU, read off the device after it has trained there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from search.errors import TrialError
from search.training.experiment import Experiment
from search.training.packs import Pack, TrainPack

__all__ = ["Counters", "DeviceCounters", "Taken", "taken_by"]


class Counters(Protocol):
    """What a device tells about its memory, in bytes."""

    def reset(self) -> None:
        """Count the peak from now on."""

    def reserved(self) -> int:
        """What the allocator of this process holds."""

    def peak(self) -> int:
        """Most that it held."""

    def used(self) -> int:
        """What is taken on the device, by this process and by any other."""


class DeviceCounters:
    """Torch's, for the GPU that this worker was given."""

    def reset(self) -> None:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def reserved(self) -> int:
        return torch.cuda.memory_reserved()

    def peak(self) -> int:
        return torch.cuda.max_memory_reserved()

    def used(self) -> int:
        free, total = torch.cuda.mem_get_info()
        return total - free


@dataclass(frozen=True)
class Taken:
    """Bytes of a GPU that a worker took.

    Args:
        reserved: Most that torch's allocator held, its spare room included.
        context: What lay on the device besides: libraries, and whatever other programs have there.
    """

    reserved: int
    context: int

    @property
    def total(self) -> int:
        return self.reserved + self.context


def taken_by(shared: tuple[Experiment, TrainPack, Counters], packs: Sequence[Pack]) -> Taken:
    """Train packs one after the other, alone on a GPU, and tell what that took; a job for a worker.

    Raises:
        TrialError: none could be trained.
    """
    experiment, train, counters = shared
    counters.reset()
    reasons, trained = [], 0
    for pack in packs:
        try:
            trained += len(train(experiment, pack))
        except Exception as error:  # noqa: BLE001  (another engine's packs may do)
            reasons.append(str(error))
    if not trained:
        raise TrialError(f"no pack could be trained on the GPU: {reasons[0] if reasons else 'there was none'}")
    return Taken(counters.peak(), max(0, counters.used() - counters.reserved()))
