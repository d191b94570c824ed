"""The doctor: what it looks at, what it says of a sick machine, and that one sick thing hides no other."""

from __future__ import annotations

import json
import shutil
import threading
import tomllib
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from search import doctor
from search.cli.app import run
from search.doctor import Finding, examine
from search.errors import ClusterError
from search.store.store import Store


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_workers", lambda address: Finding("workers", "ok", "fine"))


def findings(home: Path, address: str = "local", jobs_port: int | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(home, address, None, jobs_port)}


@pytest.mark.usefixtures("no_ray")
def test_a_healthy_machine_is_fit(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert {"python", "packages", "extra service", "memory", "disk", "store", "torch", "workers"} <= set(found)
    assert "failed" not in {finding.state for finding in found.values()}
    assert "torch" in found["packages"].what
    assert "none yet" in found["store"].what
    assert all(finding.fix for finding in found.values() if finding.state != "ok")


@pytest.mark.usefixtures("no_ray")
def test_a_python_that_is_too_old_or_too_new_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for oldest, newest in (((3, 99), (4, 0)), ((3, 0), (3, 1))):
        monkeypatch.setattr(doctor, "_OLDEST", oldest)
        monkeypatch.setattr(doctor, "_NEWEST", newest)
        found = findings(tmp_path)["python"]
        assert found.state == "failed"
        assert "Use Python" in found.fix


def test_the_limits_of_python_are_those_of_the_package() -> None:
    written = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    oldest, newest = (".".join(map(str, limit)) for limit in (doctor._OLDEST, doctor._NEWEST))
    assert written == f">={oldest},<{newest}"


@pytest.mark.usefixtures("no_ray")
def test_a_damaged_store_is_said_and_hides_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"no database " * 100)
    found = findings(tmp_path)
    assert found["store"].state == "failed"
    assert found["store"].fix
    assert found["workers"].state == "ok"


@pytest.mark.usefixtures("no_ray")
def test_interrupted_runs_are_named_with_the_way_on(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        name = store.create_run("mine", "recommend", "spec", {})
        store.set_state(name, "running")
        store.set_state(name, "interrupted")
    found = findings(tmp_path)["store"]
    assert found.state == "warning"
    assert found.fix == f"Go on with: taskgroup resume {name}"


@pytest.mark.usefixtures("no_ray")
def test_too_little_memory_and_disk_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = namedtuple("memory", "available")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(2**29))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(2**40, 2**40 - 2**28, 2**28))
    found = findings(tmp_path)
    assert found["memory"].state == "warning"
    assert "cluster.workers to 1" in found["memory"].fix
    assert found["disk"].state == "warning"


def test_workers_that_cannot_be_had_are_a_failure_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(address: str) -> Finding:
        raise ClusterError("nobody answers", fix="Start the cluster")

    monkeypatch.setattr(doctor, "_workers", none)
    assert findings(tmp_path)["workers"] == Finding("workers", "failed", "nobody answers", "Start the cluster")


@contextmanager
def jobs_port(status: int) -> Iterator[int]:
    """Something that answers as a cluster's dashboard."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            return None

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("address", ["127.0.0.1:6379", "auto"])
@pytest.mark.parametrize(("status", "state"), [(200, "warning"), (401, "ok"), (404, "ok")])
def test_a_cluster_that_takes_jobs_without_a_token_is_warned_of(
    tmp_path: Path, status: int, state: str, address: str
) -> None:
    with jobs_port(status) as port:
        found = findings(tmp_path, address, port)["jobs port"]
    assert found.state == state
    assert ("without a token" in found.what) == (state == "warning")


@pytest.mark.usefixtures("no_ray")
def test_the_command_prints_a_line_for_each_and_says_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Fit to run" in out
    (tmp_path / "store.sqlite3").write_bytes(b"no database " * 100)
    assert run(["doctor", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["failed"] == 1
    assert [one["check"] for one in data["findings"] if one["state"] == "failed"] == ["store"]


@pytest.mark.ray
def test_it_starts_a_worker_and_ends_it(tmp_path: Path) -> None:
    from tests.search.cli.test_recommend import finish, start

    code, out, err = finish(start(tmp_path, "doctor", "--json"))
    assert code == 0, err
    workers = json.loads(out)["findings"][-1]
    assert (workers["check"], workers["state"]) == ("workers", "ok")
    assert "trained a step" in workers["what"]


@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_said_within_seconds(tmp_path: Path) -> None:
    from tests.search.cli.test_recommend import finish, start

    code, out, _ = finish(start(tmp_path, "doctor", "--address", "127.0.0.1:9", "--json"))
    assert code == 1
    workers = json.loads(out)["findings"][-1]
    assert "nobody answers at 127.0.0.1:9" in workers["what"]
    assert workers["fix"]
