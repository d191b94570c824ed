"""The Markdown of what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.solver.goals import GOALS, duration, ratios
from tests.benchmarks.solver.measurement import Measurement

__all__ = ["markdown"]

Rows = Sequence[Measurement]

METHOD = """\
Seconds are CPU seconds of one process on one core (all thread pools are held to one thread), medians of runs that took
turns. Building the problem counts for every solver; generating the table does not. The peers solve the textbook program
with `x <= y`: HiGHS through `scipy.optimize.milp` with sparse matrices and a relative gap of 1e-7, CP-SAT with
losses rounded to 1e-7 and eight workers, whose CPU seconds are summed (with one it is many times slower). Peers
are given 20 s of wall time up to 12 tasks, 60 s at 15, and in pools what stands beside them; what met its limit was not
proven, and its ratio is a lower bound. Where a peer proved an optimum, ours is the same (checked in every run). Peers
run once, ours five times around them; CP-SAT is asked the first seed only, and 15 tasks are asked once. No commercial
solver was tried, nor a model tuned for this problem. Instances: `tests/grouping/solver/families.py`.
"""

TITLES = {
    "peers": "Beside the peers, all subsets",
    "scale": "All subsets of more tasks",
    "memory": "Memory",
    "pairs": "Groups from a table of pairs, never enumerated",
    "frontier": "Every budget at once",
    "pools": "Pools",
    "uncertainty": "Re-solves",
    "latency": "The first answer",
    "numba": "Why there is no compiler in it",
}

REMARKS = {
    "scale": "Three runs each, the budgets taking turns.",
    "memory": "One process for each row. The peak while solving includes the interpreter and the table itself.",
    "pairs": "Seed 0. Up to 15 tasks the answer is compared with that of the enumerated table.",
    "pools": "Gap is (objective - bound) / objective. Time limits are wall time and leave out HiGHS' own set-up.",
    "uncertainty": "`grouping.bootstrap` draws tables of 255 networks and solves each; `top=10` ranks groupings.",
    "latency": "A fresh process for each run; importing `grouping` itself, with pandas, takes longer: `startup.md`.",
    "numba": "A pass computes the reduced costs of all candidates. Measured once, numba in an environment of its own.",
}


def markdown(rows: Rows, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole report.

    Args:
        rows: All measurements.
        facts: Command, commit, date, machine, load and versions by section.
    """
    parts = ["# Solver", "", METHOD, "![Seconds against candidates](solver.png)", ""]
    lines = [line for goal in GOALS if (line := goal.line(rows)) is not None]
    parts += ["## Goals", "", "| goal | measured | met? |", "| --- | --- | --- |", *lines, ""]
    for section, title in TITLES.items():
        mine = [row for row in rows if row.section == section]
        if not mine:
            continue
        table = _beside(mine) if section == "peers" else _plain(mine)
        parts += [f"## {title}", "", *([REMARKS[section], ""] if section in REMARKS else []), *table, ""]
    parts += ["## How", ""]
    places: dict[str, list[str]] = {}
    for said in facts.values():
        versions = ", ".join(f"{name} {number}" for name, number in said["versions"].items())
        places.setdefault(f"{said['machine']}; {versions}.", []).append(
            f"- `{said['command']}` at commit {said['commit']}, {said['date']}: {said['minutes']:.1f} minutes, "
            f"load average {said['load']:.1f} at the end"
        )
    for place, sections in places.items():
        parts += [place, "", *sections, ""]
    return "\n".join(parts)


def _beside(rows: Rows) -> list[str]:
    """One line for each family and size: ours, the peers, and how many times as long HiGHS takes."""
    lines = ["| family | tasks | candidates | cases | ours | HiGHS | HiGHS / ours: least, median, most | CP-SAT |"]
    lines.append("| --- " * 8 + "|")
    kinds = list(dict.fromkeys((row.tasks, row.instance.split()[0]) for row in rows))
    for n_tasks, family in sorted(kinds):
        mine = [row for row in rows if row.tasks == n_tasks and row.instance.split()[0] == family]
        times = ratios(mine, n_tasks)
        ours = [row for row in mine if row.solver == "ours"]
        spread = f"{min(times):.0f}, {statistics.median(times):.0f}, {max(times):.0f}"
        cells = [
            family,
            n_tasks,
            f"{ours[0].candidates:,}",
            len(ours),
            _range(ours),
            _range(_of(mine, "HiGHS")),
            spread,
        ]
        lines.append("| " + " | ".join(map(str, [*cells, _range(_of(mine, "CP-SAT"))])) + " |")
    return lines


def _of(rows: Rows, solver: str) -> list[Measurement]:
    return [row for row in rows if row.solver == solver]


def _range(rows: Rows) -> str:
    if not rows:
        return "not run"
    seconds = [row.seconds for row in rows]
    said = duration(seconds[0]) if len(rows) == 1 else f"{duration(min(seconds))} to {duration(max(seconds))}"
    open_ = [row for row in rows if row.status != "optimal"]
    if len(rows) == 1 and open_:
        return f"{said}: {open_[0].status}"
    return said + (f", {len(open_)} of {len(rows)} not proven" if open_ else "")


def _plain(rows: Rows) -> list[str]:
    """One line for each row, without the columns that say nothing."""
    columns = {
        "instance": [row.instance for row in rows],
        "tasks": [str(row.tasks) for row in rows],
        "candidates": [f"{row.candidates:,}" for row in rows],
        "budget": [_number(row.budget) for row in rows],
        "solver": [row.solver for row in rows],
        "median": [duration(row.seconds) for row in rows],
        "lowest": [duration(row.low) for row in rows],
        "highest": [duration(row.high) for row in rows],
        "runs": [str(row.repeats) for row in rows],
        "value": [_number(row.objective, 8) for row in rows],
        "bound": [_number(row.bound, 8) for row in rows],
        "gap": ["" if math.isnan(row.gap) else f"{100 * row.gap:.2f} %" for row in rows],
        "nodes": [_number(row.nodes) for row in rows],
        "status": [row.status for row in rows],
        "note": [row.note for row in rows],
    }
    section = rows[0].section
    hidden = {
        "memory": {"runs", "status"},
        "latency": {"status", "candidates"},
        "numba": {"status", "value"},
        "uncertainty": {"value", "bound", "gap"},
    }
    if len({row.solver for row in rows}) == 1:
        columns.pop("solver")
    if all(row.status == "optimal" for row in rows):
        for name in ("bound", "gap", "status"):
            columns.pop(name)
    shown = {name: cells for name, cells in columns.items() if any(cells) and name not in hidden.get(section, set())}
    lines = ["| " + " | ".join(shown) + " |", "| --- " * len(shown) + "|"]
    return lines + ["| " + " | ".join(cells) + " |" for cells in zip(*shown.values(), strict=True)]


def _number(value: float, digits: int = 6) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}g}"
