"""Measure, merge with what other sections said, and write the table, the picture and the Markdown."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.solver import latency, report, scale, sections
from tests.benchmarks.solver.measurement import Measurement, merge, read
from tests.benchmarks.startup import RESULTS, ROOT, machine

__all__ = ["main"]

Section = Callable[..., Iterator[Measurement]]

SECTIONS: dict[str, tuple[Section, ...]] = {
    "peers": (scale.peers,),
    "scale": (scale.large,),
    "memory": (scale.memory,),
    "pairs": (sections.pairs,),
    "frontier": (sections.frontier,),
    "pools": (sections.pools,),
    "uncertainty": (sections.uncertainty,),
    "latency": (latency.first_call,),
    "numba": (latency.pricing,),
}


def main() -> None:
    """Run the sections that were asked for; all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.solver", description=__doc__)
    names = ", ".join(SECTIONS)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"which of {names}; default: all but numba")
    parser.add_argument("--numba", action="store_true", help="the section numba too, where numba is installed")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes, to see that it runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of solver.csv, .json, .md and .png")
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {names}")
    chosen = asked.sections or [section for section in SECTIONS if section != "numba"]
    chosen += ["numba"] if asked.numba and "numba" not in chosen else []
    if "numba" in chosen and find_spec("numba") is None:
        sys.stderr.write("numba is not installed: its section stays as it was\n")
        chosen.remove("numba")
    folder: Path = asked.output
    for section in chosen:
        start = time.perf_counter()
        rows: list[Measurement] = []
        for measure in SECTIONS[section]:
            for row in measure(tiny=asked.tiny):
                rows.append(row)
                _say(row)
        merge(folder, section, rows, _facts(section, asked.tiny, (time.perf_counter() - start) / 60))
    _write(folder)


def _write(folder: Path) -> None:
    rows = read(folder / "solver.csv")
    facts = json.loads((folder / "solver.json").read_text(encoding="utf-8"))
    order = [section for section in SECTIONS if section in facts]
    text = report.markdown(rows, {section: facts[section] for section in order})
    (folder / "solver.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    try:
        from tests.benchmarks.solver.plot import draw
    except ModuleNotFoundError as error:
        sys.stderr.write(f"no picture: {error}; pip install 'taskgrouping[bench]'\n")
        return
    draw(rows, folder / "solver.png")


def _facts(section: str, tiny: bool, minutes: float) -> dict[str, Any]:
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    changed = subprocess.call(["git", "diff", "--quiet", "HEAD", "--", "grouping", "tests/grouping"], cwd=ROOT)
    return {
        "command": f"python -m tests.benchmarks.solver {section}{' --tiny' if tiny else ''}",
        "commit": commit + (" with changes" if changed else ""),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "load": os.getloadavg()[0],
        "minutes": minutes,
        "versions": {"python": platform.python_version(), **_versions("numpy", "scipy", "ortools", "numba")},
    }


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _say(row: Measurement) -> None:
    budget = f"B={row.budget:g}"
    words = (
        row.section,
        row.instance,
        f"n={row.tasks}",
        budget,
        row.solver,
        f"{row.seconds:.4g} s",
        row.status,
        row.note,
    )
    sys.stderr.write("  ".join(words) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
