"""Simulate, ask, measure, and write ``scale.json`` and ``scale.md``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.halving.run import facts
from tests.benchmarks.scale.report import markdown
from tests.benchmarks.scale.workers import job_milliseconds, wait_milliseconds, weak_scaling
from tests.benchmarks.startup import RESULTS, ROOT

__all__ = ["main"]

PARTS = ("workers", "memory", "load")
WORKERS = 1000


def main() -> None:
    """Run the parts that were asked for; the others keep what the results file says of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all, in this order")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--rounds", type=int, default=3, help="of the weak scaling")
    parser.add_argument("--trials", type=int, default=100_000, help="of the largest run")
    asked = parser.parse_args()
    path: Path = asked.output / "scale.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in asked.parts or PARTS:
        if part == "workers":
            scaling = weak_scaling(asked.rounds)
            data[part] = {
                **asdict(scaling),
                "efficiency": scaling.efficiency,
                "job_ms": job_milliseconds(),
                "wait_ms": {str(pending): wait_milliseconds(pending) for pending in (100, 1000)},
            }
        else:
            dispatch = (data["workers"]["job_ms"] + data["workers"]["wait_ms"][str(WORKERS)]) / 1000
            data[part] = _memory(asked.trials, dispatch) if part == "memory" else _load(asked.trials // 5, dispatch)
        data[part] |= facts()
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "scale.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _memory(most: int, dispatch: float) -> dict[str, Any]:
    """One run of a thousand, ten thousand and a hundred thousand trainings; lists and report beside the last."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "runs"
        loads = [_simulated(trials=trials, dispatch=dispatch) for trials in (most // 100, most // 10)]
        loads.append(_simulated(trials=most, dispatch=dispatch, home=str(home)))
        asked = _process("tests.benchmarks.scale.pages", str(home), str(most // 10), str(most))
    return {"loads": loads, "pages": asked, "runs": most // 10, "trials": most}


def _load(trials: int, dispatch: float) -> dict[str, Any]:
    """Shorter and longer trainings, more deaths, larger packs: where the workers begin to wait."""
    settings: list[dict[str, Any]] = [
        *({"seconds": seconds} for seconds in (60.0, 10.0, 1.0, 0.1)),
        {"seconds": 60.0, "deaths": 1.0},
        {"seconds": 60.0, "stragglers": 0.0},
        {"seconds": 0.1, "workers": 100},
        {"seconds": 10.0, "pack": 1},
    ]
    return {"loads": [_simulated(trials=trials, dispatch=dispatch, **setting) for setting in settings]}


def _simulated(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = _process(
        "tests.benchmarks.scale.simulation", *(f"--{name}={value}" for name, value in options.items())
    )
    return {**found, "pack": options.get("pack", 8)}


def _process(module: str, *arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True, capture_output=True)
    return json.loads(done.stdout)
