"""Runs themselves: made, found, listed, deleted, and what their owner writes on them as it goes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, case, delete, func, select

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.errors import ConflictError
from search.pace import Forecast
from search.store.creation import Creation
from search.store.fencing import exactly
from search.store.models import Run
from search.store.records import RunPage, RunRecord, RunState
from search.store.rows import find_run, gone, present_state, reserved, run_records, storable
from search.store.run_ids import looks_like_id
from search.store.sessions import again

__all__ = ["SORTS", "Runs"]

SORTS: Final = ("created", "name", "state", "best")
"""What runs can be sorted by; a ``-`` before it turns the order round."""


class Runs(Creation):
    """What was asked, and how far it came."""

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

    @again
    def find(self, run: str, *, principal: str | None = None) -> RunRecord | None:
        """The run with exactly this id, or None.

        Args:
            run: The id.
            principal: Who asks: runs of others do not exist for them. None: all runs do.
        """
        if not looks_like_id(run):
            return None
        wanted = [Run.id == run] + ([] if principal is None else [Run.principal == storable(principal)])
        with self.sessions.read() as session:
            row = session.scalar(select(Run).where(*wanted))
            return None if row is None else run_records(session, [row], self.sessions.moment(session))[0]

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
            columns: dict[str, tuple[ColumnElement[Any], ...]] = {
                "created": (),  # as ties are broken
                "name": (func.lower(Run.name),),
                "state": (present if states else Run.state.expression,),
                "best": (Run.best.expression,),
            }
            turned = sort.startswith("-")
            sorted_by = [(column.desc() if turned else column.asc()).nulls_last() for column in columns[order]]
            ties = Run.number.desc() if turned else Run.number.asc()
            # Numbers first: whole rows hold specs, and thousands of them would be sorted to show a few.
            page = select(Run.number).where(*wanted).order_by(*sorted_by, ties).limit(limit).offset(offset)
            numbers = session.scalars(page).all()
            found = {row.number: row for row in session.scalars(select(Run).where(Run.number.in_(numbers)))}
            rows = [found[number] for number in numbers if number in found]  # one may be deleted in between
            return RunPage(tuple(run_records(session, rows, now)), total)

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
    def set_progress(
        self,
        run: str,
        *,
        planned: int | None = None,
        best: float | None = None,
        forecast: Forecast | None = None,
    ) -> None:
        """Record how many trainings are planned by now, the best objective so far, how long the rest takes.

        None leaves a value as it is.
        """
        with self.sessions.write() as session:
            row = self._mine(session, run)
            if forecast is not None:
                row.plan = json.dumps({**json.loads(row.plan), "forecast": asdict(forecast)})
            row.planned = row.planned if planned is None else planned
            row.best = row.best if best is None else best


def _order(sort: str) -> str:
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise InputError(f"runs cannot be sorted by {name[:80]!r}", where="sort", fix=nearest_name(name[:80], SORTS))
    return name
