"""One training of a run made again, and whether it came out bit for bit as it was; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grouping.errors import InputError, NoResultError
from grouping.tasks import SEPARATOR, nearest_name
from search.decision.engine_choice import with_engine
from search.decision.plan import Plan
from search.decision.tuning import with_learning_rate
from search.decision.way import way_to_train
from search.errors import TrialError
from search.execution.executor import Executor
from search.networks.sharing import HARD
from search.store.records import RunRecord, TrialRecord
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.settled import Settled
from search.trials import Course, TrialFailure, TrialResult
from search.work import prepared_job, prepared_lattices

__all__ = ["Difference", "Reproduction", "Wanted", "find_training", "reproduce"]

_PHASES = ("search", "confirm", "measure")


@dataclass(frozen=True)
class Wanted:
    """Which training; what is None may be anything, as long as one training is meant.

    Args:
        network: Task names joined by ``+``, in any order.
        seed: Its seed.
        capacity: In SNT.
        candidate: What the tasks share; empty for one trunk.
        split: Repetition of the data split.
    """

    network: str
    seed: int
    capacity: float | None = None
    candidate: str | None = None
    split: int | None = None


@dataclass(frozen=True)
class Difference:
    """One part of a result that is not what it was; ``largest``: by how much of its size, where it is numbers."""

    part: str
    largest: float | None


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What came of it.

    Args:
        record: The training as the store knows it.
        stored: What it gave then.
        again: What it gives now.
        differences: In what they differ; empty: bit for bit the same.
    """

    record: TrialRecord
    stored: TrialResult
    again: TrialResult
    differences: tuple[Difference, ...]


def find_training(store: Store, run: RunRecord, wanted: Wanted) -> TrialRecord:
    """The training that is meant; of one that was cut in stretches, the longest.

    Raises:
        InputError: none, or several, fit.
        NoResultError: it failed then.
    """
    tasks = wanted.network.split(SEPARATOR)
    for index, task in enumerate(tasks):
        if task not in run.tasks:
            raise InputError(f"no task is called '{task}'", where="--network", fix=nearest_name(task, run.tasks))
        if task in tasks[:index]:
            raise InputError(f"task '{task}' appears twice", where="--network", fix="Name it once")
    records = [record for record in store.trials(run.id) if set(record.trial.tasks) == set(tasks)]
    found = [record for record in records if record.trial.seed == wanted.seed and record.phase != "tuning"]
    if not found:
        seeds = sorted({record.trial.seed for record in records})
        known = f"It was trained with the seeds {', '.join(map(str, seeds[:20]))}" if seeds else "See trials.parquet"
        what = f"{wanted.network} was not trained with seed {wanted.seed} in run '{run.id}'"
        raise InputError(what, where="--seed" if seeds else "--network", fix=known)
    for name, value in (("capacity", wanted.capacity), ("candidate", wanted.candidate), ("split", wanted.split)):
        values = sorted({_value(record, name) for record in found}, key=str)
        if value is not None:
            found = [record for record in found if _value(record, name) == value]
        if (len(values) > 1 and (value is None or not found)) or not found:
            shown = ", ".join(repr(one) if isinstance(one, str) else f"{one:g}" for one in values)
            several = f"{wanted.network} was trained with more than one {name}"
            what = several if value is None else f"there is none of {value}"
            raise InputError(what, where=f"--{name}", fix=f"Give one of {shown}")
    found = [record for record in found if record.trial.copies == min(one.trial.copies for one in found)]
    record = max(found, key=lambda record: record.trial.fraction)
    if record.state != "finished":
        raise NoResultError(f"that training failed then: {record.reason}", where="RUN", fix="Choose another seed")
    if record.trial.phase not in _PHASES:
        raise InputError(
            f"it is of the phase {record.trial.phase}, which leaves no losses to compare",
            where="--seed",
            fix="Choose another",
        )
    return record


def _value(record: TrialRecord, name: str) -> float | str:
    trial = record.trial
    if name == "candidate":
        return "" if trial.sharing == HARD else trial.sharing
    return trial.capacity if name == "capacity" else trial.split


def reproduce(store: Store, run: RunRecord, record: TrialRecord, executor: Executor) -> Reproduction:
    """Train it again, the way the run did.

    Raises:
        NoResultError: what it depends on is not what it was: data, settings, a trainer's files, or this version.
        TrialError: it fails now.
        StoreError: what is stored is damaged.
    """
    plan, experiment = _experiment(store, run, record)
    way = way_to_train(plan, experiment, executor)
    limit = experiment.patience_seconds
    train = Settled(way.train) if run.kind == "search" else way.train  # settings that were found, not asked for
    (outcome,) = executor.run(train, experiment, [(Course(record.trial),)], timeout_seconds=limit)
    again = TrialFailure(outcome.failure, outcome.detail) if outcome.result is None else outcome.result[0]
    if isinstance(again, TrialFailure):
        raise TrialError(f"it fails now: {again.reason}", where=record.trial.network)
    stored = store.result(run.id, record.key)
    return Reproduction(record, stored, again, tuple(_differences(stored, again)))


def _experiment(store: Store, run: RunRecord, record: TrialRecord) -> tuple[Plan, Experiment]:
    """The experiment that gives the training its key."""
    for plan, experiment in _experiments(store, run, record):
        if record.trial.key(experiment.context) == record.key:
            return plan, experiment
    raise NoResultError(
        f"{record.trial.network} depends on something that is not as it was when run '{run.id}' trained it",
        where="RUN",
        fix="Bring back the data, the trainer's files and the version of taskgrouping that it was made with",
    )


def _experiments(store: Store, run: RunRecord, record: TrialRecord) -> Iterator[tuple[Plan, Experiment]]:
    """Every experiment that the run may have trained it in: its own first, then with each rate that it tried."""
    if run.kind == "measure":
        engines = [event.payload["engine"] for event in store.events(run.id) if event.kind == "engine"]
        for lattice in prepared_lattices(run):
            yield lattice.plan, with_engine(lattice.experiment, engines[0]) if engines else lattice.experiment
        return
    if run.kind not in {"recommend", "search"}:
        raise InputError(
            f"run '{run.id}' is of the kind {run.kind}", where="RUN", fix="Name one of recommend, search or measure"
        )
    job = prepared_job(store, run)
    own = job.experiments[record.trial.split]
    yield job.plan, own
    for rate in job.plan.tuned_rates:
        yield job.plan, with_learning_rate(own, own.training.learning_rate * rate)


def _differences(stored: TrialResult, again: TrialResult) -> Iterator[Difference]:
    parts = {
        "steps": (stored.steps_S, again.steps_S),
        "validation losses": (stored.curve_TS, again.curve_TS),
        "test losses on the way": (stored.test_curve_TS, again.test_curve_TS),
        "test losses": (_sums(stored), _sums(again)),
    }
    for part, (before, now) in parts.items():
        if before is None or now is None:
            if before is not now:
                yield Difference(part, None)
        elif before.shape != now.shape:
            yield Difference(part, None)
        elif not np.array_equal(before, now, equal_nan=True):
            largest = np.nanmax(np.abs(now - before) / np.maximum(np.abs(before), np.finfo(float).tiny))
            yield Difference(part, float(largest))
    if stored.kept != again.kept:
        yield Difference("kept reading", None)
    if stored.test is not None and again.test is not None and repr(stored.test.metrics) != repr(again.test.metrics):
        yield Difference("metrics", None)
    if stored.weights != again.weights:
        yield Difference("weights", None)


def _sums(result: TrialResult) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    return None if result.test is None else result.test.cluster_sum_TG
