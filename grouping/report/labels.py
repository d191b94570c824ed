"""Names inside figures: plotly renders a subset of HTML in every label, so names are escaped, and long ones cut."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["Figure", "cut", "figure", "label"]

Figure = dict[str, Any]
"""Plotly JSON: data, layout with a height in pixels, least legible width; colours are roles of ``palette``."""


def figure(data: list[dict[str, Any]], layout: dict[str, Any], height: int, min_width: int = 0) -> Figure:
    """Plotly JSON of one figure; where the page is narrower than ``min_width`` pixels, the figure scrolls by itself."""
    return {"data": data, "layout": {**layout, "height": height}, "min_width": min_width}


def cut(name: str, longest: int) -> str:
    """The name, its middle replaced by an ellipsis where it is too long: beginnings and ends tell names apart."""
    if len(name) <= longest:
        return name
    head = (longest - 1) * 2 // 3
    return f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{name[len(name) - (longest - 1 - head) :]}"


def label(name: str, longest: int = 200) -> str:
    """The name as plotly has to get it: cut, then ``& < >`` escaped, so that it is shown and never interpreted."""
    return escape(cut(name, longest), quote=False)
