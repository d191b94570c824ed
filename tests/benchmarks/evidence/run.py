"""Simulate, and write ``evidence.json`` and ``evidence.md``."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grouping.evidence import Interval
from tests.benchmarks.evidence.retrained import retrained
from tests.benchmarks.evidence.worlds import CLUSTERS, FRESH_SEEDS, TASKS, WORLDS, World, simulate
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_CONFIDENCE = 0.9
_ALLOWED = 0.038
EFFECTS = (0.005, 0.01, 0.015, 0.02, 0.03)
"""Planted loss of every partner of the other group: where which tasks share does matter."""


def main() -> None:
    """Simulate every world, then look at retrained networks; a part that is not asked for stays as it was."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.evidence", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of simulated, retrained; default: both")
    parser.add_argument("--runs", type=int, default=1000, help="of every world without an effect")
    parser.add_argument("--power-runs", type=int, default=300, help="of every planted effect")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    path: Path = asked.output / "evidence.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    parts = asked.parts or ["simulated", "retrained"]
    if "simulated" in parts:
        data |= {
            "runs": asked.runs,
            "power_runs": asked.power_runs,
            "tasks": TASKS,
            "fresh_seeds": FRESH_SEEDS,
            "clusters": CLUSTERS,
            "nulls": {name: _summary(world, asked.runs) for name, world in WORLDS.items()},
            "power": {str(effect): _summary(World(partners=effect), asked.power_runs) for effect in EFFECTS},
            **facts(),
        }
    if "retrained" in parts:
        data["retrained"] = {**retrained(), **facts()}
    asked.output.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "evidence.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _summary(world: World, runs: int) -> dict[str, Any]:
    outcomes = [simulate(world, np.random.default_rng([20, run])) for run in range(runs)]
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    return {
        "verdicts": dict(verdicts),
        "covers_wide": _coverage([(o.against_wide, o.true_against_wide) for o in outcomes]),
        "covers_random": _coverage([
            (o.against_random, o.true_against_random) for o in outcomes if o.against_random is not None
        ]),
        "true_against_random": float(np.nanmean([o.true_against_random for o in outcomes])),
    }  # fmt: skip


def _coverage(pairs: Sequence[tuple[Interval, float]]) -> float:
    inside = [one.at(_CONFIDENCE).low <= true <= one.at(_CONFIDENCE).high for one, true in pairs]
    return float(np.mean(inside))


def markdown(data: dict[str, Any]) -> str:
    """The results for people."""
    lines = [
        "# Error rates of the verdict",
        "",
        f"Whole runs without training ({data['tasks']} tasks, every group measured with three seeds, three networks",
        f"chosen exactly, {data['fresh_seeds']} fresh seeds and {data['clusters']} clusters of test rows for the",
        "choice and its rivals): `tests/benchmarks/evidence/worlds.py`. False means the verdict *which tasks share",
        f"matters* where it does not; {_ALLOWED:.1%} are allowed. Intervals are nominal 90 %.",
        "",
        f"## Where it does not matter ({data['runs']} runs each)",
        "",
        "| world | false | other verdicts | interval against wide covers | against random groupings |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, found in data["nulls"].items():
        verdicts = dict(found["verdicts"])
        false = verdicts.pop("grouping", 0)
        others = ", ".join(f"{word} {number}" for word, number in sorted(verdicts.items(), key=lambda item: -item[1]))
        lines.append(f"| {name} | {false} | {others} | {found['covers_wide']:.1%} | {found['covers_random']:.1%} |")
    lines += [
        "",
        f"## Power ({data['power_runs']} runs each)",
        "",
        "Two groups of three tasks; every partner of the other group adds so much loss. The choice is compared with",
        "random groupings of its own sizes and with one wide network, and has to beat both.",
        "",
        "| loss a stranger adds | true gain over random groupings | which tasks share matters | other verdicts |",
        "| --- | --- | --- | --- |",
    ]
    for effect, found in data["power"].items():
        verdicts = dict(found["verdicts"])
        hits = verdicts.pop("grouping", 0) / data["power_runs"]
        others = ", ".join(f"{word} {number}" for word, number in sorted(verdicts.items(), key=lambda item: -item[1]))
        lines.append(f"| {float(effect):.1%} | {-found['true_against_random']:.2%} | {hits:.0%} | {others} |")
    lines += [
        "",
        f"Made by `python -m tests.benchmarks.evidence`, commit {data['commit']}, {data['date']}, {data['machine']}.",
        "",
        *_retrained_lines(data["retrained"]),
    ]
    return "\n".join(lines)


def _retrained_lines(found: dict[str, Any]) -> list[str]:
    shown = {
        kind: f"{found[kind]['covered']:.1%} ± {found[kind]['error']:.1%}"
        for kind in ("groupings", "random", "affinities")
    }
    return [
        "## On retrained networks",
        "",
        "Two halves of the seeds of a complete table (`results/lattices`, 4 and 4) are judged apart; the nominal 90 %",
        "interval of the difference of the two, from the errors that both state, holds 0 in so many cases (standard",
        "error over tables; seeds only, the rows are the same):",
        "",
        f"- difference between two random groupings, test part: {shown['groupings']};",
        f"- a grouping against the mean of ten random ones of its sizes, test part: {shown['random']};",
        f"- cells of the affinity matrix, validation part: {shown['affinities']}.",
        "",
        f"Made by `python -m tests.benchmarks.evidence retrained`, commit {found['commit']}, {found['date']}.",
        "",
    ]
