"""Which queued run may start now: places are counted and one is taken in one transaction, whoever else does so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, or_, select

from search.store.fencing import exactly, move, prolong
from search.store.models import Run
from search.store.rows import add_event, present_state, reserved
from search.store.sessions import Sessions

__all__ = ["Slots"]


class Slots:
    """Places for runs that were submitted, shared by all servers of a store.

    Runs that somebody at this machine started have no principal: they need no place, and nobody else starts them.

    Args:
        sessions: Of the store.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def claim(self, most: int, most_each: int, seconds: float = 60.0) -> str | None:
        """Reserve the oldest submitted run that may start: its id, or None.

        Args:
            most: Submitted runs that may be worked on at once.
            most_each: Of them, those of one principal.
            seconds: The reservation ends by itself when no process has taken the run by then.
        """
        with self._sessions.write(durable=True) as session:
            self._sessions.alone(session)
            now = self._sessions.moment(session)
            maybe = or_(Run.state == "running", and_(Run.state == "queued", Run.lease.is_not(None)))
            rows = session.scalars(select(Run).where(maybe, Run.principal != ""))
            taken = Counter(
                row.principal
                for row in rows
                if (reserved(row, now) if row.state == "queued" else present_state(row, now) == "running")
            )
            if taken.total() >= most:
                return None
            full = [principal for principal, count in taken.items() if count >= most_each]
            free = or_(Run.lease.is_(None), Run.lease_clock != now.clock, Run.lease <= now.seconds)
            wanted = (Run.state == "queued", free, Run.principal != "", Run.principal.not_in(full))
            row = session.scalar(select(Run).where(*wanted).order_by(Run.number).limit(1).with_for_update())
            if row is None:
                return None
            prolong(row, now, seconds)
            row.starts += 1
            return row.id

    def not_started(self, run: str) -> None:
        """Take back that a start was counted: no process could be started. The reservation stays, as a pause."""
        with self._sessions.write(durable=True) as session:
            row = exactly(session, run)
            row.starts = max(row.epoch, row.starts - 1)

    def fail_lost(self, most: int, error: Mapping[str, Any]) -> list[str]:
        """Fail queued runs that processes were started for and never took, that often more than were taken; their ids.

        One transaction: a run that a process takes meanwhile is told nothing.
        """
        with self._sessions.write(durable=True) as session:
            now = self._sessions.moment(session)
            wanted = (Run.state == "queued", Run.principal != "", Run.starts - Run.epoch >= most)
            rows = session.scalars(select(Run).where(*wanted).with_for_update())
            lost = [row for row in rows if not reserved(row, now)]
            for row in lost:
                add_event(session, row, "error", error)
                move(session, row, "queued", "failed", now)
            return [row.id for row in lost]
