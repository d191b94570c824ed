"""How long trainings take on these workers: a few short ones are timed, the rest follows from size and task count."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from search.errors import TrialError
from search.execution.executor import Executor
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult

__all__ = ["Speed", "measure_speed"]


@dataclass(frozen=True)
class Speed:
    """A fitted rule for the wall time of trainings.

    ``seconds = copies * fraction * (base + per_capacity * capacity + per_task * tasks)`` on one busy worker.

    Args:
        base: Seconds of a whole training that neither size nor task count explains.
        per_capacity: Seconds for every standard network time.
        per_task: Seconds for every task head.
        workers: Trainings that run side by side.
        start: Seconds until the workers were ready.
        memory_mb: Largest resident memory of a worker, in MiB.
    """

    base: float
    per_capacity: float
    per_task: float
    workers: int
    start: float
    memory_mb: float

    def seconds(self, trial: Trial) -> float:
        """Worker seconds of one trial."""
        size = self.base + self.per_capacity * trial.capacity + self.per_task * len(trial.tasks)
        return trial.copies * trial.fraction * size

    def wall(self, trials: Iterable[Trial]) -> float:
        """Wall seconds of trials that are spread over the workers."""
        return sum(self.seconds(trial) for trial in trials) / self.workers


def measure_speed(
    experiment: Experiment,
    executor: Executor,
    train: Callable[[Experiment, Trial], TrialResult],
    capacities: Iterable[float],
) -> Speed:
    """Time one epoch of the smallest and largest networks, every worker busy, as in the run itself.

    Raises:
        TrialError: none of the short trainings worked.
    """
    tasks = tuple(task.name for task in experiment.dataset.tasks)
    fraction = 1.0 / experiment.training.epochs
    sizes = sorted({min(capacities), max(capacities), 1.0})
    shapes = [(tasks[:1], 1.0), (tasks, 1.0), *((tasks, size) for size in sizes if size != 1.0)]
    seed = experiment.training.seed
    warm_up = [Trial(tasks[:1], 1.0, seed + i, fraction=fraction) for i in range(executor.workers)]
    began = time.monotonic()
    for outcome in executor.run(train, experiment, warm_up):
        if outcome.result is None:
            raise TrialError(f"the first training failed: {outcome.failure}", fix="See the reason above")
    start = time.monotonic() - began
    jobs = [
        Trial(group, size, seed + i, fraction=fraction) for group, size in shapes for i in range(2 * executor.workers)
    ]
    began = time.monotonic()
    timed = [
        (jobs[outcome.index], outcome.result.seconds)
        for outcome in executor.run(train, experiment, jobs)
        if outcome.result is not None
    ]
    wall = time.monotonic() - began
    # Process time knows nothing of waiting for a core or for the next job; the wall time of the batch does.
    waiting = max(1.0, wall * executor.workers / sum(seconds for _, seconds in timed))
    rows = np.array([[1.0, trial.capacity, len(trial.tasks)] for trial, _ in timed])
    fit, _ = nnls(rows, np.array([seconds * waiting / fraction for _, seconds in timed]))
    peaks = [outcome.result or 0.0 for outcome in executor.run(_peak_memory_mb, None, [0] * executor.workers)]
    return Speed(float(fit[0]), float(fit[1]), float(fit[2]), executor.workers, start, max(peaks))


def _peak_memory_mb(_shared: None, _job: int) -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
