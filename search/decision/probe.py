"""How long trainings take on these workers: a few short ones are timed, the rest follows from size and task count."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from grouping.candidates import FloatArray
from search.errors import TrialError
from search.execution.executor import Executor
from search.training.experiment import Experiment
from search.training.packs import TrainPack
from search.training.stack_memory import pack_room
from search.trials import Course, Trial, TrialFailure

__all__ = ["Speed", "measure_speed"]

_LONG_ENOUGH = 0.4
"""Seconds: shorter trainings say more about starting one than about training."""

Timed = list[tuple[Trial, float]]


@dataclass(frozen=True)
class Speed:
    """A fitted rule for the wall time of trainings.

    ``seconds = copies * fixed + effort * (base + per_capacity * capacity + per_task * tasks)`` on a busy worker.

    Args:
        fixed: Seconds that every training takes, however short.
        base: Seconds of a whole training that neither size nor task count explains.
        per_capacity: Seconds for every standard network time.
        per_task: Seconds for every task head.
        workers: Trainings that run side by side.
        start: Seconds until the workers were ready.
        memory_mb: Largest resident memory of a worker, in MiB.
    """

    fixed: float
    base: float
    per_capacity: float
    per_task: float
    workers: int
    start: float
    memory_mb: float

    def seconds(self, trial: Trial) -> float:
        """Worker seconds of one trial."""
        whole = self.base + self.per_capacity * trial.capacity + self.per_task * len(trial.tasks)
        return trial.copies * self.fixed + trial.effort * whole

    def wall(self, trials: Iterable[Trial]) -> float:
        """Wall seconds of trials that are spread over the workers."""
        return sum(self.seconds(trial) for trial in trials) / self.workers


def measure_speed(
    experiment: Experiment,
    executor: Executor,
    train: TrainPack,
    capacities: Iterable[float],
    pack_size: int = 1,
) -> Speed:
    """Time short trainings of the smallest and largest networks, in packs and every worker busy, as in the run itself.

    Raises:
        TrialError: none of the short trainings worked.
    """
    tasks = tuple(task.name for task in experiment.dataset.tasks)
    epochs, seed = experiment.training.epochs, experiment.training.seed
    sizes = sorted({1.0, *capacities})
    shapes = list(dict.fromkeys([(tasks[:1], 1.0), (tasks, 1.0), (tasks, sizes[0]), (tasks, sizes[-1])]))

    def room(group: tuple[str, ...], size: float) -> int:
        return min(pack_size, pack_room(experiment, Trial(group, size, seed))) if pack_size > 1 else 1

    def timed(shapes: Sequence[tuple[tuple[str, ...], float]], epochs_each: int) -> tuple[Timed, float]:
        """Process seconds of the trainings of a pack of each shape on each worker, and the wall seconds of all."""
        packs = [
            tuple(
                Course(Trial(group, size, seed + worker * pack_size + i, phase="probe", fraction=epochs_each / epochs))
                for i in range(room(group, size))
            )
            for group, size in shapes
            for worker in range(executor.workers)
        ]
        began = time.monotonic()
        good, reasons = [], []
        for outcome in executor.run(train, experiment, packs):
            pack = packs[outcome.index]
            results = [TrialFailure(outcome.failure)] * len(pack) if outcome.result is None else outcome.result
            for course, result in zip(pack, results, strict=True):
                if isinstance(result, TrialFailure):
                    reasons.append(result.reason)
                else:
                    good.append((course.trial, result.seconds))
        if not good:
            raise TrialError(f"the first trainings failed: {reasons[0]}")
        return good, time.monotonic() - began

    _, start = timed(shapes[:1], 1)  # workers import and warm up
    short, _ = timed(shapes[:1], 1)
    typical = max(1e-3, pack_size * min(seconds for _, seconds in short))
    # Two lengths tell what starting a training takes from what an epoch takes.
    long, wall = timed(shapes, min(epochs, max(2, round(_LONG_ENOUGH / typical))))
    # Process time knows nothing of waiting for a core or for the next job; the wall time of the batch does.
    waiting = max(1.0, wall * executor.workers / max(1e-9, sum(seconds for _, seconds in long)))
    fixed, base, per_capacity, per_task = (_fit(short + long) * waiting).tolist()
    peaks = [outcome.result or 0.0 for outcome in executor.run(_peak_memory_mb, None, [0] * executor.workers)]
    return Speed(fixed, base, per_capacity, per_task, executor.workers, start, max(peaks))


def _fit(timed: Timed) -> FloatArray:
    """Non-negative least squares for fixed, base, per capacity and per task."""
    rows = np.array([[1.0, t.fraction, t.fraction * t.capacity, t.fraction * len(t.tasks)] for t, _ in timed])
    fit_4, _ = nnls(rows, np.array([seconds for _, seconds in timed]))
    return np.asarray(fit_4, np.float64)


def _peak_memory_mb(_shared: None, _job: int) -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
