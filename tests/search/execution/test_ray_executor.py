"""The Ray executor against a hostile world: no cluster, no GPU, Ctrl-C. What all executors promise is in contract/."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from search.errors import ClusterError
from search.execution import cluster_environment
from search.execution.cluster_environment import (
    check_address,
    driver_environment,
    environment,
    worker_environment,
)
from search.execution.ray_executor import RayExecutor

# A shell that starts the tests in the background makes them ignore Ctrl-C, and children inherit that.
INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from search.execution.ray_executor import RayExecutor
from tests.contract import jobs
with RayExecutor(workers=2) as executor:
    for outcome in executor.run(jobs.trouble, {}, ["fine", "hangs", "halted"]):
        print(outcome.worker, flush=True)
"""

NO_GPU = """
from search.errors import ClusterError
from search.execution.ray_executor import RayExecutor
try:
    with RayExecutor(workers=2, gpus_per_worker=0.5):
        pass
except ClusterError as error:
    print(error.exit_code, error)
"""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_dead_address_is_refused_in_seconds() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with (
        pytest.raises(ClusterError, match=f"nobody answers at 127.0.0.1:{port}") as refused,
        _executor(f"127.0.0.1:{port}"),
    ):
        pass
    assert refused.value.exit_code == 6


def test_something_that_is_no_ray_cluster_is_given_up(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster_environment._CONNECT_SECONDS + cluster_environment._PROBE_SECONDS <= 30
    monkeypatch.setattr(cluster_environment, "_PROBE_SECONDS", 3.0)
    with (
        pytest.raises(ClusterError, match="did not answer as a Ray cluster within 3 s"),
        _executor(f"127.0.0.1:{silent_port}"),
    ):
        pass


@pytest.mark.parametrize("address", ["", "somewhere", "host:", ":6379", "host:abc"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ClusterError, match="is not an address"), _executor(address):
        pass


@pytest.mark.ray
def test_a_second_executor_in_one_process_is_refused(ray_executor: RayExecutor) -> None:
    with pytest.raises(ClusterError, match="Ray already runs in this process"), RayExecutor(workers=1):
        pass


@pytest.mark.ray
def test_a_private_cluster_has_no_dashboard_and_a_bounded_object_store(ray_executor: RayExecutor) -> None:
    import ray

    node: Any = ray._private.worker._global_node
    assert not node.webui_url
    assert 0 < ray.cluster_resources()["object_store_memory"] <= 200_000_000  # type: ignore[no-untyped-call]


@pytest.mark.ray
def test_66_gpus_that_are_not_there_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_GPU],
        capture_output=True,
        text=True,
        env={**_clean_environment(tmp_path), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.stderr == ""
    assert done.stdout.strip() == (
        "6 cluster.gpus_per_worker: 2 worker(s) with 0.5 GPU each were asked for, but local has 0 GPUs. "
        "Set it to 0 to train on CPUs"
    )


@pytest.mark.ray
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_leaves_no_process_and_no_file_behind(tmp_path: Path, how: signal.Signals) -> None:
    """Also with one worker that hangs and one that is halted (SIGSTOP)."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True, env=_clean_environment(tmp_path)
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline()
        time.sleep(1)  # the other jobs are under way
        family = psutil.Process(driver.pid).children(recursive=True)
        folders = {path for process in family for path in _session_folders(process)}
        assert len(family) > 4
        assert folders
        driver.send_signal(how)
        driver.wait(timeout=30)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not any(folder.exists() for folder in folders)


def test_the_token_is_private_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ray_token").write_text("older, and open to everybody")
    path = Path(driver_environment(tmp_path)["RAY_AUTH_TOKEN_PATH"])
    assert path.parent == tmp_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) == 64


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_the_users_own_token_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "theirs")
    assert "RAY_AUTH_TOKEN_PATH" not in driver_environment(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_borrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROUPING_A", "before")
    with environment({"TASKGROUPING_A": "inside", "TASKGROUPING_B": "inside"}):
        assert (os.environ["TASKGROUPING_A"], os.environ["TASKGROUPING_B"]) == ("inside", "inside")
    assert os.environ["TASKGROUPING_A"] == "before"
    assert "TASKGROUPING_B" not in os.environ


def test_workers_get_one_thread_and_their_share_of_a_gpu() -> None:
    assert worker_environment(0.25) == {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
        "TASKGROUPING_GPUS": "0.25",
    }


def _executor(address: str) -> RayExecutor:
    return RayExecutor(address, workers=1)


def _clean_environment(home: Path) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {"HOME": str(home)}


def _session_folders(process: psutil.Process) -> set[Path]:
    words = " ".join(process.cmdline()).replace("=", " ").split()
    return {Path("/tmp", Path(word).parts[2]) for word in words if word.startswith("/tmp/tg-")}  # noqa: S108


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (b"...\nray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: ...\nConnectionError: no", "a token"),
        (
            b"Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.9.1\nThis process\n",
            r"Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.9.1 This process",
        ),
        (b"one\nValueError: two\n", "ValueError: two"),
        (b"", "exit status 1"),
    ],
    ids=["token", "versions", "other", "silent"],
)
def test_what_a_cluster_refuses_for_is_one_line(monkeypatch: pytest.MonkeyPatch, stderr: bytes, said: str) -> None:
    def refuse(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command, stderr=stderr)

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(ClusterError, match=said) as caught:
        check_address("auto")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 6


def test_a_termination_while_ray_starts_is_the_programs_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise SystemExit(signal.SIGTERM)  # what Ray's own handler does once it has taken the signal over

    def handler(_signal: int, _frame: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    monkeypatch.setattr("search.execution.ray_cluster.ray.is_initialized", lambda: False)
    monkeypatch.setattr("search.execution.ray_cluster.ray.init", interrupted)
    monkeypatch.setattr("search.execution.ray_cluster.ray.shutdown", lambda: None)
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(SystemExit) as ended, RayExecutor(workers=1):
            pass
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM


def _status_of_a_failing_child(_shared: None, _job: int) -> int:
    return subprocess.run([sys.executable, "-c", "raise SystemExit(7)"], check=False).returncode


def test_who_waits_for_a_child_hears_how_it_ended(ray_executor: RayExecutor) -> None:
    (outcome,) = ray_executor.run(_status_of_a_failing_child, None, [0])
    assert outcome.result == 7
    assert _status_of_a_failing_child(None, 0) == 7, "in the process that started the cluster"
