"""Figures of a search over settings: its history, loss against cost, and which settings mattered."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from grouping.budget import BudgetUnit
from grouping.recommendation import SettingsSearch, TriedSettings
from grouping.report.knee import dominated
from grouping.report.labels import Figure, figure, label, lines
from grouping.report.wording import change, cost

__all__ = ["search_frontier", "search_history", "setting_importance"]

_AXIS = "Mean loss against single-task (%)"
_STATES = {
    "finished": ("trained to the end", "@chosen", "circle"),
    "stopped": ("stopped early, not final", "@other", "x-thin-open"),
}
_WIDEST = 2.0
"""Losses beyond so many times the single-task ones are drawn at the edge: a few would flatten all others."""


def search_history(search: SettingsSearch, unit: BudgetUnit) -> Figure:
    """Loss of every configuration in the order of the plan, and the best final one so far."""
    places = list(enumerate(search.tried, 1))
    data: list[dict[str, Any]] = []
    for state, (name, colour, symbol) in _STATES.items():
        mine = [(place, one) for place, one in places if one.state == state and one.loss is not None]
        if mine:
            data.append(_dots(mine, name, colour, symbol, [place for place, _ in mine], unit))
    done = [(place, one.loss) for place, one in places if one.state == "finished" and one.loss is not None]
    if done:
        best = list(accumulate((loss for _, loss in done), min))
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "best so far",
                "x": [*(place for place, _ in done), len(search.tried)],
                "y": [*map(_percent, best), _percent(best[-1])],
                "line": {"shape": "hv", "width": 2, "color": "@chosen"},
                "hoverinfo": "skip",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "configuration, in the order drawn"}},
        "yaxis": {"title": {"text": _AXIS}},
        "hovermode": "closest",
        "legend": {"orientation": "h"},
    }
    return figure(data, layout, 340)


def search_frontier(search: SettingsSearch, unit: BudgetUnit) -> Figure:
    """Loss against cost of what was trained to the end; what was kept is filled.

    What others beat has an entry of its own in the legend, where a click hides it.
    """
    shown = [
        (place, one)
        for place, one in enumerate(search.tried, 1)
        if one.state == "finished" and one.loss is not None and one.cost is not None
    ]
    beaten = dominated([(one.cost or 0.0, one.loss or 0.0) for _, one in shown])
    kept = [pair for pair in shown if pair[1].kept]
    worse = [pair for pair, is_beaten in zip(shown, beaten, strict=True) if is_beaten and not pair[1].kept]
    best = [pair for pair, is_beaten in zip(shown, beaten, strict=True) if not is_beaten and not pair[1].kept]
    data = [
        _dots(some, name, colour, symbol, [one.cost for _, one in some], unit)
        for some, name, colour, symbol in (
            (worse, "beaten: another costs and loses no more", "@other", "circle-open"),
            (best, "best for its cost", "@chosen", "circle-open"),
            (kept, "kept and trained again", "@chosen", "circle"),
        )
        if some
    ]
    layout = {
        "xaxis": {"title": {"text": f"serving cost ({unit.replace('snt', 'SNT')})"}},
        "yaxis": {"title": {"text": _AXIS}},
        "hovermode": "closest",
        "legend": {"orientation": "h"},
    }
    return figure(data, layout, 320)


def setting_importance(search: SettingsSearch) -> Figure:
    """Bars, the most important setting on top."""
    ordered = list(reversed(search.importance))
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [100 * share for _, share in ordered],
        "y": [lines(name, 24) for name, _ in ordered],
        "marker": {"color": "@chosen"},
        "hovertemplate": "%{y}: %{x:.0f} %<extra></extra>",
    }
    layout = {"xaxis": {"title": {"text": "share of importance"}, "ticksuffix": " %", "rangemode": "tozero"}}
    return figure([bars], layout, 110 + 28 * len(ordered))


def _dots(
    tried: list[tuple[int, TriedSettings]], name: str, colour: str, symbol: str, x: list[Any], unit: BudgetUnit
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": x,
        "y": [_percent(one.loss) for _, one in tried],
        "marker": {"color": colour, "symbol": symbol, "size": 8, "line": {"color": colour, "width": 1.5}},
        "customdata": [_hover(place, one, unit) for place, one in tried],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _hover(place: int, one: TriedSettings, unit: BudgetUnit) -> str:
    costs = "" if one.cost is None else f", {cost(one.cost, unit)}"
    values = "<br>".join(f"{label(name)} {label(str(value), 40)}" for name, value in one.values.items())
    return f"{place}: {change(one.loss)}{costs}, {one.share:.0%} of the training<br>{values}"


def _percent(relative: float | None) -> float:
    return 100 * (min(relative if relative is not None else _WIDEST, _WIDEST) - 1)
