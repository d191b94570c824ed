"""Seconds that halving saves beside the network-epochs it saves: the search of the reference job, start to end."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from search.decision.enumeration import make_plan
from search.decision.halving import saved, search
from search.decision.measurement import Measurement
from search.decision.plan import Plan
from search.execution.executor import InlineExecutor
from search.pace import Forecast
from search.spec import Spec
from search.store.store import Store
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from tests.benchmarks.training.job import BATCH, EPOCHS, INPUTS, LEARNING_RATE, ROWS, TASKS, WIDTHS, dataset

__all__ = ["JOB", "Timing", "reference_timing"]

JOB = (
    f"{ROWS:,} x {INPUTS} -> {TASKS} regressions, {TASKS} singles, {TASKS * (TASKS - 1) // 2} pairs, all-in-one; "
    f"MLP {INPUTS}-{'-'.join(map(str, WIDTHS))}, {EPOCHS} epochs, batch {BATCH}, fused, 1 worker in process"
)


@dataclass(frozen=True)
class Timing:
    """Process seconds of a search with and without halving, round by round.

    Args:
        keep: Share that each rung keeps.
        rungs: Shares of training.
        whole: Seconds without halving.
        halved: Seconds with halving, states carried on.
        ideal: Share of network-epochs saved.
    """

    keep: float
    rungs: tuple[float, ...]
    whole: tuple[float, ...]
    halved: tuple[float, ...]
    ideal: float

    @property
    def saving(self) -> float:
        """Share of process time saved: of the median round."""
        return 1 - statistics.median(h / w for h, w in zip(self.halved, self.whole, strict=True))

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "keep": self.keep,
            "rungs": list(self.rungs),
            "seconds_whole": list(self.whole),
            "seconds_halved": list(self.halved),
            "network_epochs_saved": self.ideal,
            "time_saved": self.saving,
            "of_the_ideal": self.saving / self.ideal,
            "speedup": 1 / (1 - self.saving),
            "speedup_ideal": 1 / (1 - self.ideal),
        }


class _Silent:
    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, failed: bool) -> None: ...
    def finish(self) -> None: ...


def reference_timing(rounds: int, rungs: tuple[float, ...] = (0.25, 0.5), keep: float = 0.5) -> Timing:
    """Search with and without halving in turns; one search, which imports and warms up, is not counted."""
    _search(None)
    ideal = 0.0
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for halved in (turn % 2 == 0, turn % 2 == 1):
            taken, share = _search({"rungs": list(rungs), "keep": keep} if halved else None)
            seconds[halved].append(taken)
            ideal = share if halved else ideal
    return Timing(keep, rungs, tuple(seconds[0]), tuple(seconds[1]), ideal)


def _search(halving: dict[str, Any] | None) -> tuple[float, float]:
    """Process seconds of one search in a store of its own, and the share of network-epochs it saved."""
    plan, experiment = _job(halving)
    with _store() as (store, run):
        measurement = Measurement(store, run, InlineExecutor(), ENGINES["fused"].train, _Silent(), 8)
        began = time.process_time()
        searched = search(plan, experiment, measurement)
        return time.process_time() - began, saved(plan, searched.results)


def _job(halving: dict[str, Any] | None) -> tuple[Plan, Experiment]:
    data = dataset()
    spec = Spec.model_validate(
        {
            "name": "reference",
            "data": {"source": "synthetic"},
            "tasks": [{"name": task.name, "type": task.type} for task in data.tasks],
            "network": {"widths": list(WIDTHS)},
            "training": {
                "epochs": EPOCHS,
                "batch_size": BATCH,
                "learning_rate": LEARNING_RATE,
                "seeds": 1,
                "engine": "fused",
            },
            "candidates": {} if halving is None else {"halving": halving},
            "budget": {"inference": 3},
        }
    )
    return make_plan(spec, data.tasks, INPUTS, np.asarray(data.classes_T).tolist()), Experiment(
        data, spec.network, spec.training
    )


@contextmanager
def _store() -> Iterator[tuple[Store, str]]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        run = store.create_run("halving", "recommend", "", {})
        store.set_state(run, "running")
        yield store, run
