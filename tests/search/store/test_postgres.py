"""What may go wrong with a database server: one clear error without its password, and normal work once it is back."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from search.errors import StoreError, StoreUnavailableError
from search.store.configurations import Configurations
from search.store.models import Base
from search.store.postgres import open_server
from search.store.store import Store
from search.trials import Trial, TrialResult
from tests.postgres import PASSWORD, PostgresServer

TRIAL = Trial(("a",), 1.0, 0)


def _result() -> TrialResult:
    return TrialResult(np.array([1]), np.ones((1, 1)), 0.0, "h:1")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, url=url) as store:
        yield store


def _assert_refused(url: str, kind: type[StoreError], message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        Store.open(Path("nowhere"), url=url)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 4
    assert caught.value.fix
    said = str(caught.value) + repr(caught.value.as_json())
    assert not [secret for secret in (PASSWORD, "se%2Fcr%40t", "wr0ng") if secret in said]


def test_migrating_an_empty_database_gives_exactly_the_models(url: str) -> None:
    engine = open_server(url).engine
    with engine.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
        )
    engine.dispose()


def test_processes_that_open_an_empty_database_at_once_make_one_schema(url: str, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from search.store.store import Store\n"
    code += "with Store.open(Path('.')) as store: store.create_run('x', 'recommend', '', {})"
    environment = {"PYTHONPATH": ":".join(sys.path), "TASKGROUP_STORE": url}
    openers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [opener.communicate()[1] for opener in openers] == [""] * 4
    with Store.open(tmp_path, url=url) as store:
        assert store.list_runs().total == 4
    assert not list(tmp_path.iterdir()), "no file is made where a server holds the store"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("wr0ng", "no address of a database"),
        ("mysql://tg:wr0ng@host/x", "'mysql' are not supported"),
        ("sqlite:///x.db?wr0ng", "'sqlite' are not supported"),
    ],
)
def test_an_address_that_is_none_is_told_without_repeating_it(url: str, message: str) -> None:
    _assert_refused(url, StoreError, message)


def test_whoever_is_refused_is_told_why(postgres: PostgresServer) -> None:
    _assert_refused(postgres.url("postgres", "wr0ng"), StoreError, "does not know this user or password")
    _assert_refused(postgres.url("missing"), StoreError, "there is no such database")
    nobody = postgres.url("postgres").replace(f":{postgres.port}/", ":1/")
    _assert_refused(nobody, StoreUnavailableError, "does not answer")


def test_a_newer_schema_and_another_programs_tables_are_refused(postgres: PostgresServer, store: Store) -> None:
    with store.sessions.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    address = store.sessions.engine.url.render_as_string(hide_password=False)
    _assert_refused(address, StoreError, "schema 0999, newer than")
    with store.sessions.write() as session:
        session.execute(text("DROP TABLE alembic_version"))
    _assert_refused(address, StoreError, "another program")


def test_after_a_restart_the_next_statement_works_and_in_between_it_is_unavailable(
    postgres: PostgresServer, store: Store
) -> None:
    run = store.create_run("x", "recommend", "", {})
    store.take(run)
    postgres.stop()
    with pytest.raises(StoreUnavailableError, match="does not answer") as caught:
        store.run(run)
    assert PASSWORD not in str(caught.value)
    postgres.start()
    store.record_result(run, "p", TRIAL, "key", _result())
    assert store.run(run).finished == 1


def test_whoever_works_on_a_run_waits_for_a_server_that_restarts(postgres: PostgresServer, store: Store) -> None:
    run = store.create_run("x", "recommend", "", {})
    store.take(run)
    store.sessions.patience_seconds = 60.0
    postgres.stop()
    restart = threading.Timer(0.5, postgres.start)
    restart.start()
    began = time.monotonic()
    store.record_result(run, "p", TRIAL, "key", _result())
    assert time.monotonic() - began > 0.4
    restart.join()
    assert [trial.attempts for trial in store.trials(run)] == [1]


def test_a_search_waits_for_a_server_that_restarts_too(postgres: PostgresServer, store: Store) -> None:
    run = store.create_run("x", "search", "", {})
    store.take(run)
    store.sessions.patience_seconds = 60.0
    tried = Configurations(store.sessions)
    writes: list[Callable[[], None]] = [
        lambda: tried.begin(run, 0, {"depth": 1}, 1.0),
        lambda: tried.read(run, 0, 0.5, 2.0),
        lambda: tried.end(run, 0, "stopped", found="hard"),
    ]
    for write in writes:
        postgres.stop()
        restart = threading.Timer(0.3, postgres.start)
        restart.start()
        write()
        restart.join()
    (record,) = tried.of(run)
    assert (record.state, record.attempts, record.readings, record.found) == ("stopped", 1, ((0.5, 2.0),), "hard")


def test_a_server_without_a_free_connection_says_so(postgres: PostgresServer, store: Store) -> None:
    store.sessions.engine.dispose()
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.callback(psycopg.connect(postgres.url("postgres").replace("+psycopg", "")).close)
        with pytest.raises(StoreUnavailableError, match="takes no more connections"):
            store.list_runs()
    deadline = time.monotonic() + 30
    while True:  # the server lets go of them in its own time
        with contextlib.suppress(StoreUnavailableError):
            assert store.list_runs().total == 0
            return
        assert time.monotonic() < deadline
