"""The service on one core, its clients on the other: floors of requests a second and of memory; writes ``service.md``.

The limits on requests are raised by settings, as an operator would; everything else is as it is served. Nothing is
trained meanwhile: a run of the benchmark's own takes the only place.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psutil

from search.documents import dump_spec
from search.service.auth import COOKIE
from search.store.store import Store
from search.store.tokens import Tokens
from tests.benchmarks.halving.run import facts
from tests.benchmarks.service.load import Load, load, watch
from tests.benchmarks.startup import RESULTS
from tests.grouping.report.sample import weather, write_run
from tests.search.service.web.samples import run_folder, spec

__all__ = ["main"]

_CONNECTIONS = 16
_MANY_RUNS = 10_000
_WATCHERS, _EVENTS = 100, 200
_WARM_UP = 30.0
_SPEC = {"name": "load", "data": {"source": "synthetic"}, "budget": {"inference": 3}}


@dataclass(frozen=True)
class Served:
    """The service as a process of its own."""

    port: int
    pid: int
    token: str
    store: Store
    home: Path

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """One request as bytes."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    def log_in(self) -> str:
        """The cookie that a browser gets for the token."""
        address = f"http://127.0.0.1:{self.port}/login"
        return str(httpx.post(address, data={"token": self.token, "next": "/runs"}).cookies[COOKIE])

    def page(self, path: str, cookie: str) -> bytes:
        """One request for a page as a browser makes it, with the cookie of its session."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: text/html", f"Cookie: {COOKIE}={cookie}"]
        return "\r\n".join([*lines, "", ""]).encode()

    @property
    def processor(self) -> float:
        """Seconds of processor time that the server has taken."""
        return float(sum(psutil.Process(self.pid).cpu_times()[:2]))

    @property
    def memory(self) -> float:
        """Resident memory in MiB, without the processes that solve tables."""
        return float(psutil.Process(self.pid).memory_info().rss / 2**20)


@contextmanager
def _served(home: Path) -> Iterator[Served]:
    settings = home / "settings.yaml"
    settings.write_text("requests_per_second: 1000000\nburst: 1000000\nport: 0\n", encoding="utf-8")
    with Store.open(home) as store:
        token = Tokens(store.sessions).create("load")[1]
        occupant = store.take(store.create_run("occupant", "recommend", "", {}, principal="occupant"))
        ended = threading.Event()

        def occupy() -> None:
            while not ended.wait(10):
                occupant.renew()

        threading.Thread(target=occupy, daemon=True).start()
        environment = {**os.environ, "TASKGROUP_HOME": str(home)}
        code = "from search.cli.app import main; main()"
        command = ["taskset", "-c", "0", sys.executable, "-c", code, "serve", "--config", str(settings)]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            threading.Thread(target=process.stderr.read, daemon=True).start()
            found = re.search(r":(\d+)\s*$", line)
            assert found is not None, line
            served = Served(int(found[1]), process.pid, token, store, home)
            _wait(served)
            yield served
        finally:
            ended.set()
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(served: Served) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            status = asyncio.run(load(served.port, lambda _: served.request("GET", "/readyz"), lambda s, _: s == 200,
                                      connections=1, seconds=0.1))  # fmt: skip
        except OSError:
            time.sleep(0.1)
            continue
        if not status.wrong:
            return
    raise RuntimeError("the service does not start")


def _floors(served: Served, seconds: float) -> dict[str, dict[str, Any]]:
    processor: list[float] = []

    def measured(requests: Any, right: Any) -> Load:
        before = served.processor
        one = asyncio.run(load(served.port, requests, right, connections=_CONNECTIONS, seconds=seconds))
        processor.append(1000 * (served.processor - before) / one.requests)
        return one

    body = json.dumps(_SPEC).encode()
    posting = served.request("POST", "/api/v1/runs", body, Content_Type="application/json")
    first = asyncio.run(load(served.port, lambda _: posting, lambda s, _: s == 201, connections=1, seconds=0.01))
    assert not first.wrong, first.first_wrong
    run = served.store.list_runs(name="load", limit=1).runs[0].id
    healthz, show = served.request("GET", "/healthz"), served.request("GET", f"/api/v1/runs/{run}")
    start = run.encode()
    found = {
        "GET /healthz": measured(lambda _: healthz, lambda s, b: s == 200 and b == b'{"status":"ok"}'),
        "GET /api/v1/runs/ID": measured(lambda _: show, lambda s, b: s == 200 and b.startswith(b'{"id":"' + start)),
    }
    before = served.store.list_runs(limit=1).total
    ids: set[str] = set()

    def created(status: int, answer: bytes) -> bool:
        if status != 201:
            return False
        ids.add(json.loads(answer)["id"])
        return True

    def post(number: int) -> bytes:
        named = json.dumps({**_SPEC, "name": f"load {number}"}).encode()
        return served.request(
            "POST", "/api/v1/runs", named, Content_Type="application/json", Idempotency_Key=f"k{number}"
        )

    posted = measured(post, created)
    there = served.store.list_runs(limit=1).total - before
    lost = abs(there - posted.requests) + abs(len(ids) - posted.requests)
    found["POST /api/v1/runs"] = posted
    return {
        name: {**asdict(one), "lost": lost if name.startswith("POST") else 0, "processor_ms": cost}
        for (name, one), cost in zip(found.items(), processor, strict=True)
    }


def _many_runs(served: Served) -> dict[str, Any]:
    from sqlalchemy import insert

    from search.store.models import Run

    total = served.store.list_runs(limit=1).total
    rows = [
        {
            "id": f"20260101-000000-seeded-{index:05d}",
            "name": f"seeded {index}",
            "kind": "recommend",
            "state": "finished",
            "spec": "name: x\n",
            "plan": "{}",
            "tasks": '["a", "b"]',
            "planned": 10,
            "best": index / 1000,
            "created": float(index),
            "seconds": 1.0,
            "principal": "load",
        }
        for index in range(max(0, _MANY_RUNS - total))
    ]
    if rows:  # a fast machine has made more by now
        with served.store.sessions.write() as session:
            session.execute(insert(Run), rows)
    found = {}
    for name, query in (
        ("newest 50", "limit=50"),
        ("best 50", "limit=50&sort=best"),
        ("page 100 of 50", "limit=50&offset=5000"),
        ("by name", "limit=50&name=load+9"),
    ):
        page = served.request("GET", f"/api/v1/runs?{query}")
        one = asyncio.run(load(served.port, partial(_always, page), lambda s, _: s == 200, connections=1, seconds=3))
        found[name] = asdict(one)
    cookie, html = served.log_in(), {}
    for name, query in (
        ("newest 25", ""),
        ("best 25", "?sort=best"),
        ("page 200 of 25", "?page=200"),
        ("by name", "?name=load+9"),
    ):
        page = served.page(f"/runs{query}", cookie)
        one = asyncio.run(load(served.port, partial(_always, page), _is_list, connections=1, seconds=3))
        html[name] = asdict(one)
    return {"runs": served.store.list_runs(limit=1).total, "pages": found, "html": html}


def _is_list(status: int, body: bytes) -> bool:
    return status == 200 and b'class="runs"' in body


def _always(request: bytes, _number: int) -> bytes:
    return request


def _budget(served: Served) -> dict[str, Any]:
    run = served.store.create_run("weather", "recommend", "", {}, principal="load")
    served.store.take(run).release("finished")
    write_run(weather(), served.home / run)
    table = _eight_tasks()
    (served.home / run / "losses.csv").write_text(table, encoding="utf-8")

    def question(number: int) -> bytes:
        body = json.dumps({"budget": 1 + number % 6}).encode()
        return served.request("POST", f"/api/v1/runs/{run}/groupings", body, Content_Type="application/json")

    return asdict(asyncio.run(load(served.port, question, lambda s, _: s == 200, connections=1, seconds=5)))


def _slider(served: Served) -> dict[str, Any]:
    """What the slider on the page of a run with as many tasks asks for."""
    run = served.store.create_run("slid", "recommend", "", {}, principal="load")
    lease, folder = served.store.take(run), served.home / run
    folder.mkdir()
    recommendation = replace(run_folder(folder, 8, 3.0), run=run)
    (folder / "recommendation.json").write_text(json.dumps(recommendation.to_json()), encoding="utf-8")
    served.store.set_spec(run, dump_spec(spec(tuple("abcdefgh"), 3.0)))
    lease.release("finished")
    cookie = served.log_in()

    def question(number: int) -> bytes:
        return served.page(f"/runs/{run}/choice?{urlencode({'budget': 1 + number % 24 / 4})}", cookie)

    def right(status: int, body: bytes) -> bool:
        return status == 200 and b"data-budget=" in body

    return asdict(asyncio.run(load(served.port, question, right, connections=1, seconds=5)))


def _eight_tasks() -> str:
    """Losses of all 255 groups of eight tasks."""
    from itertools import combinations

    import numpy as np

    rng, rows = np.random.default_rng(0), ["network,task,loss"]
    for size in range(1, 9):
        for group in combinations("abcdefgh", size):
            rows += [f"{'+'.join(group)},{task},{rng.uniform(0.8, 1.2)}" for task in group]
    return "\n".join(rows) + "\n"


def _watched(served: Served) -> dict[str, Any]:
    run = served.store.create_run("watched", "recommend", "", {}, principal="load")
    lease = served.store.take(run)
    request = served.request("GET", f"/api/v1/runs/{run}/events")
    before = served.memory

    async def all_of_them() -> tuple[list[bytes], float]:
        opened = asyncio.Semaphore(0)
        watchers = [asyncio.create_task(watch(served.port, request, opened)) for _ in range(_WATCHERS)]
        for _ in watchers:
            await opened.acquire()
        memory = served.memory

        def happen() -> None:
            for index in range(_EVENTS):
                served.store.add_event(run, "note", {"text": f"{index} " + "x" * 500})
            lease.release("finished")

        await asyncio.to_thread(happen)
        return await asyncio.wait_for(asyncio.gather(*watchers), 60), memory

    streams, during = asyncio.run(all_of_them())
    notes = [len(set(re.findall(rb'"text": "(\d+) ', stream))) for stream in streams]
    ends = sum(stream.count(b"event: end") for stream in streams)
    grown = max(during, served.memory) - before
    return {
        "watchers": _WATCHERS,
        "events": _EVENTS,
        "told_all": notes.count(_EVENTS),
        "ends": ends,
        "grown_mib": grown,
    }


def _memory(served: Served, seconds: float) -> dict[str, Any]:
    """A minute of reading and writing, once caches of threads and connections are full."""
    run = served.store.list_runs(name="load", limit=1).runs[0].id
    show, page = served.request("GET", f"/api/v1/runs/{run}"), served.request("GET", "/api/v1/runs?limit=20")
    mixed = [show, page, served.request("GET", "/healthz")]

    def some(number: int) -> bytes:
        if number % 10:
            return mixed[number % 3]
        body = json.dumps({**_SPEC, "name": f"memory {number}"}).encode()
        return served.request("POST", "/api/v1/runs", body, Content_Type="application/json")

    def right(status: int, _: bytes) -> bool:
        return status in {200, 201}

    asyncio.run(load(served.port, some, right, connections=_CONNECTIONS, seconds=_WARM_UP))
    before = served.memory
    one = asyncio.run(load(served.port, some, right, connections=_CONNECTIONS, seconds=seconds))
    return {**asdict(one), "before_mib": before, "grown_mib_a_minute": (served.memory - before) * 60 / seconds}


def main() -> None:
    """Measure, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="under load, for each request")
    parser.add_argument("--nice", type=int, default=0, help="priority, on a machine with other work")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds of the memory's measurement")
    options = parser.parse_args()
    os.nice(options.nice)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as served:
        found = {
            "load": _floors(served, options.seconds),
            "budget": _budget(served),
            "slider": _slider(served),
            "watched": _watched(served),
            "memory": _memory(served, options.minute),
            "many": _many_runs(served),
        }
    goals = _goals(found)
    about = {"command": " ".join(["python -m tests.benchmarks.service", *sys.argv[1:]]), **facts()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = {"facts": about, "goals": goals, **found}
    (RESULTS / "service.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    text = _report(about, found, goals)
    (RESULTS / "service.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    sys.exit(0 if all(goal["held"] for goal in goals) else 1)


def _goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    goals: list[tuple[str, float, str, float]] = []
    for name, least in (("GET /healthz", 800), ("GET /api/v1/runs/ID", 400), ("POST /api/v1/runs", 200)):
        one = found["load"][name]
        goals += [(f"{name}: requests a second", one["per_second"], ">=", least)]
        goals += [(f"{name}: p99, ms", one["p99"], "<", 300)] if name != "GET /healthz" else []
        goals += [(f"{name}: wrong or lost", one["wrong"] + one["lost"], "<=", 0)]
    goals += [
        ("memory under load: MiB a minute", found["memory"]["grown_mib_a_minute"], "<", 20),
        ("memory under load: wrong", found["memory"]["wrong"], "<=", 0),
        (f"{_WATCHERS} watchers: told every event", found["watched"]["told_all"], ">=", _WATCHERS),
        (f"{_WATCHERS} watchers: told the end", found["watched"]["ends"], ">=", _WATCHERS),
        (f"{_WATCHERS} watchers: MiB", found["watched"]["grown_mib"], "<", 50),
        ("another budget, 8 tasks: p99, ms", found["budget"]["p99"], "<", 100),
        ("the page's slider, 8 tasks: p99, ms", found["slider"]["p99"], "<", 100),
        ("the page's slider, 8 tasks: wrong", found["slider"]["wrong"], "<=", 0),
    ]
    runs = found["many"]["runs"]
    for name, page in found["many"]["pages"].items():
        goals.append((f"list of {runs:,} runs, {name}: p99, ms", page["p99"], "<", 200))
    for name, page in found["many"]["html"].items():
        goals.append((f"page of {runs:,} runs, {name}: p99, ms", page["p99"], "<", 200))
        goals.append((f"page of {runs:,} runs, {name}: wrong", page["wrong"], "<=", 0))
    holds = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b}
    return [
        {"goal": name, "value": value, "floor": f"{sign} {limit:g}", "held": bool(holds[sign](value, limit))}
        for name, value, sign, limit in goals
    ]


def _report(about: dict[str, Any], found: dict[str, Any], goals: list[dict[str, Any]]) -> str:
    lines = ["# The service under load", ""]
    lines += [
        f"The server has one core, its {_CONNECTIONS} clients another; SQLite. Waiting times are in milliseconds.",
        "",
    ]
    lines += ["| request | a second | median | p99 | longest | answers | processor ms | a core second |"]
    lines += ["| --- | --: | --: | --: | --: | --: | --: | --: |"]
    for name, one in {**found["load"], "a mixture, one in ten creates a run": found["memory"]}.items():
        cost = f"{one['processor_ms']:.2f} | {1000 / one['processor_ms']:,.0f}" if "processor_ms" in one else " | "
        lines.append(
            f"| {name} | {one['per_second']:,.0f} | {one['median']:.1f} | {one['p99']:.1f} | {one['longest']:.0f} "
            f"| {one['requests']:,} | {cost} |"
        )
    lines += [
        "",
        "Processor time is the server's for one answer; the last column: answers of a core that nobody else uses.",
    ]
    if about["load"] > (os.cpu_count() or 1):
        rest = "rates and waiting times are of what it left"
        lines += ["", f"**Other work ran meanwhile** (load average {about['load']:.0f}): {rest}."]
    lines += ["", "| goal | floor | measured | |", "| --- | --: | --: | --- |"]
    for goal in goals:
        lines.append(
            f"| {goal['goal']} | {goal['floor']} | {goal['value']:,.1f} | {'yes' if goal['held'] else '**NO**'} |"
        )
    lines += ["", *(f"- {name}: {value}" for name, value in about.items()), ""]
    return "\n".join(lines)
