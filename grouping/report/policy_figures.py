"""Figures of a searched policy: probabilities block by task, and how they came about."""

from __future__ import annotations

from typing import Any

from grouping.recommendation import SearchedPolicy
from grouping.report.labels import Figure, colorbar, figure, label, lines

__all__ = ["policy_map", "policy_over_time"]

_WORDS = {"shared": "shared", "own": "own", "skip": "skip"}


def policy_map(one: SearchedPolicy) -> Figure:
    """Tasks by units: the probability of the shared unit as shade, the chosen mode in words."""
    last = one.probability[-1]
    n_tasks, n_units = len(one.tasks), len(one.units)
    cells: dict[str, Any] = {
        "type": "heatmap",
        "z": [[100 * last[level][t][0] for level in range(n_units)] for t in range(n_tasks)],
        **_SHADES,
        "xgap": 2,
        "ygap": 2,
        "text": [[_WORDS[mode] for mode in chosen] for chosen in one.chosen],
        "texttemplate": "%{text}",
        "textfont": {"color": "@ink", "size": 11},
        "customdata": [[_hover(one, t, level) for level in range(n_units)] for t in range(n_tasks)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    centres = [float(level) for level in range(n_units)]
    return figure([cells], _grid(one, centres), 150 + 34 * n_tasks, 140 + 56 * n_units)


def _hover(one: SearchedPolicy, task: int, level: int) -> str:
    likely = zip(one.modes, one.probability[-1][level][task], strict=True)
    parts = ", ".join(f"{_WORDS[mode]} {100 * p:.0f} %" for mode, p in likely)
    return f"{label(one.tasks[task])}, {one.units[level]}<br>{parts}"


def policy_over_time(one: SearchedPolicy) -> Figure:
    """Tasks by units, and within each unit the turns of the policy from left to right: how the shade came about."""
    turns, n_units = len(one.turns), len(one.units)
    # After the last turn of a unit nothing is drawn, so that units stand apart.
    places = [(level, turn) for level in range(n_units) for turn in range(turns + 1)]

    def shade(task: int, level: int, turn: int) -> float | None:
        return None if turn == turns else 100 * one.probability[turn][level][task][0]

    def said(task: int, level: int, turn: int) -> str:
        return "" if turn == turns else f"{label(one.tasks[task])}, {one.units[level]}, turn {one.turns[turn]}"

    cells: dict[str, Any] = {
        "type": "heatmap",
        "x": [level * (turns + 1) + turn for level, turn in places],
        "y": list(range(len(one.tasks))),
        "z": [[shade(task, *place) for place in places] for task in range(len(one.tasks))],
        **_SHADES,
        "ygap": 2,
        "hoverongaps": False,
        "customdata": [[said(task, *place) for place in places] for task in range(len(one.tasks))],
        "hovertemplate": "%{customdata}: %{z:.0f} %<extra></extra>",
    }
    centres = [level * (turns + 1) + (turns - 1) / 2 for level in range(n_units)]
    return figure([cells], _grid(one, centres), 150 + 34 * len(one.tasks), 140 + 56 * n_units)


_PLAIN = {"showgrid": False, "zeroline": False, "ticks": "", "showline": False}
_SHADES: dict[str, Any] = {
    "zmin": 0,
    "zmax": 100,
    "colorscale": [[0, "@middle"], [1, "@help"]],
    "colorbar": colorbar("probability of the shared unit"),
}


def _grid(one: SearchedPolicy, centres: list[float]) -> dict[str, Any]:
    """Axes: units above, tasks at the side."""
    return {
        "xaxis": {
            **_PLAIN,
            "tickvals": centres,
            "ticktext": [lines(unit, 14) for unit in one.units],
            "side": "top",
            "tickangle": -45 if len(one.units) > 8 else 0,
        },
        "yaxis": {
            **_PLAIN,
            "tickvals": list(range(len(one.tasks))),
            "ticktext": [lines(task, 18) for task in one.tasks],
            "range": [len(one.tasks) - 0.5, -0.5],
        },
    }
