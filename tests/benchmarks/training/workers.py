"""Wall seconds of the reference job on two workers: one Ray task per network beside our own path, store included."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.decision.measurement import Measurement as Measure
from search.execution.ray_executor import RayExecutor
from search.pace import Forecast
from search.store.store import Store
from search.training.engines import ENGINES
from tests.benchmarks.startup import ROOT
from tests.benchmarks.training.contenders import OURS, Ours
from tests.benchmarks.training.job import ROWS, dataset, experiment, groups, trials
from tests.benchmarks.training.measurement import Measurement
from tests.benchmarks.training.peer_ray import READY

__all__ = ["workers"]

WORKERS = 2
PEER = "one Ray task per network"


class _Quiet:
    """Progress that nobody sees."""

    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None: ...
    def advance(self, failed: bool) -> None: ...
    def finish(self) -> None: ...


def workers(*, quick: bool) -> Iterator[Measurement]:
    """Four epochs of all 37 networks; workers are warm, contenders take turns, every round has a seed of its own."""
    rows, epochs, rounds = (1_000, 1, 1) if quick else (ROWS, 4, 5)
    seconds: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        _peer(rows) as peer,
        RayExecutor(workers=WORKERS) as executor,
        Store.open(Path(folder)) as store,
    ):
        for turn in range(-1, rounds):  # the first one warms up
            taken = {PEER: _asked(peer, epochs, turn + 1)}
            for engine in OURS:
                taken[engine.name] = _ours(engine, executor, store, rows, epochs, turn + 1)
            for name, second in taken.items():
                seconds.setdefault(name, []).extend([second] if turn >= 0 else [])
    sizes: dict[str, int] = {engine.name: engine.pack_size for engine in OURS}
    for name, samples in seconds.items():
        note = f"{epochs} epochs, {WORKERS} workers"
        yield Measurement("workers", "37 networks", name, sizes.get(name, 1), "wall s", tuple(samples), note)


def _ours(engine: Ours, executor: RayExecutor, store: Store, rows: int, epochs: int, seed: int) -> float:
    """As a run does it: packs to the workers, results into the store."""
    run = store.create_run("benchmark", "recommend", "", {})
    store.set_state(run, "running")
    measure = Measure(store, run, executor, ENGINES[engine.name].train, _Quiet(), engine.pack_size)
    common = experiment(dataset(rows), engine.name, epochs=epochs)
    asked = trials(groups(), seed)
    start = time.perf_counter()
    found = measure.measure(common, "search", "groups", asked)
    seconds = time.perf_counter() - start
    assert len(found) == len(asked), measure.failures
    store.set_state(run, "finished")
    return seconds


@contextmanager
def _peer(rows: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.benchmarks.training.peer_ray", str(WORKERS), str(rows)]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != READY:
            assert process.poll() is None, "the peer's cluster did not start"
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def _asked(process: subprocess.Popen[str], epochs: int, seed: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{epochs} {seed}\n")
    process.stdin.flush()
    return float(process.stdout.readline())
