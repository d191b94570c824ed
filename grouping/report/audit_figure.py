"""Estimates against measurements: the random sample, and what was chosen. Plotly JSON with colour roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grouping.recommendation import Audit, Estimate, Recommendation
from grouping.report.labels import Figure, figure, label
from grouping.report.wording import change

__all__ = ["audit_scatter"]


def audit_scatter(recommendation: Recommendation, audit: Audit) -> Figure:
    """Every audited cell, estimated against measured; on the line an estimate came true, above it was too good."""
    both = [*audit.losses, *recommendation.estimates]
    values = [_percent(value) for one in both for value in (one.estimated, one.measured)]
    ends = [min(values), max(values)]
    room = 0.06 * (ends[1] - ends[0]) or 1.0
    ends = [ends[0] - room, ends[1] + room]
    line: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": "as estimated",
        "x": ends,
        "y": ends,
        "line": {"color": "@muted", "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
    }
    data = [line, _cells("audited: groups at random", audit.losses, "circle", "@other")]
    if recommendation.estimates:
        data.append(_cells("chosen: not at random", recommendation.estimates, "diamond-open", "@chosen"))
    axis = {"ticksuffix": " %", "tickformat": "+", "range": ends}
    layout = {
        "xaxis": {**axis, "title": {"text": "Estimated loss against single-task (%)"}},
        "yaxis": {**axis, "title": {"text": "Measured (%)"}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
    }
    return figure(data, layout, 420)


def _percent(relative: float) -> float:
    return 100 * (relative - 1)


def _cells(name: str, cells: Sequence[Estimate], symbol: str, colour: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_percent(one.estimated) for one in cells],
        "y": [_percent(one.measured) for one in cells],
        "marker": {"symbol": symbol, "size": 8, "color": colour, "line": {"width": 1.5, "color": colour}},
        "text": [
            f"{label(one.task)} in {label(one.network)}<br>estimated {change(one.estimated)}, "
            f"measured {change(one.measured)}"
            for one in cells
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
