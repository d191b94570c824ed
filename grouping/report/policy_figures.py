"""Figures of a searched policy: probabilities block by task, and how they came about."""

from __future__ import annotations

from typing import Any

from grouping.recommendation import SearchedPolicy
from grouping.report.labels import Figure, figure, label
from grouping.report.palette import GROUP_ROLES

__all__ = ["policy_map", "policy_over_time"]

_WORDS = {"shared": "shared", "own": "own", "skip": "skip"}


def policy_map(one: SearchedPolicy) -> Figure:
    """Tasks by units: the probability of the shared unit as shade, the chosen mode in words."""
    last = one.probability[-1]
    n_tasks, n_units = len(one.tasks), len(one.units)
    cells: dict[str, Any] = {
        "type": "heatmap",
        "z": [[100 * last[level][t][0] for level in range(n_units)] for t in range(n_tasks)],
        "zmin": 0,
        "zmax": 100,
        "colorscale": [[0, "@middle"], [1, "@help"]],
        "xgap": 2,
        "ygap": 2,
        "text": [[_WORDS[mode] for mode in chosen] for chosen in one.chosen],
        "texttemplate": "%{text}",
        "textfont": {"color": "@ink", "size": 11},
        "customdata": [[_hover(one, t, level) for level in range(n_units)] for t in range(n_tasks)],
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorbar": {
            "orientation": "h",
            "thickness": 8,
            "len": 0.6,
            "x": 0.5,
            "y": -0.02,
            "yanchor": "top",
            "outlinewidth": 0,
            "ticksuffix": " %",
            "tickfont": {"color": "@muted", "size": 11},
            "title": {
                "text": "probability of the shared unit",
                "side": "bottom",
                "font": {"color": "@muted", "size": 11.5},
            },
        },
    }
    plain = {"showgrid": False, "zeroline": False, "ticks": "", "showline": False}
    layout = {
        "xaxis": {
            **plain,
            "tickvals": list(range(n_units)),
            "ticktext": [label(unit, 14) for unit in one.units],
            "side": "top",
            "tickangle": -45 if n_units > 8 else 0,
        },
        "yaxis": {
            **plain,
            "tickvals": list(range(n_tasks)),
            "ticktext": [label(task, 18) for task in one.tasks],
            "range": [n_tasks - 0.5, -0.5],
        },
    }
    return figure([cells], layout, 150 + 34 * n_tasks, 140 + 56 * n_units)


def _hover(one: SearchedPolicy, task: int, level: int) -> str:
    likely = zip(one.modes, one.probability[-1][level][task], strict=True)
    parts = ", ".join(f"{_WORDS[mode]} {100 * p:.0f} %" for mode, p in likely)
    return f"{label(one.tasks[task], 40)}, {one.units[level]}<br>{parts}"


def policy_over_time(one: SearchedPolicy) -> Figure:
    """Mean probability of the shared unit over tasks, one line a unit."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": unit,
            "x": list(one.turns),
            "y": [100 * sum(p_M[0] for p_M in turn[level]) / len(one.tasks) for turn in one.probability],
            "line": _stroke(level),
            "marker": {"size": 5},
            "hovertemplate": f"{unit}, turn %{{x}}: %{{y:.0f}} %<extra></extra>",
        }
        for level, unit in enumerate(one.units)
    ]
    layout = {
        "xaxis": {"title": {"text": "turns of the policy"}},
        "yaxis": {"title": {"text": "probability of the shared unit"}, "ticksuffix": " %", "range": [0, 103]},
        "hovermode": "closest",
    }
    return figure(data, layout, 300)


def _stroke(level: int) -> dict[str, Any]:
    turn, colour = divmod(level, len(GROUP_ROLES))
    return {"width": 2, "color": f"@{GROUP_ROLES[colour]}", "dash": _DASHES[turn % len(_DASHES)]}


_DASHES = ("solid", "dash", "dot")
