"""Servers that are killed, databases that go away under them: nothing that was accepted is lost, searches go on."""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from search.store import sqlite
from search.store.home import STORE_FILE
from search.store.store import Store
from search.store.tokens import Tokens
from tests.faults import FULL
from tests.faults.conftest import Undisturbed
from tests.faults.victims import Victim, Victims
from tests.postgres import PostgresServer
from tests.search.service.serving import SPEC, serving, until

Note = Callable[[str, object], None]
LONGEST = 150.0  # seconds that the kills may take in all


@dataclass
class Posted:
    """What somebody asked of a server, and what it accepted: runs by the keys of their requests."""

    keys: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)

    def post(self, url: str, token: str, begun: threading.Event, stop: threading.Event) -> None:
        """Post runs one after the other until the server goes away."""
        with _client(url, token) as client:
            while not stop.is_set():
                key = f"key-{len(self.keys)}-{threading.get_ident()}"
                self.keys.append(key)
                try:
                    response = client.post("/api/v1/runs", json=SPEC, headers={"idempotency-key": key})
                except httpx.HTTPError:
                    return
                assert response.status_code == 201, response.text
                self.accepted[key] = response.json()["id"]
                begun.set()


@pytest.mark.fault("R3", "SIGKILL of the server at random moments, while it is asked for runs and one is worked on")
def test_a_killed_server_loses_no_accepted_run_and_searches_go_on(
    victims: Victims, undisturbed: Undisturbed, home: Path, record_property: Note
) -> None:
    rng = random.Random(3)
    with Store.open(home) as store:
        token = Tokens(store.sessions).create("ada", "submit")[1]
    working = victims.start(home, seconds=0.3, principal="ada")
    until(lambda: _planted(home) is not None)
    posted, kills, slowest = Posted(), 0, 0.0
    began = time.monotonic()
    server, url = _server(victims, home)
    while kills < (100 if FULL else 2) and time.monotonic() - began < LONGEST:
        begun, stop = threading.Event(), threading.Event()
        client = threading.Thread(target=posted.post, args=(url, token, begun, stop))
        client.start()
        assert begun.wait(60), "no run was accepted"
        time.sleep(rng.uniform(0, 0.2))
        server.kill()
        server.wait()
        stop.set()
        client.join(30)
        kills += 1
        server, url = _server(victims, home)
        ready = time.monotonic()
        with _client(url, token) as asker:
            run = _planted(home)
            state = asker.get(f"/api/v1/runs/{run}").json()["state"]
            slowest = max(slowest, time.monotonic() - ready)
            assert state in {"running", "finished"}
            latest = list(posted.accepted.values())[-20:]
            assert [asker.get(f"/api/v1/runs/{one}").status_code for one in latest] == [200] * len(latest)
    with _client(url, token) as asker:
        again = {
            key: asker.post("/api/v1/runs", json=SPEC, headers={"idempotency-key": key}).json()["id"]
            for key in posted.keys
        }
    server.kill()
    server.wait()
    assert working.wait() == 0
    undisturbed.assert_equalled(home, kills=0)
    assert {key: again[key] for key in posted.accepted} == posted.accepted
    with Store.open(home) as store:
        known = {record.id for record in store.list_runs(name="weather", limit=100_000).runs}
    assert known == set(again.values()), "a request made no run, or two"
    assert slowest < 5
    record_property("count", kills)
    said = f"{len(posted.accepted)} accepted runs, 0 lost, 0 twice; the search ended as if untouched"
    record_property("figure", f"{said}; right state {slowest:.2f} s after a restart")


@pytest.mark.fault("R10", "the database locked while the server is asked for a run, for longer than its patience")
def test_a_locked_database_is_busy_and_then_fine_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Note
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    with serving(tmp_path) as served, served.client() as client:
        assert client.post("/api/v1/runs", json=SPEC).status_code == 201
        other = sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = client.post("/api/v1/runs", json=SPEC)
        assert client.get("/api/v1/runs").status_code == 200, "readers wait for nobody"
        other.execute("ROLLBACK")
        other.close()
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert client.post("/api/v1/runs", json=SPEC).status_code == 201
        assert served.store.list_runs().total == 2
    record_property("figure", "503 with Retry-After, then 201; no run lost")


@pytest.mark.fault("R12", "PostgreSQL restarted (SIGQUIT) again and again while a run is worked on")
def test_a_run_outlives_restarts_of_its_database_server(
    victims: Victims, undisturbed: Undisturbed, postgres: PostgresServer, home: Path, record_property: Note
) -> None:
    url = postgres.new_database()
    victim = victims.start(home, seconds=0.1, url=url)
    restarts = 3 if FULL else 1
    for n in range(restarts):
        until(lambda n=n: _recorded(home, url) >= 5 + 8 * n, 60)
        postgres.stop()
        time.sleep(1.0)
        postgres.start()
    assert victim.wait() == 0, victim.said
    undisturbed.assert_equalled(home, kills=0, url=url)
    record_property("count", restarts)
    record_property("figure", "the run waited and ended as if untouched; nothing was trained twice")


def _server(victims: Victims, home: Path) -> tuple[Victim, str]:
    """A server that answers, and where."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, url = victims.start(home, "serve", port=port), f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/healthz", timeout=5)
        except httpx.HTTPError:
            assert time.monotonic() < deadline, server.said
            time.sleep(0.02)
        else:
            return server, url


def _client(url: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30)


def _planted(home: Path) -> str | None:
    with Store.open(home) as store:
        runs = store.list_runs(name="planted").runs
    return runs[0].id if runs else None


def _recorded(home: Path, url: str) -> int:
    with Store.open(home, url=url) as store:
        runs = store.list_runs().runs
        return runs[0].finished if runs else 0
