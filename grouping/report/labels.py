"""What figures are made of: their JSON, their colour bars, and names, which plotly would read as HTML if it could."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["Figure", "colorbar", "cut", "figure", "label", "lines"]

Figure = dict[str, Any]
"""Plotly JSON: data, layout with a height in pixels, least legible width; colours are roles of ``palette``."""


def figure(data: list[dict[str, Any]], layout: dict[str, Any], height: int, min_width: int = 0) -> Figure:
    """Plotly JSON of one figure; where the page is narrower than ``min_width`` pixels, the figure scrolls by itself."""
    return {"data": data, "layout": {**layout, "height": height}, "min_width": min_width}


def colorbar(title: str) -> dict[str, Any]:
    """The legend of a map of percentages: a thin bar below it, titled."""
    return {
        "orientation": "h",
        "thickness": 8,
        "len": 0.6,
        "x": 0.5,
        "y": -0.02,
        "yanchor": "top",
        "outlinewidth": 0,
        "ticksuffix": " %",
        "tickfont": {"color": "@muted", "size": 11},
        "title": {"text": title, "side": "bottom", "font": {"color": "@muted", "size": 11.5}},
    }


def cut(name: str, longest: int) -> str:
    """The name, its middle replaced by an ellipsis where it is too long: beginnings and ends tell names apart."""
    if len(name) <= longest:
        return name
    head = (longest - 1) * 2 // 3
    return f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{name[len(name) - (longest - 1 - head) :]}"


def lines(name: str, width: int) -> str:
    """A name beside a figure: whole, in lines of about that many characters; only what is longer than three is cut.

    Lines end where words do: after a blank, a hyphen, an underscore, a dot, a slash or a plus, if there is one.
    """
    rest, found = cut(name, 3 * width), list[str]()
    while len(rest) > width:
        end = max((rest.rfind(mark, 1, width) + 1 for mark in " -_./+"), default=0)
        end = end if end > width // 2 else width
        found.append(rest[:end])
        rest = rest[end:]
    return "<br>".join(escape(line, quote=False) for line in (*found, rest))


def label(name: str, longest: int = 200) -> str:
    """The name as plotly has to get it: cut, then ``& < >`` escaped, so that it is shown and never interpreted."""
    return escape(cut(name, longest), quote=False)
