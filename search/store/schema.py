"""Which schema a database has, and how an older one is brought to the present one: once, whoever opens it first."""

from __future__ import annotations

from sqlalchemy import Connection, func, inspect, select, text

from search.errors import StoreError
from search.store.database import Database
from search.store.models import SCHEMA_VERSION

__all__ = ["MIGRATION_LOCK", "bring_up_to_date"]

MIGRATION_LOCK = 7_471_001
"""Advisory lock of a server under which its schema is changed; a file is locked as a whole."""

_VERSION_TABLE = "alembic_version"


def bring_up_to_date(database: Database, other_place: str) -> None:
    """Apply the revisions that are missing.

    Args:
        database: What was opened.
        other_place: How to use another database instead, for messages.

    Raises:
        StoreError: another program's database, or a newer version's.
    """
    with database.engine.connect() as connection:
        if _version(connection, database.place, other_place) == SCHEMA_VERSION:
            return
    with database.durable.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if _version(connection, database.place, other_place) != SCHEMA_VERSION:  # else another process was quicker
            _upgrade(connection)


def _version(connection: Connection, place: str, other_place: str) -> str | None:
    """The revision of the database; None for an empty one."""
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if _VERSION_TABLE not in tables:
        raise StoreError("this database belongs to another program", where=place, fix=other_place)
    version: str | None = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608 - our constant
    if version is not None and version > SCHEMA_VERSION:
        raise StoreError(
            f"the database has schema {version}, newer than {SCHEMA_VERSION}, the newest this version knows",
            where=place,
            fix=f"Upgrade taskgrouping. {other_place}",
        )
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # half the time of opening a store, and needed once in its life
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", "search.store:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, SCHEMA_VERSION)
