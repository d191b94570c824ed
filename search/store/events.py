"""What happened to runs, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from search.store.fencing import Fenced, exactly
from search.store.models import Event
from search.store.records import EventRecord
from search.store.rows import add_event, number_of
from search.store.sessions import again

__all__ = ["Events"]


class Events(Fenced):
    """The history of a run, which grows at its end only."""

    @again
    def add_event(self, run: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Note that something happened; any process may."""
        with self.sessions.write() as session:
            add_event(session, exactly(session, run), kind, payload)

    @again
    def events(self, run: str, after: int = 0, *, limit: int | None = None) -> list[EventRecord]:
        """What happened to a run after the event of that number, in order; at most ``limit`` of it."""
        with self.sessions.read() as session:
            wanted = (Event.run == number_of(session, run), Event.number > after)
            rows = session.scalars(select(Event).where(*wanted).order_by(Event.number).limit(limit))
            return [EventRecord(row.number, row.kind, json.loads(row.payload), row.at) for row in rows]

    def newest_event(self, run: str) -> int:
        """Number of the last thing that happened to a run; 0 before the first."""
        with self.sessions.read() as session:
            newest = select(func.max(Event.number)).where(Event.run == number_of(session, run))
            return session.scalar(newest) or 0
