"""What the store keeps of an architecture search, on every engine: the promises in ``Configurations``' docstring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from grouping.errors import InputError
from search.errors import StoreError
from search.store.configurations import ENDED, Configurations
from search.store.store import Store

VALUES = {"learning_rate": 0.1 + 0.2, "sharing": "mtan", "depth": 3}


def test_a_configuration_keeps_its_values_and_what_was_read(
    store: Store, run: str, reopen: Callable[[], Store]
) -> None:
    tried = Configurations(store.sessions)
    tried.begin(run, 3, VALUES, 1 / 3)
    assert tried.of(run)[0].state == "sampled"
    tried.read(run, 3, 0.25, 1.5)
    tried.read(run, 3, 1.0, 0.1 + 0.2)
    assert tried.of(run)[0].state == "running"
    tried.end(run, 3, "finished", found="mtan with capacity=2", seconds=1.5, worker="host:1")
    with reopen() as again:
        (record,) = Configurations(again.sessions).of(run)
    assert (record.place, record.values, record.cost, record.attempts) == (3, VALUES, 1 / 3, 1)
    assert (record.state, record.loss, record.readings) == ("finished", 0.1 + 0.2, ((0.25, 1.5), (1.0, 0.1 + 0.2)))
    assert (record.found, record.seconds, record.worker) == ("mtan with capacity=2", 1.5, "host:1")


def test_configurations_come_in_the_order_of_their_places(store: Store, run: str) -> None:
    tried = Configurations(store.sessions)
    for place in (10, 2, 0):
        tried.begin(run, place, VALUES, 1.0)
    assert [record.place for record in tried.of(run)] == [0, 2, 10]


def test_one_that_is_begun_again_starts_anew(store: Store, run: str) -> None:
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    tried.read(run, 0, 0.25, 1.5)
    tried.begin(run, 0, VALUES, 1.0)
    (record,) = tried.of(run)
    assert (record.state, record.attempts, record.readings, record.loss) == ("sampled", 2, (), None)


def test_what_is_written_once_more_changes_nothing(store: Store, run: str) -> None:
    """Whoever lost the database's answer does not know whether it was heard, and says it again."""
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    tried.read(run, 0, 0.25, 1.5)
    tried.read(run, 0, 0.25, 1.5)
    assert tried.of(run)[0].readings == ((0.25, 1.5),)
    tried.end(run, 0, "stopped", found="mtan", seconds=1.5, worker="host:1")
    before = tried.of(run)
    tried.end(run, 0, "stopped", found="mtan", seconds=1.5, worker="host:1")
    assert tried.of(run) == before
    with pytest.raises(StoreError):
        tried.end(run, 0, "stopped", found="mtan", seconds=2.5, worker="host:1")


@pytest.mark.parametrize("end", sorted(ENDED))
def test_an_end_is_an_end(store: Store, run: str, end: Literal["finished", "stopped", "failed"]) -> None:
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    tried.end(run, 0, end, reason="because")
    before = tried.of(run)
    with pytest.raises(StoreError):
        tried.begin(run, 0, VALUES, 1.0)
    with pytest.raises(StoreError):
        tried.read(run, 0, 1.0, 0.5)
    with pytest.raises(StoreError):
        tried.end(run, 0, "finished")
    assert tried.of(run) == before


def test_a_place_keeps_the_values_that_it_was_first_given(store: Store, run: str) -> None:
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    with pytest.raises(StoreError):
        tried.begin(run, 0, {**VALUES, "depth": 4}, 1.0)
    with pytest.raises(StoreError):
        tried.end(run, 1, "failed")


def test_only_the_process_at_work_writes(store: Store, run: str) -> None:
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    store.set_state(run, "interrupted")
    with pytest.raises(StoreError, match="nothing was written"):
        tried.read(run, 0, 1.0, 0.5)
    with pytest.raises(StoreError, match="nothing was written"):
        tried.begin(run, 1, VALUES, 1.0)
    assert tried.of(run)[0].readings == ()
    with pytest.raises(InputError):
        tried.of("no-such-run")


def test_searches_do_not_see_each_other(store: Store, run: str) -> None:
    other = store.create_run("tox", "search", "name: x\n", {})
    store.set_state(other, "running")
    tried = Configurations(store.sessions)
    tried.begin(run, 0, VALUES, 1.0)
    tried.begin(other, 0, {"depth": 1}, 2.0)
    assert tried.of(run)[0].values == VALUES
    assert tried.of(other)[0].values == {"depth": 1}
