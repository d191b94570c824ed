"""A solved table of losses as its page shows it: the frontier, and the grouping behind each of its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grouping.report.blocks import Card, Column, Table
from grouping.report.knee import knee
from grouping.report.labels import Figure, figure
from grouping.report.palette import GROUP_ROLES
from grouping.report.wording import change, count, number

__all__ = ["Point", "Solved", "solved"]

_MOST_POINTS = 60


@dataclass(frozen=True)
class Point:
    """The best grouping at one cost."""

    cost: float
    cost_text: str
    headline: str
    proof: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Solved:
    """The answer for every budget.

    Args:
        points: In the order of cost.
        left_out: Points that are not shown: the page says so.
        shown: Index of the point that the page opens with.
        reason: Why it opens with that one.
        table: All points as a table.
        figure: Loss against cost.
    """

    points: tuple[Point, ...]
    left_out: int
    shown: int
    reason: str
    table: Table
    figure: Figure


def solved(
    solutions: Sequence[Mapping[str, Any]], *, relative: bool, higher_is_better: bool, budget: float | None
) -> Solved:
    """What ``taskgroup solve --frontier --json`` prints, for eyes.

    Args:
        solutions: The points, ascending in cost.
        relative: Whether losses are relative to the task's own network.
        higher_is_better: Whether the table held gains.
        budget: What the user can afford, if they said so: the page opens with the best within it.
    """
    kept = solutions[:_MOST_POINTS]
    noun = "gain" if higher_is_better else "loss"
    points = tuple(_point(one, noun, relative=relative) for one in kept)
    within = [i for i, point in enumerate(points) if budget is None or point.cost <= budget * (1 + 1e-9)]
    turn = knee([(float(s["cost"]), float(s["objective"]) * (-1 if higher_is_better else 1)) for s in kept])
    if budget is not None and within:
        shown, reason = within[-1], f"The best within your budget of {number(budget)}."
    elif budget is not None:
        shown, reason = 0, f"Nothing fits a budget of {number(budget)}; this is the cheapest grouping there is."
    else:
        shown, reason = turn, "Most of what sharing less can win, for the least cost."
    return Solved(
        points,
        len(solutions) - len(kept),
        shown,
        reason,
        _table(kept, points, noun, turn, relative=relative),
        _figure(kept, points, noun, relative=relative),
    )


def _value(value: float, *, relative: bool) -> str:
    return change(value) if relative else number(value, 5)


def _mean(solution: Mapping[str, Any]) -> float:
    losses = [float(v) for v in solution["losses"].values()]
    return sum(losses) / len(losses)


def _point(solution: Mapping[str, Any], noun: str, *, relative: bool) -> Point:
    networks = solution["networks"]
    cost = float(solution["cost"])
    value = _value(_mean(solution), relative=relative)
    return Point(
        cost=cost,
        cost_text=number(cost),
        headline=f"{count(len(networks), 'network')} at cost {number(cost)}, mean {noun} {value}",
        proof="Proven optimal" if solution["proven_optimal"] else f"Not proven: at most {solution['gap']:.2%} away",
        cards=tuple(_card(i, network, solution["losses"], relative=relative) for i, network in enumerate(networks)),
    )


def _card(i: int, network: Mapping[str, Any], losses: Mapping[str, float], *, relative: bool) -> Card:
    tasks, serves = network["tasks"], network["serves"]
    return Card(
        number=i + 1,
        role=GROUP_ROLES[i % len(GROUP_ROLES)],
        cost=number(float(network["cost"])) + (f", {network['candidate']}" if network["candidate"] else ""),
        summary=f"{len(tasks)} trained, {len(serves)} served",
        served=tuple((task, _value(float(losses[task]), relative=relative)) for task in serves),
        helpers=tuple(task for task in tasks if task not in serves),
        facts=(),
    )


def _table(
    solutions: Sequence[Mapping[str, Any]],
    points: Sequence[Point],
    noun: str,
    turn: int,
    relative: bool,
) -> Table:
    rows = tuple(
        (
            point.cost_text + (" (the knee)" if i == turn and len(points) > 2 else ""),
            _value(_mean(solution), relative=relative),
            "yes" if solution["proven_optimal"] else "no",
            " | ".join(str(network["network"]) for network in solution["networks"]),
        )
        for i, (solution, point) in enumerate(zip(solutions, points, strict=True))
    )
    columns = (Column("Cost"), Column(f"Mean {noun}", numeric=True), Column("Proven optimal"), Column("Networks"))
    return Table("The best grouping at each cost at which it changes", columns, rows)


def _figure(
    solutions: Sequence[Mapping[str, Any]],
    points: Sequence[Point],
    noun: str,
    relative: bool,
) -> Figure:
    means = [_mean(solution) for solution in solutions]
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [point.cost for point in points],
        "y": [100 * (mean - 1) for mean in means] if relative else means,
        "line": {"shape": "hv", "width": 2, "color": "@chosen"},
        "marker": {"size": 8, "color": "@surface", "line": {"width": 2, "color": "@chosen"}},
        "text": [point.headline for point in points],
        "hovertemplate": "%{text}<extra></extra>",
    }
    axis = {"title": {"text": f"Mean {noun}" + (" against single-task (%)" if relative else "")}}
    layout = {
        "xaxis": {"title": {"text": "Serving cost"}, "rangemode": "tozero"},
        "yaxis": axis | ({"ticksuffix": " %", "tickformat": "+"} if relative else {}),
        "hovermode": "closest",
        "showlegend": False,
    }
    return figure([trace], layout, 340)
