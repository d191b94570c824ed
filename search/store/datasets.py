"""Tables that were uploaded to the service: whose, how large, what they hold. Their bytes are files of their own."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, func, select

from search.store.models import Dataset, Run
from search.store.rows import storable
from search.store.run_ids import looks_like_id, slug
from search.store.sessions import Sessions

__all__ = ["DatasetPage", "DatasetRecord", "Datasets", "new_dataset_id"]


@dataclass(frozen=True)
class DatasetRecord:
    """One uploaded table.

    Args:
        id: Ours, opaque, safe as a file name.
        name: The user's; any text.
        principal: Who uploaded it.
        file: Its name in the folder of data sets.
        sha256: Of its bytes.
        bytes: How many.
        about: What it holds: rows, columns, tasks.
        created: Seconds since the epoch.
    """

    id: str
    name: str
    principal: str
    file: str
    sha256: str
    bytes: int
    about: Mapping[str, Any]
    created: float


class DatasetPage(NamedTuple):
    """Some data sets, newest first, and how many there are in all."""

    datasets: tuple[DatasetRecord, ...]
    total: int


class Datasets:
    """The uploaded tables that a store knows of."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def add(
        self,
        identity: str,
        name: str,
        principal: str,
        file: str,
        sha256: str,
        size: int,
        about: Mapping[str, Any],
        most: int | None = None,
    ) -> DatasetRecord | None:
        """Note a table whose file is in its place already; None where the principal has ``most`` of them.

        Counting and adding are one: several that arrive together do not pass each other.
        """
        now = time.time()
        row = Dataset(id=identity, name=storable(name), principal=storable(principal), file=file, sha256=sha256)
        row.bytes, row.about, row.created = size, json.dumps(about), now
        with self._sessions.write(durable=True) as session:
            if most is not None:
                self._sessions.alone(session)
                mine = session.scalar(_of(select(func.count()).select_from(Dataset), principal)) or 0
                if mine >= most:
                    return None
            session.add(row)
        return DatasetRecord(identity, storable(name), storable(principal), file, sha256, size, about, now)

    def find(self, identity: str, principal: str | None = None) -> DatasetRecord | None:
        """The data set with this id; ``principal`` given: those of others do not exist."""
        if not looks_like_id(identity):
            return None
        wanted = select(Dataset).where(Dataset.id == identity)
        with self._sessions.read() as session:
            row = session.scalar(_of(wanted, principal))
            return None if row is None else _record(row)

    def list(self, principal: str | None = None, *, limit: int = 20, offset: int = 0) -> DatasetPage:
        """A page of data sets, newest first."""
        with self._sessions.read() as session:
            total = session.scalar(_of(select(func.count()).select_from(Dataset), principal)) or 0
            page = _of(select(Dataset), principal).order_by(Dataset.number.desc()).limit(limit).offset(offset)
            return DatasetPage(tuple(_record(row) for row in session.scalars(page)), total)

    def remove(self, identity: str, file: str) -> bool:
        """Forget a data set, unless a run needs it that goes on or can be resumed; whether that was done.

        Its file is the caller's. Looking and forgetting are one: no run is made in between.
        """
        with self._sessions.write(durable=True) as session:
            self._sessions.alone(session)
            open_ = Run.state.in_(("queued", "running", "interrupted", "failed"))
            found = select(Run.number).where(open_, Run.spec.contains(file, autoescape=True)).limit(1)
            if session.scalar(found) is not None:
                return False
            session.execute(delete(Dataset).where(Dataset.id == identity))
        return True


def new_dataset_id(name: str, now: datetime | None = None) -> str:
    """A fresh id such as ``data-20261122-nyc-weather-a1b2c3``."""
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    return f"data-{moment:%Y%m%d}-{slug(name)}-{secrets.token_hex(3)}"


def _of(query: Select[Any], principal: str | None) -> Select[Any]:
    return query if principal is None else query.where(Dataset.principal == storable(principal))


def _record(row: Dataset) -> DatasetRecord:
    about = json.loads(row.about)
    return DatasetRecord(row.id, row.name, row.principal, row.file, row.sha256, row.bytes, about, row.created)
