"""Trials of one run: trained once on the workers, kept in the store, looked up ever after.

Resuming a run is nothing else than asking again: what the store holds is not trained twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from grouping.recommendation import PhaseCost
from search.execution.executor import Executor
from search.store.store import Store
from search.training.experiment import Experiment
from search.trials import Trial, TrialFailure, TrialResult

__all__ = ["Measurement", "Progress", "TrialFunction"]

TrialFunction = Callable[[Experiment, Trial], TrialResult]
"""What runs a trial; ``search.training.trainer.train`` unless the caller brings another."""


class Progress(Protocol):
    """Where a run says how far it is; one phase after the other."""

    def start(self, label: str, total: int, done: int) -> None:
        """A phase begins, ``done`` of its ``total`` trainings are already there."""

    def advance(self, failed: bool) -> None:
        """One training ended."""

    def finish(self) -> None:
        """The phase ended."""


@dataclass
class Measurement:
    """Runs trials for one run.

    Args:
        store: Where results are kept.
        run: Id of the run.
        executor: The workers.
        train: What runs a trial.
        progress: Told about every phase and training.
    """

    store: Store
    run: str
    executor: Executor
    train: TrialFunction
    progress: Progress
    failures: dict[Trial, str] = field(default_factory=dict)
    trained: int = 0

    def __post_init__(self) -> None:
        self._finished = self.store.finished_trials(self.run)
        # A trial that failed before is tried again: what stopped it may have been the machine.
        self._failed: dict[str, TrialFailure] = {}
        self._known, self._planned = len(self._finished), 0
        self._first_asked: dict[str, tuple[str, Trial]] = {}

    def measure(
        self, experiment: Experiment, phase: str, label: str, trials: Iterable[Trial]
    ) -> dict[Trial, TrialResult]:
        """Results of the trials that ended well, in the order asked for; failures are in ``failures``."""
        asked = list(dict.fromkeys(trials))
        context = experiment.context
        keys = {trial: trial.key(context) for trial in asked}
        missing = [t for t in asked if keys[t] not in self._finished and keys[t] not in self._failed]
        for trial in asked:
            self._first_asked.setdefault(keys[trial], (phase, trial))
        if not missing:
            return self._answer(asked, keys)
        self._planned += len(missing)
        self.store.set_progress(self.run, planned=self._known + self._planned)
        self.progress.start(label, len(asked), len(asked) - len(missing))
        # Long trials first: the last ones to finish are then short, and no worker idles for long.
        missing.sort(key=lambda t: -t.capacity * t.copies * t.fraction)
        try:
            timeout = experiment.training.timeout_seconds
            for outcome in self.executor.run(self.train, experiment, missing, timeout_seconds=timeout):
                trial = missing[outcome.index]
                if outcome.result is not None:
                    self.store.record_result(self.run, phase, trial, keys[trial], outcome.result)
                    self._finished[keys[trial]] = outcome.result
                else:
                    failure = TrialFailure(outcome.failure, outcome.detail)
                    self.store.record_failure(self.run, phase, trial, keys[trial], failure, worker=outcome.worker)
                    self._failed[keys[trial]] = failure
                self.trained += 1
                self.progress.advance(failed=outcome.result is None)
        finally:
            self.progress.finish()
        return self._answer(asked, keys)

    def _answer(self, asked: Sequence[Trial], keys: Mapping[Trial, str]) -> dict[Trial, TrialResult]:
        self.failures.update((t, self._failed[keys[t]].reason) for t in asked if keys[t] in self._failed)
        return {trial: self._finished[keys[trial]] for trial in asked if keys[trial] in self._finished}

    def costs(self, labels: Mapping[str, str]) -> tuple[PhaseCost, ...]:
        """What each phase cost; a training that serves several phases is charged to the first that asked for it.

        Args:
            labels: Phases in the order they are shown, with their labels.
        """
        found = []
        for phase, label in labels.items():
            mine = {key: trial for key, (first, trial) in self._first_asked.items() if first == phase}
            if mine:
                trainings = sum(trial.copies for trial in mine.values())
                failed = sum(key in self._failed for key in mine)
                seconds = sum(self._finished[key].seconds for key in mine if key in self._finished)
                found.append(PhaseCost(phase, label, trainings, failed, seconds))
        return tuple(found)
