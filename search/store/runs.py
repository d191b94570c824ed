"""Runs themselves: made, found, listed, deleted, and what their owner writes on them as it goes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.orm import Session

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.errors import ConflictError
from search.store.fencing import Fenced, exactly, prolong
from search.store.models import Run
from search.store.records import RunPage, RunRecord, RunState
from search.store.rows import add_event, find_run, gone, present_state, reserved, run_records, storable
from search.store.run_ids import new_run_id
from search.store.sessions import again

__all__ = ["SORTS", "Runs"]

SORTS: Final = ("created", "name", "state", "best")
"""What runs can be sorted by; a ``-`` before it turns the order round."""


class Runs(Fenced):
    """What was asked, and how far it came."""

    def create_run(
        self,
        name: str,
        kind: str,
        spec: str,
        plan: Mapping[str, Any],
        *,
        tasks: Sequence[str] = (),
        planned: int = 0,
        principal: str = "",
        request_key: str | None = None,
        reserved_seconds: float = 0.0,
    ) -> str:
        """A new run, queued; returns its id.

        Args:
            name: The user's name for it; any text.
            kind: ``recommend``, ``measure`` or ``search``.
            spec: The resolved spec as YAML.
            plan: What will be done, as JSON data.
            tasks: Names of the tasks.
            planned: Trials planned, where known already.
            principal: Who submits it; empty: somebody at this machine.
            request_key: The submitter's name for this request. The same one again gives the run that is there already,
                so that a request whose answer was lost can be repeated.
            reserved_seconds: How long no dispatcher may reserve it, since the caller is about to take or start it.

        Raises:
            ConflictError: the key was used for something else.
        """
        asked = {"kind": kind, "spec": storable(spec), "plan": json.dumps(plan)}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        owner, key = storable(principal), None if request_key is None else storable(request_key)
        with self.sessions.write(durable=True) as session:
            self.sessions.alone(session)
            if key is not None and (before := _requested(session, owner, key, digest)) is not None:
                return before
            name = storable(name)
            run_id = new_run_id(name)
            while session.scalar(select(Run.number).where(Run.id == run_id)) is not None:
                run_id = new_run_id(name)
            row = Run(id=run_id, name=name, state="queued", planned=planned, principal=owner, request_key=key, **asked)
            row.request_digest = None if key is None else digest
            row.tasks, row.created, row.seconds = json.dumps(list(tasks)), time.time(), 0.0
            if reserved_seconds:
                prolong(row, self.sessions.moment(session), reserved_seconds)
            session.add(row)
            session.flush()
            add_event(session, row, "state", {"to": "queued"})
        return run_id

    @again
    def run(self, text: str, *, principal: str | None = None) -> RunRecord:
        """The run with this id, the only one whose id begins with it, or the newest one for ``latest``.

        Args:
            text: What the user said.
            principal: Who asks: runs of others do not exist for them. None: all runs do.

        Raises:
            InputError: none, or several.
        """
        with self.sessions.read() as session:
            row = find_run(session, text, self._place, principal)
            return run_records(session, [row], self.sessions.moment(session))[0]

    def list_runs(
        self,
        *,
        state: RunState | None = None,
        name: str | None = None,
        kind: str | None = None,
        principal: str | None = None,
        sort: str = "-created",
        limit: int = 20,
        offset: int = 0,
    ) -> RunPage:
        """A page of runs.

        Args:
            state: Only runs in this state.
            name: Only runs whose name contains this, whatever the case.
            kind: Only runs of this kind.
            principal: Only runs that this one submitted.
            sort: One of ``SORTS``, with ``-`` before it for the greatest first; runs without a best come last.
            limit: At most this many.
            offset: Leave out this many of the first.

        Raises:
            InputError: there is no such order.
        """
        order = _order(sort)
        with self.sessions.read() as session:
            now = self.sessions.moment(session)
            states = gone(session, now)
            present = case(*((Run.number == number, ended) for number, ended in states.items()), else_=Run.state)
            wanted: list[ColumnElement[bool]] = []
            if state is not None:
                wanted.append((present if states else Run.state) == state)
            if name is not None:
                wanted.append(Run.name.icontains(storable(name), autoescape=True))
            if kind is not None:
                wanted.append(Run.kind == storable(kind))
            if principal is not None:
                wanted.append(Run.principal == storable(principal))
            total = session.scalar(select(func.count()).select_from(Run).where(*wanted)) or 0
            columns: dict[str, ColumnElement[Any]] = {
                "created": Run.number.expression,
                "name": func.lower(Run.name),
                "state": present if states else Run.state.expression,
                "best": Run.best.expression,
            }
            column = columns[order]
            turned = sort.startswith("-")
            sorted_by = (column.desc() if turned else column.asc()).nulls_last()
            ties = Run.number.desc() if turned else Run.number.asc()
            page = select(Run).where(*wanted).order_by(sorted_by, ties).limit(limit).offset(offset)
            return RunPage(tuple(run_records(session, session.scalars(page).all(), now)), total)

    def delete_run(self, run: str) -> None:
        """Forget a run with all its trials and events; its folder is the caller's.

        Raises:
            ConflictError: somebody works on it, or is about to.
        """
        with self.sessions.write(durable=True) as session:
            row, now = exactly(session, run), self.sessions.moment(session)
            present = present_state(row, now)
            if present == "running" or (present == "queued" and reserved(row, now)):
                fix = f"Cancel it first: taskgroup cancel {run}"
                raise ConflictError(f"run '{run}' is being worked on", where="RUN", fix=fix)
            session.execute(delete(Run).where(Run.number == row.number))

    @again
    def set_spec(self, run: str, spec: str) -> None:
        """Put a spec in place of the present one, once what was left open in it has been decided."""
        with self.sessions.write(durable=True) as session:
            self._mine(session, run).spec = storable(spec)

    @again
    def set_progress(self, run: str, *, planned: int | None = None, best: float | None = None) -> None:
        """Record how many trials are planned by now, and the best objective so far; None leaves a value as it is."""
        with self.sessions.write() as session:
            row = self._mine(session, run)
            row.planned = row.planned if planned is None else planned
            row.best = row.best if best is None else best


def _requested(session: Session, principal: str, key: str, digest: str) -> str | None:
    """The run that this request made before, if it did."""
    row = session.scalar(select(Run).where(Run.principal == principal, Run.request_key == key))
    if row is None:
        return None
    if row.request_digest != digest:
        fix = "Use a fresh key for every new request"
        raise ConflictError("this request's key was used for another request", where="Idempotency-Key", fix=fix)
    return row.id


def _order(sort: str) -> str:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise InputError(f"runs cannot be sorted by {name[:80]!r}", where="sort", fix=nearest_name(name[:80], SORTS))
    return name
