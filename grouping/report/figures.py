"""Every figure of a report as plotly JSON with colour roles, by key; figures without data are left out.

The page resolves roles ("@chosen") against its colour scheme, so one figure serves light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from grouping.budget import BudgetUnit
from grouping.recommendation import Baseline, Recommendation, SettingsSearch
from grouping.report.affinity_figures import heat_map, task_graph_figure
from grouping.report.audit_figure import audit_scatter
from grouping.report.content import Content
from grouping.report.knee import knee
from grouping.report.labels import Figure, figure, label, lines
from grouping.report.policy_figures import policy_map, policy_over_time
from grouping.report.policy_view import shown_policies
from grouping.report.settings_figures import search_frontier, search_history, setting_importance
from grouping.report.wording import change, chosen_score, cost, interval, sentence, share

__all__ = ["figures", "frontier", "pair_stability", "random_strip", "validation_curves"]

_AXIS_LOSS = "Mean loss against single-task (%), lower is better"


def figures(content: Content) -> dict[str, Figure]:
    """The figures of a report by key; curves have one key a task, ``curves-0`` and so on."""
    recommendation = content.recommendation
    drawn: dict[str, Figure] = {}
    if recommendation.affinity:
        drawn["affinity"] = heat_map(recommendation)
        drawn["graph"] = task_graph_figure(recommendation)
    if recommendation.frontier:
        drawn["frontier"] = frontier(recommendation)
    if recommendation.random and recommendation.random.values:
        drawn["random"] = random_strip(recommendation)
    if recommendation.audit and recommendation.audit.losses:
        drawn["audit"] = audit_scatter(recommendation, recommendation.audit)
    if recommendation.stability and recommendation.stability.pairs:
        drawn["pairs"] = pair_stability(recommendation)
    for i, policy in enumerate(shown_policies(recommendation)):
        if policy.probability:
            drawn[f"policy-{i}"] = policy_map(policy)
            drawn[f"policy-time-{i}"] = policy_over_time(policy)
    if recommendation.settings is not None:
        drawn |= _of_settings(recommendation.settings, recommendation.unit)
    for i, task in enumerate(recommendation.tasks):
        curve = validation_curves(content, task.name)
        if curve:
            drawn[f"curves-{i}"] = curve
    return drawn


def _of_settings(search: SettingsSearch, unit: BudgetUnit) -> dict[str, Figure]:
    drawn = {"settings-history": search_history(search, unit)}
    if search.count("finished") > 1:
        drawn["settings-frontier"] = search_frontier(search, unit)
    if search.importance:
        drawn["settings-importance"] = setting_importance(search)
    return drawn


def _percent(relative: float) -> float:
    return 100 * (relative - 1)


def frontier(recommendation: Recommendation) -> Figure:
    """Loss against budget: the line on selection losses, the dots with intervals on fresh seeds and test rows."""
    unit = recommendation.unit
    points = recommendation.frontier
    solution = recommendation.solution
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "best grouping at each cost (selection losses)",
            "x": [p.cost for p in points],
            "y": [_percent(p.objective) for p in points],
            "line": {"shape": "hv", "width": 1.5, "color": "@other"},
            "marker": {"size": 7, "color": "@surface", "line": {"width": 1.5, "color": "@other"}},
            "text": [f"{cost(p.cost, unit)}: {change(p.objective)} on selection losses" for p in points],
            "hovertemplate": "%{text}<extra></extra>",
        },
        _selected("chosen (selection losses)", solution.cost, solution.objective, "diamond-open", "@chosen"),
    ]
    if len(points) > 2:
        turn = points[knee([(p.cost, p.objective) for p in points])]
        data.append(_selected("the knee (selection losses)", turn.cost, turn.objective, "circle-open", "@other", 22))
    if recommendation.runner_up is not None:
        second = recommendation.runner_up
        data.append(_selected("runner-up (selection losses)", second.cost, second.objective, "square-open", "@group2"))
    score = chosen_score(recommendation)
    others = [b for b in recommendation.baselines if b is not score]
    data += [
        _confirmed("alternatives (test, 95 % interval)", [b for b in others if b.comparable], "circle", "@other"),
        _confirmed("reference outside the budget", [b for b in others if not b.comparable], "x-thin-open", "@other"),
    ]
    if score is not None:
        data.append(_confirmed("chosen (test, 95 % interval)", [score], "diamond", "@chosen"))
    widest = max([p.cost for p in points] + [b.cost for b in recommendation.baselines] + [recommendation.budget])
    layout = {
        "xaxis": {"title": {"text": f"Serving cost ({_unit_name(unit)})"}, "range": [0, 1.06 * widest]},
        "yaxis": {"title": {"text": _AXIS_LOSS}, "ticksuffix": " %", "tickformat": "+", "zeroline": True},
        "hovermode": "closest",
        "shapes": [_beyond_budget(recommendation.budget, 1.06 * widest)],
        "annotations": [
            *_names(recommendation.baselines, 1.06 * widest),
            _budget_label(recommendation.budget, 1.06 * widest),
        ],
    }
    return figure([trace for trace in data if trace["x"]], layout, 500)


def _beyond_budget(budget: float, end: float) -> dict[str, Any]:
    corners = {"x0": budget, "x1": end, "y0": 0, "y1": 1}
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "layer": "below",
        **corners,
        "fillcolor": "@middle",
        "line": {"width": 0},
    }


def _budget_label(budget: float, end: float) -> dict[str, Any]:
    narrow = budget > 0.7 * end
    return {
        "text": "budget" if narrow else "beyond the budget",
        "x": budget,
        "y": 1,
        "xref": "x",
        "yref": "paper",
        "xanchor": "right" if narrow else "left",
        "yanchor": "top",
        "xshift": -6 if narrow else 6,
        "showarrow": False,
        "font": {"color": "@muted", "size": 11},
    }


def _names(baselines: Sequence[Baseline], end: float) -> list[dict[str, Any]]:
    """Names beside the measured marks; where marks crowd, the choice and the lowest loss keep theirs."""
    means = [b.mean for b in baselines]
    room = 0.055 * ((max(means) - min(means)) if means else 0.0)
    placed: list[Baseline] = []
    for b in sorted(baselines, key=lambda b: (b.name != "chosen", b.mean)):
        if all(abs(b.mean - other.mean) >= room or abs(b.cost - other.cost) > 0.25 * end for other in placed):
            placed.append(b)
    return [
        {
            "text": f"<b>{lines(b.name, 26)}</b>" if b.name == "chosen" else lines(b.name, 26),
            "x": b.cost,
            "y": _percent(b.mean),
            "xanchor": "right" if b.cost > 0.6 * end else "left",
            "xshift": -9 if b.cost > 0.6 * end else 9,
            "yshift": 9 if b.cost > 0.6 * end else 0,
            "showarrow": False,
            "font": {"color": "@ink" if b.name == "chosen" else "@muted", "size": 11},
        }
        for b in placed
    ]


def _unit_name(unit: str) -> str:
    names = {"snt": "standard network times", "flops": "FLOPs per row", "latency_ms": "ms per row"}
    return names.get(unit, unit)


def _selected(name: str, at: float, objective: float, symbol: str, colour: str, size: int = 13) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [at],
        "y": [_percent(objective)],
        "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}},
        "text": [f"{name}: {change(objective)}"],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _confirmed(name: str, baselines: Sequence[Baseline], symbol: str, colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [b.cost for b in baselines],
        "y": [_percent(b.mean) for b in baselines],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [None if b.high is None else 100 * (b.high - b.mean) for b in baselines],
            "arrayminus": [None if b.low is None else 100 * (b.mean - b.low) for b in baselines],
            "thickness": 1.5,
            "width": 0,
            "color": colour,
        },
        "marker": {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.5, "color": colour}},
        "text": [
            f"{label(sentence(b.label))}<br>{change(b.mean)} {interval(b.low, b.high, of='change')} on test"
            for b in baselines
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }


def random_strip(recommendation: Recommendation) -> Figure:
    """Each random grouping as one tick of a strip, with their mean, the choice above them."""
    assert recommendation.random is not None
    values = recommendation.random.values
    score = chosen_score(recommendation)
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [_percent(v) for v in values],
            "y": [0] * len(values),
            "marker": {"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": "@other"}, "color": "@other"},
            "text": [f"a random grouping: {change(v)}" for v in values],
            "hovertemplate": "%{text}<extra></extra>",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": [_percent(recommendation.random.mean)],
            "y": [0],
            "marker": {"symbol": "circle", "size": 11, "color": "@ink"},
            "text": [f"mean of the random groupings: {change(recommendation.random.mean)}"],
            "hovertemplate": "%{text}<extra></extra>",
            "showlegend": False,
        },
    ]
    if score is not None:
        chosen = _confirmed("chosen", [score], "diamond", "@chosen")
        error = chosen.pop("error_y")
        chosen |= {"x": chosen["y"], "y": [1], "error_x": error, "showlegend": False}
        data.append(chosen)
    layout = {
        "xaxis": {"title": {"text": "Mean test loss against single-task (%)"}, "ticksuffix": " %", "tickformat": "+"},
        "yaxis": {
            "range": [-0.7, 1.6],
            "tickvals": [0, 1] if score else [0],
            "ticktext": ["random", "chosen"] if score else ["random"],
            "showgrid": False,
            "zeroline": False,
        },
        "hovermode": "closest",
    }
    return figure(data, layout, 170)


def pair_stability(recommendation: Recommendation) -> Figure:
    """How often each pair was trained together, as a lower triangle."""
    assert recommendation.stability is not None
    names = [t.name for t in recommendation.tasks]
    at = {name: i for i, name in enumerate(names)}
    grid: list[list[float | None]] = [[None] * len(names) for _ in names]
    hover = [[""] * len(names) for _ in names]
    for p in recommendation.stability.pairs:
        row, column = max(at[p.a], at[p.b]), min(at[p.a], at[p.b])
        grid[row][column] = 100 * p.frequency
        hover[row][column] = f"{label(p.a)} and {label(p.b)}: together in {share(p.frequency)} of re-solves"
    n = len(names)
    ticks = {
        "tickvals": list(range(n)),
        "ticktext": [lines(name, 18 if n <= 16 else 14) for name in names],
        "showgrid": False,
        "zeroline": False,
        "showline": False,
        "tickfont": {"size": 11.5 if n <= 16 else 9},
    }
    cells: dict[str, Any] = {
        "type": "heatmap",
        "z": grid,
        "zmin": 0,
        "zmax": 100,
        "colorscale": [[0, "@middle"], [1, "@help"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hoverongaps": False,
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    if n <= 16:
        cells |= {"texttemplate": "%{z:.0f}", "textfont": {"color": "@ink", "size": 11}}
    layout = {
        "xaxis": {**ticks, "range": [-0.5, n - 1.5], "tickangle": -45 if n > 6 else 0},
        "yaxis": {**ticks, "range": [n - 0.5, 0.5]},
    }
    return figure([cells], layout, 110 + max(160, min(30, 640 // n) * n), 680 if n > 16 else 0)


def validation_curves(content: Content, task: str) -> Figure | None:
    """One task along training: in the network that serves it and alone; mean and range over seeds."""
    served = [n for n in content.recommendation.solution.networks if task in n.serves]
    if not served or content.curves.empty:
        return None
    rows = content.curves[content.curves["task"] == task]
    network = served[0]
    shared = rows[
        (rows["network"] == network.network) & (rows["candidate"] == network.candidate) & (rows["cost"] == network.cost)
    ]
    standard = _single_task_cost(content.recommendation, task)
    alone = rows[(rows["network"] == task) & (rows["candidate"] == "") & (rows["cost"] == standard)]
    data: list[dict[str, Any]] = []
    if network.network != task or network.cost != standard:
        data += _band(alone, "alone", "@other", "@otherband", "dash")
    data += _band(shared, "in its network", "@chosen", "@band", "solid")
    if not data:
        return None
    layout = {
        "xaxis": {"title": {"text": "step", "standoff": 4}, "nticks": 4},
        "yaxis": {"nticks": 5},
        "hovermode": "x",
        "showlegend": False,
    }
    return figure(data, layout, 190)


def _single_task_cost(recommendation: Recommendation, task: str) -> float:
    """Cost of the task's own standard network in the budget's unit; 1 SNT where it was not confirmed."""
    single = [n for b in recommendation.baselines if b.name == "single-task" for n in b.networks if task in n.serves]
    return single[0].cost if single else 1.0


def _band(rows: pd.DataFrame, name: str, colour: str, fill: str, dash: str) -> list[dict[str, Any]]:
    if rows.empty:
        return []
    losses = rows.groupby("step")["loss"].agg(["mean", "min", "max"]).sort_index()
    steps = [int(step) for step in losses.index]
    low, high, mean = (losses[column].round(6).tolist() for column in ("min", "max", "mean"))
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": steps + steps[::-1],
        "y": high + low[::-1],
        "fill": "toself",
        "fillcolor": fill,
        "line": {"width": 0, "color": fill},
        "hoverinfo": "skip",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": steps,
        "y": mean,
        "name": name,
        "line": {"width": 2, "color": colour, "dash": dash},
        "hovertemplate": "%{y:.4g}",
    }
    return [band, line]
