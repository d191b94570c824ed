"""Who has the database file of a home open for long, so that nobody puts another in its place meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import ConflictError
from search.store.home import STORE_FILE

__all__ = ["held", "held_alone"]


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Keep the database where it is for as long as the block lasts; several may do so.

    Raises:
        ConflictError: it is being replaced.
    """
    with _locked(home, fcntl.LOCK_SH, "the database is being restored", "Start again when that is done"):
        yield


@contextmanager
def held_alone(home: Path) -> Iterator[None]:
    """Have the database alone for as long as the block lasts.

    Raises:
        ConflictError: a service has it.
    """
    with _locked(home, fcntl.LOCK_EX, "the database is being served", "Stop 'taskgroup serve' first, then restore"):
        yield


@contextmanager
def _locked(home: Path, how: int, what: str, fix: str) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    # A file of its own: on some network disks these locks are of the kind by which SQLite locks its file.
    lock = os.open(home / f".{STORE_FILE}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(what, where=str(home / STORE_FILE), fix=fix) from None
        yield
    finally:
        os.close(lock)  # the system lets go of the lock with it, also when the process is killed
