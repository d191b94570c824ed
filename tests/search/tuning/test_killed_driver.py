"""The driver of a search is killed (-9) at several moments: resuming ends with what was planned and repeats nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search.faults import FAULT_VARIABLE
from search.store.configurations import ENDED, ConfigurationRecord, Configurations
from search.store.store import Store
from tests.faults import FULL
from tests.search.tuning.killed import SEARCH

pytestmark = pytest.mark.ray

MOMENTS = (2, 5, 16) if FULL else (2, 16)
"""Commits of the process before it is killed: the first configuration is drawn and nobody knows; early; half way."""


def _work(home: Path, run: str, fault: str | None) -> subprocess.CompletedProcess[str]:
    # Cache and token of its own: Ray writes to the home directory.
    environment = {**os.environ, "HOME": str(home), "RAY_AUTH_TOKEN_PATH": str(home / "token")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    (home / "token").write_text("0" * 64)
    (home / "token").chmod(0o600)
    if fault is not None:
        environment[FAULT_VARIABLE] = fault
    return subprocess.run(
        [sys.executable, "-m", "tests.search.tuning.killed", str(home), run],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.timeout(1200)  # every process starts a Ray of its own, which takes a minute beside other work
def test_however_often_it_is_killed_it_ends_with_what_was_planned(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run = store.create_run("planted", "search", "", {})
    seen: dict[int, ConfigurationRecord] = {}
    for number, commits in enumerate(MOMENTS):
        point = "store.commit.after" if number % 2 else "store.commit.before"
        assert _work(tmp_path, run, f"{point}:{commits}").returncode == -signal.SIGKILL
        with Store.open(tmp_path) as store:
            records = Configurations(store.sessions).of(run)
            assert store.run(run).state == "interrupted"
        assert len(records) < SEARCH.configurations
        ended = {record.place: record for record in records if record.state in ENDED}
        assert {place: ended[place] for place in seen} == seen
        seen = ended
    assert seen
    done = _work(tmp_path, run, None)
    assert done.returncode == 0, done.stderr[-2000:]
    with Store.open(tmp_path) as store:
        records = Configurations(store.sessions).of(run)
    assert json.loads(done.stdout) == [[record.place, record.state, record.attempts] for record in records]
    assert [record.place for record in records] == list(range(SEARCH.configurations))
    assert {record.state for record in records} <= {"finished", "stopped"}
    for record in records:
        if record.place in seen:  # what ended before a kill was never trained again
            assert record == seen[record.place]
        assert record.attempts <= 1 + len(MOMENTS)
