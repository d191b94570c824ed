"""A cluster of two nodes on this machine, started as a user does it, which loses what a test takes from it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import yaml

from search.store.store import Store

__all__ = ["ROOT", "Cluster", "until"]

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "4f" * 32
START_SECONDS = 180.0


class Cluster:
    """A head with a job server, and a worker node, with one CPU each.

    Args:
        folder: For what its processes write.
        session: The same, for Ray, which wants a short path.
        stack: Ends them.

    Attributes:
        address: Of the head.
        proxy: Of the server for Ray's clients.
        jobs: Of the job server.
        home: Folder of runs, which every process here reaches.
        environment: What a user has to set.
    """

    def __init__(self, folder: Path, session: Path, stack: ExitStack) -> None:
        self._folder, self._session, self._stack = folder, session, stack
        self._ports = _free_ports(4)
        self.address, self.jobs = f"127.0.0.1:{self._ports[0]}", f"http://127.0.0.1:{self._ports[2]}"
        self.proxy = f"ray://127.0.0.1:{self._ports[1]}"
        self.home = folder / "runs"
        self.home.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",  # or whatever else runs here keeps its workers waiting
            "TASKGROUP_HOME": str(self.home),
        }
        self.begin()

    def begin(self) -> None:
        """Start a head, at the same address whenever it is done again, and a node."""
        port, client, board, agent = self._ports
        head = ["--head", f"--port={port}", f"--temp-dir={self._session}", f"--ray-client-server-port={client}"]
        head += [f"--dashboard-port={board}", "--dashboard-host=127.0.0.1", f"--dashboard-agent-listen-port={agent}"]
        self._head = self._start(*head)
        _wait_for(port)
        self.join()
        _wait_for(board)

    def join(self) -> None:
        """Start the node that is not the head."""
        (agent,) = _free_ports(1)
        self._worker = self._start(f"--address={self.address}", f"--dashboard-agent-listen-port={agent}")
        subprocess.run([sys.executable, "-c", TWO_CPUS, self.address], env=self.environment, timeout=120, check=True)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        ray = str(Path(sys.executable).parent / "ray")
        common = ["--block", "--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
        with (self._folder / "ray.log").open("ab") as log:
            process = subprocess.Popen(
                [ray, "start", *common, *arguments], env=self.environment, stdout=log, stderr=log
            )
        self._stack.callback(_end, process)
        return process

    def lose_node(self) -> None:
        """Kill all of the node that is not the head."""
        _end(self._worker)

    def lose_head(self) -> None:
        """Kill the process that knows what the cluster is (GCS); the nodes' others are still there."""
        (server,) = [one for one in psutil.Process(self._head.pid).children() if one.name() == "gcs_server"]
        server.kill()

    def end(self) -> None:
        """Kill whatever is left of it."""
        _end(self._worker)
        _end(self._head)

    def taskgroup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command, from a user's shell."""
        command = [sys.executable, "-c", "from search.cli.app import main; main()", *arguments]
        environment = {**self.environment, **variables}
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
        )

    def watched(self, spec: str) -> subprocess.Popen[str]:
        """A run in the foreground of a user's shell."""
        command = [sys.executable, "-c", "from search.cli.app import main; main()", "recommend", spec]
        return subprocess.Popen(
            command, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def begun(self, spec: dict[str, Any], kind: str = "recommend") -> str:
        """A detached run."""
        file = self.home.with_name("spec.yaml")
        file.write_text(yaml.safe_dump(spec))
        done = self.taskgroup(kind, str(file), "--detach", "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["run"])

    def finished(self, store: Store, run: str, enough: Callable[[], bool], disturb: Callable[[], None]) -> float:
        """Seconds that a detached run took to its end, with something that happened once enough was done."""
        began = time.monotonic()
        until(enough)
        assert store.run(run).state == "running", store.events(run)
        disturb()
        followed = self.taskgroup("logs", run, "--follow")
        seconds = time.monotonic() - began
        assert followed.stdout.splitlines()[-1].endswith("  finished"), followed.stdout
        assert (store.run(run).state, store.run(run).failed) == ("finished", 0)
        return seconds


TWO_CPUS = """
import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
while ray.cluster_resources().get("CPU", 0) < 2:
    time.sleep(0.1)
"""


def _free_ports(count: int) -> list[int]:
    """Ports that Ray will not want for its workers (10002 to 19999)."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            candidate = held.enter_context(socket.socket())
            candidate.bind(("127.0.0.1", 0))
            if not 10002 <= candidate.getsockname()[1] <= 19999:
                found.append(candidate.getsockname()[1])
    return found


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


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.05)
