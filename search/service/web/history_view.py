"""What happened to a run, event by event, as sentences: the log that its page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from grouping.report.wording import count
from search.service.web.wording import STATES
from search.store.records import EventRecord

__all__ = ["MOST_EVENTS", "Line", "Phase", "history", "last_error", "present_phase"]

MOST_EVENTS: Final = 200
"""Of a log on a page."""

_LONGEST = 2_000


@dataclass(frozen=True)
class Line:
    """One event. ``tone`` sets it apart where it matters."""

    clock: str
    text: str
    tone: Literal["", "warning", "failure"]


@dataclass(frozen=True)
class Phase:
    """The part of a run that is under way: its name, and how many trainings it has."""

    label: str
    done: int
    total: int


def history(events: Sequence[EventRecord], total: int | None = None) -> tuple[tuple[Line, ...], int]:
    """The last events, oldest first, and how many earlier ones are left out; ``total``: there are more than these."""
    kept = events[-MOST_EVENTS:]
    return tuple(_line(event) for event in kept), (len(events) if total is None else total) - len(kept)


def present_phase(events: Sequence[EventRecord]) -> Phase | None:
    """The phase that began last, if any did."""
    for event in reversed(events):
        if event.kind == "phase":
            payload = event.payload
            return Phase(_text(payload.get("label")), _whole(payload.get("done")), _whole(payload.get("total")))
    return None


def last_error(events: Sequence[EventRecord]) -> str:
    """Why a run stopped, in the words it stopped with; empty where it did not say."""
    for event in reversed(events):
        if event.kind == "error":
            return _printable(_told(event.payload)[:_LONGEST])
    return ""


def _told(payload: Mapping[str, Any]) -> str:
    what, where, fix = (_text(payload.get(key)).strip() for key in ("what", "where", "fix"))
    head = f"{where}: {what}" if where and what else what or where or "It failed without a word"
    return f"{head}. {fix}" if fix else head


def _line(event: EventRecord) -> Line:
    text, tone = _sentence(event.kind, event.payload)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"
    return Line(f"{datetime.fromtimestamp(event.at, UTC):%H:%M:%S}", _printable(shown), tone)


def _sentence(kind: str, payload: Mapping[str, Any]) -> tuple[str, Literal["", "warning", "failure"]]:
    match kind:
        case "state":
            state = _text(payload.get("to"))
            label = STATES.get(state, (state, ""))[0]
            return label + (f": {payload['reason']}" if payload.get("reason") else ""), "failure" * (state == "failed")  # type: ignore[return-value]
        case "phase":
            total, done = _whole(payload.get("total")), _whole(payload.get("done"))
            known = f", {done:,} of them known already" if done else ""
            return f"Part begins: {_text(payload.get('label'))}, {count(total, 'network')}{known}", ""
        case "engine":
            return f"Engine {_text(payload.get('engine'))}: {_text(payload.get('reason'))}", ""
        case "budget":
            return f"{payload.get('minutes')} minutes are enough for {payload.get('trainings')} trainings", ""
        case "note":
            return _text(payload.get("text")), ""
        case "warning":
            return _text(payload.get("text")), "warning"
        case "trial_failed":
            network = f"{_text(payload.get('network'))} with seed {_text(payload.get('seed'))}"
            return f"{network} failed: {_text(payload.get('reason'))}", "warning"
        case "error":
            return _told(payload), "failure"
        case _:
            rest = json.dumps(payload, ensure_ascii=False, default=str) if payload else ""
            return f"{kind} {rest}".strip(), ""


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _printable(text: str) -> str:
    """The text on one line: what would move a cursor or forge a line is spelled out."""
    return "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else ascii(c)[1:-1] for c in text)
