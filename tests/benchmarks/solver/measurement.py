"""One measured row, the file of them, and the clock they are taken with."""

from __future__ import annotations

import csv
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["Finding", "Measurement", "interleaved", "merge", "read", "status_of"]


@dataclass(frozen=True)
class Finding:
    """What a solver said, without its seconds: nan where it said nothing."""

    objective: float
    bound: float
    status: str
    nodes: float = math.nan


@dataclass(frozen=True)
class Measurement:
    """One solver on one instance. Seconds are CPU seconds of the process; low and high over ``repeats`` runs.

    Args:
        section: Part of the benchmark.
        instance: Family, with its seed.
        tasks: Number of tasks.
        budget: What may be spent; nan where every budget is asked for.
        candidates: Number of candidate networks.
        solver: ``ours`` or a peer.
        seconds: Median.
        low, high: Extremes.
        repeats: Runs.
        objective: What was found.
        bound: What was proven.
        status: ``optimal``, or why not.
        nodes: Relaxations solved, ours only.
        note: What else belongs to the row.
    """

    section: str
    instance: str
    tasks: int
    budget: float
    candidates: int
    solver: str
    seconds: float
    low: float
    high: float
    repeats: int
    objective: float = math.nan
    bound: float = math.nan
    status: str = "optimal"
    nodes: float = math.nan
    note: str = ""

    @property
    def gap(self) -> float:
        """How far the bound may be below the objective, relative."""
        return abs(self.objective - self.bound) / max(abs(self.objective), 1e-12)


def status_of(proven: bool, stopped: str) -> str:
    """The status of one of our solutions."""
    return "optimal" if proven else stopped or "not proven"


def interleaved(runs: Mapping[str, Callable[[], Finding]], repeats: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Run solvers in turns, each as often as it should, and give what a ``Measurement`` says of each.

    The runs of a solver are spread over the whole, so that a busy minute of the machine hits all of them.
    """
    total = max(repeats.values())
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    said: dict[str, Finding] = {}
    for turn in range(total):
        for name, run in runs.items():
            if turn * repeats[name] % total >= repeats[name]:
                continue
            start = time.process_time()
            said[name] = run()
            seconds[name].append(time.process_time() - start)
    return {
        name: {
            "solver": name,
            "seconds": statistics.median(taken),
            "low": min(taken),
            "high": max(taken),
            "repeats": len(taken),
            **asdict(said[name]),
        }
        for name, taken in seconds.items()
    }


def read(path: Path) -> list[Measurement]:
    """The rows of a file; none where there is no file."""
    if not path.exists():
        return []
    number: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
    parse = {each.name: number[str(each.type)] for each in fields(Measurement)}
    with path.open(encoding="utf-8", newline="") as file:
        return [Measurement(**{name: parse[name](text) for name, text in row.items()}) for row in csv.DictReader(file)]


def merge(folder: Path, section: str, rows: Iterable[Measurement], facts: Mapping[str, Any]) -> None:
    """Replace what ``solver.csv`` and ``solver.json`` in a folder say about a section."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "solver.csv"
    kept = [row for row in read(path) if row.section != section]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(Measurement)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _short(value) for name, value in asdict(row).items()} for row in [*kept, *rows])
    about = folder / "solver.json"
    known = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    about.write_text(json.dumps({**known, section: dict(facts)}, indent=2) + "\n", encoding="utf-8")


def _short(value: object) -> object:
    return f"{value:.10g}" if isinstance(value, float) else value
