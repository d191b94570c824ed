"""The picture: seconds against the number of candidates, ours and the peers, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot

from tests.benchmarks.solver.measurement import Measurement

__all__ = ["draw"]

# Blue, orange and grey of Okabe and Ito; markers tell them apart in black and white.
STYLES = {
    "ours": ("#0072B2", "o", "ours, table given"),
    "pairs": ("#009E73", "D", "ours, from pairs (never enumerated)"),
    "HiGHS": ("#D55E00", "s", "HiGHS"),
    "CP-SAT": ("#555555", "^", "CP-SAT"),
}
GOALS = ((1023, 0.01), (4095, 0.03), (32_767, 0.1), (1_048_575, 1.0))


def draw(rows: Sequence[Measurement], path: Path) -> None:
    """Write the PNG; hollow marks are runs that met their time limit without a proof."""
    mpl.use("Agg")
    figure, axes = pyplot.subplots(figsize=(7.2, 4.6), dpi=200)
    shown = [row for row in rows if row.section in ("peers", "scale", "pairs") and "mix" not in row.instance]
    for name, (colour, marker, label) in STYLES.items():
        mine = [row for row in shown if name == ("pairs" if row.section == "pairs" else row.solver)]
        for proven in (True, False):
            part = [row for row in mine if (row.status == "optimal") == proven]
            if not part:
                continue
            # Shifted a little to the sides, so that marks of one size do not cover each other.
            shift = {"HiGHS": 1.1, "CP-SAT": 1.22}.get(name, 1.0)
            axes.scatter(
                [row.candidates * shift for row in part],
                [row.seconds for row in part],
                s=26,
                marker=marker,
                facecolors=colour if proven else "none",
                edgecolors=colour,
                linewidths=1.0,
                label=label if proven else f"{label}, not proven at its limit",
                zorder=3,
            )
        sizes = sorted({row.candidates for row in mine})
        middle = [float(np.median([row.seconds for row in mine if row.candidates == size])) for size in sizes]
        axes.plot(sizes, middle, color=colour, linewidth=1.0, alpha=0.6, zorder=2)
    for candidates, seconds in GOALS:
        axes.plot([candidates / 1.5, candidates * 1.5], [seconds, seconds], color="black", linewidth=1.6, zorder=4)
    axes.plot([], [], color="black", linewidth=1.6, label="goal")
    axes.set(xscale="log", yscale="log", xlabel="candidate networks (all subsets of 8 to 30 tasks)")
    axes.set_ylabel("CPU seconds, one core")
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)
