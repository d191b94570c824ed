"""The Markdown of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.training.goals import GOALS
from tests.benchmarks.training.measurement import Measurement, Rows, ratio

__all__ = ["by_cell", "markdown"]

METHOD = """\
Many small networks at once: loops as users write them, beside ours. Unless "wall" is written, times are CPU time of one
process with one thread, and contenders take turns in every round, each round starting with another one; ratios are
medians of the ratios of the rounds. The reference job: 9,000 x 64 inputs -> 8 regression targets; 8 singles, 28 pairs
and the group of all = 37 networks 64-128-128; 20 epochs, batches of 256 (36 steps per epoch), Adam 1e-3. Everybody
reads the loss of 512 validation rows after every epoch. Peers use the quickest form of the network (one matrix for all
heads, one loss) and keep no record of losses. Ours include everything a trial does: reading the data, initial values,
watching for losses that explode. LibMTL is no peer here: it runs only with stubs and a changed line.
"""

TITLES = {
    "reference": "The reference job, two epochs in turns",
    "whole": "The reference job from end to end",
    "workers": "Two workers",
    "grid": "Where fusion pays: fully connected networks",
    "cnn": "Where fusion pays: convolutions",
    "engine": "The engine that is chosen",
    "exactness": "Exactness",
    "memory": "Memory",
}

REMARKS = {
    "reference": """\
All 37 networks for two epochs in every round; only the number of epochs is extrapolated to the seconds of the whole
job. The last lines are no trainers: they make the matrix products of a step for 8 networks at once and nothing else, as
torch comes and with the permission that `fused-relaxed` gives. They bound what fusion can gain on this machine.""",
    "whole": """\
Once, nothing extrapolated; contenders take turns after every 16 networks. The initial values of the peers and of ours
are drawn differently, so their losses differ a little.""",
    "workers": """\
Wall seconds; workers are warm and have one thread each (two threads on two shared cores are up to a hundred times
slower); data lie in the object store. The peer: bare Ray tasks in a cluster of their own, which idles while ours works.
Ours: `Measurement` and `RayExecutor` as in a run, results in the store.""",
    "grid": """\
CPU microseconds per network and step of the plain trainer, and how many times as fast a pack of K networks is. 64
inputs, two layers of the width, groups of one to three tasks. What starting takes is subtracted (the difference of a
short and a long run). Networks share an order of rows but for the last line.""",
    "exactness": """\
Twins of the reference job's networks have equal initial values and rows; a network counts with the largest relative
difference of a batch loss, or with the largest difference of a weight, between an engine and the plain trainer of the
same precision. In single precision a few networks part after dozens of steps, when a unit's ReLU stands so close to
0 that rounding decides its side; the plain trainer parts from its own double precision in the same way, which its line
shows. Whole trainings of eight networks are compared bitwise in curves, kept states and test sums.""",
    "engine": """\
For a run over all pairs of eight tasks: what `training.engine: auto` chooses after its short measurement, and the time
of that engine over that of the plain one, for a full pack and for a pack of one.""",
    "cnn": """\
As above. The module of another package has a layer 64-128 and a second one with a way around it.""",
    "memory": """\
Rise of the resident memory over a warmed-up process, one process for each row, and what
`search/training/stack_memory.py` says of the stack beforehand; rows and labels are held once on top.""",
}


def markdown(rows: Rows, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Goals, tables, and how they were made."""
    parts = ["# Training", "", METHOD, "![Microseconds per network and step](training.png)", ""]
    parts += ["## Goals", "", "| goal | measured | met? |", "| --- | --- | --- |"]
    parts += [*(goal.line(rows) for goal in GOALS), ""]
    for section, title in TITLES.items():
        mine = [row for row in rows if row.section == section]
        if not mine:
            continue
        remark = [REMARKS[section], ""] if section in REMARKS else []
        parts += [f"## {title}", "", *remark, *_TABLES[section](mine), ""]
    parts += ["## How", ""]
    places: dict[str, list[str]] = {}
    for said in facts.values():
        versions = ", ".join(f"{name} {number}" for name, number in said["versions"].items())
        places.setdefault(f"{said['machine']}; {versions}.", []).append(
            f"- `{said['command']}` at commit {said['commit']}, {said['date']}: {said['minutes']:.1f} minutes, "
            f"load average {said['load_before']:.1f} at the start, {said['load']:.1f} at the end"
        )
    for place, sections in places.items():
        parts += [place, "", *sections, ""]
    return "\n".join(parts)


def by_cell(rows: Rows) -> dict[str, dict[tuple[str, int], Measurement]]:
    """Rows by cell, then by contender and number of networks."""
    cells: dict[str, dict[tuple[str, int], Measurement]] = {}
    for row in rows:
        cells.setdefault(row.cell, {})[row.contender, row.networks] = row
    return cells


