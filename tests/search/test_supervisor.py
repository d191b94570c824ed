"""Whatever ends the work on a run, its state and its history say how; nobody works on it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from grouping.errors import GroupingError, NoResultError
from search import watch
from search.desk import Desk, Unseen
from search.errors import ClusterError, ConflictError, DiskError, LeaseLostError, SpecError, StoreError
from search.launcher import OUTPUT_FILE, LocalLauncher
from search.output.folder import RunFolder
from search.store.models import Run
from search.store.store import Store
from search.supervisor import supervise

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


@pytest.fixture
def desk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(watch, "_EVERY_SECONDS", 0.01)
    run = store.create_run("x", "recommend", "", {})
    return _desk(store, run, tmp_path)


def _desk(store: Store, run: str, home: Path) -> Desk:
    def say(text: str) -> None:
        pass

    return Desk(store, store.run(run), RunFolder(home / run), Unseen(), say, say)


def _log(desk: Desk) -> list[dict[str, object]]:
    return [json.loads(line) for line in (desk.folder.path / watch.LOG_FILE).read_text().splitlines()]


def _endless(desk: Desk, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Work that has to be stopped; ``meanwhile`` happens once it is under way."""
    desk.progress.start("endless", 1, 0)
    meanwhile()
    while True:
        time.sleep(0.01)


def test_work_that_ends_leaves_a_finished_run_and_its_result(desk: Desk) -> None:
    assert supervise(desk, lambda desk: desk.run) == desk.run
    assert (desk.store.run(desk.run).state, desk.store.run(desk.run).owner) == ("finished", "")


def test_work_that_is_left_for_later_leaves_an_interrupted_run(desk: Desk) -> None:
    assert supervise(desk, lambda desk: None) is None
    assert desk.store.run(desk.run).state == "interrupted"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SpecError("wrong", where="data"), "failed"),
        (NoResultError("every training failed"), "failed"),
        (ClusterError("the head died"), "interrupted"),
        (DiskError("no space"), "interrupted"),
        (StoreError("locked"), "interrupted"),
        (RuntimeError("a defect"), "failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_an_error_is_in_the_runs_history_and_what_the_machine_did_can_be_resumed(
    desk: Desk, error: Exception, state: str
) -> None:
    def fail(_: Desk) -> None:
        raise error

    with pytest.raises(type(error)):
        supervise(desk, fail)
    assert desk.store.run(desk.run).state == state
    said, ended = desk.store.events(desk.run)[-2:]
    expected = error.as_json() if isinstance(error, GroupingError) else {"what": "RuntimeError('a defect')"}
    assert said.kind == "error"
    assert expected.items() <= said.payload.items()
    assert ended.payload["to"] == state


def test_the_log_holds_every_event_once_however_often_the_run_was_resumed(desk: Desk, tmp_path: Path) -> None:
    def work(desk: Desk) -> None:
        desk.note("half way")
        desk.progress.start("pairs", 3, 1)

    supervise(desk, work)
    with (desk.folder.path / watch.LOG_FILE).open("a") as stream:
        stream.write('{"number": 99')  # cut off by a crash
    supervise(_desk(desk.store, desk.run, tmp_path), work)
    text = (desk.folder.path / watch.LOG_FILE).read_text().replace('{"number": 99\n', "")
    lines = [json.loads(line) for line in text.splitlines()]
    events = desk.store.events(desk.run)
    assert [line["number"] for line in lines] == [event.number for event in events]
    assert {line["run"] for line in lines} == {desk.run}
    phase = next(line for line in lines if line["event"] == "phase")
    assert (phase["label"], phase["total"], phase["done"]) == ("pairs", 3, 1)


@pytest.mark.parametrize(("demand", "state"), [("cancel", "cancelled"), ("interrupt", "interrupted")])
def test_what_is_asked_is_obeyed(desk: Desk, demand: str, state: str) -> None:
    with pytest.raises(NoResultError, match=f"was {state}"):
        supervise(desk, lambda desk: _endless(desk, lambda: desk.store.ask(desk.run, demand)))  # type: ignore[arg-type]
    assert desk.store.run(desk.run).state == state
    assert [line["event"] for line in _log(desk)][-2:] == ["asked", "state"]


def _ends(desk: Desk) -> list[str]:
    """Every end that the run ever came to."""
    states = [event.payload["to"] for event in desk.store.events(desk.run) if event.kind == "state"]
    return [state for state in states if state in {"finished", "failed", "cancelled"}]


def test_a_run_that_is_cancelled_before_its_process_takes_it_is_not_worked_on(desk: Desk) -> None:
    for _ in range(2):
        desk.store.ask(desk.run, "cancel")
    with pytest.raises(StoreError, match="is cancelled and cannot become running"):
        supervise(desk, lambda desk: pytest.fail("worked on"))
    assert _ends(desk) == ["cancelled"]


def test_a_run_that_is_cancelled_twice_while_its_work_is_loaded_ends_once(desk: Desk) -> None:
    def loading(desk: Desk) -> None:
        for _ in range(2):
            desk.store.ask(desk.run, "cancel")
        time.sleep(30)  # no progress is told yet

    began = time.monotonic()
    with pytest.raises(NoResultError, match="was cancelled"):
        supervise(desk, loading)
    assert time.monotonic() - began < 25
    assert _ends(desk) == ["cancelled"]


