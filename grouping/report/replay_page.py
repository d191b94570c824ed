"""The course of a replay as one offline HTML page: captured gain by trained groups, a line and a band a strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grouping.errors import InputError

__all__ = ["check_page", "write_plot"]

_COLOURS = ("#0b6e99", "#c2571a", "#4a7a2c", "#7a4a8c", "#8c6d1f", "#555555")


def check_page(path: Path) -> None:
    """Refuse what cannot become a page before anything long is run.

    Raises:
        InputError: another suffix, or no such folder.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"'{path.name}' is no HTML file", where="--plot", fix="Choose a name that ends in .html")
    if not path.resolve().parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", where="--plot", fix="Create it first")


def write_plot(answer: dict[str, Any], path: Path) -> None:
    """Write the page.

    Args:
        answer: From ``replay_json``.
        path: A file that ends in ``.html``.

    Raises:
        InputError: a file that cannot be written.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, strategy in enumerate(answer["strategies"]):
        colour = _COLOURS[number % len(_COLOURS)]
        groups = [point["groups_trained"] for point in strategy["course"]]
        captured = [point["captured"] for point in strategy["course"]]
        low, high = [one["low"] for one in captured], [one["high"] for one in captured]
        figure.add_scatter(
            x=groups + groups[::-1],
            y=high + low[::-1],
            fill="toself",
            fillcolor=colour,
            opacity=0.15,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        means = [one["mean"] for one in captured]
        figure.add_scatter(x=groups, y=means, name=strategy["name"], mode="lines+markers", line={"color": colour})
    figure.update_layout(
        template="plotly_white",
        xaxis_title="groups trained",
        yaxis_title="captured: 0 = nothing trained, 1 = optimum",
        legend={"orientation": "h", "y": 1.08},
        margin={"t": 60},
    )
    try:
        figure.write_html(path, include_plotlyjs=True)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), fix="Choose another folder") from None
