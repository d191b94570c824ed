"""``taskgroup cancel`` and ``taskgroup logs``: ending a run and following it, from anywhere."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from search.cli.app import run as taskgroup
from search.store.store import Store
from search.trials import Trial, TrialFailure
from tests.search.cli.test_recommend import finish, start, write_job


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    return tmp_path


def test_a_queued_run_is_cancelled_and_cancelling_again_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
    for _ in range(2):
        assert taskgroup(["cancel", run]) == 0
        assert capsys.readouterr().out == f"run {run} is cancelled\n"
    assert taskgroup(["cancel", "latest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": run, "state": "cancelled", "asked": None}


@pytest.mark.parametrize("how", [[], ["--detach"]])
def test_a_cancelled_run_is_not_resumed(home: Path, capsys: pytest.CaptureFixture[str], how: list[str]) -> None:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        store.ask(run, "cancel")
    assert taskgroup(["resume", run, *how]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "was cancelled, which is for good" in said.err
    assert "taskgroup recommend SPEC" in said.err


def test_no_second_process_is_started_for_a_run_at_work(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        store.take(run)
        assert taskgroup(["resume", run, "--detach"]) == 2
    assert "is being worked on, there is nothing to resume" in capsys.readouterr().err
    assert not (home / run).exists(), "nothing was started"


def test_what_has_ended_is_not_cancelled(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        store.take(run).release("finished")
    assert taskgroup(["cancel", run]) == 2
    assert "is finished, there is nothing to cancel" in capsys.readouterr().err


def test_an_owner_that_does_not_answer_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["search.cli.cancel"], "_PATIENCE_SECONDS", 0.2)
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        store.take(run)
        assert taskgroup(["cancel", run]) == 0
        assert "has been asked to stop" in capsys.readouterr().err
        assert store.asked(run) == "cancel"


def test_a_log_is_what_happened_in_order(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        lease = store.take(run)
        store.add_event(run, "phase", {"label": "pairs", "total": 6, "done": 2})
        store.add_event(run, "note", {"text": "forged\nline \x1b[2J"})
        store.add_event(run, "trainer", {"name": "mine", "fingerprint": "0" * 64})
        store.add_event(run, "searched", {"configurations": 5, "planned": 24})
        store.add_event(run, "error", {"code": "spec", "what": "wrong", "where": "data", "fix": "Mend it"})
        store.record_failure(run, "pairs", Trial(("a", "b"), 1.0, 7), "key", TrialFailure("no\x1b[2J"))
        lease.release("failed")
    assert taskgroup(["logs", run]) == 0
    lines = [line[21:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "queued",
        "running",
        "pairs: 6 trainings, 2 known already",
        "forged line \\x1b[2J",
        "5 of 24 configurations, which decide from now on",
        "error: data: wrong. Mend it",
        "failed: a+b with seed 7: no\\x1b[2J",
        "failed",
    ]
    assert taskgroup(["logs", "latest", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [
        "state",
        "state",
        "phase",
        "note",
        "trainer",
        "searched",
        "error",
        "trial_failed",
        "state",
    ]
    assert {event["run"] for event in events} == {run}


def test_following_goes_on_until_the_run_has_ended(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["search.cli.logs"], "_EVERY_SECONDS", 0.01)
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})

        def work() -> None:
            lease = store.take(run)
            store.add_event(run, "note", {"text": "late"})
            lease.release("finished")

        timer = threading.Timer(0.2, work)
        timer.start()
        assert taskgroup(["logs", run, "--follow"]) == 0
        timer.join()
    assert [line[21:] for line in capsys.readouterr().out.splitlines()] == ["queued", "running", "late", "finished"]


@pytest.mark.ray
def test_a_detached_run_survives_its_command_and_is_cancelled_from_elsewhere(tmp_path: Path) -> None:
    code, out, err = finish(start(tmp_path, "recommend", str(write_job(tmp_path)), "--detach", "--json"))
    assert code == 0, err
    told = json.loads(out)
    assert told["state"] == "running"
    with Store.open(tmp_path / "runs", create=False) as store:
        owner = psutil.Process(int(store.run(told["run"]).owner.split(":")[-2]))
        deadline = time.monotonic() + 120
        while not (children := owner.children(recursive=True)):
            assert time.monotonic() < deadline, "it starts no workers"
            time.sleep(0.1)
    assert os.getsid(owner.pid) == owner.pid
    code, out, err = finish(start(tmp_path, "cancel", "latest"))
    assert (code, out) == (0, f"run {told['run']} is cancelled\n"), err
    _, alive = psutil.wait_procs([owner, *children], timeout=60)
    for process in alive:
        process.send_signal(signal.SIGKILL)
    assert alive == []
