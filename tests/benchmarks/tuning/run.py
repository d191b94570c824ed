"""Seeds of a configuration in one pack or one by one, and Tune's price of a configuration; writes ``tuning.md``.

Process time of trainings, so that other work on the machine counts little; wall time of empty configurations.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from search.documents import read_spec
from search.execution.ray_executor import RayExecutor
from search.job import prepare
from search.networks.sharing import Sharing
from search.spec.searching import SearchSpec
from search.store.configurations import Configurations
from search.store.store import Store
from search.training.engines import ENGINES
from search.tuning.driver import search_configurations
from search.tuning.network import SearchedNetwork
from search.tuning.planned_search import Plan
from search.tuning.trainings import JointTraining
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_ROUNDS = 2
_SEEDS = (1, 3, 8)
_WAYS = (
    "hard with widths=32x32",
    "hard with widths=64x64 batch_size=128",
    "hard with trunk=resmlp widths=64x64",
    "mtan with widths=64x64",
)
_TUNED = (6, 24)


def main() -> None:
    """Measure and write the results."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    packs = {way: _packs(way) for way in _WAYS}
    tune = _tune()
    data = {**facts(), "process_seconds_per_network": packs, "tune": tune}
    (RESULTS / "tuning.json").write_text(json.dumps(data, indent=2) + "\n")
    (RESULTS / "tuning.md").write_text(_text(data))
    sys.stdout.write(_text(data))


def _packs(way: str) -> dict[str, dict[str, float]]:
    """Process seconds per network of one configuration by number of seeds, together and one by one, best of rounds."""
    job = prepare(read_spec(Path("configs/search.yaml")), Path("configs"))
    experiment, tasks = job.experiments[0], len(job.plan.tasks)
    network = SearchedNetwork(Sharing.parse(way), 1.0)
    found: dict[str, dict[str, float]] = {}
    for seeds in _SEEDS:
        for name, size in (("together", 8), ("one by one", 1)):
            engine = ENGINES["fused" if name == "together" else "plain"]
            training = JointTraining(
                experiment,
                engine.train,
                size,
                tuple(range(seeds)),
                job.plan.weights_T,
                np.ones(tasks),
                (0.25, 0.5, 1.0),
                few=engine.train,
            )
            best = min(list(training(network))[-1]["seconds"] for _ in range(_ROUNDS))
            found.setdefault(str(seeds), {})[name] = best / seeds
    return found


def _empty(network: SearchedNetwork) -> Iterator[Mapping[str, Any]]:
    for _ in range(3):
        yield {"loss": 1.0}


def _network(values: Mapping[str, Any]) -> SearchedNetwork:
    return SearchedNetwork(Sharing(), float(values["capacity"]))


def _tune() -> dict[str, float]:
    """Wall seconds of searches whose trainings take no time: what is fixed, and what each configuration takes."""
    space = {"capacity": {"low": 0.5, "high": 4.0}}
    wall = {}
    with tempfile.TemporaryDirectory() as home, Store.open(Path(home)) as store, RayExecutor(workers=2) as executor:
        for count in _TUNED:
            search = SearchSpec(space=space, configurations=count)
            run = store.create_run("empty", "search", "", {})
            store.take(run)
            plan = Plan(run, search.dimensions, count, (4.0,), False, 0, 6, 60.0, _network, lambda one: one.capacity)  # noqa: FBT003
            began = time.perf_counter()
            search_configurations(plan, search, Configurations(store.sessions), _empty, executor.workers)
            wall[count] = time.perf_counter() - began
    few, many = _TUNED
    each = (wall[many] - wall[few]) / (many - few)
    return {"seconds_each": each, "seconds_fixed": wall[few] - few * each}


def _text(data: Mapping[str, Any]) -> str:
    head = "| network of all tasks | " + " | ".join(f"{seeds} seeds" for seeds in _SEEDS) + " |"
    lines = [
        "# Packs of configurations, and what Ray Tune costs",
        "",
        "Process seconds per network and training (8 epochs, 4,000 rows, six tasks; three readings), the seeds of a",
        "configuration in one pack / one by one:",
        "",
        head,
        "| --- |" + " --- |" * len(_SEEDS),
    ]
    for way, found in data["process_seconds_per_network"].items():
        cells = [f"{found[str(s)]['together']:.3f} / {found[str(s)]['one by one']:.3f}" for s in _SEEDS]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    tune = data["tune"]
    each, fixed, load = tune["seconds_each"], tune["seconds_fixed"], data["load"]
    lines += [
        "",
        f"Ray Tune with 2 workers that are kept: {each:.2f} s of wall time for each configuration whose training takes",
        f"no time, and {fixed:.1f} s once for a search, most of it workers that start.",
        "",
        f"`python -m tests.benchmarks.tuning`, {data['machine']}, commit {data['commit']}; load {load:.0f} on 2 cores.",
        "",
    ]
    return "\n".join(lines)
