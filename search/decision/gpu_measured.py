"""How many workers share a GPU, from what the run's own largest packs take of one: measured before they share it.

A prediction knows arrays; it does not know what libraries, the allocator's spare room and the driver take. So one
worker with a whole GPU trains the largest pack of each engine in question for a moment and reads the device's counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from search.decision.engine_choice import shortened, with_engine
from search.decision.phases import phases_of
from search.decision.plan import Plan
from search.execution.executor import Executor, workers_text
from search.spec import EngineName
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.gpu_memory import Counters, DeviceCounters, taken_by
from search.training.gpu_share import Gpus, data_bytes, gpu_share, predicted_bytes, wanted_workers
from search.training.packs import Pack
from search.training.stack_memory import pack_room
from search.trials import Course, Trial

__all__ = ["GpuShare", "GpuWorkers", "measured_share"]

_MARGIN = 1.25
"""A whole training meets more sizes of batches than a moment of it, and the allocator keeps room for each."""


class GpuWorkers(Executor, Protocol):
    """Workers whose number and share of a GPU can be set anew."""

    def share_gpus(self, share: float, workers: int | None) -> int:
        """So many workers with such a share each from the next job on, or as many as there is room for; how many."""


@dataclass(frozen=True)
class GpuShare:
    """What was found.

    Args:
        share: Of a GPU, for each worker.
        workers: How many there are.
        asked: How many were wanted.
        predicted: Bytes that a worker was predicted to take at most.
        measured: Bytes that one took, data and margin included; None where it could not be measured.
        reserved: Of these, what torch's allocator held at its peak.
        context: Of these, what lay on the device besides.
        why: Why it could not be measured; empty if it was.
    """

    share: float
    workers: int
    asked: int
    predicted: int
    measured: int | None = None
    reserved: int = 0
    context: int = 0
    why: str = ""

    @property
    def text(self) -> str:
        """One line for the log."""
        gib = 2**30
        if self.measured is None:
            found = f"{self.predicted / gib:.2f} GiB predicted, not measured ({self.why})"
        else:
            found = f"{self.measured / gib:.2f} GiB measured, {self.predicted / gib:.2f} GiB predicted"
        fewer = f"; {self.asked} were asked for, and no more fit" if self.workers < self.asked else ""
        return f"{workers_text(self.workers)} with {self.share:g} GPU each: a worker takes {found}{fewer}"

    def as_event(self) -> Mapping[str, Any]:
        return {**asdict(self), "text": self.text}


def measured_share(
    plan: Plan,
    experiment: Experiment,
    executor: GpuWorkers,
    *,
    gpus: Gpus | None = None,
    counters: Counters | None = None,
) -> GpuShare:
    """Measure, and let the workers share GPUs accordingly; where that fails, as was predicted.

    Args:
        plan: With the predicted share in its spec.
        experiment: What all trainings have in common.
        executor: The workers.
        gpus: Of this machine; default: those that torch sees.
        counters: Of the memory of the GPU that a worker was given; default: torch's.

    Raises:
        SpecError: a GPU does not hold one worker.
    """
    gpus, counters = gpus or Gpus.seen(), counters or DeviceCounters()
    cluster, dataset = plan.spec.cluster, experiment.dataset
    predicted = predicted_bytes(dataset)
    short, _ = shortened(experiment)
    # What is read in one piece is read in full: it is held beside the pack.
    short = replace(short, dataset=replace(short.dataset, validation=dataset.validation))
    executor.share_gpus(1.0, 1)
    outcomes = [
        outcome
        for engine, packs in _largest(plan, experiment)
        for outcome in executor.run(taken_by, (with_engine(short, engine), ENGINES[engine].train, counters), [packs])
    ]
    taken = [outcome.result for outcome in outcomes if outcome.result is not None]
    asked = wanted_workers(cluster)
    if not taken:
        workers = executor.share_gpus(cluster.gpu_share, cluster.workers)
        return GpuShare(cluster.gpu_share, workers, asked, predicted, why=outcomes[0].failure)
    most = max(taken, key=lambda one: one.total)
    needed = int(_MARGIN * most.total) + data_bytes(dataset)
    share = gpu_share(needed, gpus, asked)
    workers = executor.share_gpus(share, cluster.workers)
    return GpuShare(share, workers, asked, predicted, needed, most.reserved, most.context)


def _largest(plan: Plan, experiment: Experiment) -> Iterator[tuple[EngineName, tuple[Pack, ...]]]:
    """For each engine that the run may use, a full pack of the largest network of every way to share."""
    reachable = set(plan.capacity_C.tolist())
    trials = {trial for phase in phases_of(plan) for trial in phase.trials if trial.capacity in reachable}
    largest: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda trial: (trial.capacity, len(trial.tasks), trial.tasks)):
        largest[trial.sharing] = trial
    asked = experiment.training.engine
    exact: list[EngineName] = [name for name, one in ENGINES.items() if one.exact and not one.obstacle(experiment)]
    for engine in exact if asked == "auto" else [asked]:
        most = ENGINES[engine].networks(1.0)
        yield engine, tuple(_pack(trial, min(most, pack_room(experiment, trial))) for trial in largest.values())


def _pack(trial: Trial, networks: int) -> Pack:
    return tuple(
        Course(Trial(trial.tasks, trial.capacity, trial.seed + place, "probe", sharing=trial.sharing))
        for place in range(networks)
    )
