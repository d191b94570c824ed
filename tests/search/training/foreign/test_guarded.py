"""Whatever somebody else's code does, it ends in time, leaves nothing behind and fills no disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from search.errors import TrialError
from search.training.foreign.guarded import LARGEST_LOG, Ended, run_guarded


def run(folder: Path, code: str, seconds: float = 20.0) -> Ended:
    return run_guarded([sys.executable, "-I", "-c", code], folder, folder / "log", seconds)


def living(pids: Path) -> list[int]:
    """Those of the processes written down that are still there; a moment is given to the system."""
    found = [int(line) for line in pids.read_text().split()]
    assert found
    for _ in range(100):
        left = [p for p in found if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]
        if not left:
            return []
        time.sleep(0.02)
    return left


CHILDREN = """
import os, time
pids = open("pids", "a")
for leaves in (False, True):
    if os.fork() == 0:
        if leaves:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
        pids.write(f"{os.getpid()}\\n"); pids.flush()
        time.sleep(600)
while len(open("pids").read().split()) < 2:
    time.sleep(0.01)
"""


def test_a_command_tells_its_status_and_the_end_of_what_it_printed(tmp_path: Path) -> None:
    ended = run(tmp_path, "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)")
    assert (ended.status, ended.timed_out, ended.how) == (3, False, "ended with exit status 3")
    assert set(ended.tail.split()) == {"one", "two"}
    assert (tmp_path / "log").read_text() == ended.tail
    assert ended.peak_mb > 1


def test_no_shell_sees_the_words(tmp_path: Path) -> None:
    ended = run_guarded(["echo", "$HOME; touch x | *"], tmp_path, tmp_path / "log", 20)
    assert ended.tail == "$HOME; touch x | *\n"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import ctypes; ctypes.string_at(0)", "was ended by SIGSEGV"),
        ("import os; os._exit(7)", "ended with exit status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("raise ValueError('no')", "ended with exit status 1"),
    ],
)
def test_however_it_ends_that_is_told(tmp_path: Path, code: str, how: str) -> None:
    assert run(tmp_path, code).how == how


def test_it_is_ended_when_its_time_is_over_with_all_its_children(tmp_path: Path) -> None:
    ended = run(tmp_path, CHILDREN + "time.sleep(600)", seconds=2.0)
    assert ended.timed_out
    assert ended.seconds < 12
    assert living(tmp_path / "pids") == []


def test_children_that_are_left_behind_are_ended_too_even_those_that_left_the_session(tmp_path: Path) -> None:
    ended = run(tmp_path, CHILDREN)
    assert ended.status == 0
    assert living(tmp_path / "pids") == []


def test_who_prints_without_end_fills_no_disk(tmp_path: Path) -> None:
    ended = run(tmp_path, "while True: print('x' * 100_000, end='')\n", seconds=1.5)
    assert ended.timed_out
    assert 0 < (tmp_path / "log").stat().st_size <= LARGEST_LOG
    assert len(ended.tail) <= 8_192


def test_what_it_prints_cannot_change_a_terminal(tmp_path: Path) -> None:
    assert run(tmp_path, "print('\\x1b[31mred\\u202e')").tail == "\\x1b[31mred\\u202e\n"


def test_it_ends_when_whoever_asked_for_it_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-I", "-c", CHILDREN + "time.sleep(600)"]
    asker = f"""
from pathlib import Path
from search.training.foreign.guarded import run_guarded
run_guarded({words!r}, Path({str(tmp_path)!r}), Path("log"), 600)
"""
    process = subprocess.Popen([sys.executable, "-c", asker], cwd=tmp_path, env={**os.environ})
    pids = tmp_path / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 2:
        time.sleep(0.02)
        assert process.poll() is None
    process.kill()
    process.wait()
    assert living(pids) == []


def test_one_that_kills_its_guardian_is_ended_and_told(tmp_path: Path) -> None:
    code = "import os, time; open('pids', 'w').write(str(os.getpid())); os.kill(os.getppid(), 9); time.sleep(600)"
    with pytest.raises(TrialError, match="guards a training was ended"):
        run(tmp_path, code)
    assert living(tmp_path / "pids") == []


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"'no-such-program' cannot be started .*No such file"):
        run_guarded(["no-such-program"], tmp_path, tmp_path / "log", 20)


def test_tokens_of_the_cluster_and_passwords_of_the_store_are_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "TASKGROUP_STORE", "TASKGROUP_SERVICE_STORE_URL", "TASKGROUP_TOKEN"):
        monkeypatch.setenv(name, f"postgresql://me:secret@{name}/db")
    monkeypatch.setenv("MINE", "kept")
    ended = run(tmp_path, "import os; print(os.environ['MINE'], 'secret' in str(dict(os.environ)))")
    assert ended.tail == "kept False\n"


def test_it_ignores_no_signal_of_its_guardian(tmp_path: Path) -> None:
    ended = run(tmp_path, "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", 0.5)
    assert ended.status == -signal.SIGKILL
