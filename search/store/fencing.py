"""Who may write: a run has at most one owner, by a lease that it renews and an epoch that grows with every take.

What stands here is shared by the parts of the store; taking a run and giving it back is ``leases``.
"""

from __future__ import annotations

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from grouping.errors import InputError
from search.errors import LeaseLostError, StoreError
from search.store.clock import Moment
from search.store.models import Run
from search.store.owner import Owner, this_process
from search.store.records import NEXT_STATES, RunState
from search.store.rows import add_event, number_of, present_state, stretch
from search.store.sessions import Sessions

__all__ = ["LEASE_SECONDS", "Fenced", "exactly", "move", "prolong", "readable_owner"]

LEASE_SECONDS = 60.0
"""How long an owner that is not heard of keeps its run; it renews several times within that."""


class Fenced:
    """The part of a store that knows which runs it took, and lets no stale owner write.

    Args:
        sessions: Transactions on the database.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._place = sessions.place
        self._epochs = sessions.epochs

    def _mine(self, session: Session, run: str, epoch: int | None = None) -> Run:
        """The run, locked and its lease renewed, if this process owns it and nobody took it in between.

        Raises:
            LeaseLostError: it does not.
        """
        row, now = exactly(session, run), self.sessions.moment(session)
        if row.state != "running" or not self._is_mine(row, now, epoch):
            holder = f"being worked on by process {readable_owner(row.owner)}" if row.owner else row.state
            if row.state == "running" and row.owner == this_process().token:
                holder = "taken by another owner since"
            fix = "Only the process that set it running may write; see: taskgroup runs"
            raise LeaseLostError(f"run '{run}' is {holder}, nothing was written", where=self._place, fix=fix)
        prolong(row, now, LEASE_SECONDS)
        row.heartbeat = time.time()
        return row

    def _is_mine(self, row: Run, now: Moment, epoch: int | None = None) -> bool:
        if row.owner != this_process().token:
            return False
        if row.asked == "cancel" and present_state(row, now) == "cancelled":
            return False  # everybody saw it end: a late owner must not bring it back
        # A store that never took the run speaks for its process; one that took it, for that one take.
        return row.epoch == (self._epochs.get(row.id, row.epoch) if epoch is None else epoch)


def exactly(session: Session, run: str) -> Run:
    """The run with exactly this id, locked until the transaction ends; an InputError if there is none."""
    row = session.scalar(select(Run).where(Run.number == number_of(session, run)).with_for_update())
    if row is None:
        raise InputError(f"run '{run}' was deleted", where="RUN", fix="See: taskgroup runs")
    return row


def prolong(row: Run, now: Moment, seconds: float) -> None:
    """Let the claim on a run last that long from now."""
    row.lease, row.lease_clock = now.seconds + seconds, now.clock


def move(session: Session, row: Run, before: RunState, state: RunState, now: Moment) -> None:
    """Take a run from one state to another one; ``running`` makes this process its owner.

    Raises:
        StoreError: ``NEXT_STATES`` knows no such way.
    """
    if state not in NEXT_STATES[before]:
        allowed = ", ".join(sorted(NEXT_STATES[before])) or "nothing: that is its end"
        fix = f"From there it can become {allowed}"
        raise StoreError(f"run '{row.id}' is {before} and cannot become {state}", where="RUN", fix=fix)
    at = time.time()
    if row.state == "running":
        # A run whose process died worked until that process was last heard of.
        row.seconds += stretch(row.since, at if before == "running" else row.heartbeat)
    row.state, row.ended = state, None if state in {"running", "queued"} else at
    row.owner = row.since = row.heartbeat = row.lease = row.lease_clock = row.asked = None
    if state == "running":
        row.started = row.started or at
        row.owner, row.since, row.heartbeat = this_process().token, at, at
        row.epoch += 1
        prolong(row, now, LEASE_SECONDS)
    add_event(session, row, "state", {"from": before, "to": state})


def readable_owner(owner: str | None) -> str:
    """An owner's token for people: ``4711 on host``."""
    who = Owner.parse(owner or "?:0:")
    return f"{who.pid} on {who.host}"
