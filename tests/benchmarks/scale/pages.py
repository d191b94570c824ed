"""How long people wait for lists and reports where ten thousand runs and a hundred thousand trials are."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import insert

from search.store.models import Curve, Event, Run
from search.store.models import Trial as TrialRow
from search.store.run_ids import new_run_id
from search.store.store import Store
from search.trials import Trial
from tests.benchmarks.startup import ROOT, TASKGROUP

__all__ = ["Page", "filled", "pages", "report"]

REPEATS = 15
_TASKS = ["temp", "wind", "rain", "fog"]
_STATES = ("finished", "interrupted", "failed", "queued", "cancelled")


@dataclass(frozen=True)
class Page:
    """Milliseconds of wall time of one question; ``goal`` is what was promised, None where nothing was."""

    question: str
    median_ms: float
    highest_ms: float
    goal_ms: float | None


def filled(home: Path, runs: int, trials: int) -> None:
    """Add so many runs, with so many trials and their curves in all, to the database in a folder."""
    each = trials // runs
    with Store.open(home) as store:
        now = time.time()
        with store.sessions.write() as session:
            connection = session.connection()
            first = (connection.exec_driver_sql("SELECT max(number) FROM runs").scalar() or 0) + 1
            rows = [
                {
                    "number": first + i,
                    "id": new_run_id(f"search {i}"),
                    "name": f"search {i}",
                    "kind": "recommend",
                    "state": _STATES[i % len(_STATES)],
                    "spec": "name: x\n" * 60,
                    "plan": "{}",
                    "tasks": json.dumps(_TASKS),
                    "planned": each,
                    "best": 0.9 + i % 97 / 1000,
                    "created": now - runs + i,
                    "seconds": 60.0,
                    "principal": f"user {i % 20}",
                }
                for i in range(runs)
            ]
            connection.execute(insert(Run), rows)
            connection.execute(
                insert(Event),
                [{"run": first + i, "kind": "state", "payload": "{}", "at": now} for i in range(runs) for _ in "123"],
            )
            one = json.dumps(vars(Trial(tuple(_TASKS), 1.0, 0)))
            number = (connection.exec_driver_sql("SELECT max(number) FROM trials").scalar() or 0) + 1
            for start in range(0, runs, 1000):
                block = [(first + i, number + i * each + j) for i in range(start, start + 1000) for j in range(each)]
                connection.execute(
                    insert(TrialRow),
                    [
                        {"number": at, "run": run, "key": f"{at:032x}", "phase": "search", "trial": one}
                        | {"state": "failed" if at % 50 == 0 else "finished", "attempts": 1, "seconds": 1.0}
                        | {"worker": "h:1", "kept": -1, "reason": "", "detail": "", "recorded": now}
                        | {"result": b"x" * 1500}
                        for run, at in block
                    ],
                )
                connection.execute(
                    insert(Curve),
                    [
                        {"trial": at, "task": task, "reading": i, "step": i, "loss": 1.0}
                        for _, at in block
                        for task in _TASKS
                        for i in range(3)
                    ],
                )


def pages(home: Path, large: str, runs: int) -> list[Page]:
    """Ask what the run list, a run's page and a trial list ask; ``large`` is a run with very many trials."""
    with Store.open(home) as store:
        newest = store.list_runs().runs[0].id
        last = max(0, runs - 20)
        questions: dict[str, tuple[Callable[[], object], float | None]] = {
            "list of runs, first page": (lambda: store.list_runs(), 200),
            "list of runs, last page": (lambda: store.list_runs(offset=last), 200),
            "list of runs, by best": (lambda: store.list_runs(sort="best"), 200),
            "list of runs, by name, a part of the name": (lambda: store.list_runs(name="99", sort="name"), 200),
            "list of runs, one state": (lambda: store.list_runs(state="interrupted"), 200),
            "list of runs, one person's": (lambda: store.list_runs(principal="user 7"), 200),
            "one run": (lambda: store.run(newest), 200),
            "one run by the beginning of its id": (lambda: store.run(newest[:-1]), 200),
            "its events": (lambda: store.events(newest), 200),
            "a page of trials of the largest run": (lambda: store.trial_page(large), 200),
            "its last page": (lambda: store.trial_page(large, offset=99_900), 200),
            "its failed trials": (lambda: store.trial_page(large, state="failed"), 200),
            "what waits for a dispatcher": (lambda: store.queued(), 200),
        }
        return [_asked(question, ask, goal) for question, (ask, goal) in questions.items()]


def report(home: Path) -> Page:
    """``taskgroup report`` of a run whose folder stands in that home, process start included."""
    source = ROOT / "results" / "nyc_weather"
    run = home / new_run_id("report")
    shutil.copytree(source, run)
    environment = {**os.environ, "TASKGROUP_HOME": str(home)}

    def ask() -> None:
        subprocess.run(
            [sys.executable, str(TASKGROUP), "report", run.name], env=environment, check=True, capture_output=True
        )

    return _asked("`taskgroup report` of eight tasks, from its start", ask, 5000, repeats=5)


def _asked(question: str, ask: Callable[[], object], goal: float | None, repeats: int = REPEATS) -> Page:
    milliseconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        ask()
        milliseconds.append(1000 * (time.perf_counter() - began))
    return Page(question, statistics.median(milliseconds), max(milliseconds), goal)


def main() -> None:
    """Fill a home that has one very large run, ask, and print JSON."""
    home, runs, trials = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with Store.open(home) as store:
        large = store.list_runs(limit=1).runs[0].id
    filled(home, runs, trials)
    found = [*pages(home, large, runs), report(home)]
    sys.stdout.write(json.dumps([asdict(page) for page in found]) + "\n")


if __name__ == "__main__":
    main()
