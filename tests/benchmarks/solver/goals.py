"""What was promised, what was measured, and whether that is enough."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.solver.measurement import Measurement

__all__ = ["GOALS", "Goal", "duration", "ratios"]

Rows = Sequence[Measurement]


@dataclass(frozen=True)
class Goal:
    """A promise about some rows; ``judge`` says what was measured, and whether the promise holds."""

    promise: str
    section: str
    concerns: Callable[[Measurement], bool]
    judge: Callable[[Rows], tuple[str, bool]]

    def line(self, rows: Rows) -> str | None:
        """A line of the Markdown table; None where nothing was measured."""
        mine = [row for row in rows if row.section == self.section and self.concerns(row)]
        if not mine:
            return None
        measured, met = self.judge(mine)
        return f"| {self.promise} | {measured} | {'yes' if met else '**no**'} |"


def duration(seconds: float) -> str:
    """Seconds for people: '3.1 ms', '12 s'."""
    if math.isnan(seconds):
        return ""
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def within(limit: float) -> Callable[[Rows], tuple[str, bool]]:
    """Every median is at most the limit, and every answer proven."""

    def judge(rows: Rows) -> tuple[str, bool]:
        seconds = [row.seconds for row in rows]
        open_ = sum(row.status != "optimal" for row in rows)
        said = f"{duration(min(seconds))} to {duration(max(seconds))} in {len(rows)} cases"
        said += f", {open_} not proven" if open_ else ", all proven"
        return said, max(seconds) <= limit and not open_

    return judge


def ratios(rows: Rows, n_tasks: int) -> list[float]:
    """CPU seconds of HiGHS over ours, one for each instance; where HiGHS met its limit, this is too small."""
    mine = {(row.instance, row.budget): row for row in rows if row.solver == "ours" and row.tasks == n_tasks}
    peers = [row for row in rows if row.solver == "HiGHS" and row.tasks == n_tasks]
    return [peer.seconds / mine[peer.instance, peer.budget].seconds for peer in peers]


def _hundredfold(rows: Rows) -> tuple[str, bool]:
    found = ratios(rows, 12)
    open_ = sum(row.solver == "HiGHS" and row.status != "optimal" for row in rows)
    said = f"median {statistics.median(found):.0f}, {min(found):.0f} to {max(found):.0f} in {len(found)} cases"
    said += f"; HiGHS at its limit in {open_}" if open_ else ""
    return said, statistics.median(found) >= 100


def _small(rows: Rows) -> tuple[str, bool]:
    peaks = [_mib(row.note) for row in rows]
    return f"{max(peaks):.0f} MiB for the whole process, table included", max(peaks) <= 1024


def _mib(note: str) -> float:
    found = re.search(r"peak while solving (\d+) MiB", note)
    return float(found.group(1)) if found else math.inf


def _proven_or_close(seconds: float, gap: float) -> Callable[[Rows], tuple[str, bool]]:
    def judge(rows: Rows) -> tuple[str, bool]:
        proven = [row for row in rows if row.status == "optimal"]
        widest = max(0.0, *(row.gap for row in rows))
        said = f"{len(proven)} of {len(rows)} proven"
        said += f" ({duration(min(row.seconds for row in proven))} to " if proven else ""
        said += f"{duration(max(row.seconds for row in proven))})" if proven else ""
        said += f", widest gap {100 * widest:.2f} %" if len(proven) < len(rows) else ""
        return said, all(row.seconds <= seconds if row.status == "optimal" else row.gap <= gap for row in rows)

    return judge


def _ours(*tasks: int, family: str = "") -> Callable[[Measurement], bool]:
    return lambda row: row.solver == "ours" and row.tasks in tasks and row.instance.startswith(family)


def _pairs(n_tasks: int, kind: str, *budgets: float) -> Callable[[Measurement], bool]:
    return lambda row: row.tasks == n_tasks and kind in row.instance and row.budget in budgets


def _front(*, from_pairs: bool) -> Callable[[Measurement], bool]:
    return lambda row: row.tasks == 20 and ("from pairs" in row.note) == from_pairs


GOALS = (
    Goal("8 and 10 tasks, all subsets: at most 10 ms", "peers", _ours(8, 10), within(0.01)),
    Goal("12 tasks, all subsets: at most 30 ms", "peers", _ours(12), within(0.03)),
    Goal("12 tasks: median at least 100 times HiGHS", "peers", lambda row: row.tasks == 12, _hundredfold),
    Goal("15 tasks, 32,767 candidates: at most 0.1 s", "scale", lambda row: row.candidates == 32_767, within(0.1)),
    Goal("20 tasks, 1,048,575 candidates: at most 1 s", "scale", _ours(20), within(1.0)),
    Goal("18 tasks at three costs, 786,429 candidates: at most 1 s", "scale", _ours(18), within(1.0)),
    Goal("20 tasks: at most 1 GiB", "memory", _ours(20), _small),
    Goal("20 tasks from pairs: at most 0.5 s", "pairs", _pairs(20, "hoa", 3, 5), within(0.5)),
    Goal("24 tasks from pairs (16.8 million groups): at most 5 s", "pairs", _pairs(24, "hoa", 3, 5), within(5.0)),
    Goal("30 tasks from structured pairs (1.07e9 groups): at most 5 s", "pairs", _pairs(30, "lat", 3, 5), within(5.0)),
    Goal("30 tasks from random pairs, 5 networks: at most 30 s", "pairs", _pairs(30, "iid", 5), within(30.0)),
    Goal("30 tasks from random pairs, 3 networks: at most 60 s", "pairs", _pairs(30, "iid", 3), within(60.0)),
    Goal("20 tasks, every budget, explicit: at most 10 s", "frontier", _front(from_pairs=False), within(10.0)),
    Goal("20 tasks, every budget, from pairs: at most 2 s", "frontier", _front(from_pairs=True), within(2.0)),
    Goal("pools of 30 and 50 tasks: proven in 60 s, or gap 1 %", "pools", _ours(30, 50), _proven_or_close(60, 0.01)),
    Goal("pools of 200 tasks: a gap of 0.5 % in 10 s", "pools", _ours(200), _proven_or_close(11, 0.005)),
)
