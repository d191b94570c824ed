"""How rows become the values the store hands out, and the questions about rows that several methods ask."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import RowMapping, func, select
from sqlalchemy.orm import Session

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.store.clock import Moment
from search.store.models import Event, Run
from search.store.models import Trial as TrialRow
from search.store.owner import Owner
from search.store.records import RunRecord, RunState, TrialRecord, TrialState
from search.store.run_ids import LATEST, looks_like_id, shown_id
from search.trials import Trial

__all__ = [
    "add_event",
    "find_run",
    "gone",
    "number_of",
    "present_state",
    "reserved",
    "run_records",
    "storable",
    "stretch",
    "trial_record",
]


def find_run(session: Session, text: str, place: object, principal: str | None = None) -> Run:
    """The run with this id, the only one whose id begins so, or the newest for ``latest``.

    Args:
        session: A transaction.
        text: What the user said.
        place: Where the runs are, for messages.
        principal: Whose runs there are for the asker; None: everybody's.

    Raises:
        InputError: none, or several.
    """
    newest = select(Run).order_by(Run.number.desc())
    known = select(Run.id).order_by(Run.number.desc()).limit(500)
    if principal is not None:
        theirs = Run.principal == storable(principal)
        newest, known = newest.where(theirs), known.where(theirs)
    if text == LATEST:
        found = session.scalars(newest.limit(1)).all()
    elif looks_like_id(text):
        exact = session.scalars(newest.where(Run.id == text)).all()
        found = exact or session.scalars(newest.where(Run.id.startswith(text, autoescape=True))).all()
    else:
        found = []
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(row.id for row in found[:3]) + (", ..." if len(found) > 3 else "")
        raise InputError(f"'{text}' fits {len(found)} runs: {shown}", where="RUN", fix="Give more of the id")
    ids = session.scalars(known).all()
    if not ids:
        fix = "Start one: taskgroup recommend SPEC"
        raise InputError(f"there are no runs yet in {place}", where="RUN", fix=fix)
    shown = shown_id(text)
    raise InputError(f"there is no run {shown!r}", where="RUN", fix=nearest_name(shown, ids))


def number_of(session: Session, run: str) -> int:
    """The internal number of the run with exactly this id; an InputError if there is none."""
    number = session.scalar(select(Run.number).where(Run.id == run)) if looks_like_id(run) else None
    if number is None:
        raise InputError(f"there is no run {run!r}", where="RUN", fix="See: taskgroup runs")
    return number


def present_state(row: Run, now: Moment) -> RunState:
    """What the row says; where it says running and nobody is at work, what that means.

    That is ``interrupted``, or ``cancelled`` if that was asked of the owner and it went without obeying.
    """
    if row.state != "running" or _held(row, now):
        return cast("RunState", row.state)
    return "cancelled" if row.asked == "cancel" else "interrupted"


def _held(row: Run, now: Moment) -> bool:
    """Whether the owner's claim on a running run holds: its process is not known to be dead, its lease not over."""
    if not row.owner:
        return False
    owner, heard = Owner.parse(row.owner), row.heartbeat or 0.0
    if row.lease is None or (row.lease_clock != now.clock and not owner.is_here):
        return owner.alive(heard)  # written before there were leases, or on a clock that cannot be read here
    return row.lease_clock == now.clock and row.lease > now.seconds and (not owner.is_here or owner.alive(heard))


def reserved(row: Run, now: Moment) -> bool:
    """Whether a queued run is about to be started by somebody."""
    return row.lease is not None and row.lease_clock == now.clock and row.lease > now.seconds


def gone(session: Session, now: Moment) -> dict[int, RunState]:
    """Runs, by number, that are recorded as running while nobody is at work, and the state they are in thereby."""
    running = session.scalars(select(Run).where(Run.state == "running"))
    return {row.number: state for row in running if (state := present_state(row, now)) != "running"}


def add_event(session: Session, row: Run, kind: str, payload: Mapping[str, Any]) -> None:
    """Append to a run's history, in the transaction at hand."""
    session.add(Event(run=row.number, kind=kind, payload=json.dumps(payload), at=time.time()))


def run_records(session: Session, rows: Sequence[Run], now: Moment) -> list[RunRecord]:
    """Runs with the counts of their trials."""
    numbers = [row.number for row in rows]
    counts = session.execute(
        select(TrialRow.run, TrialRow.state, func.count())
        .where(TrialRow.run.in_(numbers))
        .group_by(TrialRow.run, TrialRow.state)
    )
    ended = {(run, state): count for run, state, count in counts}
    records = []
    for row in rows:
        state = present_state(row, now)
        until = row.heartbeat if state != row.state else None
        records.append(
            RunRecord(
                id=row.id,
                name=row.name,
                kind=row.kind,
                state=state,
                spec=row.spec,
                plan=json.loads(row.plan),
                tasks=tuple(json.loads(row.tasks)),
                planned=row.planned,
                finished=ended.get((row.number, "finished"), 0),
                failed=ended.get((row.number, "failed"), 0),
                best=row.best,
                created=row.created,
                started=row.started,
                ended=row.ended,
                seconds=row.seconds + stretch(row.since, until),
                owner=(row.owner or "") if state == "running" else "",
                principal=row.principal,
                epoch=row.epoch,
                asked=row.asked if state == "running" else None,
                starts=row.starts,
                heartbeat=row.heartbeat,
            )
        )
    return records


def trial_record(row: RowMapping) -> TrialRecord:
    """One trial from a row without its arrays."""
    data = json.loads(row["trial"])
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    trial = Trial(**fields)
    return TrialRecord(
        key=row["key"],
        phase=row["phase"],
        trial=trial,
        state=cast("TrialState", row["state"]),
        attempts=row["attempts"],
        seconds=row["seconds"],
        worker=row["worker"],
        kept=row["kept"],
        reason=row["reason"],
        detail=row["detail"],
        recorded=row["recorded"],
    )


def storable(text: str) -> str:
    """The text without halves of surrogate pairs and NUL characters, which not every database takes."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def stretch(since: float | None, until: float | None) -> float:
    """Seconds between two moments, up to now where the second is open; never negative, clocks jump."""
    return 0.0 if since is None else max(0.0, (time.time() if until is None else until) - since)
