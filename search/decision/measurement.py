"""Trials of one run: trained once on the workers, kept in the store, looked up ever after.

Resuming a run is nothing else than asking again: what the store holds is not trained twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from grouping.recommendation import PhaseCost
from search.execution.executor import Executor
from search.faults import passing
from search.pace import Forecast
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.packs import Pack, TrainPack, packed
from search.training.settled import Settled, room, settled_key
from search.trials import Course, Remark, TrainingState, Trial, TrialFailure, TrialResult

__all__ = ["Measurement", "Progress"]

_MOST_STATES = 2**30
"""Bytes of training states that are held at most; whoever has none is trained from the beginning, to the same end."""


class Progress(Protocol):
    """Where a run says how far it is; one phase after the other."""

    def foresee(self, forecast: Forecast) -> None:
        """The long part begins: how much there is to do, and how long it may take."""

    def start(self, label: str, total: int, done: int) -> None:
        """A phase begins, ``done`` of its ``total`` trainings are already there."""

    def advance(self, failed: bool) -> None:
        """One training ended."""

    def finish(self) -> None:
        """The phase ended."""


_LONGEST_ROW = 64
"""Packs that are recorded in one transaction at most, so that other writers get their turn."""


@dataclass(frozen=True)
class _Trained:
    """What came of a pack, who trained it, and whether the next pack's results are known already."""

    results: Mapping[Trial, TrialResult | TrialFailure]
    worker: str
    more: bool


