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


@pytest.mark.parametrize("command", [["runs"], ["recommend", "spec.yaml"]], ids=["67-runs", "67-recommend"])
def test_a_home_that_cannot_be_made_leaves_with_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "spec.yaml").write_text("name: x\ndata: {source: synthetic}\nbudget: {inference: 2}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path / "file" / "home"))
    assert taskgroup([*command, "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("store", str(tmp_path / "file" / "home"))
    assert "TASKGROUP_HOME" in error["fix"]


def test_67_a_database_that_cannot_be_written_leaves_with_4(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "store.sqlite3").mkdir()  # not even root can write a database there
    assert taskgroup(["runs", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "store"


NONSENSE = {
    "68-2^63": str(2**63),
    "68-negative": "-1",
    "68-100000-digits": "9" * 100_000,
    "68-too-long-for-a-file": "r" * 300,
    "68-NUL": "a\0b",
    "68-float": "1e400",
    "68-SQL": "' OR 1=1 --",
    "68-wildcard": "%",
    "68-path": "../../nowhere",
    "68-surrogate": "\udcff",
    "68-ANSI": "\x1b[2J",
    "68-empty": "",
}


@pytest.mark.parametrize("command", ["report", "resume"])
@pytest.mark.parametrize("name", NONSENSE.values(), ids=NONSENSE.keys())
def test_an_id_that_is_nonsense_is_one_message(
    home: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    with Store.open(home) as store:
        store.create_run("x", "recommend", "", {})
        store.create_run("y", "recommend", "", {})
    assert taskgroup([command, "--", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: RUN: there is no run ")
    assert err.count("\n") == 2
    assert len(err) < 500
    assert "\x1b" not in err


def test_a_run_is_one_line_with_what_is_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(home) as store:
        run = _run_half_way(store)
        queued = store.create_run("later", "recommend", "", {}, tasks=["a"])
        assert taskgroup(["runs"]) == 0
    header, newer, older = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "name", "state", "tasks", "best", "trainings", "started", "duration", "left"]
    assert newer.split() == [queued, "later", "queued", "1", "-", "0/0", "-", "-", "-"]
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
        patch.setattr("search.store.fencing.this_process", lambda: gone)
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
