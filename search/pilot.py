"""A pilot: a few trainings that tell whether a search is worth its own, before it is begun."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grouping.recommendation import Outlook
from search.decision.adaptive import adaptive_search
from search.decision.measurement import Measurement, Progress
from search.decision.phases import phases_of, search_trainings
from search.decision.regret import outlook
from search.decision.selection import curves_of, finished, reference_losses
from search.decision.way import way_to_train
from search.documents import dump_spec
from search.errors import SpecError
from search.execution.executor import Executor
from search.job import prepare
from search.spec import AffinitySpec, EvidenceSpec, Spec, TrainingBudgetSpec
from search.store.store import Store
from search.training.packs import TrainPack
from search.trials import stream_seed

__all__ = ["Pilot", "run_pilot"]

_SHARE = 0.05
"""Of the run's trainings that a pilot spends, or as little more as it takes to see anything."""
_SEEDS = 2


@dataclass(frozen=True)
class Pilot:
    """What a pilot saw.

    Args:
        trainings: What it trained.
        planned: Trainings of the whole run, at most.
        outlook: What grouping may gain over the best without it: one network for all tasks, or one a task where the
            budget holds them; None where neither fits the budget.
    """

    trainings: int
    planned: int
    outlook: Outlook | None


def run_pilot(
    spec: Spec, base: Path, executor: Executor, progress: Progress, *, train: TrainPack | None = None
) -> Pilot:
    """Train single tasks, the network of all tasks and some groups, with two seeds; nothing of it is kept.

    Which groups is decided as in an adaptive search, which also stops where a worthwhile gain is unlikely already.

    Args:
        spec: A resolved spec.
        base: Folder that relative paths start from.
        executor: The workers.
        progress: Told how far it is.
        train: What trains a pack of trials; default: the way of the engine that the run would have.

    Raises:
        SpecError, DataError, InfeasibleError: as for the run itself.
        NoResultError: a task cannot be trained alone.
    """
    asked = prepare(spec, base)
    planned = sum(phase.trainings for phase in phases_of(asked.plan))
    if asked.plan.networks < 2:
        raise SpecError(
            "the budget holds a single network, so there is nothing to group",
            where="budget.inference",
            fix="Raise it to hold two networks or more",
        )
    job = prepare(_small(spec, planned), base)
    experiment = job.experiments[0]
    way = way_to_train(asked.plan, asked.experiments[0], executor, train)
    experiment = way.settled(experiment)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        run = store.create_run(spec.name, "pilot", dump_spec(job.spec), {})
        store.set_state(run, "running")
        measurement = Measurement(store, run, executor, way.train, progress, way.networks)
        label = "single tasks and all together"
        results = measurement.measure(experiment, "search", label, job.plan.search_trials())
        results, _, _ = adaptive_search(job.plan, experiment, measurement, results)
        store.set_state(run, "finished")
    curves = curves_of(job.plan, results)
    reference_T = reference_losses(job.plan, curves, measurement.failures)
    measured = finished(curves, reference_T).scaled(reference_T)
    sizes_C = job.plan.candidates.size_C
    ungrouped_C = (sizes_C == 1) | (sizes_C == len(job.plan.tasks))
    left = max(0, search_trainings(asked.plan) - measurement.trained)
    rng = np.random.default_rng(stream_seed(spec.training.seed, "pilot"))
    return Pilot(measurement.trained, planned, outlook(job.plan, measured, left, rng, ungrouped_C))


def _small(spec: Spec, planned: int) -> Spec:
    """The spec of the pilot: an adaptive search with two seeds."""
    n_tasks, networks = len(spec.tasks), int(spec.budget.max_networks or len(spec.tasks))
    first = (n_tasks * (1 + len(spec.network.capacities)) + len(spec.network.capacities)) * _SEEDS
    least = first + (_SEEDS - 1) * min(networks, n_tasks) + n_tasks
    allowed = spec.budget.training
    worthwhile = TrainingBudgetSpec(trainings=1).worthwhile if allowed is None else allowed.worthwhile
    training = TrainingBudgetSpec(trainings=max(least, math.ceil(_SHARE * planned)), worthwhile=worthwhile)
    return spec.model_copy(
        update={
            "affinity": AffinitySpec(estimator="adaptive"),
            "budget": spec.budget.model_copy(update={"training": training}),
            "candidates": spec.candidates.model_copy(update={"halving": None, "linear_clusters": False}),
            "evidence": EvidenceSpec(),
            "training": spec.training.model_copy(update={"seeds": _SEEDS}),
        }
    )
