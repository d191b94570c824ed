"""One owner a run, whatever happens: the store's promises about who may work on a run and who may not any more."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import update

from grouping.errors import InputError
from search.errors import ConflictError, StoreError
from search.store import fencing
from search.store.models import Run
from search.store.owner import Owner, this_process
from search.store.records import RunState
from search.store.store import Store
from search.trials import Trial, TrialFailure, TrialResult
from tests.contract.stores import Place

RACES = 100
TRIAL = Trial(("a",), 1.0, 0)


@pytest.fixture
def queued(store: Store) -> str:
    """A run that nobody works on."""
    return store.create_run("x", "recommend", "", {})


def _result() -> TrialResult:
    return TrialResult(np.array([1]), np.ones((1, 1)), 0.5, "h:1")


def _change(store: Store, run: str, **values: object) -> None:
    """Make a row what only other times and places could have made it."""
    with store.sessions.write() as session:
        session.execute(update(Run).where(Run.id == run).values(**values))


def test_an_owner_writes_renews_and_gives_back(store: Store, queued: str) -> None:
    lease = store.take(queued)
    record = store.run(queued)
    assert (record.state, record.owner, record.epoch, lease.epoch) == ("running", this_process().token, 1, 1)
    lease.renew()
    store.record_result(queued, "p", TRIAL, "key", _result())
    lease.release("finished")
    record = store.run(queued)
    assert (record.state, record.owner, record.finished) == ("finished", "", 1)
    with pytest.raises(StoreError, match="nothing was written"):
        lease.renew()


def test_two_threads_that_race_for_a_run_a_hundred_times_own_it_once_each_time(
    store: Store, reopen: Callable[[], Store]
) -> None:
    start = threading.Barrier(2)

    def race(mine: Store, runs: list[str]) -> set[str]:
        won = set()
        for run in runs:
            start.wait()
            try:
                mine.take(run)
            except StoreError:
                continue
            won.add(run)
        return won

    runs = [store.create_run("x", "recommend", "", {}) for _ in range(RACES)]
    with reopen() as other, ThreadPoolExecutor(2) as pool:
        one, two = pool.map(race, (store, other), (runs, runs))
    assert one | two == set(runs)
    assert not one & two


def test_two_processes_that_race_for_a_run_a_hundred_times_own_it_once_each_time(store: Store, place: Place) -> None:
    runs = [store.create_run("x", "recommend", "", {}) for _ in range(RACES)]
    code = """
print("ready"); input()
won = []
for run in sys.argv[2].split():
    try:
        store.take(run)
        won.append(run)
    except StoreError:
        pass
print(*won); input()
"""
    racers = [place.process(code, " ".join(runs)) for _ in range(2)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
    one, two = (racer.stdout.readline().split() for racer in racers if racer.stdout is not None)
    for racer in racers:
        racer.communicate("end\n")
    assert sorted(one + two) == sorted(runs)


def test_an_owner_that_was_stopped_loses_its_run_and_its_late_writes_are_refused(
    store: Store, place: Place, queued: str
) -> None:
    code = """
fencing.LEASE_SECONDS = 0.3
lease = store.take(run)
print("taken"); input()
for write in (lease.renew, lambda: store.set_progress(run, best=0.1), lambda: lease.release("finished"),
              lambda: store.set_state(run, "failed"), lambda: store.set_spec(run, "late")):
    try:
        write(); print("written")
    except StoreError as error:
        print(error)
