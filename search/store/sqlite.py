"""The database as a file of SQLite: opened with the right settings, its errors translated.

Nothing here knows what a run is; ``store`` does.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from search.errors import DiskError, StoreError, StoreUnavailableError
from search.store.clock import host_moment
from search.store.database import Database
from search.store.schema import bring_up_to_date

__all__ = ["BUSY_SECONDS", "open_file"]

BUSY_SECONDS = 10.0
"""How long a statement waits for another process's lock before it gives up."""

_BEGIN = "store_begin"
"""Execution option: how a transaction begins. Writers say IMMEDIATE: a transaction that reads first and writes later
is refused at once, whatever the waiting time, when another process wrote in between."""

_SYNCHRONOUS = "store_synchronous"
"""Execution option: FULL survives a power cut after the commit, NORMAL may lose the last commits to one."""


def open_file(path: Path, *, create: bool) -> Database:
    """The database at ``path``, up to date and writable.

    Raises:
        StoreError: missing (unless ``create``), read-only, locked, damaged, not ours or written by a newer version.
        DiskError: no space for it.
    """
    _check_place(path, create=create)
    # Connections are made when needed, wherever the process has moved to by then.
    engine = create_engine(URL.create("sqlite", database=str(path.absolute())), connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    writing = engine.execution_options(**{_BEGIN: "IMMEDIATE"})
    database = Database(
        engine=engine,
        place=str(path),
        reading=engine,
        durable=writing,
        quick=writing.execution_options(**{_SYNCHRONOUS: "NORMAL"}),
        one_writer=True,
        translate=lambda error: _translate(error, path),
        moment=lambda session: host_moment(),
    )
    try:
        with database.translated():
            _use_write_ahead_log(engine)
            bring_up_to_date(database, "Move it away, or set TASKGROUP_HOME to another folder")
    except BaseException:
        engine.dispose()
        raise
    return database


def _check_place(path: Path, *, create: bool) -> None:
    home = path.parent
    if create:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fix = "Set TASKGROUP_HOME to a folder that can be written"
            raise StoreError(
                f"the folder of runs cannot be made ({error.strerror})", where=str(home), fix=fix
            ) from error
    elif not path.exists():
        missing = "database of runs" if home.is_dir() else "folder of runs"
        fix = "Check TASKGROUP_HOME and the current directory, or start a first run: taskgroup recommend SPEC"
        raise StoreError(f"there is no {missing} here", where=str(path if home.is_dir() else home), fix=fix)
    for place in (home, *(p for p in (path, *_side_files(path)) if p.exists())):
        if not os.access(place, os.W_OK):
            fix = "Give yourself write permission, or set TASKGROUP_HOME to a folder that can be written"
            raise StoreError("the database of runs is read-only", where=str(place), fix=fix)


def _side_files(path: Path) -> tuple[Path, Path]:
    return Path(f"{path}-wal"), Path(f"{path}-shm")


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin in _begin, not behind our back
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql(f"PRAGMA synchronous = {options.get(_SYNCHRONOUS, 'FULL')}")
    connection.exec_driver_sql(f"BEGIN {options.get(_BEGIN, 'DEFERRED')}")


def _use_write_ahead_log(engine: Engine) -> None:
    # The mode is a property of the file. Changing it does not wait for locks, hence the patience here.
    deadline = time.monotonic() + BUSY_SECONDS
    connection = engine.raw_connection()
    try:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
    finally:
        connection.close()


def _primary(error: BaseException | None) -> int:
    # SQLite packs details into the upper bits of a result code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translate(error: BaseException | None, path: Path) -> StoreError | DiskError:
    where = str(path)
    match _primary(error):
        case sqlite3.SQLITE_FULL:
            fix = "Free some space; nothing that was recorded is lost, and `taskgroup resume` goes on from there"
            return DiskError("no space left for the database of runs", where=where, fix=fix)
        case sqlite3.SQLITE_IOERR:
            fix = "Check the disk and its free space; `taskgroup resume` goes on from what was recorded"
            return DiskError(f"the database of runs cannot be read or written ({error})", where=where, fix=fix)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            what = f"the database of runs was locked by another process for more than {BUSY_SECONDS:g} seconds"
            fix = "Let the other process finish or end it, then try again"
            return StoreUnavailableError(what, where=where, fix=fix)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            fix = "Give yourself write permission, or set TASKGROUP_HOME to a folder that can be written"
            return StoreError(f"the database of runs cannot be written ({error})", where=where, fix=fix)
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            fix = "Restore it from a copy, or move it away to start afresh; finished run folders stay readable"
            return StoreError(f"the database of runs is damaged ({error})", where=where, fix=fix)
        case _:
            fix = "Move the database away to start afresh, or report this"
            return StoreError(f"the database of runs refused a statement ({error})", where=where, fix=fix)
