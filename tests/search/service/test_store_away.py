"""A database that is locked or restarts: 503 with Retry-After meanwhile, then as before; nothing accepted is lost."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from search.service.gate import API
from search.store import sqlite
from search.store.home import STORE_FILE
from tests.postgres import PostgresServer
from tests.search.service.serving import SPEC, serving, until


def test_a_locked_database_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    with serving(tmp_path) as served, served.client() as client:
        assert client.post(f"{API}/plans", json=SPEC).status_code == 200
        other = sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = client.post(f"{API}/runs", json=SPEC, headers={"idempotency-key": "k"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == "store"
        assert "locked" in refused.json()["what"]
        assert client.get(f"{API}/runs").status_code == 200  # readers never wait for writers
        other.execute("ROLLBACK")
        other.close()
        assert client.post(f"{API}/runs", json=SPEC, headers={"idempotency-key": "k"}).status_code == 201
        assert client.get(f"{API}/runs").json()["total"] == 1


def test_a_server_that_restarts_is_waited_for(tmp_path: Path, postgres: PostgresServer) -> None:
    with serving(tmp_path, url=postgres.new_database()) as served, served.client() as client:
        assert client.post(f"{API}/plans", json=SPEC).status_code == 200
        accepted = {client.post(f"{API}/runs", json=SPEC).json()["id"] for _ in range(5)}
        postgres.stop()
        try:
            for method, path in (("POST", "runs"), ("GET", "runs"), ("GET", f"runs/{min(accepted)}")):
                answer = client.request(method, f"{API}/{path}", json=SPEC if method == "POST" else None)
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"]
                assert "se/cr" not in answer.text
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
        finally:
            postgres.start()
        started = time.monotonic()
        until(lambda: client.get(f"{API}/runs").status_code == 200, 30)
        assert time.monotonic() - started < 5
        accepted.add(client.post(f"{API}/runs", json=SPEC).json()["id"])
        assert {run["id"] for run in client.get(f"{API}/runs").json()["runs"]} == accepted


def test_two_servers_on_one_database_share_runs_and_places(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with serving(tmp_path, url=url, max_concurrent_runs=2) as one:
        one.store.take(one.run_of("occupant"))
        with serving(tmp_path, url=url, max_concurrent_runs=2) as two, one.client() as first, two.client() as second:
            second.headers["authorization"] = first.headers["authorization"]
            runs = [client.post(f"{API}/runs", json=SPEC).json()["id"] for client in (first, second) * 3]
            assert first.get(f"{API}/runs").json() == second.get(f"{API}/runs").json()
            until(lambda: one.launcher.started or two.launcher.started)
            time.sleep(1.5)  # both have looked again
            assert one.launcher.started + two.launcher.started == [runs[0]]
            assert second.post(f"{API}/runs/{runs[1]}/cancel").status_code == 202
            assert first.get(f"{API}/runs/{runs[1]}").json()["state"] == "cancelled"
