"""Whether a foreign trainer keeps its word, and how long it takes: one short training before the long part begins."""

from __future__ import annotations

from collections.abc import Iterable

from search.decision.probe import Speed
from search.errors import TrialError
from search.execution.executor import Executor
from search.store.records import TrialRecord
from search.training.foreign.experiment import ForeignExperiment
from search.training.foreign.train import PEAK, train_foreign
from search.trials import Course, Trial, TrialFailure, TrialResult

__all__ = ["foreign_speed"]


def foreign_speed(experiment: ForeignExperiment, executor: Executor, known: Iterable[TrialRecord] = ()) -> Speed:
    """Train all tasks together, for one epoch and for two where the trainer is told for how long; else to the end.

    What a confirmation will ask for (test losses) is asked for here, so that a trainer that cannot give it is found
    out now and not after the search. A run that is resumed knows its trainer already.

    Args:
        experiment: What all trainings have in common.
        executor: The workers.
        known: What the run trained so far.

    Raises:
        TrialError: the trainer fails, or reports something else than it should.
    """
    training, tasks = experiment.training, tuple(task.name for task in experiment.dataset.tasks)
    whole = [record for record in known if record.state == "finished" and record.trial.fraction == 1]
    if whole:
        return Speed(0.0, sum(record.seconds for record in whole) / len(whole), 0.0, 0.0, executor.workers, 0.0, 0.0)
    short = "epochs" in experiment.trainer.hears and training.epochs > 1
    shares = [1 / training.epochs, 2 / training.epochs] if short else [1.0]
    trials = [Trial(tasks, 1.0, training.seed, "probe", fraction=share) for share in shares]
    found: dict[float, TrialResult] = {}
    packs = [(Course(trial),) for trial in trials]
    for outcome in executor.run(train_foreign, experiment, packs, timeout_seconds=experiment.patience_seconds):
        result = TrialFailure(outcome.failure, outcome.detail) if outcome.result is None else outcome.result[0]
        if isinstance(result, TrialFailure):
            last = result.detail.strip().splitlines()[-1:]
            said = f"; the last that it printed: {last[0][:200]}" if last else ""
            raise TrialError(f"the first training by {experiment.trainer.name} failed: {result.reason}{said}")
        found[trials[outcome.index].fraction] = result
    seconds = [found[share].seconds for share in shares]
    epoch = max(0.0, seconds[-1] - seconds[0]) if short else 0.0
    fixed = max(0.0, seconds[0] - epoch)
    memory_mb = max(float(result.seen[PEAK][0]) for result in found.values())
    return Speed(fixed, epoch * training.epochs, 0.0, 0.0, executor.workers, max(seconds), memory_mb)
