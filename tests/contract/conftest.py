"""The database engines that every store test of the contract runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.store.store import Store
from tests.contract.stores import Place
from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database with the present schema, which others are copied from."""
    url = postgres.new_database()
    Store.open(tmp_path_factory.mktemp("home"), url=url).close()
    return url.rpartition("/")[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database of runs that is empty."""
    if request.param == "sqlite":
        return Place(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Place(tmp_path, server.new_database(request.getfixturevalue("migrated")))


@pytest.fixture
def reopen(place: Place) -> Callable[[], Store]:
    """Opens the same database anew at every call."""
    return place.open


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Iterator[Store]:
    with reopen() as store:
        yield store


@pytest.fixture
def run(store: Store) -> str:
    """A run that this process works on."""
    run = store.create_run("nyc weather", "recommend", "name: x\n", {"trainings": 2}, tasks=["temp", "rain"], planned=2)
    store.set_state(run, "running")
    return run
