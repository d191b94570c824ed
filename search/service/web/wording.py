"""How the pages call states, moments and budgets; numbers read as in a report (``grouping.report.wording``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from grouping.report.wording import MISSING, change, cost, count, number
from grouping.tasks import SEPARATOR
from search.service.budgets import budget_of

__all__ = [
    "KINDS",
    "STATES",
    "Moment",
    "best_text",
    "budget_text",
    "file_size",
    "joined",
    "moment",
    "roughly",
    "since",
]

STATES: Final = {
    "queued": ("Queued", "Accepted and waiting for its turn. It starts by itself."),
    "running": ("Running", "It is being worked on. Closing this page does not stop it."),
    "interrupted": ("Interrupted", "It was stopped before its end. Resume it: nothing that finished is trained again."),
    "failed": ("Failed", "It ended without a result. The log below says why; it can be resumed."),
    "finished": ("Finished", "The recommendation is ready."),
    "cancelled": ("Cancelled", "Somebody stopped it for good. What it had trained is kept below."),
}
"""State of a run -> its label and what it means."""

KINDS: Final = {
    "recommend": ("Grouping", "Which tasks should share a network?"),
    "measure": ("Measurement", "Every group trained, for a complete table of losses."),
    "search": ("Architecture search", "Which networks are worth their cost?"),
}
"""Kind of a run -> its label and its question."""

_SECOND, _MINUTE, _HOUR, _DAY = 1, 60, 3_600, 86_400


class Moment(NamedTuple):
    """A point in time for machines and for people, both in UTC."""

    iso: str
    text: str
    ago: str


def moment(at: float | None, now: float) -> Moment | None:
    """Seconds since the epoch as a moment; None stays None."""
    if at is None:
        return None
    utc = datetime.fromtimestamp(at, UTC)
    return Moment(utc.isoformat(timespec="seconds"), f"{utc.day} {utc:%b %Y, %H:%M} UTC", f"{roughly(now - at)} ago")


def since(seconds: float) -> str:
    """A stretch of time to the second, short: ``45 s``, ``2 min 05 s``, ``3 h 20 min``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    gap = "\N{NO-BREAK SPACE}"
    if hours:
        return f"{hours}{gap}h {minutes:02}{gap}min"
    return f"{minutes}{gap}min {rest:02}{gap}s" if minutes else f"{rest}{gap}s"


def roughly(seconds: float) -> str:
    """A stretch of time in one unit, for ages and forecasts: nobody needs the seconds of yesterday."""
    gap, seconds = "\N{NO-BREAK SPACE}", max(0.0, seconds)
    for unit, name in ((_DAY, "day"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            whole = round(seconds / unit)
            return f"{whole}{gap}{name}{'s' * (name == 'day' and whole > 1)}"
    return f"{round(seconds)}{gap}s"


def budget_text(spec: str) -> str:
    """What serving may cost, from a resolved spec's YAML."""
    budget = budget_of(spec)
    if budget is None:
        return MISSING
    most = f", at most {count(budget.max_networks, 'network')}" if budget.max_networks else ""
    return cost(budget.limit, budget.unit) + most


def best_text(kind: str, best: float | None) -> str:
    """The best objective so far: of a grouping as a change against one network per task, else as it is."""
    return number(best) if kind == "measure" else change(best)


def joined(tasks: Sequence[str], longest: int = 200) -> str:
    """Names of the tasks of a network, each whole; where they are too many, how many more there are."""
    text = f" {SEPARATOR} ".join(tasks)
    if len(text) <= longest or len(tasks) < 2:
        return text
    kept, length = 1, len(tasks[0])
    while kept < len(tasks) - 1 and length + len(tasks[kept]) + 3 <= longest - 12:
        length += len(tasks[kept]) + 3
        kept += 1
    return f" {SEPARATOR} ".join(tasks[:kept]) + f" and {len(tasks) - kept} more"


def file_size(n_bytes: int) -> str:
    """Bytes as people say them."""
    size = float(n_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f}\N{NO-BREAK SPACE}{unit}" if unit == "bytes" else f"{size:.1f}\N{NO-BREAK SPACE}{unit}"
        size /= 1000
    return f"{size:.1f}\N{NO-BREAK SPACE}GB"
