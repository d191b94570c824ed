"""What may go wrong under the store, and what must hold then: one clear error, nothing lost, nothing half written."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from search.errors import DiskError, StoreError
from search.store import sqlite
from search.store.home import STORE_FILE
from search.store.owner import this_process
from search.store.store import Store
from search.trials import Trial, TrialResult

TRIAL = Trial(("a", "b"), 1.0, 0)
RESULT = TrialResult(np.arange(1, 4), np.ones((2, 3)), 0.0, "h:1", weights=b"w" * 5000)

PREAMBLE = """
import sys
from pathlib import Path
from tests.search.store.test_faults import RESULT, TRIAL
from search.store.store import Store
home = Path(sys.argv[1])
"""


def _process(code: str, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + code, str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _new_run(store: Store) -> str:
    run = store.create_run("x", "recommend", "", {})
    store.set_state(run, "running")
    return run


def _assert_refused(home: Path, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        Store.open(home, create=False)
    assert isinstance(caught.value, StoreError)
    assert caught.value.exit_code == 4
    assert str(home) in caught.value.where
    assert caught.value.fix


def test_a_missing_folder_and_a_missing_database_are_told_apart(tmp_path: Path) -> None:
    _assert_refused(tmp_path / "nowhere", StoreError, "no folder of runs")
    _assert_refused(tmp_path, StoreError, "no database of runs")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made") as caught:
        Store.open(tmp_path / "file" / "home")
    assert "TASKGROUP_HOME" in caught.value.fix


def test_a_process_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Store.open(Path("home")) as store:
        run = _new_run(store)
        monkeypatch.chdir("elsewhere")
        store.sessions.engine.dispose()  # the next connection is a new one
        assert store.run(run).state == "running"


@pytest.mark.parametrize("damage", [b"\x00" * 100, b"not a database at all"], ids=["zeros", "text"])
def test_a_damaged_header_is_refused_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    Store.open(tmp_path).close()
    path = tmp_path / STORE_FILE
    path.write_bytes(damage + path.read_bytes()[len(damage) :])
    before = path.read_bytes()
    _assert_refused(tmp_path, StoreError, "damaged")
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    _assert_refused(tmp_path, StoreError, "schema 0999, newer than")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    _assert_refused(tmp_path, StoreError, "another program")


def test_a_damaged_result_is_found_and_not_handed_out(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = _new_run(store)
        store.record_result(run, "p", TRIAL, "key", RESULT)
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        (blob,) = connection.execute("SELECT result FROM trials").fetchone()
        middle = blob.index(b"w" * 100)
        connection.execute("UPDATE trials SET result = ?", (blob[:middle] + b"x" + blob[middle + 1 :],))
    connection.close()
    with Store.open(tmp_path) as store, pytest.raises(StoreError, match="is damaged"):
        store.finished_trials(run)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder whose parents everybody may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_a_read_only_folder_is_refused(public_folder: Path) -> None:
    Store.open(public_folder).close()
    (public_folder / STORE_FILE).chmod(0o444)
    public_folder.chmod(0o555)
    code = "try: Store.open(home)\nexcept Exception as error: print(error.exit_code, error)"
    # Root may write anywhere, so it has to become nobody first.
    drop = "import os\nif os.getuid() == 0: os.setuid(65534)\n"
    out, err = _process(drop + code, public_folder).communicate()
    public_folder.chmod(0o755)
    assert out.startswith("4 "), err
    assert "read-only" in out
    assert str(public_folder) in out


def test_a_lock_held_by_another_process_for_two_seconds_is_waited_for(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = _new_run(store)
        hold = (
            "import sqlite3, time\nc = sqlite3.connect(home / 'store.sqlite3', isolation_level=None)\n"
            "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(2); c.execute('COMMIT')"
        )
        other = _process(hold, tmp_path)
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        store.record_result(run, "p", TRIAL, "key", RESULT)
        assert store.run(run).finished == 1
        other.communicate()


def test_a_lock_that_stays_is_reported_and_readers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    with Store.open(tmp_path) as store:
        run = _new_run(store)
        holder = sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            store.record_result(run, "p", TRIAL, "key", RESULT)
        assert store.run(run).state == "running"
        holder.close()
        store.record_result(run, "p", TRIAL, "key", RESULT)


def _no_page_more(connection: sqlite3.Connection, *_: object) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_exit_5_and_recording_goes_on_when_there_is_space(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = _new_run(store)
        event.listen(store.sessions.engine, "checkout", _no_page_more)
        with pytest.raises(DiskError, match="no space left") as caught:
            store.record_result(run, "p", TRIAL, "key", RESULT)
        assert caught.value.exit_code == 5
        assert store.trials(run) == []
    with Store.open(tmp_path) as store:
        assert _integrity(tmp_path) == "ok"
        store.record_result(run, "p", TRIAL, "key", RESULT)
        assert store.run(run).finished == 1


@pytest.mark.parametrize("at", ["INSERT INTO trials", "INSERT INTO curves", "COMMIT"])
def test_a_writer_killed_at_any_point_leaves_whole_trials_only(tmp_path: Path, at: str) -> None:
    """The writer kills itself at the fourth trial, right after the statement or right before the commit."""
    code = f"""
