"""Making runs: one, or as many as arrived together, which costs one commit; a request that is repeated makes none."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from search.errors import ConflictError
from search.store.fencing import Fenced, prolong
from search.store.models import Run
from search.store.rows import add_event, storable
from search.store.run_ids import new_run_id

__all__ = ["Creation", "Made", "NewRun"]


@dataclass(frozen=True)
class NewRun:
    """A run to be made.

    Args:
        name: The user's name for it; any text.
        kind: ``recommend``, ``measure`` or ``search``.
        spec: The resolved spec as YAML.
        plan: What will be done, as JSON data.
        tasks: Names of the tasks.
        planned: Trials planned, where known already.
        principal: Who submits it; empty: somebody at this machine.
        request_key: The submitter's name for this request. The same one again gives the run that is there already, so
            that a request whose answer was lost can be repeated.
        reserved_seconds: How long no dispatcher may reserve it, since the caller is about to take or start it.
    """

    name: str
    kind: str
    spec: str
    plan: Mapping[str, Any]
    tasks: Sequence[str] = ()
    planned: int = 0
    principal: str = ""
    request_key: str | None = None
    reserved_seconds: float = 0.0


@dataclass(frozen=True)
class Made:
    """What came of it: the run's id, when it was made, and whether that was now or by an earlier, equal request."""

    id: str
    created: float
    fresh: bool


class Creation(Fenced):
    """How runs come to be."""

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
        """A new run, queued; returns its id. The arguments are those of ``NewRun``.

        Raises:
            ConflictError: the key was used for something else.
        """
        asked = NewRun(name, kind, spec, plan, tasks, planned, principal, request_key, reserved_seconds)
        (made,) = self.create_runs([asked])
        if isinstance(made, ConflictError):
            raise made
        return made.id

    def create_runs(self, asked: Sequence[NewRun]) -> list[Made | ConflictError]:
        """Several new runs in one transaction: each, or why it is none.

        One that cannot be made does not keep the others from being made.
        """
        with self.sessions.write(durable=True) as session:
            self.sessions.alone(session)
            known = _requested(session, asked)
            made: list[Made | ConflictError] = []
            rows = []
            taken = set[str]()
            for new in asked:
                content = {"kind": new.kind, "spec": storable(new.spec), "plan": json.dumps(new.plan)}
                digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
                request = _request(new)
                before = known.get(request) if request is not None else None
                if before is not None:
                    made.append(before[0] if before[1] == digest else _conflict())
                    continue
                name = storable(new.name)
                row = Run(id=_fresh_id(session, name, taken), name=name, state="queued", planned=new.planned, **content)
                row.principal, row.request_key = request or (storable(new.principal), None)
                row.request_digest = None if request is None else digest
                row.tasks, row.created, row.seconds = json.dumps(list(new.tasks)), time.time(), 0.0
                if new.reserved_seconds:
                    prolong(row, self.sessions.moment(session), new.reserved_seconds)
                if request is not None:
                    known[request] = (Made(row.id, row.created, fresh=False), digest)
                rows.append(row)
                made.append(Made(row.id, row.created, fresh=True))
            session.add_all(rows)
            session.flush()
            for row in rows:
                add_event(session, row, "state", {"to": "queued"})
        return made


def _request(new: NewRun) -> tuple[str, str] | None:
    return None if new.request_key is None else (storable(new.principal), storable(new.request_key))


def _requested(session: Session, asked: Sequence[NewRun]) -> dict[tuple[str, str], tuple[Made, str | None]]:
    """The runs that these requests made before and their digests, by principal and key."""
    requests = {request for new in asked if (request := _request(new)) is not None}
    if not requests:
        return {}
    columns = (Run.principal, Run.request_key, Run.id, Run.created, Run.request_digest)
    rows = session.execute(select(*columns).where(tuple_(Run.principal, Run.request_key).in_(requests)))
    return {
        (principal, key or ""): (Made(run, created, fresh=False), digest)
        for principal, key, run, created, digest in rows
    }


def _fresh_id(session: Session, name: str, taken: set[str]) -> str:
    """An id that no run has, nor one of those that are being made."""
    found = new_run_id(name)
    while found in taken or session.scalar(select(Run.number).where(Run.id == found)) is not None:
        found = new_run_id(name)
    taken.add(found)
    return found


def _conflict() -> ConflictError:
    fix = "Use a fresh key for every new request"
    return ConflictError("this request's key was used for another request", where="Idempotency-Key", fix=fix)
