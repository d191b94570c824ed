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

import torch

from search.errors import TrialError
from search.execution.executor import one_line
from search.training.experiment import Experiment
from search.training.in_flight import InFlight
from search.training.trainer import TrialFunction, train
from search.trials import Course, Trial, TrialFailure, TrialResult

__all__ = ["OneByOne", "Pack", "TrainPack", "attempted", "out_of_gpu_memory", "packed", "train_plain"]

Pack = tuple[Course, ...]

TrainPack = Callable[[Experiment, Pack], Sequence[TrialResult | TrialFailure]]
"""What trains a pack: one result or failure for each of its trials, in their order."""


@dataclass(frozen=True)
class OneByOne:
    """A function that trains one trial, as one that trains packs: every training from its beginning, no state kept."""

    train: TrialFunction

    def __call__(self, experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        return [attempted(partial(self.train, experiment, course.trial)) for course in pack]


def train_plain(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
    """The plain trainer for packs: no network gains or loses by its company."""
    found = []
    for course in pack:
        flight = InFlight(experiment, course.trial)
        training = partial(train, experiment, course.trial, course.start, keep_state=course.keep_state, flight=flight)
        found.append(attempted(training, flight))
    return found


def attempted(training: Callable[[], TrialResult], flight: InFlight | None = None) -> TrialResult | TrialFailure:
    """What a training gives, or why it gives nothing; ``flight`` knows what there is to tell of it."""
    try:
        return training()
    except Exception as error:  # noqa: BLE001  (whatever a training raises is its own failure)
        short = isinstance(error, torch.cuda.OutOfMemoryError)
        reason = one_line(out_of_gpu_memory(1) if short else error)
        remarks = () if flight is None else flight.remarks
        return TrialFailure(reason, "".join(traceback.format_exception(error)), remarks)


def packed(courses: Iterable[Course], room: Callable[[Trial], int], workers: int) -> list[Pack]:
    """Trials in packs of equal sharing, capacity, fraction, split and start, otherwise in their order.

    Args:
        courses: What is to be trained.
        room: How many networks like a trial's a pack may hold; one with more copies than that is a pack of its own.
            Those of one kind follow the least.
        workers: How many train at the same time.
    """
    alike: dict[tuple[str, float, float, int, float], list[Course]] = {}
    for course in courses:
        alike.setdefault(course.kind, []).append(course)
    packs: list[Pack] = []
    for group in alike.values():
        networks = sum(course.trial.copies for course in group)
        most, first = min(room(course.trial) for course in group), len(packs)
        # As many packs for each worker, and all of one size: nobody idles while the last is trained.
        count = workers * math.ceil(networks / (workers * most))
        pack: list[Course] = []
        before = copies = 0
        for course in group:
            end = math.ceil(networks * (len(packs) - first + 1) / count)
            if pack and (copies + course.trial.copies > most or before + course.trial.copies > end):
                packs.append(tuple(pack))
                pack, copies = [], 0
            pack.append(course)
            copies += course.trial.copies
            before += course.trial.copies
        packs.append(tuple(pack))
    return packs


def out_of_gpu_memory(networks: int) -> TrialError:
    """What a pack that does not fit its worker's share of a GPU has to say."""
    many = f"{networks} networks side by side do" if networks > 1 else "the network does"
    return TrialError(
        f"out of GPU memory: {many} not fit beside the other workers of this GPU",
        fix="Raise cluster.gpus_per_worker, so that fewer workers share it, or lower training.batch_size",
    )
