"""One run of many trainings on many simulated workers, with the real driver and the real store: what it takes."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from sqlalchemy import event

from search.decision.measurement import Measurement
from search.execution.simulated import Conditions, SimulatedExecutor
from search.pace import Forecast
from search.store.store import Store
from tests.benchmarks.scale.recorded import recorded

__all__ = ["Load", "simulate"]


@dataclass(frozen=True)
class Load:
    """What a simulated run asked of workers, driver, store and memory.

    Args:
        workers: Simulated workers.
        trials: Trainings.
        seconds_each: What a training takes on average.
        deaths_per_hour: Of a worker.
        stragglers: Share of the packs that take four times as long.
        minutes: Simulated, from first to last.
        utilisation: Share of the workers' time in trainings that came to an end.
        deaths: Workers that died.
        failed: Trainings that failed, because two workers died.
        trials_per_second: Simulated.
        driver_seconds: Process seconds of the driver and its store.
        driver_busy: Share of the simulated time that the driver was at work.
        transactions: Of the store.
        rows: Trials, attempts and readings written.
        database_mb: Size of the file.
        memory_mb: Resident memory of the driver at its end, above what it was before the run.
        peak_mb: Largest resident memory of the process in all.
        resume_seconds: To know again what is done, as a resumed run does first.
    """

    workers: int
    trials: int
    seconds_each: float
    deaths_per_hour: float
    stragglers: float
    minutes: float
    utilisation: float
    deaths: int
    failed: int
    trials_per_second: float
    driver_seconds: float
    driver_busy: float
    transactions: int
    rows: int
    database_mb: float
    memory_mb: float
    peak_mb: float
    resume_seconds: float


def simulate(
    home: Path, workers: int, trials: int, seconds_each: float, conditions: Conditions, pack_size: int
) -> Load:
    """Run it; the database stays in ``home``."""
    world = recorded()
    with Store.open(home) as store:
        run = store.create_run("scale", "recommend", "", {}, tasks=[t.name for t in world.experiment.dataset.tasks])
        store.set_state(run, "running")
        counts = {"transactions": 0, "rows": 0}

        def count(key: str, n: int) -> None:
            counts[key] += n

        event.listen(store.sessions.engine, "commit", lambda _connection: count("transactions", 1))
        event.listen(
            store.sessions.engine,
            "after_cursor_execute",
            lambda c, cursor, statement, *_: count("rows", cursor.rowcount * statement.startswith("INSERT")),
        )
        executor = SimulatedExecutor(
            workers, lambda pack: world.duration(pack, seconds_each), conditions, caller=time.process_time
        )
        before = psutil.Process().memory_info().rss
        asked, began = world.trials(trials), time.process_time()
        measurement = Measurement(store, run, executor, world.train, _Silent(), pack_size)
        results = measurement.measure(world.experiment, "search", "simulated", asked)
        spent = time.process_time() - began
        after = psutil.Process().memory_info().rss
        store.set_progress(run, planned=trials)
        store.set_state(run, "finished")
        again = time.process_time()
        known, _ = store.take_stock(run)
        again = time.process_time() - again
        assert len(known) == len(results) == trials - len(measurement.failures)
    size = sum(path.stat().st_size for path in home.iterdir() if path.is_file())
    account = executor.account
    return Load(
        workers=workers,
        trials=trials,
        seconds_each=seconds_each,
        deaths_per_hour=conditions.deaths_per_hour,
        stragglers=conditions.stragglers,
        minutes=account.seconds / 60,
        utilisation=account.utilisation,
        deaths=account.deaths,
        failed=len(measurement.failures),
        trials_per_second=trials / account.seconds,
        driver_seconds=spent,
        driver_busy=spent / account.seconds,
        transactions=counts["transactions"],
        rows=counts["rows"],
        database_mb=size / 2**20,
        memory_mb=(after - before) / 2**20,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        resume_seconds=again,
    )


class _Silent:
    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None: ...

    def advance(self, failed: bool) -> None: ...

    def finish(self) -> None: ...


def main() -> None:
    """In a process of its own, so that memory is this run's; prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--deaths", type=float, default=0.05)
    parser.add_argument("--stragglers", type=float, default=0.01)
    parser.add_argument("--start", type=float, default=4.0)
    parser.add_argument("--dispatch", type=float, default=0.0)
    parser.add_argument("--pack", type=int, default=8)
    asked = parser.parse_args()
    conditions = Conditions(asked.start, asked.dispatch, asked.deaths, asked.stragglers, 4.0)
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder)
        load = simulate(home, asked.workers, asked.trials, asked.seconds, conditions, asked.pack)
    sys.stdout.write(json.dumps(asdict(load)) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a hundred thousand objects need not be taken apart one by one


if __name__ == "__main__":
    main()
