"""``taskgroup runs`` tells the truth about every run: how far it came, and what it does not show."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from search.cli.app import run as taskgroup
from search.store.owner import Owner, this_process
from search.store.store import Store
from search.trials import Trial, TrialFailure, TrialResult


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    return tmp_path


def _run_half_way(store: Store, name: str = "nyc weather") -> str:
    run = store.create_run(name, "recommend", "", {}, tasks=["a", "b"], planned=4)
    store.set_state(run, "running")
    trial = Trial(("a",), 1.0, 0)
    store.record_result(run, "p", trial, "1", TrialResult(np.array([1]), np.ones((1, 1)), 0.0, "h:1"))
    store.record_failure(run, "p", trial, "2", TrialFailure("non-finite loss at step 3"))
    store.set_progress(run, best=0.98765)
    return run


def test_a_run_is_one_line_with_what_is_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = _run_half_way(store)
        queued = store.create_run("later", "recommend", "", {}, tasks=["a"])
        assert taskgroup(["runs"]) == 0
    header, newer, older = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "name", "state", "tasks", "best", "trials", "started", "duration"]
    assert newer.split() == [queued, "later", "queued", "1", "-", "0/0", "-", "-"]
    assert older.startswith(run)
    assert "nyc weather  running  2      0.9877  2/4 (1 failed)" in older


def test_json_is_one_object_with_all_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = _run_half_way(store)
        assert taskgroup(["runs", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["shown"], answer["total"], answer["home"]) == (1, 1, str(home))
    (entry,) = answer["runs"]
    assert (entry["id"], entry["name"], entry["state"], entry["tasks"]) == (run, "nyc weather", "running", ["a", "b"])
    assert (entry["best"], entry["trials"]) == (0.98765, {"finished": 1, "failed": 1, "planned": 4})
    assert entry["created"].endswith("+00:00")


def test_what_is_not_shown_is_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        for i in range(3):
            store.create_run(f"run {i}", "recommend", "", {})
    assert taskgroup(["runs", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 1
    assert lines[-1] == "showing 2 of 3; all of them: taskgroup runs --limit 3"


def test_a_run_whose_process_is_gone_is_interrupted(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Owner(this_process().host, os.getpid(), "an earlier process with this id")
    with Store.open(home) as store, monkeypatch.context() as patch:
        patch.setattr("search.store.store.this_process", lambda: gone)
        run = _run_half_way(store)
    assert taskgroup(["runs", "--state", "interrupted", "--json"]) == 0
    assert [entry["id"] for entry in json.loads(capsys.readouterr().out)["runs"]] == [run]
    assert taskgroup(["runs", "--state", "running"]) == 0
    assert capsys.readouterr().out == f"No runs in state running in {home}. All runs: taskgroup runs\n"


def test_names_cannot_forge_lines_or_move_the_cursor(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        store.create_run("x\nforged\x1b[2J\u202e", "recommend", "", {})
    assert taskgroup(["runs"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert "x forged\\x1b[2J\\u202e " in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_before_the_first_run_the_way_to_it_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TASKGROUP_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert taskgroup(["runs"]) == 0
    expected = f"No runs yet in {Path('results/runs')}. Start one: taskgroup recommend SPEC\n"
    assert capsys.readouterr().out == expected
    assert taskgroup(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"home": "results/runs", "shown": 0, "total": 0, "runs": []}
    assert not list(tmp_path.iterdir())


def test_a_home_that_was_named_and_is_not_there_is_exit_4(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKGROUP_HOME", str(home / "nowhere"))
    assert taskgroup(["runs", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("store", str(home / "nowhere"))


def test_a_state_that_does_not_exist_is_exit_2_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert taskgroup(["runs", "--state", "finnished"]) == 2
    assert "Did you mean 'finished'?" in capsys.readouterr().err