@dataclass
class Measurement:
    """Runs trials for one run.

    Args:
        store: Where results are kept.
        run: Id of the run.
        executor: The workers.
        train: What trains a pack of trials.
        progress: Told about every phase and training.
        pack_size: Networks that are trained together at most.
        standing: Offered the results of a search whenever there are more; None: nobody looks.
    """

    store: Store
    run: str
    executor: Executor
    train: TrainPack
    progress: Progress
    pack_size: int = 1
    standing: Callable[[Callable[[], Mapping[Trial, TrialResult]]], None] | None = None
    failures: dict[Trial, str] = field(default_factory=dict)
    trained: int = 0

    def __post_init__(self) -> None:
        # Weights stay in the store: they are most of a result, and only what was chosen needs its own.
        self._finished, self.damaged = self.store.take_stock(self.run)
        # A trial that failed before is tried again: what stopped it may have been the machine.
        self._failed: dict[str, TrialFailure] = {}
        self._known, self._planned, self._foreseen = len(self._finished), 0, 0
        self._first_asked: dict[str, tuple[str, str, Trial]] = {}
        # By the trial at full length. A state is this process's own: a resumed run has what was written down.
        self._states: dict[Trial, TrainingState] = {}
        self._state_bytes = 0
        self._told: set[Remark] = set()

    def measure(
        self,
        experiment: Experiment,
        phase: str,
        label: str,
        trials: Iterable[Trial],
        *,
        keep_states: Collection[Trial] = (),
        stop: Callable[[], bool] = lambda: False,
        train: TrainPack | None = None,
    ) -> dict[Trial, TrialResult]:
        """Results of the trials that ended well, in the order asked for, without weights; failures are in ``failures``.

        A trial whose beginning was trained earlier, and its state kept, is carried on from there.

        Args:
            experiment: What all trials have in common.
            phase: Who is charged.
            label: The phase in words, for progress.
            trials: What is to be trained.
            keep_states: Which of them will be carried on to a larger fraction.
            stop: Asked after every pack whether to leave the rest.
            train: What trains each of them by itself, in place of the run's own way.
        """
        asked = list(dict.fromkeys(trials))
        context = experiment.context
        keys = {trial: trial.key(context) for trial in asked}
        missing = [t for t in asked if keys[t] not in self._finished and keys[t] not in self._failed]
        for trial in asked:
            self._first_asked.setdefault(keys[trial], (phase, context, trial))
        if not missing:
            return self._answer(asked, keys)
        self._planned += len(missing)
        self.store.set_progress(self.run, planned=max(self._foreseen, self.asked_for))
        passing("phase.begin")
        self.progress.start(label, len(asked), len(asked) - len(missing))
        # Long trials first: the last ones to finish are then short, and no worker idles for long. Among equals those
        # with as many outputs are neighbours, because they share a stack; single tasks come first, because all losses
        # are told relative to theirs.
        dataset = experiment.dataset
        outputs = {task.name: count for task, count in zip(dataset.tasks, dataset.classes_T, strict=True)}
        missing.sort(key=lambda t: (-t.capacity * t.copies * t.fraction, sum(outputs[task] for task in t.tasks)))
        kept = frozenset(keep_states)
        courses = [Course(trial, self._start(trial), trial in kept) for trial in missing]
        trained = self._trained(experiment, courses, train)
        try:
            for row in _rows(trained):
                self._record(phase, keys, row)
                self._forget_files(experiment, row, kept)
                if self.standing is not None and phase == "search":
                    self.standing(lambda: self._known_of(asked, keys))
                if stop():
                    break
        finally:
            trained.close()
            self.progress.finish()
        passing("phase.end")
        return self._answer(asked, keys)

    def _record(self, phase: str, keys: Mapping[Trial, str], row: Sequence[_Trained]) -> None:
        """Keep what came of some packs: all that ended well in one transaction."""
        whole = [(trial, result, one.worker) for one in row for trial, result in one.results.items()]
        for trial, result, _ in whole:
            self._tell(result.remarks, phase, trial, keys[trial])
        good = {t: replace(r, state=None, remarks=()) for t, r, _ in whole if isinstance(r, TrialResult)}
        if good:
            self.store.record_results(self.run, phase, [(t, keys[t], result) for t, result in good.items()])
        self._finished |= {keys[t]: replace(result, weights=b"") for t, result in good.items()}
        for trial, result, worker in whole:
            if isinstance(result, TrialFailure):
                self.store.record_failure(self.run, phase, trial, keys[trial], result, worker=worker)
                self._failed[keys[trial]] = result
            else:
                self._keep(trial, result.state)
            self.trained += 1
            self.progress.advance(failed=isinstance(result, TrialFailure))

    def _tell(self, remarks: Iterable[Remark], phase: str, trial: Trial, key: str) -> None:
        """Put what happened on the way into the run's history, each thing once."""
        for remark in remarks:
            if remark not in self._told:
                self._told.add(remark)
                told = {"key": key, "network": trial.network, "seed": trial.seed, "phase": phase}
                self.store.add_event(self.run, remark.kind, {**told, "text": remark.text})

    def _forget_files(self, experiment: Experiment, row: Sequence[_Trained], going_on: Collection[Trial]) -> None:
        """Remove what was written down of trainings that are recorded; of those that go on it is still of use."""
        files = experiment.state_files
        if files is None or not files.any:
            return
        ended = [t for one in row for t, r in one.results.items() if isinstance(r, TrialResult) and t not in going_on]
        files.forget({settled_key(experiment, trial) for trial in ended})

    def weights(self, experiment: Experiment, trial: Trial) -> bytes:
        """The kept state of a trial that ended well, in safetensors format."""
        return self.store.weights(self.run, trial.key(experiment.context))

    def chosen(self, objective: float, split: int) -> None:
        """Note what the best grouping of the moment comes to, for whoever watches the run.

        Args:
            objective: Mean relative loss, by measurements or estimates as they stand.
            split: Which repetition of the data split; the first is the one that is reported.
        """
        if split == 0:
            self.store.set_progress(self.run, best=objective)

    @property
    def known(self) -> int:
        """Trainings whose results are there."""
        return len(self._finished)

    @property
    def asked_for(self) -> int:
        """Trainings of this run so far, with those of earlier attempts at it."""
        return self._known + self._planned

    def foresee(self, forecast: Forecast) -> None:
        """Note what is expected from here on, for whoever watches the run."""
        self._foreseen = forecast.done + forecast.trainings
        self.store.set_progress(self.run, planned=max(self._foreseen, self.asked_for), forecast=forecast)
        self.progress.foresee(forecast)

    def forget_states(self) -> None:
        """Let go of the states: what is asked for from now on is trained from its beginning."""
        self._states.clear()
        self._state_bytes = 0

    def _start(self, trial: Trial) -> TrainingState | None:
        """The state of a shorter training of the same network, or None."""
        state = self._states.get(replace(trial, fraction=1.0))
        return None if state is None or state.trial.fraction > trial.fraction else state

    def _keep(self, trial: Trial, state: TrainingState | None) -> None:
        """Hold the state that a trial ended in, in place of an earlier one, as long as there is room."""
        whole = replace(trial, fraction=1.0)
        before = self._states.pop(whole, None)
        self._state_bytes -= 0 if before is None else _n_bytes(before)
        if state is not None and self._state_bytes + _n_bytes(state) <= _MOST_STATES:
            self._states[whole] = state
            self._state_bytes += _n_bytes(state)

    def _trained(
        self, experiment: Experiment, courses: Sequence[Course], train: TrainPack | None
    ) -> Generator[_Trained]:
        """What came of each pack; one that failed as a whole is tried trial by trial."""
        most = self.pack_size if train is None else 1
        settled = Settled(train or self.train)
        waiting = packed(
            courses, lambda trial: min(most, room(experiment, trial)) if most > 1 else 1, self.executor.workers
        )
        while waiting:
            timeout = experiment.patience_seconds * max(map(len, waiting))
            again: list[Pack] = []
            for outcome in self.executor.run(settled, experiment, waiting, timeout_seconds=timeout):
                pack = waiting[outcome.index]
                results: dict[Trial, TrialResult | TrialFailure] = {}
                if outcome.result is not None:
                    results = {c.trial: result for c, result in zip(pack, outcome.result, strict=True)}
                elif len(pack) > 1:
                    again += [(course,) for course in pack]
                else:
                    results = {pack[0].trial: TrialFailure(outcome.failure, outcome.detail)}
                yield _Trained(results, outcome.worker, outcome.more)
            waiting = again

    def _answer(self, asked: Sequence[Trial], keys: Mapping[Trial, str]) -> dict[Trial, TrialResult]:
        self.failures.update((t, self._failed[keys[t]].reason) for t in asked if keys[t] in self._failed)
        return self._known_of(asked, keys)

    def _known_of(self, asked: Sequence[Trial], keys: Mapping[Trial, str]) -> dict[Trial, TrialResult]:
        return {trial: self._finished[keys[trial]] for trial in asked if keys[trial] in self._finished}

    def costs(self, labels: Mapping[str, str]) -> tuple[PhaseCost, ...]:
        """What each phase cost; a training that serves several phases is charged to the first that asked for it.

        A network that was trained in several stretches counts once in a phase, its seconds are those of them all.

        Args:
            labels: Phases in the order they are shown, with their labels.
        """
        found = []
        for phase, label in labels.items():
            mine = {key: (context, t) for key, (first, context, t) in self._first_asked.items() if first == phase}
            if mine:
                networks = {(context, replace(trial, fraction=1.0)) for context, trial in mine.values()}
                failed = sum(key in self._failed for key in mine)
                seconds = sum(self._finished[key].seconds for key in mine if key in self._finished)
                found.append(PhaseCost(phase, label, len(networks), failed, seconds))
        return tuple(found)


def _rows(trained: Iterable[_Trained]) -> Iterator[list[_Trained]]:
    """Packs whose results became known in the same moment."""
    row: list[_Trained] = []
    for one in trained:
        row.append(one)
        if not one.more or len(row) == _LONGEST_ROW:
            yield row
            row = []


def _n_bytes(state: TrainingState) -> int:
    held = [arrays for network in state.networks for arrays in (network.values, network.means, network.squares)]
    return state.curve_TS.nbytes + sum(array.nbytes for arrays in held for array in arrays.values())