def _beside(rows: Rows) -> list[str]:
    """One line for each contender, with how many times as long the peers take."""
    unit = rows[0].unit
    named = {row.contender: row for row in rows}
    peers = [name for name in named if name.split()[0] in {"a.", "b.", "b'.", "one"}]
    several = len(rows[0].samples) > 1
    notes = ["note"] if any(row.note for row in rows) else []
    head = ["contender", "networks together", _WORDS[unit] + (": median" if several else "")]
    if several:
        head += ["lowest", "highest"]
    if unit == "us":
        head.append("s for the whole job")
    lines = _header([*head, *(f"{name.split()[0]} / this" for name in peers), *notes])
    for row in rows:
        cells = [row.contender, str(row.networks), _number(row.median)]
        if several:
            cells += [_number(row.low), _number(row.high)]
        if unit == "us":
            cells.append(f"{row.median * 37 * 20 * 36 / 1e6:.1f}")
        cells += [f"{ratio(named[peer], row):.2f}" for peer in peers]
        lines.append(_line([*cells, *([row.note] if notes else [])]))
    return lines


def _speeds(rows: Rows) -> list[str]:
    """For each engine a table: cells down, networks in a pack across."""
    cells = by_cell(rows)
    sizes = sorted({row.networks for row in rows})
    engines = [name for name in dict.fromkeys(row.contender for row in rows) if name != "plain"]
    lines: list[str] = []
    for engine in engines:
        lines += [f"`{engine}` against `plain`:", ""]
        lines += _header(["", "plain, us", *(f"K = {size}" for size in sizes)])
        for cell, found in cells.items():
            plain = [row for (name, _), row in found.items() if name == "plain"]
            middle = sorted(row.median for row in plain)[len(plain) // 2]
            times = {
                size: f"{ratio(found['plain', size], found[engine, size]):.2f}"
                for size in sizes
                if (engine, size) in found
            }
            lines.append(_line([cell, f"{middle:.0f}", *(times.get(size, "") for size in sizes)]))
        lines.append("")
    return [*lines, *_verdict(cells, engines)]


def _verdict(cells: Mapping[str, Mapping[tuple[str, int], Measurement]], engines: list[str]) -> list[str]:
    """In words, for each engine: where the best pack gains at least a tenth, and where no pack does."""
    lines = []
    for engine in engines:
        best = {}
        for cell, found in cells.items():
            times = [(ratio(found["plain", k], row), k) for (name, k), row in found.items() if name == engine]
            if times:
                best[cell] = max(times)
        pays = [f"{cell} ({times:.2f} at K = {k})" for cell, (times, k) in best.items() if times >= 1.1]
        not_ = [f"{cell} ({times:.2f})" for cell, (times, _) in best.items() if times < 1.1]
        said = f"- `{engine}` gains a tenth or more in: {'; '.join(pays) or 'no cell'}."
        lines.append(said + (f" It does not pay in: {'; '.join(not_)}." if not_ else ""))
    return lines


def _values(rows: Rows) -> list[str]:
    """One line for each comparison: over the networks."""
    lines = _header(["what", "who", "networks", "median", "largest", "equal"])
    for row in rows:
        equal = row.unit == "equal"
        cells = ["", "", f"{sum(row.samples):.0f}"] if equal else [f"{row.median:.1e}", f"{row.high:.1e}", ""]
        lines.append(_line([row.cell, row.contender, str(len(row.samples)), *cells]))
    return lines


def _sizes(rows: Rows) -> list[str]:
    """One line for each pack: what was measured and what was said."""
    lines = _header(["pack", "measured, MiB", "stack, said", "rows, said", "measured / said"])
    for cell, found in by_cell(rows).items():
        taken, stack, data = (row.median for row in found.values())
        cells = [cell, *(_number(value) for value in (taken, stack, data)), f"{taken / (stack + data):.2f}"]
        lines.append(_line(cells))
    return lines


def _choices(rows: Rows) -> list[str]:
    lines = _header(["", "chosen", "its time / plain's: median", "lowest", "highest"])
    values = ((row, (row.median, row.low, row.high)) for row in rows)
    return lines + [_line([row.cell, row.contender, *(f"{v:.2f}" for v in three)]) for row, three in values]


def _header(cells: list[str]) -> list[str]:
    return [_line(cells), "| --- " * len(cells) + "|"]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


_WORDS = {"us": "us per network and step", "CPU s": "CPU s", "wall s": "wall s"}

_TABLES = {
    "reference": _beside,
    "whole": _beside,
    "workers": _beside,
    "grid": _speeds,
    "cnn": _speeds,
    "engine": _choices,
    "exactness": _values,
    "memory": _sizes,
}
