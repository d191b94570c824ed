"""The migrations and the models describe one schema, and opening a store applies them once."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from search.store.home import STORE_FILE
from search.store.models import SCHEMA_VERSION, Base
from search.store.sqlite import open_file


def test_migrating_an_empty_file_gives_exactly_the_models(tmp_path: Path) -> None:
    engine = open_file(tmp_path / STORE_FILE, create=True).engine
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == SCHEMA_VERSION
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_version_this_code_expects_is_the_newest_there_is() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", "search.store:migrations")
    script = ScriptDirectory.from_config(configuration)
    assert script.get_heads() == [SCHEMA_VERSION]
    assert [revision.revision for revision in script.walk_revisions()] == ["0002", "0001"]


def test_every_connection_keeps_the_rules_for_sqlite(tmp_path: Path) -> None:
    engine = open_file(tmp_path / STORE_FILE, create=True).engine
    with engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
