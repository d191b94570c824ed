"""What the service keeps in the store, on every engine: tokens, data sets, places for runs, runs made together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from grouping.errors import InputError
from search.errors import ConflictError
from search.store.creation import Made, NewRun
from search.store.datasets import Datasets, new_dataset_id
from search.store.slots import Slots
from search.store.store import Store
from search.store.tokens import Tokens


def test_a_token_opens_until_it_is_revoked_or_over(store: Store) -> None:
    tokens = Tokens(store.sessions)
    assert not tokens.any_valid()
    record, text = tokens.create("ada", "submit")
    _, brief = tokens.create("bob", "read", 1e-6)
    assert tokens.any_valid()
    assert tokens.check(text) == record
    assert tokens.check(brief) is None
    assert [one.name for one in tokens.list()] == ["ada", "bob"]
    assert tokens.revoke(record.id).revoked is not None
    assert tokens.check(text) is None
    assert not tokens.any_valid()
    for name, scope, seconds in (("", "read", None), ("a b", "read", None), ("a", "root", None), ("a", "read", -1.0)):
        with pytest.raises(InputError):
            tokens.create(name, scope, seconds)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        tokens.revoke("nothing")


def test_data_sets_belong_to_whoever_uploaded_them(store: Store) -> None:
    datasets = Datasets(store.sessions)
    ids = [new_dataset_id("Plants & more") for _ in range(3)]
    for identity, who in zip(ids, ("ada", "ada", "bob"), strict=True):
        datasets.add(identity, "plants \ud800", who, f"{identity}.csv", "0" * 64, 2**40, {"rows": 3})
    page = datasets.list("ada", limit=1)
    assert (page.total, [one.id for one in page.datasets]) == (2, [ids[1]])
    found = datasets.find(ids[0], "ada")
    assert found is not None
    assert (found.bytes, found.about) == (2**40, {"rows": 3})
    assert datasets.find(ids[0], "bob") is None
    assert datasets.find("../etc/passwd") is None
    run = store.create_run("x", "recommend", f"data: {{source: {ids[0]}.csv}}\n", {}, principal="ada")
    for state in ("queued", "failed"):
        assert state == store.run(run).state
        assert not datasets.remove(ids[0], f"{ids[0]}.csv")
        assert datasets.find(ids[0]) is not None
        if state == "queued":
            store.set_state(run, "failed")
    store.requeue(run)
    store.ask(run, "cancel")
    assert datasets.remove(ids[0], f"{ids[0]}.csv")
    assert datasets.find(ids[0]) is None


def test_data_sets_that_arrive_together_do_not_pass_the_quota(store: Store) -> None:
    datasets = Datasets(store.sessions)

    def add(i: int) -> bool:
        identity = new_dataset_id(f"at once {i}")
        return datasets.add(identity, "x", "ada", f"{identity}.csv", "0" * 64, 1, {}, most=5) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(16))) == 5
    assert datasets.list("ada").total == 5
    assert datasets.add(new_dataset_id("y"), "y", "bob", "y.csv", "0" * 64, 1, {}, most=1) is not None


def _new(name: str, who: str = "ada", key: str | None = None) -> NewRun:
    return NewRun(name, "recommend", f"name: {name}\n", {}, ("a",), 3, who, key)


def test_runs_made_together_are_made_as_one_by_one(store: Store) -> None:
    asked = [
        _new("a"),
        _new("b", key="k"),
        _new("b", key="k"),
        _new("c", key="k"),
        _new("b", "bob", key="k"),
        _new("d\ud800"),
    ]
    made = store.create_runs(asked)
    assert isinstance(made[3], ConflictError)
    good = [one for one in made if isinstance(one, Made)]
    assert [one.fresh for one in good] == [True, True, False, True, True]
    assert good[1].id == good[2].id
    assert len({one.id for one in good}) == 4
    runs = store.list_runs(sort="created").runs
    assert [run.id for run in runs] == [good[0].id, good[1].id, good[3].id, good[4].id]
    assert all(store.events(run.id)[0].payload == {"to": "queued"} for run in runs)
    again = store.create_runs(asked)
    assert isinstance(again[1], Made)
    assert again[1] == Made(good[1].id, good[1].created, fresh=False)


def test_one_key_at_once_from_many_makes_one_run(reopen: Callable[[], Store]) -> None:
    stores = [reopen() for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        ids = set(pool.map(lambda i: stores[i % 3].create_run("x", "recommend", "", {}, request_key="k"), range(50)))
    assert len(ids) == 1
    for store in stores:
        store.close()


def test_several_servers_never_hold_more_places_than_there_are(reopen: Callable[[], Store]) -> None:
    """24 runs, four servers, three places: never more than three are held, and none is started twice."""
    stores = [reopen() for _ in range(4)]
    runs = [stores[0].create_run("x", "recommend", "", {}, principal="ada") for _ in range(24)]
    claimed: list[str] = []
    held = most = 0
    lock = threading.Lock()

    def serve(store: Store) -> None:
        nonlocal held, most
        slots = Slots(store.sessions)
        while len(claimed) < len(runs):
            run = slots.claim(3, 9)
            if run is None:
                continue
            with lock:
                claimed.append(run)
                held += 1
                most = max(most, held)
            lease = store.take(run)
            with lock:  # its place is free the moment the state changes, so it is counted out before
                held -= 1
            lease.release("finished")

    threads = [threading.Thread(target=serve, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for store in stores:
        store.close()
    assert sorted(claimed) == sorted(runs)
    assert most <= 3


def test_places_are_shared_by_token_and_only_submitted_runs_need_one(store: Store) -> None:
    slots = Slots(store.sessions)
    store.create_run("x", "recommend", "", {})
    mine = [store.create_run("x", "recommend", "", {}, principal="ada") for _ in range(3)]
    theirs = store.create_run("x", "recommend", "", {}, principal="bob")
    assert slots.claim(9, 1) == mine[0]
    assert slots.claim(9, 1) == theirs
    assert slots.claim(9, 1) is None
    assert slots.claim(2, 9) is None
    store.take(mine[0])
    assert slots.claim(9, 1) is None
    assert slots.claim(9, 2) == mine[1]
    assert slots.fail_lost(1, {}) == []


def test_a_place_is_free_again_when_nobody_takes_the_run(store: Store) -> None:
    slots = Slots(store.sessions)
    run = store.create_run("x", "recommend", "", {}, principal="ada")
    for _ in range(3):
        assert slots.claim(1, 1, seconds=0.0) == run
    store.take(run).release("interrupted")
    store.requeue(run)
    assert slots.fail_lost(3, {}) == []  # somebody took it
    for _ in range(3):
        assert slots.claim(1, 1, seconds=0.0) == run
    assert slots.fail_lost(3, {"code": "start"}) == [run]
    assert [event.kind for event in store.events(run)][-2:] == ["error", "state"]
    assert store.run(run).state == "failed"
