"""The two pictures of who helps whom: a clustered heat map and the task graph. Plotly JSON with colour roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from grouping.affinity import Affinity, task_graph
from grouping.candidates import FloatArray
from grouping.recommendation import AffinityEntry, Recommendation
from grouping.report.affinity_view import read_affinity
from grouping.report.labels import Figure, colorbar, figure, label, lines
from grouping.report.palette import GROUP_ROLES
from grouping.report.wording import MISSING, difference, interval, signed

__all__ = ["heat_map", "strongest_edges", "task_graph_figure"]

_WRITTEN_UP_TO = 12
"""Numbers fit into the cells of a map of that many tasks; beyond, only the marks do."""

_SCALE = [[0.0, "@harm"], [0.5, "@middle"], [1.0, "@help"]]


def heat_map(recommendation: Recommendation) -> Figure:
    """Effect on the row of training with the column; a dot marks significant effects, parentheses the others."""
    view = read_affinity(recommendation, clustered=True)
    n = len(view.tasks)
    gain_TT = np.where(np.eye(n, dtype=bool), np.nan, view.gain_TT)
    limit = float(np.nanmax(np.abs(gain_TT))) or 1.0
    written = n <= _WRITTEN_UP_TO
    ticks = {
        "tickvals": list(range(n)),
        "ticktext": [lines(task, 18 if n <= 16 else 14) for task in view.tasks],
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "showline": False,
        "tickfont": {"size": 11.5 if n <= 16 else 9},
    }
    cells: dict[str, Any] = {
        "type": "heatmap",
        "z": [[None if np.isnan(g) else 100 * float(g) for g in row] for row in gain_TT],
        "zmin": -100 * limit,
        "zmax": 100 * limit,
        "colorscale": _SCALE,
        "xgap": 2 if written else 1,
        "ygap": 2 if written else 1,
        "hoverongaps": False,
        "customdata": _hover(view),
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorbar": colorbar("hurts \N{LEFTWARDS ARROW}   \N{RIGHTWARDS ARROW} helps"),
    }
    if written:
        cells["text"] = [[_number(gain_TT[t, u], view.significant_TT[t, u]) for u in range(n)] for t in range(n)]
        cells["texttemplate"] = "%{text}"
        cells["textfont"] = {"color": "@ink", "size": 11}
    rows, columns = np.nonzero(view.significant_TT)
    marks: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": [float(c) + (0.36 if written else 0) for c in columns],
        "y": [float(r) - (0.34 if written else 0) for r in rows],
        "marker": {"size": 4, "color": "@ink"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    layout = {
        "xaxis": {
            **ticks,
            "title": {"text": "trained with (column)"},
            "side": "top",
            "tickangle": -45 if n > 6 else 0,
            "range": [-0.5, n - 0.5],
        },
        "yaxis": {**ticks, "title": {"text": "effect on (row)"}, "range": [n - 0.5, -0.5]},
    }
    return figure([cells, marks], layout, 215 + max(220, min(38, 760 // max(n, 1)) * n), _least_width(n))


def _number(gain: float, significant: bool) -> str:
    if np.isnan(gain):
        return ""
    number = signed(100 * float(gain), 1)
    return number if significant else f"({number})"


def _least_width(n_tasks: int) -> int:
    return 680 if n_tasks > 16 else 0


def _room(tasks: Sequence[str]) -> int:
    """Names stand beside their nodes, so long ones need width."""
    return 520 if max(map(len, tasks)) > 8 else 0


def _hover(view: Affinity) -> list[list[str]]:
    def cell(t: int, u: int) -> str:
        ends = interval(float(view.low_TT[t, u]), float(view.high_TT[t, u]))
        spread = "" if ends == MISSING else f"<br>95 % interval {ends}"
        verdict = "significant" if view.significant_TT[t, u] else "not distinguishable from zero"
        gain = difference(float(view.gain_TT[t, u]))
        return f"{label(view.tasks[t])} with {label(view.tasks[u])}: {gain}{spread}<br>{verdict}"

    return [[cell(t, u) for u in range(len(view.tasks))] for t in range(len(view.tasks))]


def strongest_edges(entries: Sequence[AffinityEntry]) -> tuple[AffinityEntry, ...]:
    """The edges worth drawing: of each sign at most three quarters as many as tasks; more is a ball of wool.

    Significant ones come first, then the strongest; both signs are shown, or a sea of harm would hide who helps.
    """
    tasks = {e.task for e in entries} | {e.partner for e in entries}
    ranked = sorted(entries, key=lambda e: (not e.significant, -abs(e.gain)))
    most = max(4, round(0.75 * len(tasks)))
    return (*[e for e in ranked if e.gain > 0][:most], *[e for e in ranked if e.gain < 0][:most])


def task_graph_figure(recommendation: Recommendation) -> Figure:
    """An arrow from partner to task: solid blue helps, dashed vermilion hurts, thicker is stronger."""
    view = read_affinity(recommendation, clustered=True)
    at = _layout(view)
    edges = strongest_edges(recommendation.affinity)
    strongest = max((abs(e.gain) for e in edges), default=1.0) or 1.0
    data = [_edge(e, at, strongest) for e in edges]
    data += [_legend("helps", "@help", "solid"), _legend("hurts", "@harm", "dash")]
    data.append(_edge_hover(edges, at))
    data.append(_nodes(recommendation, view.tasks, at))
    hidden = {"visible": False, "fixedrange": True, "range": [-1.62, 1.62]}
    layout = {
        "xaxis": hidden,
        "yaxis": {**hidden, "range": [-1.2, 1.2]},
        "hovermode": "closest",
        "legend": {"x": 0.5, "xanchor": "center", "y": 0, "yanchor": "top"},
    }
    return figure(
        data, layout, 430 if len(view.tasks) <= 12 else 620, max(_least_width(len(view.tasks)), _room(view.tasks))
    )


def _layout(view: Affinity) -> dict[str, FloatArray]:
    """Positions in the unit square: tasks that help each other are drawn together (Kamada and Kawai, 1989).

    It starts from a circle in clustered order; distances are kept within a factor of two, so nodes never collide.
    """
    tasks = list(view.tasks)
    if len(tasks) < 3:
        return {task: np.array([i - (len(tasks) - 1) / 2, 0.0]) for i, task in enumerate(tasks)}
    graph = task_graph(view).to_undirected()
    mutual_TT = np.nan_to_num(view.gain_TT) + np.nan_to_num(view.gain_TT).T
    far_TT = 2.0 - (mutual_TT - mutual_TT.min()) / (np.ptp(mutual_TT) or 1.0)
    distances = {a: {b: float(far_TT[i, j]) for j, b in enumerate(tasks)} for i, a in enumerate(tasks)}
    placed = nx.kamada_kawai_layout(graph, dist=distances, pos=nx.circular_layout(graph))
    positions = np.array([placed[task] for task in tasks])
    positions -= (positions.max(axis=0) + positions.min(axis=0)) / 2
    positions /= np.abs(positions).max(axis=0) + 1e-12
    return dict(zip(tasks, positions, strict=True))


def _bow(a: FloatArray, b: FloatArray) -> FloatArray:
    """A curve that leaves the straight line to the left, so that both directions of a pair are seen, [9, 2]."""
    middle = (a + b) / 2 + 0.1 * np.array([a[1] - b[1], b[0] - a[0]])
    s = np.linspace(0, 1, 9)[:, None]
    return np.asarray((1 - s) ** 2 * a + 2 * s * (1 - s) * middle + s**2 * b)


def _edge(entry: AffinityEntry, at: dict[str, FloatArray], strongest: float) -> dict[str, Any]:
    curve = _bow(at[entry.partner], at[entry.task])
    colour = "@help" if entry.gain > 0 else "@harm"
    width = 1.0 + 4.0 * abs(entry.gain) / strongest
    ends = len(curve) - 1
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": curve[:, 0].round(4).tolist(),
        "y": curve[:, 1].round(4).tolist(),
        "line": {"width": round(width, 2), "color": colour, "dash": "solid" if entry.gain > 0 else "dash"},
        "marker": {
            "symbol": "arrow",
            "angleref": "previous",
            "size": [0] * ends + [round(9 + 1.6 * width, 1)],
            "standoff": [0] * ends + [11],
            "color": colour,
            "opacity": 1.0,
            "line": {"width": 0},
        },
        "opacity": 1.0 if entry.significant else 0.45,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _legend(name: str, colour: str, dash: str) -> dict[str, Any]:
    line = {"width": 3, "color": colour, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "line": line, "name": name}


def _edge_hover(edges: Sequence[AffinityEntry], at: dict[str, FloatArray]) -> dict[str, Any]:
    middles = [_bow(at[e.partner], at[e.task])[5] for e in edges]
    texts = [
        f"{label(e.partner)} \N{RIGHTWARDS ARROW} {label(e.task)}: {difference(e.gain)}"
        f"<br>95 % interval {interval(e.low, e.high)}"
        for e in edges
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [float(m[0]) for m in middles],
        "y": [float(m[1]) for m in middles],
        "marker": {"size": 14, "opacity": 0},
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
    }


def _nodes(recommendation: Recommendation, tasks: Sequence[str], at: dict[str, FloatArray]) -> dict[str, Any]:
    serving = {task: i for i, n in enumerate(recommendation.solution.networks) for task in n.serves}
    colours = [f"@{GROUP_ROLES[serving[t] % len(GROUP_ROLES)]}" if t in serving else "@other" for t in tasks]
    many = len(tasks) > 16
    return {
        "type": "scatter",
        "mode": "markers+text",
        "cliponaxis": False,
        "x": [float(at[t][0]) for t in tasks],
        "y": [float(at[t][1]) for t in tasks],
        "text": [
            f"<b>{lines(t, 12 if many else 16)}</b>" + (f" {serving[t] + 1}" if t in serving else "") for t in tasks
        ],
        "textposition": [_beside(at[t]) for t in tasks],
        "textfont": {"color": "@ink", "size": 9.5 if many else 12},
        "marker": {"size": 12 if many else 16, "color": colours, "line": {"width": 2, "color": "@surface"}},
        "hovertext": [
            label(t) + (f"<br>served by network {serving[t] + 1}" if t in serving else "<br>not served") for t in tasks
        ],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }


def _beside(position: FloatArray) -> str:
    """Names stand outside, away from the edges."""
    x, y = float(position[0]), float(position[1])
    if abs(x) > 0.8 * abs(y):
        return "middle right" if x > 0 else "middle left"
    return "top center" if y > 0 else "bottom center"
