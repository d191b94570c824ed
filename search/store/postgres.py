"""The database on a PostgreSQL server, by URL: for a service on several machines, or runs that are watched from others.

Its password is in no message. Transactions that read see one moment (REPEATABLE READ); those that write lock the run
they are about, so that writers on different runs do not wait for each other.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import URL, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from search.errors import DiskError, StoreError, StoreUnavailableError
from search.store.clock import DATABASE, Moment
from search.store.database import Database
from search.store.home import URL_VARIABLE
from search.store.schema import bring_up_to_date

__all__ = ["open_server", "shown_url"]

_DRIVER = "postgresql+psycopg"
_CONNECT_SECONDS = 5
_LOCK_SECONDS = 10
_POOL_SECONDS = 10

_FORM = f"Give {_DRIVER}://user:password@host/database in {URL_VARIABLE}"
_OTHER_PLACE = f"Use a database of its own: change {URL_VARIABLE}"

_AWAY: Final = ("08", "57P")
"""Beginnings of SQLSTATE: connection exceptions, and a server that is stopping or starting."""


def open_server(url: str) -> Database:
    """The database at ``url``, up to date.

    Raises:
        StoreError: no URL of a PostgreSQL database, refused, not ours, or written by a newer version.
        StoreUnavailableError: nobody answers, or the server takes no more connections.
    """
    address = _address(url)
    place = shown_url(address)
    try:
        engine = create_engine(
            address,
            pool_pre_ping=True,  # a server that was restarted is noticed before it is spoken to
            pool_timeout=_POOL_SECONDS,
            connect_args={"connect_timeout": _CONNECT_SECONDS, "options": f"-c lock_timeout={_LOCK_SECONDS}s"},
        )
    except ModuleNotFoundError as error:
        fix = "Install it: pip install 'taskgrouping[postgres]'"
        raise StoreError("the driver for PostgreSQL is not installed", where=place, fix=fix) from error
    # Every transaction is durable: a server may crash while the process that wrote goes on and believes it was kept.
    database = Database(
        engine=engine,
        place=place,
        reading=engine.execution_options(isolation_level="REPEATABLE READ"),
        durable=engine,
        quick=engine,
        one_writer=False,
        translate=lambda error: _translate(error, place),
        moment=_moment,
    )
    try:
        with database.translated():
            bring_up_to_date(database, _OTHER_PLACE)
    except BaseException:
        engine.dispose()
        raise
    return database


def shown_url(address: URL) -> str:
    """The address without anything that is a secret."""
    return address.set(query={}).render_as_string(hide_password=True)


def _address(url: str) -> URL:
    # The text itself is in no message: what could not be read may hold a password anywhere.
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError("this is no address of a database", where=URL_VARIABLE, fix=_FORM) from None
    if address.drivername not in {"postgresql", "postgres", _DRIVER}:
        what = f"databases of '{address.drivername[:40]}' are not supported, PostgreSQL is"
        raise StoreError(what, where=URL_VARIABLE, fix=_FORM)
    return address.set(drivername=_DRIVER)


def _moment(session: Session) -> Moment:
    seconds = session.scalar(select(func.extract("epoch", func.clock_timestamp())))
    assert seconds is not None
    return Moment(DATABASE, float(seconds))


def _translate(error: BaseException | None, place: str) -> StoreError | DiskError:
    state = str(getattr(error, "sqlstate", None) or "")
    said = " ".join(str(error).split())
    if state == "53100":
        fix = "Free some space there; nothing that was recorded is lost, and `taskgroup resume` goes on from there"
        return DiskError("no space left for the database of runs", where=place, fix=fix)
    if state == "53300" or "too many clients" in said or "remaining connection slots" in said:
        fix = "Raise max_connections, or let fewer processes use it"
        return StoreUnavailableError("the database server takes no more connections", where=place, fix=fix)
    if state in {"28P01", "28000"} or "authentication failed" in said or "no password supplied" in said:
        fix = f"Correct user and password in {URL_VARIABLE}"
        return StoreError("the database server does not know this user or password", where=place, fix=fix)
    if state == "3D000" or ("database" in said and "does not exist" in said):
        return StoreError("there is no such database", where=place, fix=f"Create it, or correct {URL_VARIABLE}")
    if state == "55P03":
        what = f"the run was locked by another process for more than {_LOCK_SECONDS} seconds"
        return StoreUnavailableError(what, where=place, fix="Let the other process finish or end it, then try again")
    if state in {"40001", "40P01"}:
        return StoreUnavailableError("the database server asks to try again", where=place, fix="Try again")
    if state in {"42501", "25006"}:
        fix = "Give this user the right to create tables and write, or use another database"
        return StoreError(f"the database of runs cannot be written ({said[:200]})", where=place, fix=fix)
    if not state or state.startswith(_AWAY):
        fix = f"Start it, or correct {URL_VARIABLE}; `taskgroup resume` goes on from what was recorded"
        return StoreUnavailableError(f"the database server does not answer ({said[-200:]})", where=place, fix=fix)
    fix = "See the server's log, or report this"
    return StoreError(f"the database of runs refused a statement ({state}: {said[:200]})", where=place, fix=fix)
