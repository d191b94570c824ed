"""Clusters that are full or refuse, which one clear line says soon; lost ones are in ``tests/search/execution``."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.errors import ClusterError
from search.execution import cluster_environment
from search.execution.cluster_environment import check_address, temporary_folder

Note = Callable[[str, object], None]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``tests.faults.cluster`` saw."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ADDRESS": "127.0.0.1:1",  # a stale one; whoever names an address does not mean this
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.cluster"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.ray
@pytest.mark.fault("R23", "more workers than the cluster has cores; every core taken by others")
def test_a_cluster_that_is_too_small_or_full_says_so(happened: dict[str, Any], record_property: Note) -> None:
    small, full = happened["too many workers"], happened["full"]
    assert small["exit_code"] == full["exit_code"] == 6
    assert "5 workers were asked for" in small["error"]
    assert "has room for 2" in small["error"]
    assert "all 2 CPUs" in full["error"]
    assert small["seconds"] < 30
    assert full["seconds"] < 30
    record_property("figure", f"told after {small['seconds']:.0f} s; after {full['seconds']:.0f} s of 3 s patience")


@pytest.mark.ray
@pytest.mark.fault("R24", "a wrong token, with a stale RAY_ADDRESS set")
def test_a_wrong_token_is_one_line(happened: dict[str, Any], record_property: Note) -> None:
    refused = happened["wrong token"]
    assert refused["exit_code"] == 6
    assert "\n" not in refused["error"]
    assert "RAY_AUTH_TOKEN" in refused["error"]
    record_property("figure", f"exit 6 after {refused['seconds']:.0f} s")


@pytest.mark.fault("R24", "a cluster of another version of Ray")
def test_another_version_of_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray says then, said by a probe that does not need a second Ray."""
    said = "Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.9.1"
    monkeypatch.setattr(cluster_environment, "_PROBE", f"raise RuntimeError({said!r})")
    with pytest.raises(ClusterError, match="Version mismatch") as refused:
        check_address("auto")
    assert refused.value.exit_code == 6
    assert "\n" not in str(refused.value)
    assert "versions of Ray and Python" in refused.value.fix


LEAVES = """
import os
from search.execution.cluster_environment import temporary_folder
with temporary_folder() as folder:
    (folder / "session").write_bytes(bytes(1000))
    print(folder, flush=True)
    os._exit(0)  # as after SIGKILL, nothing is tidied up
"""


@pytest.mark.fault("R25", "local clusters whose process was killed leave their folder under /tmp behind")
def test_folders_of_dead_processes_are_removed_by_the_next_and_those_of_the_living_stay(record_property: Note) -> None:
    dead = []
    for _ in range(3):
        said = subprocess.check_output([sys.executable, "-c", LEAVES], text=True, cwd=ROOT, stderr=subprocess.STDOUT)
        dead.append(Path(said.strip()))
        assert (dead[-1] / "session").exists()
    with temporary_folder() as mine:
        assert not any(folder.exists() for folder in dead)
        with temporary_folder() as another:
            assert mine.exists()
        assert not another.exists()
    assert not mine.exists()
    record_property("count", len(dead))
