"""What an architecture search tried, configuration by configuration: the truth that Tune and Optuna are told from.

Nothing here knows what a configuration means: it is a place in the plan with values, and what was read of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.errors import StoreError
from search.store.fencing import Fenced
from search.store.models import Configuration
from search.store.rows import number_of, storable
from search.store.sessions import again

__all__ = ["ENDED", "ConfigurationRecord", "ConfigurationState", "Configurations"]

ConfigurationState = Literal["sampled", "running", "finished", "stopped", "failed"]

ENDED: Final = frozenset({"finished", "stopped", "failed"})
"""States that nothing follows. ``stopped`` is early: its loss is censored, and never taken for a final one."""


@dataclass(frozen=True)
class ConfigurationRecord:
    """One configuration as it stood when it was read.

    Args:
        place: Its place in the plan, from 0.
        values: The point of the space.
        state: ``sampled`` once it is drawn, ``running`` once something was read.
        attempts: How often its training was begun.
        loss: The last one read; a final one only where it is ``finished``.
        cost: What serving its network costs, in the budget's unit.
        readings: Shares of the training and the losses read there.
        found: What its network is once everything was found, as a candidate's label; empty before.
        seconds: Process time of its training.
        worker: Who trained it.
        reason, detail: Why it failed; empty otherwise.
    """

    place: int
    values: Mapping[str, Any]
    state: ConfigurationState
    attempts: int
    loss: float | None
    cost: float | None
    readings: tuple[tuple[float, float], ...]
    found: str
    seconds: float
    worker: str
    reason: str
    detail: str


class Configurations(Fenced):
    """Configurations of runs.

    **Atomicity and ownership** are those of ``Store``: a method happens or does not, and only the process that works on
    a run may write. **An end is an end**: what finished, stopped or failed is never changed again. **Patience**: who
    works on a run waits for a database that is away for a moment, and what is written once more changes nothing.

    Args:
        sessions: The store's, ``store.sessions``.
    """

    @again
    def begin(self, run: str, place: int, values: Mapping[str, Any], cost: float) -> None:
        """A configuration was drawn, or is trained once more from its beginning.

        Raises:
            StoreError: it ended before, or has other values.
        """
        with self.sessions.write() as session:
            number = self._mine(session, run).number
            row = self._row(session, number, place)
            text = json.dumps(dict(values), sort_keys=True)
            if row is None:
                row = Configuration(run=number, key=_key(place), values=text, cost=cost, attempts=0, seconds=0.0)
                row.worker = row.reason = row.detail = row.found = ""
                session.add(row)
            if row.state in ENDED or row.values != text:
                raise StoreError(
                    f"configuration {place} of run '{run}' is there already",
                    where=self._place,
                    fix="This is a defect: report it with the run's log",
                )
            row.state, row.loss, row.readings = "sampled", None, "[]"
            row.attempts += 1
            row.recorded = time.time()

    @again
    def read(self, run: str, place: int, share: float, loss: float) -> None:
        """Add a loss that was read after a share of the training."""
        with self.sessions.write() as session:
            row = self._open(session, run, place)
            before = json.loads(row.readings)
            if before[-1:] == [[share, loss]]:
                return
            row.readings = json.dumps([*before, [share, loss]])
            row.state, row.loss, row.recorded = "running", loss, time.time()

    @again
    def end(
        self,
        run: str,
        place: int,
        state: Literal["finished", "stopped", "failed"],
        *,
        found: str = "",
        seconds: float = 0.0,
        worker: str = "",
        reason: str = "",
        detail: str = "",
    ) -> None:
        """How it ended; whatever was read before stays.

        Raises:
            StoreError: it ended before in another way, or was never begun.
        """
        with self.sessions.write() as session:
            row = self._row(session, self._mine(session, run).number, place)
            told = state, storable(found), seconds, worker, storable(reason), storable(detail)
            if row is not None and told == (row.state, row.found, row.seconds, row.worker, row.reason, row.detail):
                return
            row = self._open(session, run, place)
            row.state, row.found, row.seconds, row.worker = state, storable(found), seconds, worker
            row.reason, row.detail, row.recorded = storable(reason), storable(detail), time.time()

    @again
    def of(self, run: str) -> tuple[ConfigurationRecord, ...]:
        """All configurations of a run by their places; places that nothing was drawn for are left out."""
        with self.sessions.read() as session:
            number = number_of(session, run)
            rows = session.scalars(
                select(Configuration).where(Configuration.run == number).order_by(Configuration.key)
            ).all()
            return tuple(_record(row) for row in rows)

    def _open(self, session: Session, run: str, place: int) -> Configuration:
        row = self._row(session, self._mine(session, run).number, place)
        if row is None or row.state in ENDED:
            raise StoreError(
                f"configuration {place} of run '{run}' has {'ended' if row else 'not begun'}",
                where=self._place,
                fix="This is a defect: report it with the run's log",
            )
        return row

    def _row(self, session: Session, run: int, place: int) -> Configuration | None:
        return session.scalar(select(Configuration).where(Configuration.run == run, Configuration.key == _key(place)))


def _key(place: int) -> str:
    return f"{place:06}"


def _record(row: Configuration) -> ConfigurationRecord:
    readings: Sequence[tuple[float, float]] = json.loads(row.readings)
    return ConfigurationRecord(
        place=int(row.key),
        values=json.loads(row.values),
        state=cast("ConfigurationState", row.state),
        attempts=row.attempts,
        loss=row.loss,
        cost=row.cost,
        readings=tuple((share, loss) for share, loss in readings),
        found=row.found,
        seconds=row.seconds,
        worker=row.worker,
        reason=row.reason,
        detail=row.detail,
    )
