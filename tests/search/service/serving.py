"""A real service for tests: uvicorn on a free port of this machine, real sockets, a launcher that starts nothing."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from grouping.report.content import Content
from grouping.report.html import html
from search.service.app import create_app
from search.service.context import Service
from search.service.server import listen, server_of
from search.service.settings import Settings
from search.store.store import Store
from search.store.tokens import Scope, Tokens
from tests.grouping.report.sample import write_run

_CONTEXT = ssl.create_default_context()  # making one takes longer than most tests

SPEC: dict[str, Any] = {"name": "weather", "data": {"source": "synthetic"}, "budget": {"inference": 3}}
"""A small spec that every installation can run."""

TABLE = "x_1,x_2,y_a,y_b\n" + "".join(f"{i * 0.37 % 1:.3f},{i % 7},{i % 5 * 0.3 + i % 3},{i % 2}\n" for i in range(300))
"""A small table of two tasks."""


@dataclass
class Noted:
    """A launcher that starts nothing."""

    started: list[str] = field(default_factory=list)

    def start(self, run: str) -> None:
        self.started.append(run)


@dataclass
class Served:
    """A service that runs."""

    home: Path
    url: str
    store: Store
    service: Service
    launcher: Noted
    tokens: dict[str, str]

    def client(self, who: str | None = "ada", **more: Any) -> httpx.Client:
        """A client with the token of that name; None: with none."""
        headers = {"authorization": f"Bearer {self.tokens[who]}"} if who is not None else {}
        return httpx.Client(
            base_url=self.url, headers={**headers, **more.pop("headers", {})}, timeout=60, verify=_CONTEXT, **more
        )

    def run_of(self, who: str, name: str = "run", **more: Any) -> str:
        """A queued run that belongs to somebody."""
        options = {"tasks": ["a", "b"], "planned": 10, **more}
        return self.store.create_run(name, "recommend", f"name: {name}\n", {}, principal=who, **options)

    def finished_run(self, who: str, content: Content) -> str:
        """A run with a recommendation in its folder."""
        run = self.run_of(who, content.recommendation.name)
        self.store.take(run).release("finished")
        write_run(content, self.home / run)
        (self.home / run / "report.html").write_text(_report(content), encoding="utf-8")
        return run


@contextmanager
def serving(home: Path, *, launcher: Noted | None = None, url: str | None = None, **settings: Any) -> Iterator[Served]:
    """Serve a home with the tokens ada, bob (submit), eve (read) and root (admin)."""
    defaults = {"port": 0, "requests_per_second": 100_000.0, "burst": 100_000, "poll_seconds": 0.05}
    chosen = Settings(home=home, store_url=url, **{**defaults, **settings})
    noted = launcher or Noted()
    with Store.open(home, url=url) as store:
        scopes: dict[str, Scope] = {"ada": "submit", "bob": "submit", "eve": "read", "root": "admin"}
        tokens = {name: Tokens(store.sessions).create(name, scope)[1] for name, scope in scopes.items()}
        app = create_app(chosen, store, noted)
        listener = listen(chosen)
        server = server_of(app, chosen)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not server.started:
                assert thread.is_alive()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Served(home, address, store, app.state.service, noted, tokens)
        finally:
            server.should_exit = True
            thread.join(60)
            listener.close()


_REPORTS: dict[str, str] = {}


def _report(content: Content) -> str:
    """Drawn once: it takes longer than most tests."""
    name = content.recommendation.name
    if name not in _REPORTS:
        _REPORTS[name] = html(content)
    return _REPORTS[name]


def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.02)
