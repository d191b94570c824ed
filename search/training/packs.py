"""Packs: trials that are trained together, one job for a worker.

What a trial gives never depends on its company, so packing is free to follow the machine: as many as train well side
by side, and no fewer packs than keep every worker busy to the end.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from search.execution.executor import one_line
from search.training.experiment import Experiment
from search.training.trainer import TrialFunction, train
from search.trials import Trial, TrialFailure, TrialResult

__all__ = ["OneByOne", "Pack", "TrainPack", "packed", "train_plain"]

Pack = tuple[Trial, ...]

TrainPack = Callable[[Experiment, Pack], Sequence[TrialResult | TrialFailure]]
"""What trains a pack: one result or failure for each of its trials, in their order."""

_PACKS_PER_WORKER = 2  # so that no worker idles long while the last pack is trained


@dataclass(frozen=True)
class OneByOne:
    """A function that trains one trial, as one that trains packs."""

    train: TrialFunction

    def __call__(self, experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        return [self._result(experiment, trial) for trial in pack]

    def _result(self, experiment: Experiment, trial: Trial) -> TrialResult | TrialFailure:
        try:
            return self.train(experiment, trial)
        except Exception as error:  # noqa: BLE001  (whatever a training raises is its own failure)
            return TrialFailure(one_line(error), "".join(traceback.format_exception(error)))


train_plain: TrainPack = OneByOne(train)
"""The plain trainer for packs: no network gains or loses by its company."""


def packed(trials: Iterable[Trial], largest: int, workers: int) -> list[Pack]:
    """Trials in packs of equal capacity, fraction and split, otherwise in their order.

    Args:
        trials: What is to be trained.
        largest: Networks in a pack at most; a trial with more copies than that is a pack of its own.
        workers: How many train at the same time.
    """
    alike: dict[tuple[float, float, int], list[Trial]] = {}
    for trial in trials:
        alike.setdefault((trial.capacity, trial.fraction, trial.split), []).append(trial)
    networks = sum(trial.copies for group in alike.values() for trial in group)
    size = max(1, min(largest, math.ceil(networks / (_PACKS_PER_WORKER * workers))))
    packs: list[Pack] = []
    for group in alike.values():
        pack: list[Trial] = []
        for trial in group:
            if pack and sum(other.copies for other in pack) + trial.copies > size:
                packs.append(tuple(pack))
                pack = []
            pack.append(trial)
        packs.append(tuple(pack))
    return packs
