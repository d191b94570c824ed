"""``taskgroup backup`` and ``restore``: nothing is lost on the way, and nothing is put over work under way."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from search.cli.app import run as taskgroup
from search.launcher import Launcher
from search.service import server
from search.service.settings import Settings
from search.store.home import STORE_FILE
from search.store.store import Store
from search.trials import Trial, TrialResult

RESULT = TrialResult(np.array([1]), np.ones((1, 1)), 0.0, "h:1", weights=b"w")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "runs"
    monkeypatch.setenv("TASKGROUP_HOME", str(home))
    return home


def _run_with_a_trial(home: Path) -> str:
    with Store.open(home) as store:
        run = store.create_run("x", "recommend", "", {})
        lease = store.take(run)
        store.record_result(run, "p", Trial(("a",), 1.0, 0), "key", RESULT)
        lease.release("interrupted")
    return run


def test_what_was_copied_comes_back_and_the_former_database_is_kept(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _run_with_a_trial(home)
    with Store.open(home) as writer:  # somebody has it open
        assert taskgroup(["backup", str(tmp_path / "copy"), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["runs"], told["bytes"]) == (1, (tmp_path / "copy").stat().st_size)
        writer.delete_run(run)
    assert taskgroup(["restore", str(tmp_path / "copy"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == 1
    with Store.open(home) as store:
        assert store.finished_trials(run)["key"].weights == b"w"
    with sqlite3.connect(told["former"]) as former:
        assert former.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    former.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "runs"]


def test_a_copy_restores_a_lost_or_damaged_database(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _run_with_a_trial(home)
    assert taskgroup(["backup", str(tmp_path / "copy")]) == 0
    (home / STORE_FILE).write_bytes(b"not a database at all" * 100)
    assert taskgroup(["runs"]) == 4
    assert taskgroup(["restore", str(tmp_path / "copy")]) == 0
    (home / STORE_FILE).unlink()
    assert taskgroup(["restore", str(tmp_path / "copy"), "--quiet"]) == 0
    with Store.open(home, create=False) as store:
        assert store.run(run).state == "interrupted"
    assert capsys.readouterr().out.startswith("1 runs in ")


def test_a_run_at_work_is_not_taken_the_database_from(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _run_with_a_trial(home)
    assert taskgroup(["backup", str(tmp_path / "copy")]) == 0
    with Store.open(home) as store:
        store.take(run)
        assert taskgroup(["restore", str(tmp_path / "copy")]) == 2
        assert f"run '{run}' is being worked on" in capsys.readouterr().err
        assert store.run(run).state == "running"


class StoppedError(Exception):
    """The service is not to go on."""


def test_a_served_database_is_found_by_the_services_settings_and_not_replaced_under_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, config, copy = tmp_path / "served", tmp_path / "service.yaml", str(tmp_path / "copy")
    config.write_text(f"home: {home}\n")
    _run_with_a_trial(home)
    assert taskgroup(["backup", copy, "--config", str(config)]) == 0
    assert f"uploaded tables (datasets) in {home} are not part of it" in capsys.readouterr().out

    def while_it_serves(_: Settings) -> Launcher:
        assert taskgroup(["restore", copy, "--config", str(config)]) == 2
        assert "is being served" in capsys.readouterr().err
        raise StoppedError

    monkeypatch.setattr(server, "configure_logging", lambda: None)
    with pytest.raises(StoppedError):
        server.serve(Settings(home=home, port=0), while_it_serves, print)
    assert taskgroup(["restore", copy, "--config", str(config)]) == 0


def test_bad_files_are_refused_and_nothing_is_touched(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_with_a_trial(home)
    before = (home / STORE_FILE).read_bytes()
    (tmp_path / "text").write_text("not a database")
    with sqlite3.connect(tmp_path / "theirs") as other:
        other.execute("CREATE TABLE x (y)")
    other.close()
    for name, said in (("text", "is no database of runs"), ("theirs", "is no database of runs"), ("none", "no such")):
        assert taskgroup(["restore", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err
    assert taskgroup(["backup", str(tmp_path / "copy")]) == 0
    assert taskgroup(["backup", str(tmp_path / "copy")]) == 2
    assert "is there already" in capsys.readouterr().err
    with sqlite3.connect(tmp_path / "copy") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '0999'")
    newer.close()
    assert taskgroup(["restore", str(tmp_path / "copy")]) == 4
    assert taskgroup(["backup", str(tmp_path / "no folder" / "copy")]) == 5
    monkeypatch.setenv("TASKGROUP_STORE", "postgresql://u:secret@h/d")
    assert taskgroup(["backup", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert "pg_dump" in said
    assert "secret" not in said
    assert (home / STORE_FILE).read_bytes() == before
