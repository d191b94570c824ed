"""The database engines that every store test of the contract runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.store.store import Store
from tests.contract.stores import Place


@pytest.fixture(params=["sqlite"])
def place(tmp_path: Path) -> Place:
    """A database of runs that is empty."""
    return Place(tmp_path)


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
