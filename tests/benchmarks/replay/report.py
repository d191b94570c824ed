"""The results of the replay as Markdown."""

from __future__ import annotations

from typing import Any

__all__ = ["markdown"]

_INTRO = """\
# Adaptive search, replayed

A complete table is the training oracle: training a group is looking up its row. Single tasks and the all-in-one are
known for free, the budget counts trained groups of two or more tasks. *captured*: 0 is the best choice with nothing
trained, 1 the optimum; *share*: gain over a network per task, relative to the largest; both are means over 2, 3, ...
networks. The final choice is always the exact best among trained groups: on measured losses, or, where trainings are
noisy and the strategy has a model, on expected ones. ± is the standard error over runs.

`expected-improvement` is what `taskgroup recommend` uses, with one setting for every table. Its few constants were
settled while looking at these published tables and at our own lattices, so the published figures are not a blind test.
"""


def markdown(data: dict[str, Any]) -> str:
    """The whole page."""
    parts = [_INTRO]
    if "published" in data:
        parts.append(_published(data["published"]))
    if "lattices" in data:
        parts.append(_lattices(data["lattices"]))
    parts.append("Made by `python -m tests.benchmarks.replay`.\n")
    return "\n".join(parts)


def _published(part: dict[str, Any]) -> str:
    lines = [
        f"## Published tables ({part['runs']} runs; commit {part['commit']}, {part['date']}, {part['machine']})",
        "",
    ]
    for table in part["tables"]:
        names = list(table["strategies"])
        lines += [
            f"### {table['table']}: {table['candidates']} groups",
            "",
            f"| measure | {' | '.join(names)} | floor | ambitious |",
            f"| --- |{' --- |' * (len(names) + 2)}",
        ]
        wanted = {f"{goal['measure']} @{goal['groups']}": goal for goal in table["wanted"]}
        for measure in next(iter(table["strategies"].values())):
            goal = wanted.get(measure, {})
            cells = [_cell(table["strategies"][name][measure]) for name in names]
            ends = [f"{goal[key]:g}" if goal else "" for key in ("floor", "ambitious")]
            lines.append(f"| {measure} | {' | '.join([*cells, *ends])} |")
        lines.append("")
    return "\n".join(lines)


def _lattices(part: dict[str, Any]) -> str:
    names = list(part["tables"][0]["strategies"])
    lines = [
        f"## Our own complete tables ({part['runs']} runs each; commit {part['commit']}, {part['date']})",
        "",
        "Losses relative to a network per task; three networks (synthetic: two); as many groups trained as there are",
        "pairs. Half of the seeds are seen, one a training, the mean of the others is the truth: *captured* on the",
        "validation part, and the relative loss on the test part of what was chosen.",
        "",
        f"| table | {' | '.join(f'{name}: captured' for name in names)} | {' | '.join(f'{n}: test' for n in names)} |",
        f"| --- |{' --- |' * (2 * len(names))}",
    ]
    totals: dict[str, list[float]] = {name: [] for name in names}
    for table in part["tables"]:
        at = table["groups"]
        captured = [table["strategies"][name][f"captured @{at}"] for name in names]
        test = [table["strategies"][name][f"test loss @{at}"] for name in names]
        for name, value in zip(names, captured, strict=True):
            totals[name].append(value[0])
        cells = [_cell(value) for value in (*captured, *test)]
        lines.append(f"| {table['table']} ({at} groups) | {' | '.join(cells)} |")
    means = [f"**{sum(values) / len(values):.3f}**" for values in totals.values()]
    lines += [f"| mean | {' | '.join(means)} |{' |' * len(names)}", ""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "not reached"
    if isinstance(value, list):
        return f"{value[0]:.3f} ± {value[1]:.3f}"
    return f"{value:g}"