def test_a_cancellation_that_comes_when_all_is_written_is_too_late(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = watch.Watch.done

    def held(self: watch.Watch) -> None:
        done(self)
        self.desk.store.ask(self.desk.run, "cancel")
        time.sleep(0.2)  # the watch hears of it, and whoever asked may ask again
        self.desk.store.ask(self.desk.run, "cancel")

    monkeypatch.setattr(watch.Watch, "done", held)
    assert supervise(desk, lambda desk: "found") == "found"
    assert _ends(desk) == ["finished"]
    with pytest.raises(ConflictError, match="is finished, there is nothing to cancel"):
        desk.store.ask(desk.run, "cancel")


def test_a_cancellation_that_comes_while_results_are_written_is_obeyed(desk: Desk) -> None:
    def finishing(desk: Desk) -> str:
        desk.store.ask(desk.run, "cancel")
        time.sleep(0.5)
        return "found"

    with pytest.raises(NoResultError, match="was cancelled"):
        supervise(desk, finishing)
    assert _ends(desk) == ["cancelled"]


def test_work_that_swallows_the_stop_is_stopped_all_the_same(desk: Desk) -> None:
    def stubborn(desk: Desk) -> str:
        desk.store.ask(desk.run, "cancel")
        try:
            _endless(desk)
        except KeyboardInterrupt:
            return "the best so far"
        return ""

    with pytest.raises(NoResultError, match="was cancelled"):
        supervise(desk, stubborn)
    assert desk.store.run(desk.run).state == "cancelled"


def test_work_that_fails_because_it_was_stopped_was_stopped_and_has_not_failed(desk: Desk) -> None:
    def surprised(desk: Desk) -> None:
        try:
            _endless(desk, lambda: os.kill(os.getpid(), signal.SIGINT))
        except KeyboardInterrupt:
            raise NoResultError("stopped before any grouping was found") from None

    with pytest.raises(SystemExit) as stopped:
        supervise(desk, surprised)
    assert stopped.value.code == 128 + signal.SIGINT
    assert desk.store.run(desk.run).state == "interrupted"
    assert "error" not in {event.kind for event in desk.store.events(desk.run)}


def test_an_owner_whose_run_was_taken_stops_and_leaves_the_state_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LEASE_SECONDS", 0.0)  # renews all the time

    def take_away() -> None:
        with desk.store.sessions.write() as session:
            session.execute(update(Run).where(Run.id == desk.run).values(epoch=7))

    with pytest.raises(LeaseLostError, match="was taken by another process"):
        supervise(desk, lambda desk: _endless(desk, take_away))
    assert desk.store.run(desk.run).state == "running"


def test_the_lease_outlives_its_time_while_the_work_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.store.fencing.LEASE_SECONDS", 0.3)
    monkeypatch.setattr(watch, "LEASE_SECONDS", 0.3)

    def work(desk: Desk) -> bool:
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            time.sleep(0.05)
        return desk.store.run(desk.run).state == "running"

    assert supervise(desk, work)


CODE = """
import signal, sys, time
from pathlib import Path
from search import watch
from search.store.store import Store
from search.supervisor import supervise
from tests.search.test_supervisor import _desk
signal.signal(signal.SIGINT, signal.default_int_handler)
def work(desk):
    try:
        print("at work", flush=True)
        while True: time.sleep(0.01)
    finally:
        print("tidying up", flush=True)
        while sys.argv[3] == "stuck": time.sleep(0.01)
with Store.open(Path(sys.argv[1])) as store:
    supervise(_desk(store, sys.argv[2], Path(sys.argv[1])), work)
"""


@pytest.fixture
def at_work(store: Store, tmp_path: Path) -> Iterator[Callable[[str], tuple[str, subprocess.Popen[str]]]]:
    """Starts a process that works until it is stopped, and may be stuck then."""
    started: list[subprocess.Popen[str]] = []

    def start(manner: str) -> tuple[str, subprocess.Popen[str]]:
        run = store.create_run("x", "recommend", "", {})
        command = [sys.executable, "-c", CODE, str(tmp_path), run, manner]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        return run, process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_an_interrupted_run_and_its_own_exit_code(
    store: Store, at_work: Callable[[str], tuple[str, subprocess.Popen[str]]], number: signal.Signals
) -> None:
    run, process = at_work("tidy")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "tidying up\n", "")
    assert store.run(run).state == "interrupted"
    assert store.events(run)[-1].payload == {"from": "running", "to": "interrupted"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once_and_the_run_can_be_resumed(
    store: Store, at_work: Callable[[str], tuple[str, subprocess.Popen[str]]], number: signal.Signals
) -> None:
    run, process = at_work("stuck")
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == "tidying up\n"
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number
    assert process.stderr is not None
    assert process.stderr.read() == f"left at once; go on with: taskgroup resume {run}\n"
    assert store.run(run).state == "interrupted"
    store.take(run)


def test_a_detached_process_has_its_own_session_and_says_what_went_wrong(store: Store, tmp_path: Path) -> None:
    run = store.create_run("x", "recommend", "name: x\ndata: {source: gone.csv}\nbudget: {inference: 1}\n", {})
    launcher = LocalLauncher(tmp_path)
    launcher.start(run)
    (child,) = launcher._children
    assert os.getsid(child) == child != os.getsid(0)
    assert os.waitpid(child, 0)[1] == 2 << 8
    assert store.run(run).state == "failed"
    assert [event.payload["what"] for event in store.events(run) if event.kind == "error"]
    assert "error: " in (tmp_path / run / OUTPUT_FILE).read_text()
    launcher.start(store.create_run("y", "pilot", "", {}))  # the one before is let go of
    (child,) = launcher._children
    assert os.waitpid(child, 0)[1] == 2 << 8
