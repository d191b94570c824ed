"""Copies of a database file: a whole and consistent one while others write, and putting one in the place of another."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from grouping.errors import InputError
from search.errors import ConflictError, DiskError, StoreError
from search.store.home import STORE_FILE, URL_VARIABLE
from search.store.in_use import held_alone
from search.store.models import SCHEMA_VERSION
from search.store.store import Store

__all__ = ["backup", "restore"]

_SIDE_FILES = ("", "-wal", "-shm")


def backup(home: Path, target: Path, url: str | None = None) -> int:
    """Copy the database of a folder of runs to a new file; returns how many runs it holds.

    Args:
        home: Folder of runs.
        target: The new file.
        url: The database, where it is not in the home: such a one is not copied here.

    Raises:
        InputError: the file is there already, or the database is on a server.
        DiskError: it cannot be written.
        StoreError: the database cannot be used.
    """
    _check_file(url, "pg_dump --format=custom --file=FILE DATABASE")
    if target.exists():
        raise InputError("is there already", where=str(target), fix="Choose another name, or move it away")
    with Store.open(home, create=False) as store:
        runs = store.list_runs(limit=1).total
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            contextlib.closing(sqlite3.connect(home / STORE_FILE)) as source,
            contextlib.closing(sqlite3.connect(temporary)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise DiskError(f"the copy cannot be written ({error})", where=str(target), fix="Free some space") from error
    finally:
        temporary.unlink(missing_ok=True)
    return runs


def restore(home: Path, source: Path, url: str | None = None) -> tuple[int, Path | None]:
    """Put a copy in the place of a folder's database; returns its number of runs, and where the former one is now.

    Raises:
        InputError: there is no such file, it is no database of runs, or the database is on a server.
        ConflictError: somebody works on a run, or a service has the database open.
        StoreError: the copy is damaged, or a newer version's.
        DiskError: no space.
    """
    _check_file(url, "pg_restore --clean --dbname=DATABASE FILE")
    _check_copy(source)
    try:
        with held_alone(home):
            return _put_back(home, source)
    except (OSError, sqlite3.Error) as error:
        raise DiskError(f"the copy cannot be put there ({error})", where=str(home), fix="Free some space") from error


def _put_back(home: Path, source: Path) -> tuple[int, Path | None]:
    present = home / STORE_FILE
    with contextlib.suppress(StoreError):  # a database that cannot be read is what one restores after
        with Store.open(home, create=False) as store:
            running = store.list_runs(state="running", limit=1).runs
        if running:
            fix = "Wait for it, or stop it with Ctrl-C or: taskgroup cancel RUN. Stop 'taskgroup serve' too"
            raise ConflictError(f"run '{running[0].id}' is being worked on", where=str(present), fix=fix)
    temporary = home / f".{STORE_FILE}.{os.getpid()}"
    try:
        with (
            contextlib.closing(sqlite3.connect(source)) as copy,
            contextlib.closing(sqlite3.connect(temporary)) as placed,
        ):
            copy.backup(placed)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        former = _put_aside(present)
        temporary.rename(present)
    finally:
        temporary.unlink(missing_ok=True)
    with Store.open(home) as store:
        return store.list_runs(limit=1).total, former


def _put_aside(present: Path) -> Path | None:
    """Rename the present database with the files beside it; returns its new name, if there was one."""
    if not present.exists():
        return None
    former = present.with_name(f"{present.name}.before-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    for suffix in _SIDE_FILES:
        path = present.with_name(present.name + suffix)
        if path.exists():
            path.rename(former.with_name(former.name + suffix))
    return former


def _check_file(url: str | None, command: str) -> None:
    if url is not None:
        fix = f"Use the server's own: {command}"
        raise InputError("the database is on a server, which has its own way to copy it", where=URL_VARIABLE, fix=fix)


def _check_copy(source: Path) -> None:
    if not source.is_file():
        raise InputError("there is no such file", where=str(source), fix="Make one with: taskgroup backup FILE")
    try:
        with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            (sound,) = copy.execute("PRAGMA integrity_check").fetchone()
            (version,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
            copy.execute("SELECT number FROM runs LIMIT 1").fetchone()
    except (sqlite3.Error, TypeError) as error:
        fix = "Give a file that 'taskgroup backup' has made"
        raise InputError(f"is no database of runs ({error})", where=str(source), fix=fix) from error
    if sound != "ok":
        raise StoreError(f"the copy is damaged ({str(sound)[:200]})", where=str(source), fix="Take an earlier one")
    if str(version) > SCHEMA_VERSION:
        what = f"the copy has schema {version}, newer than {SCHEMA_VERSION}, the newest this version knows"
        raise StoreError(what, where=str(source), fix="Upgrade taskgrouping")
