"""Which engine a run trains with: the fastest on packs like its own, measured once for a moment and then kept.

Numbers of different engines differ by rounding and later by chaos, so the choice is written into the run's spec before
the first training, and every worker and every resumption obeys it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from search.data.dataset import Part
from search.decision.phases import phases_of
from search.decision.plan import Plan
from search.errors import SpecError, TrialError
from search.execution.executor import Executor
from search.spec import EngineName
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.stack_memory import pack_room
from search.trials import Course, Trial, TrialFailure, TrialResult

__all__ = ["EngineChoice", "choose_engine", "shortened", "with_engine"]

_STEPS = 40
"""Optimiser steps of a timed training, which is one epoch: what an engine gains does not depend on how long it runs."""
_ROUNDS = 3  # of which the best counts: whatever else runs here only ever slows down
_NETWORKS = 8  # of each capacity, for every engine the same
_CAPACITIES = 2  # the two that take most of the run's time
_SHORT = 20.0
"""Seconds: a run that the plain engine trains in this time on one worker is over before a choice would pay."""
_GAIN = 0.95
"""Another engine is taken only if it needs at most this share of the present one's time."""


@dataclass(frozen=True)
class EngineChoice:
    """What was chosen and why.

    Args:
        engine: The choice.
        reason: One clause for people.
        seconds: Predicted process seconds of the run's trainings with each engine that was timed.
    """

    engine: EngineName
    reason: str
    seconds: Mapping[EngineName, float] = field(default_factory=dict)


def with_engine(experiment: Experiment, engine: EngineName) -> Experiment:
    """The same experiment with another engine."""
    return replace(experiment, training=experiment.training.model_copy(update={"engine": engine}))


def choose_engine(plan: Plan, experiment: Experiment, executor: Executor) -> EngineChoice:
    """The engine that the spec names, or the fastest exact one that can train these networks.

    Raises:
        SpecError: the named engine cannot train these networks.
        TrialError: not even the plain engine trains any of them.
    """
    asked = experiment.training.engine
    if asked != "auto":
        obstacle = ENGINES[asked].obstacle(experiment)
        if obstacle:
            raise SpecError(
                f"the engine '{asked}' cannot train these networks: {obstacle}",
                where="training.engine",
                fix="Use the engine 'auto' or 'plain'",
            )
        return EngineChoice(asked, "as the spec says")
    loads = _loads(plan)
    names: list[EngineName] = [name for name, one in ENGINES.items() if one.exact and not one.obstacle(experiment)]
    seconds: dict[EngineName, float] = {}
    for round_ in range(_ROUNDS):
        for name in tuple(names):
            try:
                total = _predicted(experiment, executor, name, loads)
            except TrialError:
                if name == "plain":
                    raise
                names.remove(name)  # what it cannot do here, for want of memory perhaps, plain can
                continue
            seconds[name] = min(total, seconds.get(name, total))
            if not round_ and name == "plain" and total < _SHORT:
                return EngineChoice("plain", "the run is short", seconds)
    best = names[0]
    for name in names[1:]:
        if seconds[name] < _GAIN * seconds[best]:
            best = name
    gain = seconds["plain"] / seconds[best]
    return EngineChoice(best, "none is faster here" if best == "plain" else f"{gain:.1f} times as fast here", seconds)


def _loads(plan: Plan) -> list[tuple[tuple[Trial, ...], float]]:
    """Trials of one capacity and how many whole trainings are expected, for the capacities that take most time."""
    by_capacity: dict[float, list[tuple[Trial, float]]] = {}
    reachable = set(plan.capacity_C.tolist())
    for phase in phases_of(plan):
        for trial in phase.trials:
            if trial.capacity in reachable:  # others are tried in comparisons, and may have no integer widths
                by_capacity.setdefault(trial.capacity, []).append((trial, phase.part * trial.copies * trial.fraction))
    loads = [(tuple(t for t, _ in load), sum(whole for _, whole in load)) for load in by_capacity.values()]
    return sorted(loads, key=lambda load: -load[1] * load[0][0].capacity)[:_CAPACITIES]


def _predicted(
    experiment: Experiment, executor: Executor, name: EngineName, loads: Sequence[tuple[tuple[Trial, ...], float]]
) -> float:
    """Process seconds of the loads with an engine, from short trainings of the same networks on every worker."""
    short, share = shortened(with_engine(experiment, name))
    engine, total = ENGINES[name], 0.0
    for trials, trainings in loads:
        probes = _probes(trials)
        size = min(engine.pack_size, *(pack_room(experiment, trial) for trial in probes))
        packs = [tuple(map(Course, probes[first : first + size])) for first in range(0, len(probes), size)]
        outcomes = list(executor.run(engine.train, short, packs * executor.workers))
        results = [result for outcome in outcomes for result in outcome.result or ()]
        failures = [result.reason for result in results if isinstance(result, TrialFailure)]
        failures += [outcome.failure for outcome in outcomes if outcome.result is None]
        good = [result.seconds for result in results if isinstance(result, TrialResult)]
        if failures and (name != "plain" or not good):
            raise TrialError(f"the first trainings failed: {failures[0]}")
        total += trainings * sum(good) / len(good) / share
    return total


def _probes(trials: Sequence[Trial]) -> list[Trial]:
    """Some of the trials from all over, few outputs and many: engines are compared on the same networks."""
    seeds = range(_NETWORKS)  # more than the trials' own, where they are too few
    alike = dict.fromkeys((trial.tasks, trial.capacity, trial.seed + seed) for seed in seeds for trial in trials)
    known = sorted(list(alike)[: max(len(set(trials)), _NETWORKS)], key=lambda network: len(network[0]))
    places = np.linspace(0, len(known) - 1, _NETWORKS).round().astype(int).tolist()
    return [Trial(tasks, capacity, seed, "probe") for tasks, capacity, seed in (known[place] for place in places)]


def shortened(experiment: Experiment) -> tuple[Experiment, float]:
    """The experiment on some of its rows for one epoch, and the share of a whole training that this is."""
    dataset, training = experiment.dataset, experiment.training
    rows = min(len(dataset.train), _STEPS * training.batch_size)
    read = max(1, len(dataset.validation) * rows // len(dataset.train))
    short = replace(
        dataset,
        train=_first(dataset.train, rows),
        # A label that is missing takes as long as one that is not, and a task without any would be a failure.
        validation=_first(dataset.validation, read, fill=0.0),
        fingerprint=f"{dataset.fingerprint}, first {rows}",
    )
    whole = len(dataset.train) * training.epochs
    return replace(experiment, dataset=short, training=training.model_copy(update={"epochs": 1})), rows / whole


def _first(part: Part, rows: int, fill: float = np.nan) -> Part:
    targets_NT = np.nan_to_num(part.targets_NT[:rows], nan=fill)
    return Part(part.inputs_NF[:rows], targets_NT, part.cluster_N[:rows])
