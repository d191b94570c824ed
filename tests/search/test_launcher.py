"""Supervisors as jobs of a Ray cluster: what is asked of its job server, and what its refusals mean to a user."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from search.errors import ClusterError
from search.launcher import LocalLauncher, RayJobLauncher, launcher_for
from search.spec import ClusterSpec

TOKEN = "t0ken"  # noqa: S105 - opens nothing


class JobServer:
    """Answers like a cluster's job server, and remembers what it was asked."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                given = self.headers.get("Authorization")
                status = outer.status if given == f"Bearer {TOKEN}" else 403 if given else 401
                if status == 200:
                    outer.jobs.append({"path": self.path, **job})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps({"submission_id": job["submission_id"]}).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[JobServer]:
    server = JobServer()
    yield server
    server.close()


def test_a_job_is_the_supervisor_of_the_run_with_home_and_store(server: JobServer, tmp_path: Path) -> None:
    launcher = RayJobLauncher(server.address + "/", tmp_path, "postgresql://h/d", python="/opt/my py", token=TOKEN)
    launcher.start("run-1")
    launcher.start("run-1")
    first, second = server.jobs
    assert first["path"] == "/api/jobs/"
    assert first["entrypoint"] == "'/opt/my py' -P -m search.supervisor run-1"
    expected = {"TASKGROUP_HOME": str(tmp_path), "TASKGROUP_STORE": "postgresql://h/d"}
    assert first["runtime_env"] == {"env_vars": expected}
    assert first["submission_id"] != second["submission_id"]


def test_the_token_comes_from_where_ray_looks_for_it(
    server: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    RayJobLauncher(server.address, tmp_path).start("run-1")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "missing"))
    with pytest.raises(ClusterError, match="token cannot be read"):
        RayJobLauncher(server.address, tmp_path)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    RayJobLauncher(server.address, tmp_path).start("run-1")
    assert len(server.jobs) == 2


@pytest.mark.parametrize(("token", "said"), [("", "asks for a token"), ("wrong", "refuses this token")])
def test_a_token_that_is_missing_or_wrong_is_one_clear_line(
    server: JobServer, tmp_path: Path, token: str, said: str
) -> None:
    with pytest.raises(ClusterError, match=said) as caught:
        RayJobLauncher(server.address, tmp_path, token=token).start("run-1")
    assert caught.value.exit_code == 6
    assert "RAY_AUTH_TOKEN" in caught.value.fix


def test_a_server_that_fails_or_is_not_there_is_told_with_its_address(server: JobServer, tmp_path: Path) -> None:
    server.status = 500
    with pytest.raises(ClusterError, match=r"refused the job \(HTTP 500"):
        RayJobLauncher(server.address, tmp_path, token=TOKEN).start("run-1")
    with pytest.raises(ClusterError, match=r"no job server answers at http://127\.0\.0\.1:1 "):
        RayJobLauncher("http://127.0.0.1:1", tmp_path).start("run-1")


def test_a_spec_says_which_launcher(tmp_path: Path) -> None:
    assert isinstance(launcher_for(ClusterSpec(), tmp_path, None), LocalLauncher)
    assert isinstance(launcher_for(ClusterSpec(launcher="ray-job"), tmp_path, None), RayJobLauncher)
