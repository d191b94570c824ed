"""Measure, and write ``halving.json`` and ``halving.md``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.halving.replay import qualities
from tests.benchmarks.halving.report import markdown
from tests.benchmarks.halving.timing import JOB, reference_timing
from tests.benchmarks.halving.worlds import SETS, available, train
from tests.benchmarks.startup import RESULTS, ROOT, machine

__all__ = ["facts", "main"]


def main() -> None:
    """Run the parts that were asked for; the others keep what the results file says of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.halving", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(['time', *SETS])}; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved repeats of the timing")
    parser.add_argument("--search-seeds", type=int, default=9)
    parser.add_argument("--truth-seeds", type=int, default=6)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    path: Path = asked.output / "halving.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in asked.parts or ["time", *SETS]:
        if part == "time":
            timings = [reference_timing(asked.rounds, keep=keep) for keep in (0.5, 0.25)]
            data["time"] = {"job": JOB, "rows": [timing.as_json() for timing in timings], **facts()}
        elif available(part):
            world = train(part, asked.search_seeds, asked.truth_seeds)
            found = qualities(world)
            data[part] = {
                "settings": world.settings,
                "groups": int(world.plan.shared_C.sum()),
                "tasks": len(world.plan.tasks),
                "search_seeds": asked.search_seeds,
                "truth_seeds": asked.truth_seeds,
                "seconds": world.seconds,
                "rows": [{**asdict(quality), "rungs": list(quality.rungs)} for quality in found],
                **facts(),
            }
        else:
            sys.stderr.write(f"{part} left out: set TASKGROUP_DATA to the folder of the data sets\n")
        asked.output.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "halving.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def facts() -> dict[str, Any]:
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    return {
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load": os.getloadavg()[0],
    }
