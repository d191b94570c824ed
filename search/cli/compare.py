"""``taskgroup compare``: several runs side by side: verdicts, groups, costs, and each task's losses with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.console import JsonFlag, emit_json, escape_controls, print_result
from search.cli.elsewhere import recommendations_there
from search.cli.submit import ServerOption

if TYPE_CHECKING:
    from grouping.recommendation import Confirmed, Recommendation

__all__ = ["compare"]

_WIDEST = 46


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Folders, ids or beginnings of ids.", show_default=False)
    ],
    server: ServerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show runs side by side: verdicts, groups, costs, and each task's losses on fresh seeds with their intervals."""
    from grouping.errors import InputError
    from grouping.report.content import read_content
    from search.cli.report import find_run

    if len(runs) < 2:
        raise InputError("a single run has nothing to be compared with", where="RUN", fix="Name two or more")
    if server:
        found = recommendations_there(server, runs)
    else:
        found = [(folder.name, read_content(folder).recommendation) for folder in map(find_run, runs)]
    if as_json:
        emit_json(_as_json(found))
    else:
        print_result(escape_controls(_as_text(found).replace("\N{NO-BREAK SPACE}", " ")))


def _as_json(found: Sequence[tuple[str, Recommendation]]) -> dict[str, Any]:
    from grouping.recommendation.agreement import agreements

    return {
        "runs": [
            {
                "run": run,
                "name": one.name,
                "verdict": one.verdict,
                "verdict_text": one.verdict_text,
                "budget": one.budget,
                "unit": one.unit,
                "max_networks": one.max_networks,
                "cost": one.solution.cost,
                "objective": one.solution.objective,
                "gap": one.solution.gap,
                "networks": [
                    {"network": n.network, "cost": n.cost, "candidate": n.candidate, "serves": list(n.serves)}
                    for n in one.solution.networks
                ],
                "trainings": sum(phase.trainings for phase in one.training_cost),
                "training_seconds": sum(phase.seconds for phase in one.training_cost),
                "wall_seconds": one.wall_seconds,
            }
            for run, one in found
        ],
        "tasks": [
            {
                "task": task,
                "metric": metric,
                "unit": unit,
                **{
                    part: [None if cell is None else getattr(cell, part) for cell in cells]
                    for part in ("mean", "low", "high")
                },
            }
            for (task, metric, unit), cells in _measured(found).items()
        ],
        "alike": [
            {"runs": [found[one.first][0], found[one.second][0]], "pairs": one.pairs, "alike": one.alike}
            for one in agreements([recommendation for _, recommendation in found])
        ],
    }


def _measured(found: Sequence[tuple[str, Recommendation]]) -> dict[tuple[str, str, str], list[Confirmed | None]]:
    """What was confirmed of the choices: a cell for each run by task, metric and unit."""
    cells: dict[tuple[str, str, str], list[Confirmed | None]] = {}
    for column, (_, one) in enumerate(found):
        for confirmed in one.confirmed:
            if confirmed.grouping == "chosen":
                key = confirmed.task, confirmed.metric, confirmed.unit
                cells.setdefault(key, [None] * len(found))[column] = confirmed
    return cells


def _as_text(found: Sequence[tuple[str, Recommendation]]) -> str:
    from grouping.recommendation.agreement import agreements
    from grouping.report.wording import MISSING, VERDICT_LABELS, change, cost, duration, interval, number

    rows: list[tuple[str, ...]] = [
        ("", *(one.name for _, one in found)),
        ("run", *(run for run, _ in found)),
        ("verdict", *(VERDICT_LABELS[one.verdict] for _, one in found)),
        ("budget", *(cost(one.budget, one.unit) for _, one in found)),
        ("serving cost", *(cost(one.solution.cost, one.unit) for _, one in found)),
        ("trainings", *(f"{sum(phase.trainings for phase in one.training_cost):,}" for _, one in found)),
        ("time", *(duration(one.wall_seconds) for _, one in found)),
    ]
    for i in range(max(len(one.solution.networks) for _, one in found)):
        networks = [one.solution.networks[i] if i < len(one.solution.networks) else None for _, one in found]
        rows.append((f"network {i + 1}", *(", ".join(n.serves) if n is not None else MISSING for n in networks)))
    for (task, metric, unit), cells in _measured(found).items():
        relative = metric == "relative loss"
        shown = []
        for cell in cells:
            if cell is None:
                shown.append(MISSING)
            elif relative:
                shown.append(f"{change(cell.mean)} {interval(cell.low, cell.high, of='change')}")
            else:
                ends = "" if cell.low is None else f" ({number(cell.low)} to {number(cell.high)})"
                shown.append(f"{number(cell.mean)}{ends}")
        name = f"{task}, test loss against alone" if relative else f"{task}, {metric}"
        rows.append((name + (f" ({unit})" if unit else ""), *shown))
    cut = [tuple(cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…" for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(len(found) + 1)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cut]
    lines.append("")
    for pair in agreements([recommendation for _, recommendation in found]):
        which = f"{found[pair.first][0]} and {found[pair.second][0]}"
        treated = f"treat {pair.alike} of {pair.pairs} pairs of tasks alike"
        lines.append(f"{which} {treated if pair.pairs else 'share no two tasks'}.")
    return "\n".join(lines)
