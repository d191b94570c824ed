"""Queued runs are started oldest first, never more at once than allowed, however many servers do it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from search.errors import ClusterError
from search.service import dispatcher as dispatcher_module
from search.service.dispatcher import Dispatcher
from search.service.metrics import Metrics
from search.service.settings import Settings
from search.store.leases import Demand
from search.store.models import Run
from search.store.slots import Slots
from search.store.store import Store
from tests.search.service.serving import Noted


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as found:
        yield found


def _run(store: Store, who: str = "ada") -> str:
    return store.create_run("x", "recommend", "", {}, principal=who)


def _dispatcher(store: Store, home: Path, launcher: Noted, **settings: int) -> Dispatcher:
    return Dispatcher(Settings(home=home, **settings), store, launcher, Metrics())


def test_runs_start_in_the_order_they_were_made_while_there_are_places(store: Store, tmp_path: Path) -> None:
    launcher = Noted()
    dispatcher = _dispatcher(store, tmp_path, launcher, max_concurrent_runs=2, running_per_token=9)
    runs = [_run(store) for _ in range(4)]
    while dispatcher.start_one():
        pass
    assert launcher.started == runs[:2]
    store.take(runs[0]).release("finished")
    while dispatcher.start_one():
        pass
    assert launcher.started == runs[:3]


def test_a_quota_limits_what_runs_and_not_what_waits(store: Store, tmp_path: Path) -> None:
    launcher = Noted()
    dispatcher = _dispatcher(store, tmp_path, launcher, max_concurrent_runs=3, running_per_token=1)
    mine = [_run(store) for _ in range(300)]
    theirs = _run(store, "bob")
    while dispatcher.start_one():
        pass
    assert launcher.started == [mine[0], theirs]
    assert store.list_runs(state="queued", principal="ada").total == 300


def test_runs_of_this_machine_are_nobody_elses_to_start(store: Store, tmp_path: Path) -> None:
    launcher = Noted()
    store.create_run("x", "recommend", "", {})
    assert not _dispatcher(store, tmp_path, launcher).start_one()
    assert launcher.started == []


class Failing:
    def start(self, run: str) -> None:
        raise ClusterError("no cluster", fix="Start one")


def test_a_launcher_that_fails_is_told_in_the_run_and_tried_again(store: Store, tmp_path: Path) -> None:
    dispatcher = Dispatcher(Settings(home=tmp_path), store, Failing(), Metrics())
    run = _run(store)
    assert dispatcher.start_one()
    assert "no cluster" in store.events(run)[-1].payload["text"]
    assert not dispatcher.start_one()  # reserved for a while
    for _ in range(5):  # however long the cluster is away, the run is not to blame
        with store.sessions.write() as session:
            session.execute(update(Run).values(lease=None))
        assert store.run(run).starts == 0
        assert dispatcher.start_one()
    with store.sessions.write() as session:
        session.execute(update(Run).values(lease=None))
    dispatcher.check()
    assert store.run(run).state == "queued"


class Defective(Noted):
    def start(self, run: str) -> None:
        super().start(run)
        if len(self.started) == 1:
            raise RuntimeError("a defect")


def test_a_defect_that_one_run_shows_does_not_keep_the_next_from_starting(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dispatcher_module, "_AFTER_ERROR_SECONDS", 0.01)
    launcher = Defective()
    dispatcher = _dispatcher(store, tmp_path, launcher, max_concurrent_runs=2)
    runs = [_run(store), _run(store)]

    async def work() -> None:
        task = asyncio.create_task(dispatcher.work())
        async with asyncio.timeout(20):
            while len(launcher.started) < 2:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    assert launcher.started == runs
    assert "a defect" in caplog.text


def test_a_run_that_no_process_takes_fails_at_last_and_again_only_after_as_many_starts(
    store: Store, tmp_path: Path
) -> None:
    slots = Slots(store.sessions)
    run = _run(store)
    for _ in range(2):
        for _ in range(3):
            _dispatcher(store, tmp_path, Noted()).check()
            assert store.run(run).state == "queued"
            assert slots.claim(9, 9, seconds=0.0) == run
        _dispatcher(store, tmp_path, Noted()).check()
        assert store.run(run).state == "failed"
        store.requeue(run)


def test_a_run_that_works_for_too_long_is_interrupted_also_when_another_ends_just_then(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [_run(store) for _ in range(2)]
    for run in runs:
        store.take(run)
    ask, ended = store.ask, list[str]()

    def ask_late(run: str, demand: Demand) -> None:
        if not ended:  # the first that is looked at
            ended.append(run)
            store.set_state(run, "finished")
        ask(run, demand)

    monkeypatch.setattr(store, "ask", ask_late)
    dispatcher = Dispatcher(Settings(home=tmp_path, hours_per_run=1e-9), store, Noted(), Metrics())
    dispatcher.check()
    assert {run: store.asked(run) for run in runs} == {run: None if run in ended else "interrupt" for run in runs}
