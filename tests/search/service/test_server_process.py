"""The server as a process: killed at any moment it loses no run that it accepted, and the runs go on without it.

``make faults`` kills as often as was promised, and ``TASKGROUP_KILLS=100 pytest -k lost`` of this file alone.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from search.store.home import STORE_FILE
from search.store.owner import Owner
from search.store.store import Store
from search.store.tokens import Tokens
from tests.faults import FULL
from tests.search.service.serving import SPEC, TABLE, until

KILLS = int(os.environ.get("TASKGROUP_KILLS", "100" if FULL else "2"))

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"source": "rows.csv"},
    "network": {"widths": [8]},
    "training": {"epochs": 4, "batch_size": 16, "seeds": 2, "engine": "plain"},
    "affinity": {"audit": 0},
    "evidence": {"seeds": 2, "random_groupings": 0, "draws": 10},
    "budget": {"inference": 1},
    "cluster": {"workers": 1},
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """``taskgroup serve`` as a process that can be killed and started again on the same address."""

    def __init__(self, home: Path, **settings: object) -> None:
        self.home = home
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = ""
        self._settings = {f"TASKGROUP_SERVICE_{name.upper()}": str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {**os.environ, "TASKGROUP_HOME": str(self.home), **self._settings}
        code = "from search.cli.app import main; main()"
        command = [sys.executable, "-c", code, "serve", "--port", str(self.port)]
        log = (self.home / "server.log").open("a")
        self._process = subprocess.Popen(command, env=environment, stderr=log, text=True)
        log.close()
        until(self._answers, 60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "server.log").read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def terminate(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


@contextmanager
def _server(home: Path, **settings: object) -> Iterator[tuple[Server, str]]:
    with Store.open(home) as store:
        token = Tokens(store.sessions).create("ada")[1]
    server = Server(home, **settings)
    server.start()
    try:
        yield server, token
    finally:
        if server._process is not None and server._process.poll() is None:
            server.kill()


def _commands() -> list[str]:
    """What ``ps`` shows of every process that this user may see."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.timeout(300 + 30 * KILLS)
def test_no_run_that_was_accepted_is_lost_by_kills(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(7)
    accepted: dict[str, str] = {}
    ended = threading.Event()
    with Store.open(tmp_path) as store:
        lease = store.take(store.create_run("occupant", "recommend", "", {}, principal="occupant"))
        with _server(tmp_path, requests_per_second=1e4, burst=10_000) as (server, token):  # asked for at once
            headers = {"authorization": f"Bearer {token}"}

            def submit() -> None:
                number = 0
                with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
                    while not ended.is_set():
                        number += 1
                        key = f"key-{number}"
                        while not ended.is_set():
                            try:
                                answer = client.post("/api/v1/runs", json=SPEC, headers={"idempotency-key": key})
                            except httpx.TransportError:  # killed: whether it was accepted nobody knows, so ask again
                                time.sleep(0.05)
                                continue
                            if answer.status_code == 201:
                                accepted[key] = answer.json()["id"]
                                break

            thread = threading.Thread(target=submit)
            thread.start()
            for kill in range(KILLS):
                count = len(accepted)
                until(lambda count=count: len(accepted) > count + 3, 60)
                time.sleep(rng.random() * 0.3)
                server.kill()
                lease.renew()
                server.start()
                assert kill < KILLS
            ended.set()
            thread.join(60)
            with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
                for run in accepted.values():
                    assert client.get(f"/api/v1/runs/{run}").json()["state"] == "queued"
        runs = store.list_runs(principal="ada", limit=100_000)
        assert len(set(accepted.values())) == len(accepted)
        assert set(accepted.values()) <= {run.id for run in runs.runs}
        assert runs.total - len(accepted) in {0, 1}  # the last may have been accepted without being told
    record_property("count", KILLS)
    record_property("figure", f"{len(accepted)} accepted runs, 0 lost, 0 twice")
    with sqlite3.connect(tmp_path / STORE_FILE) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_server_that_is_told_to_stop_ends_its_streams_and_itself(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store, _server(tmp_path) as (server, token):
        run = store.create_run("x", "recommend", "", {}, principal="ada")
        store.take(run)
        headers = {"authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=server.url, headers=headers, timeout=30) as client,
            client.stream("GET", f"/api/v1/runs/{run}/events") as response,
        ):
            lines = response.iter_lines()
            assert next(lines).startswith("retry")
            commands = _commands()
            assert [command for command in commands if str(server.port) in command]
            assert not [command for command in commands if token in command]
            started = time.monotonic()
            code = server.terminate()
            assert code in {0, -signal.SIGTERM}
            assert time.monotonic() - started < 20
            assert [line for line in lines if line.startswith("event: end")] == []
    log = (tmp_path / "server.log").read_text().splitlines()
    assert all(json.loads(line) for line in log if line.startswith("{"))
    assert token not in "\n".join(log)
    assert not re.search(r"Traceback", "\n".join(log))


@pytest.mark.ray
def test_a_run_goes_on_while_its_server_is_killed(tmp_path: Path) -> None:
    with _server(tmp_path, poll_seconds=0.1) as (server, token):
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            upload = client.post("/api/v1/datasets?name=rows.csv", content=TABLE, headers={"content-type": "text/csv"})
            assert upload.status_code == 201, upload.text
            spec = {**SMALL, "data": {"source": upload.json()["id"]}}
            answer = client.post("/api/v1/runs", json=spec)
            assert answer.status_code == 201, answer.text
            run = answer.json()["id"]
            with Store.open(tmp_path) as store:
                until(lambda: store.run(run).state == "running", 60)
                owner = Owner.parse(store.run(run).owner)
                assert owner.pid != server.pid
                commands = _commands()
                assert [command for command in commands if run in command]
                assert not [command for command in commands if token in command]
                server.kill()
                assert store.run(run).state == "running"
                server.start()
                restarted = time.monotonic()
                state = client.get(f"/api/v1/runs/{run}").json()["state"]
                assert state in {"running", "finished"}
                assert time.monotonic() - restarted < 5
                until(lambda: store.run(run).state != "running", 240)
                assert store.run(run).state == "finished", (tmp_path / run / "supervisor.log").read_text()
                assert store.run(run).starts == 1
            report = client.get(f"/api/v1/runs/{run}/report")
            assert report.status_code == 200
            assert token not in report.text
            names = [file["name"] for file in client.get(f"/api/v1/runs/{run}/files").json()["files"]]
            assert any(name.startswith("networks/") for name in names)
            assert str(tmp_path) not in client.get(f"/api/v1/runs/{run}").text
