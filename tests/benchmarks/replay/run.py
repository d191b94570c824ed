"""Replay, and write ``replay.json`` and ``replay.md``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from grouping.candidates import FloatArray
from grouping.replay.replay import StrategyReplay, replay
from grouping.replay.summary import over_budgets, spread
from tests.benchmarks.halving.run import facts
from tests.benchmarks.replay.cases import Case, lattices, published_cases
from tests.benchmarks.replay.report import markdown
from tests.benchmarks.startup import RESULTS

__all__ = ["main"]

_NEAR = 0.95


def main() -> None:
    """Run the parts that were asked for; the other keeps what the results file says of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of published, lattices; default: both")
    parser.add_argument("--runs", type=int, default=200, help="on each published table")
    parser.add_argument("--lattice-runs", type=int, default=12, help="on each setting of our own tables")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    path: Path = asked.output / "replay.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in asked.parts or ["published", "lattices"]:
        cases, runs = (published_cases(), asked.runs) if part == "published" else (lattices(), asked.lattice_runs)
        if not cases:
            sys.stderr.write("the published tables are not here; left out\n")
            continue
        data[part] = {"runs": runs, "tables": [_row(case, runs) for case in cases], **facts()}
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    text = markdown(data)
    (asked.output / "replay.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _row(case: Case, runs: int) -> dict[str, Any]:
    began = time.process_time()
    found = replay(case.goals, case.table, case.groups, runs, scored=case.scored, moments=case.groups)
    n_tasks = case.table.candidates.n_tasks
    row: dict[str, Any] = {
        "table": case.name,
        "groups": case.groups,
        "candidates": int(((case.table.candidates.size_C > 1) & (case.table.candidates.size_C < n_tasks)).sum()),
        "seeds": len(case.table.seeds),
        "strategies": {one.name: _measures(one, case, n_tasks) for one in found.strategies},
        "wanted": [vars(goal) for goal in case.wanted],
        "process_seconds": time.process_time() - began,
    }
    sys.stderr.write(f"{case.name}: {row['process_seconds']:.0f} s\n")
    return row


def _measures(one: StrategyReplay, case: Case, n_tasks: int) -> dict[str, Any]:
    """Each measure at the numbers of groups that matter, with its standard error over runs."""
    found: dict[str, Any] = {}
    for groups in sorted({case.groups, *(goal.groups for goal in case.wanted)}):
        m = int(np.flatnonzero(one.groups_M == groups)[0])
        found[f"captured @{groups}"] = _pair(over_budgets(one.captured_RMK[:, m]))
        found[f"share @{groups}"] = _pair(over_budgets(one.share_RMK[:, m]))
        if case.scored is not None and case.wanted:
            # The published gain per task, mean over two to six networks; losses are negated gains.
            found[f"test gain @{groups}"] = _pair(-one.scored_RMK[:, m, :5].mean(axis=1) / n_tasks)
        elif case.scored is not None:
            found[f"test loss @{groups}"] = _pair(one.scored_RMK[:, m, 0] / n_tasks)
    if not case.table.seeds[1:]:
        share_RM = np.stack([over_budgets(one.share_RMK[:, m]) for m in range(len(one.groups_M))], axis=1)
        found["groups to 95 %"] = _median(share_RM, one.groups_M)
    return found


def _pair(value_R: FloatArray) -> list[float]:
    found = spread(value_R)
    return [found.mean, found.error]


def _median(share_RM: FloatArray, groups_M: np.ndarray) -> float | None:
    """Median over runs of the groups after which 95 % of the optimum was reached for good; None beyond the last."""
    reached = share_RM >= _NEAR
    first = [int(groups_M[np.argmax(row)]) if row.any() else np.inf for row in reached]
    median = float(np.median(first))
    return median if np.isfinite(median) else None
