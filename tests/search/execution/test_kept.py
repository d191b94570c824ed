"""What is left of a private cluster ends when its driver is gone: what was told, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from search.execution import keeper
from search.execution.kept import kept

DRIVER = """
import json, subprocess, sys, time
from pathlib import Path
from search.execution.kept import kept
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
before = subprocess.Popen(sleeper)
with kept(Path(sys.argv[1])) as cluster:
    ours = subprocess.Popen(sleeper, start_new_session=True)
    cluster.started()
    late, other = subprocess.Popen(sleeper), subprocess.Popen(sleeper)
    cluster.tell([late.pid])
    cluster._process.stdin.write(f"{other.pid} 1\\n".encode())  # had this number long ago
    cluster._process.stdin.flush()
    numbers = {"keeper": cluster._process.pid, "ours": [ours.pid, late.pid], "others": [before.pid, other.pid]}
    print(json.dumps(numbers), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_driver_that_is_killed_takes_its_cluster_along_and_nothing_else(tmp_path: Path, end: ExitStack) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "log").write_text("a line")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)], stdout=subprocess.PIPE, text=True)
    end.enter_context(driver)
    end.callback(driver.kill)
    assert driver.stdout is not None
    numbers = json.loads(driver.stdout.readline())
    ours = [psutil.Process(number) for number in [numbers["keeper"], *numbers["ours"]]]
    others = [psutil.Process(number) for number in numbers["others"]]
    for process in [*ours, *others]:
        end.callback(_end, process)
    driver.kill()
    _, alive = psutil.wait_procs(ours, timeout=60)
    assert alive == []
    assert all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in others)
    assert not folder.exists()


def test_who_leaves_in_good_order_leaves_nothing_and_does_not_wait_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    before = set(psutil.Process().children())
    with kept(folder) as cluster:
        (process,) = set(psutil.Process().children()) - before
        cluster.started()
    assert not process.is_running()
    assert not folder.exists()


def test_only_the_living_have_begun() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert keeper.began_at(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert keeper.began_at(child.pid) == "", "nobody has taken notice of its end yet"
    assert keeper.began_at(child.pid) == ""


def _end(process: psutil.Process) -> None:
    if process.is_running():
        process.kill()
