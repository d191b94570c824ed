"""The picture: the reference job of every contender, and what a pack gains over widths and networks."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from tests.benchmarks.training.measurement import Rows, ratio
from tests.benchmarks.training.report import by_cell

__all__ = ["draw"]

# Okabe and Ito; markers tell the lines apart in black and white.
OWN = "#0072B2"
COLOUR = {"a.": "#999999", "b.": "#999999", "b'.": "#999999", "products": "#dddddd"}
COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
MARKERS = "osD^vP"


def draw(rows: Rows, path: Path) -> None:
    """Write the PNG; a side without measurements stays empty."""
    mpl.use("Agg")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.0, 4.4), dpi=160)
    job = [row for row in rows if row.section == "reference"][::-1]
    left.barh(
        [row.contender for row in job],
        [row.median for row in job],
        color=[COLOUR.get(row.contender.split()[0], OWN) for row in job],
        xerr=[[row.median - row.low for row in job], [row.high - row.median for row in job]],
        error_kw={"linewidth": 1.0},
    )
    for row in job:
        left.annotate(f" {row.median:.0f}", (row.high, row.contender), va="center", fontsize=8)
    left.set(xlabel="CPU microseconds per network and step", title="Reference job: 37 networks 64-128-128")
    cells = by_cell([row for row in rows if row.section == "grid" and "seeds" not in row.cell])
    for (cell, found), colour, marker in zip(cells.items(), COLOURS, MARKERS, strict=False):
        sizes = sorted(size for name, size in found if name == "fused")
        times = [ratio(found["plain", size], found["fused", size]) for size in sizes]
        right.plot(sizes, times, color=colour, marker=marker, markersize=4, linewidth=1.2, label=cell)
    right.axhline(1.0, color="black", linewidth=0.8)
    right.set(xlabel="networks in a pack", title="fused: times as fast as plain", ylim=(0, None))
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:.0f}")
    if cells:
        right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
    left.grid(visible=True, axis="x", color="#dddddd", linewidth=0.6)
    right.grid(visible=True, color="#dddddd", linewidth=0.6)
    left.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
