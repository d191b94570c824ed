"""How long a person waits for ``taskgroup --help`` and for ``solve`` of a five-task table, process start included.

Run by ``make bench``; writes ``results/benchmarks/startup.json`` and ``startup.md``.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "benchmarks"
TASKGROUP = Path(sys.executable).with_name("taskgroup")
REPEATS = 11


@dataclass(frozen=True)
class Waiting:
    """Seconds of wall time from start to exit of one command; ``goal`` is what was promised, where anything was."""

    command: str
    median: float
    low: float
    high: float
    repeats: int
    goal: float


def waiting(arguments: list[str], goal: float, folder: Path) -> Waiting:
    """Time one command; the first call, which warms the file cache, is left out."""
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run([TASKGROUP, *arguments], cwd=folder, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    seconds = seconds[1:]
    command = " ".join(["taskgroup", *arguments])
    return Waiting(command, statistics.median(seconds), min(seconds), max(seconds), REPEATS, goal)


def write_table(path: Path) -> None:
    """Losses of all 31 groups of five tasks; the numbers are of no importance."""
    rows = ["network,task,loss"]
    for size in range(1, 6):
        for group in itertools.combinations("abcde", size):
            rows += [f"{'+'.join(group)},{task},{1 / (1 + size) + ord(task) / 1000}" for task in group]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def machine() -> str:
    """The machine in one line."""
    names = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip() for line in names.read_text().splitlines() if line.startswith("model name")
    ]
    cpu = models[0] if models else platform.processor()
    return f"{os.cpu_count()} x {cpu}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    """Measure, write the two files, and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "losses.csv")
        waits = [
            waiting(["--help"], 0.3, folder),
            waiting(["solve", "losses.csv", "--budget", "2"], 1.5, folder),
        ]
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    facts = {
        "command": "make bench",
        "commit": commit,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "load": os.getloadavg()[0],
    }
    lines = ["# Start-up", "", "Wall seconds from start to exit of the process.", ""]
    lines += ["| command | median | lowest | highest | repeats | goal |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{w.command}` | {w.median:.2f} | {w.low:.2f} | {w.high:.2f} | {w.repeats} | {w.goal} |" for w in waits
    ]
    lines += ["", f"`{facts['command']}` at commit {commit}, {facts['date']}; {facts['machine']}; "]
    lines[-1] += f"load average {facts['load']:.1f} at the end."
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "startup.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = {**facts, "measurements": [asdict(w) for w in waits]}
    (RESULTS / "startup.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
