"""The results for people: means over settings, with intervals from resampled data sets."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["markdown"]

_DRAWS = 4_000

_ABOUT = """\
{settings} settings of {sets} data sets (`results/lattices`), {repeats} draws of {seen} seeds that estimates are made
from; the mean of the other seeds is the truth. Intervals: 95 %, data sets and their settings resampled (five data sets:
they are wide, and rough). Cost in trainings of all tasks a seed, beside single tasks and the network of all tasks,
which everybody trains; of looks: process time, median."""
_RANKS = """\
Spearman correlation with the truth over groups of three or more, mean over tasks. Ceiling: the measured losses of the
same seeds. `completed`: scores brought onto the scale of losses by what was measured of all tasks together, as the
product does; without: mean over partners alone, as published. The ridge of `linearised` and the step of `look-ahead`
were settled while looking at these tables; nothing else was."""
_REGRETS = """\
Everybody may train as many groups (with every seen seed) as there are pairs, and twice as many as are served; what an
estimate costs is taken off, the rest trains what looks best, and the choice is made among what was trained. `adaptive`:
the product's own, which also chooses how many seeds. Regret: mean over tasks of what is lost against the best grouping
of the table, in percent of the loss alone; on the test part against the best there."""


def markdown(data: dict[str, Any]) -> str:
    """Ranks and costs, then regrets, then ranks table by table."""
    rows = data["tables"]
    ranks = {name: [row["rank"].get(name) for row in rows] for row in rows for name in row["rank"]}
    first = ("ceiling", "number of tasks")
    ordered = [*first, *sorted(set(ranks) - set(first), key=lambda name: -_mean(ranks[name]))]
    sets = [row["table"].split()[0] for row in rows]
    lines = [
        "# Estimators on complete tables",
        "",
        _ABOUT.format(settings=len(rows), sets=len(set(sets)), **data),
        "",
        "## What they rank",
        "",
        _RANKS,
        "",
        "| | rank correlation | interval | trainings |",
        "| --- | --- | --- | --- |",
    ]
    costs = {name: [row["cost"].get(name) for row in rows] for name in ordered}
    for name in ordered:
        low, high = _interval(ranks[name], sets)
        cost = "" if costs[name][0] is None else f"{_mean(costs[name]):.1f}"
        lines.append(f"| {name} | {_mean(ranks[name]):.2f} | {low:.2f} to {high:.2f} | {cost} |")
    lines += [
        "",
        "## What is chosen for the same training seconds",
        "",
        _REGRETS,
        "",
        "| | regret | interval | test regret | interval | less than random, test |",
        "| --- |" + " --- |" * 5,
    ]
    random = np.array([row["test"]["random groups"] for row in rows])
    names = sorted(rows[0]["test"], key=lambda name: _mean([row["test"][name] for row in rows]))
    for name in names:
        regret, test = ([100 * row[part][name] for row in rows] for part in ("regret", "test"))
        gain = (100 * random - np.array(test)).tolist()
        cells = [f"{_mean(regret):.2f}", _shown(regret, sets), f"{_mean(test):.2f}", _shown(test, sets)]
        lines.append(f"| {name} | {' | '.join(cells)} | {_mean(gain):+.2f} ({_shown(gain, sets)}) |")
    shown = [name for name in ordered if "completed" not in name or name.startswith("linearised")]
    lines += ["", "## Table by table", "", "| | " + " | ".join(shown) + " |", "| --- |" + " --- |" * len(shown)]
    for row in rows:
        cells = [f"{row['rank'][name]:.2f}" if name in row["rank"] else "" for name in shown]
        lines.append(f"| {row['table']} | {' | '.join(cells)} |")
    made = (
        f"Made by `python -m tests.benchmarks.estimators`, commit {data['commit']}, {data['date']}, {data['machine']}."
    )
    if "adaptive" in data:
        made += f" The adaptive search alone again by `... --adaptive`, commit {data['adaptive']['commit']}."
    return "\n".join([*lines, "", made, ""])


def _mean(values: list[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def _shown(values: list[float], sets: list[str]) -> str:
    low, high = _interval(list(values), sets)
    return f"{low:.2f} to {high:.2f}"


def _interval(values: list[Any], sets: list[str]) -> tuple[float, float]:
    """Data sets drawn with replacement, then settings of each; the mean is over all settings drawn."""
    rng = np.random.default_rng(0)
    names = sorted(set(sets))
    own = {name: [v for v, s in zip(values, sets, strict=True) if s == name and v is not None] for name in names}
    drawn = []
    for _ in range(_DRAWS):
        picked = [own[names[place]] for place in rng.integers(len(names), size=len(names))]
        kept = [v for group in picked if group for v in rng.choice(group, size=len(group))]
        drawn.append(float(np.mean(kept)) if kept else np.nan)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)
