"""Transactions on the store's database, for every noun that is kept there: runs, configurations, tokens, data sets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from search.faults import passing
from search.store.clock import Moment, host_moment
from search.store.database import BEGIN, SYNCHRONOUS, translated

__all__ = ["Sessions"]


class Sessions:
    """Opens transactions; serves all threads of a process, its writers take turns.

    Args:
        engine: From ``open_database``.
        path: The file, for messages.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self.path = path
        self.epochs: dict[str, int] = {}  # of the runs that were taken through this object: for whoever fences
        self._turn = threading.Lock()
        self.engine = engine
        self._durable = engine.execution_options(**{BEGIN: "IMMEDIATE", SYNCHRONOUS: "FULL"})
        self._quick = engine.execution_options(**{BEGIN: "IMMEDIATE", SYNCHRONOUS: "NORMAL"})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent moment of the database; never waits for writers."""
        with translated(self.path), Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """One transaction that has happened or has not; a ``durable`` one survives a power cut after it."""
        engine = self._durable if durable else self._quick
        with self._turn, translated(self.path), Session(engine) as session:
            with session.begin():
                yield session
                session.flush()
                passing("store.commit.before")
            passing("store.commit.after")

    def moment(self, session: Session) -> Moment:
        """Now, on the clock that leases run on."""
        return host_moment()

    def close(self) -> None:
        """Give the database back."""
        self.engine.dispose()
