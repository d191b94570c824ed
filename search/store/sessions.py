"""Transactions on the store's database, for every noun that is kept there: runs, configurations, tokens, data sets."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search.errors import StoreUnavailableError
from search.faults import passing
from search.store.clock import Moment
from search.store.database import Database

__all__ = ["Sessions", "again"]

T = TypeVar("T")
P = ParamSpec("P")

_CREATION_LOCK = 7_471_002
_EVERY_SECONDS = 0.2


class Sessions:
    """Opens transactions; serves all threads of a process, whose writers take turns where the database wants that.

    Args:
        database: What was opened.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.place = database.place
        self.engine = database.engine
        self.epochs: dict[str, int] = {}  # of the runs that were taken through this object: for whoever fences
        self.patience_seconds = 0.0
        """How long methods marked ``again`` wait for a database that is away; whoever works on a run waits."""
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if database.one_writer else contextlib.nullcontext()
        )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent moment of the database; never waits for writers."""
        with self.database.translated(), Session(self.database.reading) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """One transaction that has happened or has not; a ``durable`` one survives a power cut after it."""
        engine = self.database.durable if durable else self.database.quick
        with self._turn, self.database.translated(), Session(engine) as session:
            with session.begin():
                yield session
                session.flush()
                passing("store.commit.before")
            passing("store.commit.after")

    def alone(self, session: Session) -> None:
        """Wait until no other transaction that called this is under way: for what no single row can be locked for."""
        if not self.database.one_writer:
            session.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))

    def moment(self, session: Session) -> Moment:
        """Now, on the clock that leases run on."""
        return self.database.moment(session)

    def close(self) -> None:
        """Give the database back."""
        self.engine.dispose()


class _HasSessions(Protocol):
    sessions: Sessions


S = TypeVar("S", bound=_HasSessions)


def again(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Mark a method that may be called again when the database went away, since it does nothing twice.

    It then waits for the database as long as ``Sessions.patience_seconds``.
    """

    @functools.wraps(method)
    def patient(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        deadline = time.monotonic() + self.sessions.patience_seconds
        while True:
            try:
                return method(self, *args, **kwargs)
            except StoreUnavailableError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_EVERY_SECONDS)

    return patient
