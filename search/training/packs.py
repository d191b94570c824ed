"""Packs: trials that are trained together, one job for a worker.

What a trial gives never depends on its company, so packing is free to follow the machine: as many as train well side
by side, and no fewer packs than keep every worker busy to the end.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from search.execution.executor import one_line
from search.training.experiment import Experiment
from search.training.trainer import TrialFunction, train
from search.trials import Course, TrialFailure, TrialResult

__all__ = ["OneByOne", "Pack", "TrainPack", "packed", "train_plain"]

Pack = tuple[Course, ...]

TrainPack = Callable[[Experiment, Pack], Sequence[TrialResult | TrialFailure]]
"""What trains a pack: one result or failure for each of its trials, in their order."""

_PACKS_PER_WORKER = 2  # so that no worker idles long while the last pack is trained


@dataclass(frozen=True)
class OneByOne:
    """A function that trains one trial, as one that trains packs: every training from its beginning, no state kept."""

    train: TrialFunction

    def __call__(self, experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        return [_attempted(partial(self.train, experiment, course.trial)) for course in pack]


def train_plain(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
    """The plain trainer for packs: no network gains or loses by its company."""
    return [
        _attempted(partial(train, experiment, course.trial, course.start, keep_state=course.keep_state))
        for course in pack
    ]


def _attempted(training: Callable[[], TrialResult]) -> TrialResult | TrialFailure:
    try:
        return training()
    except Exception as error:  # noqa: BLE001  (whatever a training raises is its own failure)
        return TrialFailure(one_line(error), "".join(traceback.format_exception(error)))


def packed(courses: Iterable[Course], largest: int, workers: int) -> list[Pack]:
    """Trials in packs of equal capacity, fraction, split and start, otherwise in their order.

    Args:
        courses: What is to be trained.
        largest: Networks in a pack at most; a trial with more copies than that is a pack of its own.
        workers: How many train at the same time.
    """
    alike: dict[tuple[float, float, int, float], list[Course]] = {}
    for course in courses:
        alike.setdefault(course.kind, []).append(course)
    networks = sum(course.trial.copies for group in alike.values() for course in group)
    size = max(1, min(largest, math.ceil(networks / (_PACKS_PER_WORKER * workers))))
    packs: list[Pack] = []
    for group in alike.values():
        pack: list[Course] = []
        for course in group:
            if pack and sum(other.trial.copies for other in pack) + course.trial.copies > size:
                packs.append(tuple(pack))
                pack = []
            pack.append(course)
        packs.append(tuple(pack))
    return packs
