"""One measured row, the file of them, and the clock they are taken with."""

from __future__ import annotations

import csv
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["Measurement", "Rows", "interleaved", "merge", "ratio", "read"]


@dataclass(frozen=True)
class Measurement:
    """One number of one contender.

    Args:
        section: Part of the benchmark.
        cell: What was trained.
        contender: Who trained it, or what was compared.
        networks: How many were trained together.
        unit: Of the samples: ``us`` (CPU microseconds per network and step), ``CPU s``, ``wall s``, ``MiB``, or
            another quantity in words.
        samples: One for each round, in the order of the rounds.
        note: What else belongs to the row.
    """

    section: str
    cell: str
    contender: str
    networks: int
    unit: str
    samples: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        return min(self.samples)

    @property
    def high(self) -> float:
        return max(self.samples)


Rows = Sequence[Measurement]


def ratio(slow: Measurement, fast: Measurement) -> float:
    """How many times as long the first takes: the median of the ratios of each round."""
    return statistics.median(s / f for s, f in zip(slow.samples, fast.samples, strict=True))


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, tuple[float, ...]]:
    """Run contenders in turns and give the seconds of each round.

    Every round starts with another contender, so that neither a busy minute nor what the predecessor left in the cache
    hits always the same one. The caller has warmed up.
    """
    names = list(runs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for index in range(len(names)):
            name = names[(turn + index) % len(names)]
            start = clock()
            runs[name]()
            seconds[name].append(clock() - start)
    return {name: tuple(taken) for name, taken in seconds.items()}


def read(path: Path) -> list[Measurement]:
    """The rows of a file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Measurement(
                **{name: row[name] for name in ("section", "cell", "contender", "unit", "note")},
                networks=int(row["networks"]),
                samples=tuple(float(word) for word in row["samples"].split()),
            )
            for row in csv.DictReader(file)
        ]


def merge(folder: Path, section: str, rows: Iterable[Measurement], facts: Mapping[str, Any]) -> None:
    """Replace what ``training.csv`` and ``training.json`` in a folder say about a section."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "training.csv"
    kept = [row for row in read(path) if row.section != section]
    columns = [each.name for each in fields(Measurement)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(getattr(row, column)) for column in columns] for row in [*kept, *rows])
    about = folder / "training.json"
    known = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    about.write_text(json.dumps({**known, section: dict(facts)}, indent=2) + "\n", encoding="utf-8")


def _cell(value: object) -> object:
    return " ".join(f"{sample:.6g}" for sample in value) if isinstance(value, tuple) else value
