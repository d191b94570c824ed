"""What was promised, what was measured, and whether that is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.training.measurement import Measurement, Rows, ratio

__all__ = ["GOALS", "Goal", "paired"]


@dataclass(frozen=True)
class Goal:
    """A promise; ``judge`` says what was measured and whether the promise holds, None where nothing was measured."""

    promise: str
    judge: Callable[[Rows], tuple[str, bool] | None]

    def line(self, rows: Rows) -> str:
        """A line of the Markdown table."""
        judged = self.judge(rows)
        if judged is None:
            return f"| {self.promise} | not measured | |"
        return f"| {self.promise} | {judged[0]} | {'yes' if judged[1] else '**no**'} |"


def paired(rows: Rows, section: str, slow: str, fast: str) -> tuple[Measurement, Measurement] | None:
    """Rows of two contenders on the same work; contenders are known by the first word of their name."""
    found = {row.contender.split()[0]: row for row in rows if row.section == section}
    return (found[slow], found[fast]) if {slow, fast} <= found.keys() else None


def _times(section: str, slow: str, fast: str, least: float, whole: str = "") -> Callable[[Rows], Judged]:
    """The median ratio of the rounds is large enough; the ratio of a whole run, where there is one, is told too."""

    def judge(rows: Rows) -> Judged:
        pair = paired(rows, section, slow, fast)
        if pair is None:
            return None
        rounds = [s / f for s, f in zip(pair[0].samples, pair[1].samples, strict=True)]
        said = f"{ratio(*pair):.2f} ({min(rounds):.2f} to {max(rounds):.2f} in {len(rounds)} rounds)"
        end = paired(rows, whole, slow, fast)
        said += f"; {ratio(*end):.2f} in a whole run" if end else ""
        return said, ratio(*pair) >= least

    return judge


def _close(what: str, limit: float) -> Callable[[Rows], Judged]:
    """All networks of all engines; how far plain itself is from double precision is told too."""

    def judge(rows: Rows) -> Judged:
        found = [row for row in rows if row.section == "exactness" and row.cell == what]
        mine = [row for row in found if not row.contender.startswith("plain")]
        if not mine:
            return None
        said = [
            f"{row.contender} {sum(sample <= limit for sample in row.samples)} of {len(row.samples)} networks "
            f"(median {row.median:.0e}, largest {row.high:.0e})"
            for row in [*mine, *(row for row in found if row not in mine)]
        ]
        return "; ".join(said), all(row.high <= limit for row in mine)

    return judge


def _bitwise(rows: Rows) -> Judged:
    mine = [row for row in rows if row.section == "exactness" and row.unit == "equal"]
    if not mine:
        return None
    equal = [sample for row in mine for sample in row.samples]
    return f"{sum(equal):.0f} of {len(equal)} whole trainings in {len(mine)} packings", all(equal)


def _bounded(rows: Rows) -> Judged:
    """Stack and rows together are at least what was measured, but for a MiB of the allocator."""
    mine = [row for row in rows if row.section == "memory"]
    shares, excess = [], []
    for row in mine:
        if row.contender == "measured":
            told = sum(other.median for other in mine if other.cell == row.cell and other is not row)
            shares.append(row.high / told)
            excess.append(row.high - told)
    if not shares:
        return None
    said = f"{100 * min(shares):.0f} % to {100 * max(shares):.0f} % of it in {len(shares)} cases"
    return f"{said}, at most {max(excess):+.1f} MiB", max(excess) <= 1


def _never_slower(rows: Rows) -> Judged:
    mine = [row for row in rows if row.section == "engine"]
    if not mine:
        return None
    worst = max(mine, key=lambda row: row.median)
    said = f"at worst {worst.median:.2f} of plain's time ({worst.cell}), in {len(mine)} cases"
    return said, worst.median <= 1.05


Judged = tuple[str, bool] | None


def _speed(engine: str, against_b: float, against_a: float, on_workers: float) -> Sequence[Goal]:
    def job(peer: str, least: float) -> Callable[[Rows], Judged]:
        return _times("reference", peer, engine, least, "whole")

    return (
        Goal(f"`{engine}`: at least {against_b:g} times as fast as resident tensors (b)", job("b.", against_b)),
        Goal(f"`{engine}`: at least {against_a:g} times as fast as a DataLoader loop (a)", job("a.", against_a)),
        Goal(
            f"`{engine}`: at least {on_workers:g} times as fast as one Ray task per network (wall)",
            _times("workers", "one", engine, on_workers),
        ),
    )


GOALS = (
    *_speed("fused", 2, 4, 2.5),
    *_speed("fused-onednn", 2, 4, 2.5),
    *_speed("fused-relaxed", 3, 5, 3),
    Goal("the chosen engine is never more than 5 % slower than plain", _never_slower),
    Goal("float64 training losses agree to 1e-10 over 100 steps", _close("training loss, float64, 100 steps", 1e-10)),
    Goal("float64 weights agree to 1e-10 after 100 steps", _close("weights, float64, 100 steps", 1e-10)),
    Goal("float32 training losses agree to 1e-5 over 100 steps", _close("training loss, float32, 100 steps", 1e-5)),
    Goal("a network's bits do not depend on its company", _bitwise),
    Goal("a pack takes no more memory than was said, but for 1 MiB of the allocator", _bounded),
)
