"""Measure, merge with what other sections said, and write the table, the picture and the Markdown."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.startup import RESULTS, ROOT, machine
from tests.benchmarks.training import choice, convolutions, exactness, grid, memory, reference, report, workers
from tests.benchmarks.training.measurement import Measurement, merge, read

__all__ = ["main"]

SECTIONS: dict[str, Callable[..., Iterator[Measurement]]] = {
    "reference": reference.reference,
    "whole": reference.whole,
    "workers": workers.workers,
    "grid": grid.grid,
    "cnn": convolutions.cnn,
    "engine": choice.engine,
    "exactness": exactness.exactness,
    "memory": memory.memory,
}


def main() -> None:
    """Run the sections that were asked for; all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"which of {', '.join(SECTIONS)}; default: all of them"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs; writes no results")
    parser.add_argument("--output", type=Path, help="folder of training.csv, .json, .md and .png")
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = asked.output or (Path(scratch) if asked.quick else RESULTS)
        for section in asked.sections or SECTIONS:
            start, load = time.perf_counter(), os.getloadavg()[0]
            rows: list[Measurement] = []
            for row in SECTIONS[section](quick=asked.quick):
                rows.append(row)
                _say(row)
            minutes = (time.perf_counter() - start) / 60
            merge(folder, section, rows, _facts(section, asked.quick, minutes, load))
        _write(folder)


def _write(folder: Path) -> None:
    rows = read(folder / "training.csv")
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    text = report.markdown(rows, {section: facts[section] for section in SECTIONS if section in facts})
    (folder / "training.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    try:
        from tests.benchmarks.training.plot import draw
    except ModuleNotFoundError as error:
        sys.stderr.write(f"no picture: {error}; pip install 'taskgrouping[bench]'\n")
        return
    draw(rows, folder / "training.png")


def _facts(section: str, quick: bool, minutes: float, load: float) -> dict[str, Any]:
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    changed = subprocess.call(["git", "diff", "--quiet", "HEAD", "--", "search", "tests/benchmarks"], cwd=ROOT)
    return {
        "command": f"python -m tests.benchmarks.training {section}{' --quick' if quick else ''}",
        "commit": commit + (" with changes" if changed else ""),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "load_before": load,
        "load": os.getloadavg()[0],
        "minutes": minutes,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "ray")}},
    }


def _say(row: Measurement) -> None:
    samples = " ".join(f"{sample:.4g}" for sample in row.samples)
    words = (row.section, row.cell, row.contender, f"K={row.networks}", samples, row.unit, row.note)
    sys.stderr.write("  ".join(words) + "\n")
    sys.stderr.flush()
