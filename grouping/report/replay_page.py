"""The course of a replay as one offline HTML page: captured gain by trained groups, a line and a band a strategy."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from grouping.errors import InputError
from grouping.report.palette import DARK, GROUP_ROLES, LIGHT

__all__ = ["check_page", "write_plot"]

_SCHEMES = {"light": LIGHT, "dark": DARK}
_DASHES = ("solid", "dash", "dot", "dashdot")
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay of {table}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 1rem; font-family: system-ui, sans-serif; background: {light[paper]}; color: {light[ink]}; }}
@media (prefers-color-scheme: dark) {{ body {{ background: {dark[paper]}; color: {dark[ink]}; }} }}
h1 {{ font-size: 1.2rem; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>Replay of {table}</h1>
<p>{runs} runs of each strategy; bands are 95 % intervals of the mean. 0 is the best choice with nothing trained, 1 the
optimum.</p>
{figure}
<script>
const looks = {looks};
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {{
  const look = looks[dark.matches ? "dark" : "light"];
  const plot = document.querySelector(".plotly-graph-div");
  Plotly.restyle(plot, {{"line.color": look.lines, "fillcolor": look.lines}});
  Plotly.relayout(plot, {{"font.color": look.ink, "xaxis.gridcolor": look.grid, "yaxis.gridcolor": look.grid}});
}};
dark.addEventListener("change", paint);
paint();
</script>
</body>
</html>
"""


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
        answer: From ``replay_json``, with the table's name.
        path: A file that ends in ``.html``.

    Raises:
        InputError: a file that cannot be written.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for number, strategy in enumerate(answer["strategies"]):
        groups = [point["groups_trained"] for point in strategy["course"]]
        captured = [point["captured"] for point in strategy["course"]]
        low, high = [one["low"] for one in captured], [one["high"] for one in captured]
        figure.add_scatter(
            x=groups + groups[::-1],
            y=high + low[::-1],
            mode="none",
            fill="toself",
            opacity=0.12,
            hoverinfo="skip",
            showlegend=False,
        )
        dash = _DASHES[number % len(_DASHES)]
        means = [one["mean"] for one in captured]
        figure.add_scatter(x=groups, y=means, name=strategy["name"], mode="lines+markers", line={"dash": dash})
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis_title="groups trained",
        yaxis_title="captured",
        legend={"orientation": "h", "y": -0.2},
        margin={"t": 20, "l": 60, "r": 20, "b": 60},
    )
    plot = figure.to_html(full_html=False, include_plotlyjs=True, default_height="70vh", config={"responsive": True})
    page = _PAGE.format(
        table=escape(answer["table"]),
        runs=answer["strategies"][0]["runs"],
        light=LIGHT,
        dark=DARK,
        figure=plot,
        looks=json.dumps({name: _look(colours, len(answer["strategies"])) for name, colours in _SCHEMES.items()}),
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), fix="Choose another folder") from None


def _look(colours: dict[str, str], strategies: int) -> dict[str, Any]:
    """Colours of text, grid, and of each strategy's band and line, which stand side by side."""
    lines = [colours[GROUP_ROLES[number % len(GROUP_ROLES)]] for number in range(strategies) for _ in "bl"]
    return {"ink": colours["ink"], "grid": colours["line"], "lines": lines}