import dataclasses, os, signal
from sqlalchemy import event
store = Store.open(home)
run = store.create_run("x", "recommend", "", {{}})
store.set_state(run, "running")
print(run, flush=True)
seen = 0
def strike(*_):
    global seen
    seen += 1
    if seen == 4:
        os.kill(os.getpid(), signal.SIGKILL)
def after(_connection, _cursor, statement, *_):
    if statement.startswith({at!r}):
        strike()
event.listen(store.sessions.engine, "after_cursor_execute", after)
if {at!r} == "COMMIT":
    event.listen(store.sessions.engine, "commit", strike)
for seed in range(10):
    store.record_result(run, "p", dataclasses.replace(TRIAL, seed=seed), str(seed), RESULT)
"""
    writer = _process(code, tmp_path)
    out, err = writer.communicate()
    assert writer.returncode == -signal.SIGKILL, err
    run = out.strip()
    with Store.open(tmp_path) as store:
        assert sorted(store.finished_trials(run)) == ["0", "1", "2"]
        assert [record.state for record in store.trials(run)] == ["finished"] * 3
        assert len(store.curves(run)) == 3 * RESULT.curve_TS.size
        assert _integrity(tmp_path) == "ok"


def test_a_run_whose_process_was_killed_is_interrupted_and_can_be_taken_over(tmp_path: Path) -> None:
    code = """
run = store.create_run("x", "recommend", "", {}) if (store := Store.open(home)) else ""
store.set_state(run, "running")
print(run, flush=True)
input()
store.record_result(run, "p", TRIAL, "late", RESULT)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    run = owner.stdout.readline().strip()
    with Store.open(tmp_path) as store:
        assert store.run(run).state == "running"
        with pytest.raises(StoreError, match=f"worked on by process {owner.pid}"):
            store.set_state(run, "running")
        with pytest.raises(StoreError, match="nothing was written"):
            store.record_result(run, "p", TRIAL, "key", RESULT)
        owner.kill()
        owner.communicate()
        assert store.run(run).state == "interrupted"
        assert [record.id for record in store.list_runs(state="interrupted").runs] == [run]
        assert store.list_runs(state="running") == ((), 0)
        store.set_state(run, "running")
        store.record_result(run, "p", TRIAL, "key", RESULT)
        assert store.run(run).state == "running"


def test_an_owner_that_was_replaced_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path) as store:
        run = _new_run(store)
        somebody = dataclasses.replace(this_process(), pid=os.getppid(), birth="another")
        monkeypatch.setattr("search.store.fencing.this_process", lambda: somebody)
        with pytest.raises(StoreError, match="nothing was written"):
            store.record_result(run, "p", TRIAL, "key", RESULT)


def test_processes_that_open_a_new_store_at_once_make_one(tmp_path: Path) -> None:
    code = "Store.open(home).create_run('x', 'recommend', '', {})"
    openers = [_process(code, tmp_path) for _ in range(4)]
    errors = [opener.communicate()[1] for opener in openers]
    assert errors == [""] * 4
    with Store.open(tmp_path) as store:
        assert store.list_runs().total == 4


def _integrity(home: Path) -> str:
    connection = sqlite3.connect(home / STORE_FILE)
    (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return str(answer)
