"""The colours of a report, light and dark, by role; figures name roles ("@chosen") and the page fills them in.

Sign is never carried by hue alone (figures add dashes, marks or signs), and the two hues that oppose each other, blue
and vermilion, stay apart under all common forms of colour blindness (after Okabe and Ito, 2008).
"""

from __future__ import annotations

from typing import Any

__all__ = ["DARK", "GROUP_ROLES", "LIGHT", "TEMPLATE"]

LIGHT = {
    "paper": "#fbfbf9",
    "surface": "#ffffff",
    "ink": "#1a1c20",
    "muted": "#565b64",
    "line": "#dcdcd6",
    "chosen": "#0a5cab",
    "other": "#767b84",
    "caution": "#9a4300",
    "help": "#5a9fd6",
    "middle": "#f4f3ef",
    "harm": "#e58a4e",
    "band": "rgba(10,92,171,0.15)",
    "otherband": "rgba(118,123,132,0.15)",
    "group1": "#0a5cab",
    "group2": "#b04a00",
    "group3": "#00735a",
    "group4": "#8b3a78",
    "group5": "#6d6100",
    "group6": "#3f6a8a",
}
DARK = {
    "paper": "#131518",
    "surface": "#1a1d21",
    "ink": "#ecebe7",
    "muted": "#a9aeb7",
    "line": "#363a41",
    "chosen": "#7ab8ff",
    "other": "#8f959f",
    "caution": "#ffab70",
    "help": "#2f74b5",
    "middle": "#24282d",
    "harm": "#b25d24",
    "band": "rgba(122,184,255,0.18)",
    "otherband": "rgba(143,149,159,0.2)",
    "group1": "#7ab8ff",
    "group2": "#ffab70",
    "group3": "#4fd0ae",
    "group4": "#e59ad0",
    "group5": "#d6c75a",
    "group6": "#9cc3de",
}
GROUP_ROLES = ("group1", "group2", "group3", "group4", "group5", "group6")
"""Networks take these in turn; every network also carries its number."""

_AXIS: dict[str, Any] = {
    "gridcolor": "@line",
    "linecolor": "@line",
    "tickcolor": "@line",
    "zerolinecolor": "@other",
    "zerolinewidth": 1,
    "automargin": True,
    "ticklabeloverflow": "allow",
    "fixedrange": True,
    "title": {"font": {"color": "@muted", "size": 12}, "standoff": 10},
    "tickfont": {"color": "@muted", "size": 11.5},
}
TEMPLATE: dict[str, Any] = {
    "layout": {
        "paper_bgcolor": "@surface",
        "plot_bgcolor": "@surface",
        "colorway": [f"@{role}" for role in GROUP_ROLES],
        "font": {"color": "@ink", "size": 12, "family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"},
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8, "pad": 2},
        "hoverlabel": {"bgcolor": "@ink", "bordercolor": "@ink", "font": {"color": "@surface", "size": 12}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"color": "@muted"}},
        "dragmode": False,
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}
"""Plotly's template in roles; the page resolves it against one palette and again when the colour scheme changes."""
