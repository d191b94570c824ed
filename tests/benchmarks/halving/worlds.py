"""Real data on which every group is trained to the end with many seeds: curves to replay halving on, and the truth.

The truth is the test loss of other seeds: neither a seed nor a row that a replay decides on is in it.

Axes: ``R`` search seeds, ``Q`` truth seeds, ``C`` candidates, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from grouping.curves import CurveTable
from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.decision.enumeration import make_plan
from search.decision.plan import Plan
from search.decision.selection import curves_of, reference_losses
from search.spec import Spec
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.trials import Course, Trial, TrialFailure, TrialResult

__all__ = ["SETS", "World", "available", "train"]

SETS: dict[str, dict[str, Any]] = {
    "nyc_weather": {
        "data": {"source": "nyc-weather", "rows": 6000},
        "training": {"epochs": 12, "batch_size": 256},
    },
    "sarcos_small": {
        "data": {
            "source": "${TASKGROUP_DATA}/sarcos_small/data.parquet",
            "inputs": ["x_*"],
            "split": {"column": "split"},
        },
        "training": {"epochs": 20, "batch_size": 64},
    },
    "wq": {
        "data": {"source": "${TASKGROUP_DATA}/wq/data.parquet", "inputs": ["x_*"], "split": {"column": "split"}},
        "training": {"epochs": 20, "batch_size": 32},
    },
}
"""What is trained on; networks are 64-64 everywhere. All but the first need the folder in TASKGROUP_DATA."""

_LARGER = 20
_PACK = 8


@dataclass(frozen=True, eq=False)
class World:
    """One data set, trained.

    Args:
        name: Its name.
        plan: Candidates: singles, all pairs, a random sample of groups of three or four, all in one.
        curves: Validation losses of the search seeds.
        reference_T: Validation loss of each task alone.
        truth_QCT: Test losses of the truth seeds, relative to the mean of the task alone.
        seconds: Process time of all trainings.
        settings: What the spec says of data and training.
    """

    name: str
    plan: Plan
    curves: CurveTable
    reference_T: FloatArray
    truth_QCT: FloatArray
    seconds: float
    settings: dict[str, Any]


def available(name: str) -> bool:
    """Whether the data are there."""
    return "TASKGROUP_DATA" not in SETS[name]["data"]["source"] or "TASKGROUP_DATA" in os.environ


def train(name: str, search_seeds: int, truth_seeds: int) -> World:
    """Train everything on one set."""
    began = time.process_time()
    settings = SETS[name]
    plan, experiment = _job(name, search_seeds, truth_seeds)
    curves = curves_of(plan, _trained(experiment, plan.search_trials()))
    reference_T = reference_losses(plan, curves, {})
    names = [task.name for task in plan.tasks]
    trials = {
        (q, c): Trial(
            plan.group(c),
            1.0,
            seed,
            phase="confirm",
            reference=tuple(float(reference_T[names.index(task)]) for task in plan.group(c)),
        )
        for q, seed in enumerate(plan.fresh_seeds)
        for c in range(len(plan.candidates))
    }
    results = _trained(experiment, trials.values())
    truth_QCT = np.full((truth_seeds, len(plan.candidates), len(names)), np.nan)
    for (q, c), trial in trials.items():
        test = results[trial].test
        assert test is not None
        mean_T = test.cluster_sum_TG.sum(axis=1) / test.cluster_count_TG.sum(axis=1)
        truth_QCT[q, c, plan.candidates.members_CT[c]] = mean_T
    alone_T = truth_QCT.mean(axis=0)[plan.single_T, np.arange(len(names))]
    return World(name, plan, curves, reference_T, truth_QCT / alone_T, time.process_time() - began, settings)


def _job(name: str, search_seeds: int, truth_seeds: int) -> tuple[Plan, Experiment]:
    document: dict[str, Any] = {
        "name": name,
        "data": SETS[name]["data"],
        "network": {"widths": [64, 64]},
        "training": {"seeds": search_seeds, "engine": "fused", **SETS[name]["training"]},
        "affinity": {"estimator": "measured"},
        "budget": {"inference": 3, "max_networks": 3},
        "evidence": {"seeds": truth_seeds},
    }
    spec = resolve(Spec.model_validate(document))
    tasks = [task.name for task in spec.tasks]
    rng = np.random.default_rng(0)
    larger = {
        tuple(sorted(rng.choice(len(tasks), size=int(rng.integers(3, 5)), replace=False).tolist()))
        for _ in range(_LARGER)
    }
    groups = [[tasks[t] for t in group] for group in (*combinations(range(len(tasks)), 2), *sorted(larger))]
    spec = Spec.model_validate({**spec.model_dump(), "candidates": {"groups": groups}})
    dataset = load_dataset(spec)
    plan = make_plan(spec, dataset.tasks, len(dataset.input_names), dataset.classes_T)
    return plan, Experiment(dataset, spec.network, spec.training)


def _trained(experiment: Experiment, trials: Iterable[Trial]) -> dict[Trial, TrialResult]:
    """Results of all trials.

    Raises:
        RuntimeError: one failed.
    """
    waiting: Sequence[Trial] = sorted(trials, key=lambda trial: len(trial.tasks))
    found: dict[Trial, TrialResult] = {}
    for first in range(0, len(waiting), _PACK):
        pack = waiting[first : first + _PACK]
        for trial, result in zip(pack, ENGINES["fused"].train(experiment, tuple(map(Course, pack))), strict=True):
            if isinstance(result, TrialFailure):
                raise RuntimeError(f"{trial.network}: {result.reason}")
            found[trial] = result
    return found