"""
    stopped = place.process(code, queued)
    assert stopped.stdout is not None
    assert stopped.stdout.readline() == "taken\n"
    with pytest.raises(StoreError, match=f"worked on by process {stopped.pid}"):
        store.take(queued)
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        while store.run(queued).state == "running":
            time.sleep(0.02)
        assert store.run(queued).state == "interrupted"
        lease = store.take(queued)
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    said, complaints = stopped.communicate("go on\n")
    assert complaints == ""
    assert said.splitlines() == [line for line in said.splitlines() if f"process {os.getpid()} on" in line]
    assert len(said.splitlines()) == 5
    record = store.run(queued)
    assert (record.state, record.best, record.spec, record.epoch) == ("running", None, "", 2)
    lease.release("finished")


def test_a_lost_lease_of_this_very_process_is_worth_nothing_either(
    store: Store, reopen: Callable[[], Store], queued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fencing, "LEASE_SECONDS", 0.0)
    lease = store.take(queued)
    with reopen() as other:
        other.take(queued)
        for write in (
            lease.renew,
            lambda: lease.release("finished"),
            lambda: store.record_result(queued, "p", TRIAL, "key", _result()),
            lambda: store.record_failure(queued, "p", TRIAL, "key", TrialFailure("no")),
            lambda: store.set_progress(queued, best=1.0),
            lambda: store.heartbeat(queued),
        ):
            with pytest.raises(StoreError, match="nothing was written"):
                write()
        assert other.trials(queued) == []
        other.record_result(queued, "p", TRIAL, "key", _result())


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_clock_that_jumps_by_an_hour_changes_no_lease(
    store: Store, reopen: Callable[[], Store], run: str, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + jump)
    with reopen() as other:
        assert other.run(run).state == "running"
        with pytest.raises(StoreError, match="being worked on"):
            other.take(run)
        waiting = store.create_run("y", "recommend", "", {})
        assert store.reserve(waiting)
        monkeypatch.setattr("time.time", lambda: now() - jump)
        assert not other.reserve(waiting)
    store.record_result(run, "p", TRIAL, "key", _result())


def test_runs_of_the_schema_without_leases_go_on(store: Store, reopen: Callable[[], Store], run: str) -> None:
    before_leases = {"epoch": 0, "lease": None, "lease_clock": None}
    _change(store, run, **before_leases)
    with reopen() as other:
        with pytest.raises(StoreError, match="being worked on"):
            other.take(run)
        _change(store, run, owner=Owner(this_process().host, os.getpid(), "earlier").token, **before_leases)
        assert other.run(run).state == "interrupted"
        assert other.take(run).epoch == 1


def test_a_lease_of_before_the_last_boot_is_over(store: Store, reopen: Callable[[], Store], run: str) -> None:
    _change(store, run, lease_clock="an earlier boot")
    with reopen() as other:
        assert other.run(run).state == "interrupted"


def test_of_all_who_reserve_a_run_at_once_one_does(store: Store, reopen: Callable[[], Store]) -> None:
    runs = [store.create_run("x", "recommend", "", {}) for _ in range(20)]
    with reopen() as other, ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda mine: [mine.reserve(run) for run in runs], (store, other))
    assert [a + b for a, b in zip(one, two, strict=True)] == [1] * len(runs)
    assert [store.run(run).starts for run in runs] == [1] * len(runs)
    assert store.queued() == []


def test_a_reservation_ends_when_nobody_comes_and_hinders_no_owner(store: Store, queued: str) -> None:
    other = store.create_run("y", "recommend", "", {})
    assert store.queued() == [queued, other]
    assert store.queued(limit=1) == [queued]
    assert store.reserve(queued, seconds=0.0)
    assert store.reserve(queued)
    assert (store.queued(), store.run(queued).starts) == ([other], 2)
    store.take(queued)
    assert not store.reserve(queued)


def test_fifty_requests_with_one_key_make_one_run(store: Store, reopen: Callable[[], Store]) -> None:
    with reopen() as other, ThreadPoolExecutor(10) as pool:
        made = pool.map(
            lambda i: (store, other)[i % 2].create_run("x", "recommend", "s", {}, principal="ann", request_key="k"),
            range(50),
        )
        (run,) = set(made)
    assert store.list_runs().total == 1
    assert store.run(run).principal == "ann"


def test_a_key_belongs_to_its_request_and_its_principal(store: Store) -> None:
    first = store.create_run("x", "recommend", "s", {"n": 1}, principal="ann", request_key="k")
    store.take(first)
    store.set_spec(first, "decided since")
    assert store.create_run("x", "recommend", "s", {"n": 1}, principal="ann", request_key="k") == first
    for kind, spec, plan in (("measure", "s", {"n": 1}), ("recommend", "t", {"n": 1}), ("recommend", "s", {"n": 2})):
        with pytest.raises(ConflictError, match="used for another request"):
            store.create_run("x", kind, spec, plan, principal="ann", request_key="k")
    assert store.create_run("x", "recommend", "s", {"n": 1}, principal="ben", request_key="k") != first
    assert store.create_run("x", "recommend", "s", {"n": 1}, principal="ann") != first


def test_runs_of_others_do_not_exist_for_a_principal(store: Store) -> None:
    mine = store.create_run("x", "recommend", "", {}, principal="ann")
    theirs = store.create_run("y", "recommend", "", {}, principal="ben")
    assert store.run("latest", principal="ann").id == mine
    for text in (theirs, theirs[:-1]):
        with pytest.raises(InputError, match="there is no run") as caught:
            store.run(text, principal="ann")
        assert theirs not in caught.value.fix
    assert [record.id for record in store.list_runs(principal="ben").runs] == [theirs]


@pytest.mark.parametrize("demand", ["cancel", "interrupt"])
def test_what_is_asked_of_an_owner_waits_until_it_obeys(store: Store, run: str, demand: str) -> None:
    assert store.asked(run) is None
    store.ask(run, demand)  # type: ignore[arg-type]
    store.ask(run, demand)  # type: ignore[arg-type]
    assert (store.asked(run), store.run(run).asked, store.run(run).state) == (demand, demand, "running")
    assert [event.payload for event in store.events(run) if event.kind == "asked"] == [{"to": demand}]
    store.set_state(run, "cancelled" if demand == "cancel" else "interrupted")
    assert store.asked(run) is None
    store.ask(run, demand)  # type: ignore[arg-type]


def test_an_interruption_does_not_take_a_cancellation_back(store: Store, run: str) -> None:
    store.ask(run, "cancel")
    store.ask(run, "interrupt")
    assert store.asked(run) == "cancel"


@pytest.mark.parametrize("state", ["queued", "interrupted"])
def test_where_nobody_works_a_run_is_cancelled_at_once_and_once(store: Store, queued: str, state: RunState) -> None:
    if state == "interrupted":
        store.take(queued).release("interrupted")
    store.ask(queued, "cancel")
    store.ask(queued, "cancel")
    assert store.run(queued).state == "cancelled"
    assert [event.payload["to"] for event in store.events(queued)].count("cancelled") == 1
    with pytest.raises(StoreError, match="cannot become running"):
        store.take(queued)


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_what_has_ended_cannot_be_cancelled(store: Store, run: str, state: RunState) -> None:
    store.set_state(run, state)
    with pytest.raises(ConflictError, match=f"is {state}, there is nothing to cancel"):
        store.ask(run, "cancel")
    assert store.run(run).state == state


def test_an_owner_that_died_before_it_obeyed_leaves_a_cancelled_run(
    store: Store, reopen: Callable[[], Store], run: str
) -> None:
    store.ask(run, "cancel")
    _change(store, run, lease=0.0)
    with reopen() as other:
        assert other.run(run).state == "cancelled"
        assert [record.id for record in other.list_runs(state="cancelled").runs] == [run]
        with pytest.raises(StoreError, match="is cancelled and cannot become running"):
            other.take(run)
    with pytest.raises(StoreError, match="nothing was written"):
        store.record_result(run, "p", TRIAL, "key", _result())


def test_an_interrupted_or_failed_run_can_be_queued_again_and_no_other(store: Store, run: str) -> None:
    for state in ("interrupted", "failed"):
        store.set_state(run, state)
        store.requeue(run)
        assert (store.run(run).state, store.run(run).ended, store.queued()) == ("queued", None, [run])
        with pytest.raises(ConflictError, match="is queued, there is nothing to resume"):
            store.requeue(run)
        store.take(run)


def test_a_run_is_deleted_with_all_it_has_unless_somebody_works_on_it(store: Store, run: str) -> None:
    store.record_result(run, "p", TRIAL, "key", _result())
    kept = store.create_run("y", "recommend", "", {})
    with pytest.raises(ConflictError, match="is being worked on"):
        store.delete_run(run)
    store.set_state(run, "finished")
    store.delete_run(run)
    with pytest.raises(InputError, match="there is no run"):
        store.trials(run)
    assert [record.id for record in store.list_runs().runs] == [kept]
    assert store.reserve(kept)
    with pytest.raises(ConflictError, match="is being worked on"):
        store.delete_run(kept)


def test_every_attempt_is_kept_with_the_owner_it_was_made_under(store: Store, run: str) -> None:
    store.record_failure(run, "p", TRIAL, "key", TrialFailure("no"), worker="h:1")
    store.set_state(run, "interrupted")
    store.take(run)
    store.record_result(run, "p", TRIAL, "key", _result())
    store.record_result(run, "p", TRIAL, "key", _result())
    kept = [(a.key, a.attempt, a.epoch, a.state, a.reason) for a in store.attempts(run)]
    assert kept == [("key", 1, 1, "failed", "no"), ("key", 2, 2, "finished", "")]
