"""Taking a run, keeping it, giving it back; and what somebody else may ask of whoever has it."""

from __future__ import annotations

from typing import Final, Literal, cast

from sqlalchemy import or_, select

from search.errors import ConflictError, StoreError
from search.store.fencing import Fenced, exactly, move, prolong, readable_owner
from search.store.models import Run
from search.store.records import RunState
from search.store.rows import add_event, present_state, reserved
from search.store.sessions import again

__all__ = ["Demand", "Lease", "Leases"]

Demand = Literal["cancel", "interrupt"]

_ENDED: Final = {"failed", "finished", "cancelled"}


class Lease:
    """A process's hold on a run: as long as it is renewed no other process can take the run.

    Args:
        leases: Where it was taken.
        run: Id of the run.
        epoch: Fencing token: whoever takes the run later has a higher one, and this one is worth nothing then.
    """

    def __init__(self, leases: Leases, run: str, epoch: int) -> None:
        self._leases, self.run, self.epoch = leases, run, epoch

    def renew(self) -> None:
        """Say that the owner lives; several times within ``LEASE_SECONDS``.

        Raises:
            StoreError: another process took the run since; stop working on it.
        """
        self._leases.heartbeat(self.run, self.epoch)

    def release(self, state: RunState) -> None:
        """Give the run back in a state that says how the work ended.

        Raises:
            StoreError: another process took the run since; its state is that one's to tell.
        """
        self._leases.release(self, state)


class Leases(Fenced):
    """Claims on runs."""

    def take(self, run: str) -> Lease:
        """Set a run running, with this process as its owner.

        Raises:
            StoreError: somebody works on it, or it has ended.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            before = present_state(row, now)
            if before == "running":
                raise StoreError(
                    f"run '{run}' is being worked on by process {readable_owner(row.owner)}",
                    where=self._place,
                    fix="Wait for it or end that process, then try again",
                )
            move(session, row, before, "running", now)
            epoch = row.epoch
        self._epochs[run] = epoch
        return Lease(self, run, epoch)

    @again
    def release(self, lease: Lease, state: RunState) -> None:
        """``Lease.release``."""
        with self.sessions.write(durable=True) as session:
            row = self._mine(session, lease.run, lease.epoch)
            move(session, row, "running", state, self.sessions.moment(session))

    def set_state(self, run: str, state: RunState) -> None:
        """Move a run on by a legal transition; ``running`` takes it, and staying changes nothing.

        Raises:
            StoreError: the transition is not in ``NEXT_STATES``, or another process works on the run.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            present = present_state(row, now)
            mine = row.state == "running" and self._is_mine(row, now)
            before = "running" if mine else present
            if state == before and (mine or state != "running"):
                return
            if before == "running" and not mine:
                raise StoreError(
                    f"run '{run}' is being worked on by process {readable_owner(row.owner)}",
                    where=self._place,
                    fix="Wait for it or end that process, then try again",
                )
            move(session, row, before, state, now)
            epoch = row.epoch
        if state == "running":
            self._epochs[run] = epoch

    def heartbeat(self, run: str, epoch: int | None = None) -> None:
        """Say that the owner lives, which renews its lease; so does everything else that an owner writes."""
        with self.sessions.write() as session:
            self._mine(session, run, epoch)

    def reserve(self, run: str, seconds: float = 60.0) -> bool:
        """Claim a queued run for a process that is about to be started for it, and count the start.

        Returns whether the claim is ours: of several that ask at once one gets it. It ends by itself when nobody has
        taken the run in time; any process may take a run that is reserved.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            if row.state != "queued" or reserved(row, now):
                return False
            prolong(row, now, seconds)
            row.starts += 1
        return True

    def queued(self, limit: int = 100) -> list[str]:
        """Ids of queued runs that nobody has reserved, oldest first."""
        with self.sessions.read() as session:
            now = self.sessions.moment(session)
            free = or_(Run.lease.is_(None), Run.lease_clock != now.clock, Run.lease <= now.seconds)
            rows = select(Run.id).where(Run.state == "queued", free).order_by(Run.number).limit(limit)
            return list(session.scalars(rows))

    def ask(self, run: str, demand: Demand) -> None:
        """Ask whoever works on a run to stop: it obeys within seconds.

        Where nobody works, a run that is queued or interrupted is cancelled at once. Asking twice changes nothing, and
        an interruption does not take a cancellation back.

        Raises:
            ConflictError: the run has ended, or nothing is there to be interrupted.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            present = present_state(row, now)
            if present == "running":
                if row.asked not in {demand, "cancel"}:
                    row.asked = demand
                    add_event(session, row, "asked", {"to": demand})
            elif demand == "cancel" and present not in _ENDED:
                move(session, row, present, "cancelled", now)
            elif present != {"cancel": "cancelled", "interrupt": "interrupted"}[demand]:
                fix = "Start it again: taskgroup resume RUN" if present == "failed" else "See: taskgroup runs"
                raise ConflictError(f"run '{run}' is {present}, there is nothing to {demand}", where="RUN", fix=fix)

    def asked(self, run: str) -> Demand | None:
        """What is asked of the run's owner."""
        with self.sessions.read() as session:
            return cast("Demand | None", session.scalar(select(Run.asked).where(Run.id == run)))

    def requeue(self, run: str) -> None:
        """Queue a run that was interrupted or has failed: what resuming means where a dispatcher starts runs.

        Raises:
            ConflictError: it is in another state.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            present = present_state(row, now)
            if present not in {"interrupted", "failed"}:
                fix = "Only runs that were interrupted or failed can be resumed"
                raise ConflictError(f"run '{run}' is {present}, there is nothing to resume", where="RUN", fix=fix)
            move(session, row, present, "queued", now)
            row.starts = row.epoch  # starts that came to nothing before are forgiven
