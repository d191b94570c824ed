"""Small searches one after the other through a served service, while it is asked 20 times a second: nothing may grow.

``python -m tests.faults.soak [--minutes 30]`` writes ``results/soak.md`` and ``soak.json``, and leaves with 1 if
something did not hold. Everything is on this machine, and everything it started has ended when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from search.store.home import STORE_FILE
from search.store.owner import Owner
from search.store.store import Store
from search.store.tokens import Tokens
from tests.benchmarks.halving.run import facts
from tests.benchmarks.startup import ROOT
from tests.search.service.serving import TABLE
from tests.search.service.test_server_process import SMALL, Server

_CLIENTS, _EACH_PER_SECOND = 10, 2  # whoever waits for a slow answer holds nobody else up
_EVERY_SECONDS = 2.0
_WARM_UP = 0.2  # of the time: caches of threads, connections and statements fill
_SEARCH: dict[str, Any] = {
    "space": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
    "configurations": 4,
    "keep": 1,
}


@dataclass(frozen=True)
class Sample:
    """The server, and what is under work, at one moment."""

    seconds: float
    memory_mib: float
    descriptors: int
    temporary_mib: float


@dataclass
class Driver:
    """The process that worked on one run."""

    run: str
    kind: str
    seconds: float = 0.0
    state: str = ""
    said: str = ""
    descriptors: int = 0
    store_kib: float = 0.0


@dataclass
class Asked:
    """What one client asked of the server."""

    requests: int = 0
    wrong: int = 0
    first_wrong: str = ""
    seconds: list[float] = field(default_factory=list)

    def ask(self, url: str, token: str, ended: threading.Event) -> None:
        """Ask at an even pace, one request after the other, until it is over."""
        paths = (
            "/healthz",
            "/api/v1/runs?limit=20",
            "/readyz",
            "/api/v1/runs?limit=1&state=running",
            "/api/v1/datasets",
        )
        began = time.monotonic()
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:
            while not ended.wait(max(0.0, began + self.requests / _EACH_PER_SECOND - time.monotonic())):
                path, at = paths[self.requests % len(paths)], time.monotonic()
                self.requests += 1
                try:
                    answer = client.get(path)
                    said = "" if answer.status_code == 200 else f"{path}: {answer.status_code} {answer.text[:200]}"
                except httpx.HTTPError as error:
                    said = f"{path}: {error!r}"
                self.seconds.append(time.monotonic() - at)
                if said:
                    self.wrong, self.first_wrong = self.wrong + 1, self.first_wrong or said


@contextmanager
def _served(home: Path) -> Iterator[tuple[Server, str]]:
    with Store.open(home) as store:
        token = Tokens(store.sessions).create("soak", "submit")[1]
    server = Server(home, poll_seconds=0.2)
    server.start()
    try:
        yield server, token
    finally:
        server.terminate()


class Soak:
    """Works through runs and takes samples, until the time is over.

    Args:
        home: A folder of its own.
        server: The service.
        token: To ask it with.
        seconds: No run is begun after so long; one that is under way is cancelled.
    """

    def __init__(self, home: Path, server: Server, token: str, seconds: float) -> None:
        self._home, self._server, self._token = home, server, token
        self._began = time.monotonic()
        self._deadline = self._began + seconds
        self.samples: list[Sample] = []
        self.drivers: list[Driver] = []
        self.clients = [Asked() for _ in range(_CLIENTS)]
        self._folders: set[Path] = set()

    @property
    def left(self) -> int:
        """How many temporary folders of the runs are still there."""
        return sum(folder.exists() for folder in self._folders)

    def work(self) -> None:
        """Submit a run, watch it, submit the next."""
        ended = threading.Event()
        arguments = (self._server.url, self._token, ended)
        clients = [threading.Thread(target=client.ask, args=arguments) for client in self.clients]
        for client in clients:
            client.start()
        try:
            headers = {"authorization": f"Bearer {self._token}"}
            with (
                httpx.Client(base_url=self._server.url, headers=headers, timeout=60) as submitter,
                Store.open(self._home, create=False) as store,
            ):
                self._submit_all(submitter, store)
        finally:
            ended.set()
            for client in clients:
                client.join(60)

    def _submit_all(self, client: httpx.Client, store: Store) -> None:
        upload = client.post("/api/v1/datasets?name=rows.csv", content=TABLE, headers={"content-type": "text/csv"})
        upload.raise_for_status()
        spec = {**SMALL, "data": {"source": upload.json()["id"]}}
        while time.monotonic() < self._deadline:
            kind = ("recommend", "search")[len(self.drivers) % 2]
            body = {**spec, "search": _SEARCH} if kind == "search" else spec
            answer = client.post(f"/api/v1/runs?kind={kind}", json=body)
            answer.raise_for_status()
            self._watch(client, store, Driver(answer.json()["id"], kind))

    def _watch(self, client: httpx.Client, store: Store, driver: Driver) -> None:
        """Sample until the run has ended; one that is late is cancelled."""
        began, cancelled = time.monotonic(), False
        while (record := store.run(driver.run)).state in {"queued", "running"}:
            time.sleep(_EVERY_SECONDS)
            self._sample(driver, record.owner)
            if time.monotonic() > self._deadline and not cancelled:
                cancelled = client.post(f"/api/v1/runs/{driver.run}/cancel").is_success
            if time.monotonic() > self._deadline + 120:
                raise RuntimeError(f"run {driver.run} is not cancelled after two minutes")
        driver.state, driver.seconds = record.state, time.monotonic() - began
        if record.state not in {"finished", "cancelled"}:
            driver.said = str([event.payload for event in store.events(driver.run) if event.kind == "error"])
        files = self._home.glob(f"{STORE_FILE}*")
        driver.store_kib = sum(file.stat().st_size for file in files) / 1024
        self.drivers.append(driver)

    def _sample(self, driver: Driver, owner: str) -> None:
        words: list[str] = []
        with suppress(psutil.Error, ValueError):
            process = psutil.Process(Owner.parse(owner).pid)
            driver.descriptors = max(driver.descriptors, process.num_fds())
            words = [word for one in process.children(recursive=True) for word in one.cmdline()]
        paths = {part for word in words for part in word.split("=") if part.startswith("/tmp/tg-")}  # noqa: S108
        folders = {Path("/tmp", path.split("/")[2]) for path in paths}  # noqa: S108
        self._folders |= folders
        server = psutil.Process(self._server.pid)
        at, memory = time.monotonic() - self._began, server.memory_info().rss / 2**20
        self.samples.append(Sample(at, memory, server.num_fds(), sum(map(_mib, folders))))


def _mib(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total / 2**20


def judge(soak: Soak, minutes: float) -> list[dict[str, Any]]:
    """What had to hold, with what was measured."""
    late = [one for one in soak.samples if one.seconds >= _WARM_UP * 60 * minutes]
    at, memory = np.array([one.seconds / 60 for one in late]), np.array([one.memory_mib for one in late])
    thirds = np.array_split(np.array([one.descriptors for one in late]), 3)
    whole = [one for one in soak.drivers if one.state == "finished"]
    store = [one.store_kib for one in whole]
    asked = sum(client.requests for client in soak.clients)
    goals: list[tuple[str, float, str, float]] = [
        ("server: resident memory, MiB a minute", float(np.polyfit(at, memory, 1)[0]), "<", 1),
        # Medians: a run that starts has files open for a moment, a leak stays and lifts every sample after it.
        (
            "server: file descriptors, last third over first",
            float(np.median(thirds[2]) - np.median(thirds[0])),
            "<=",
            2,
        ),
    ]
    for kind in ("recommend", "search"):
        mine = [one.descriptors for one in whole if one.kind == kind]
        grown = float(max(mine[-2:], default=0) - max(mine[:2], default=0))
        goals.append((f"driver of a {kind} run: file descriptors, last two over first two", grown, "<=", 2))
    goals += [
        ("Ray's temporary files, MiB, most", max((one.temporary_mib for one in soak.samples), default=0.0), "<", 64),
        ("folders of Ray's that are left", float(soak.left), "<=", 0),
        ("store: KiB a run", (store[-1] - store[0]) / max(1, len(store) - 1) if store else 0.0, "<", 1024),
        ("runs that failed", float(sum(one.state not in {"finished", "cancelled"} for one in soak.drivers)), "<=", 0),
        ("requests a second", asked / (60 * minutes), ">=", 0.9 * _CLIENTS * _EACH_PER_SECOND),
        ("wrong answers", float(sum(client.wrong for client in soak.clients)), "<=", 0),
    ]
    holds = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b}
    return [
        {"goal": name, "value": value, "floor": f"{sign} {limit:g}", "held": bool(holds[sign](value, limit))}
        for name, value, sign, limit in goals
    ]


def _report(about: dict[str, Any], soak: Soak, goals: list[dict[str, Any]]) -> str:
    states = [one.state for one in soak.drivers]
    waits = [1000 * seconds for client in soak.clients for seconds in client.seconds]
    cancelled = f" ({states.count('cancelled')} cancelled when the time was over)" if "cancelled" in states else ""
    lines = [
        "# Soak: small runs one after the other, and a client",
        "",
        f"{states.count('finished')} runs finished{cancelled}, each by a process with a Ray of its own.",
        f"{len(waits):,} requests meanwhile: p99 {np.percentile(waits, 99):.0f} ms, longest {max(waits):.0f} ms.",
        "The first fifth of the time is warming up.",
        "",
        "| goal | floor | measured | |",
        "| --- | --: | --: | --- |",
    ]
    for goal in goals:
        held = "yes" if goal["held"] else "**NO**"
        lines.append(f"| {goal['goal']} | {goal['floor']} | {goal['value']:,.2f} | {held} |")
    lines += ["", "| minute | server MiB | descriptors |", "| --: | --: | --: |"]
    shown = soak.samples[:: max(1, len(soak.samples) // 10)]
    lines += [f"| {one.seconds / 60:.1f} | {one.memory_mib:.1f} | {one.descriptors} |" for one in shown]
    if about["load"] > (os.cpu_count() or 1):
        rest = "waiting times and the number of runs are of what it left"
        lines += ["", f"**Other work ran meanwhile** (load average {about['load']:.0f}): {rest}."]
    lines += ["", *(f"- {name}: {value}" for name, value in about.items()), ""]
    return "\n".join(lines)


def main() -> int:
    """Returns 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=ROOT / "results", help="folder of the results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (server, token):
        soak = Soak(Path(folder), server, token, 60 * asked.minutes)
        soak.work()
    time.sleep(5)  # the last private cluster leaves
    goals = judge(soak, asked.minutes)
    about = {"command": f"python -m tests.faults.soak --minutes {asked.minutes:g}", **facts(), "cores": os.cpu_count()}
    text = _report(about, soak, goals)
    data = {
        "facts": about,
        "goals": goals,
        "runs": [asdict(one) for one in soak.drivers],
        "samples": [asdict(one) for one in soak.samples],
        "wrong": [client.first_wrong for client in soak.clients if client.wrong],
    }
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / "soak.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (asked.output / "soak.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(goal["held"] for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
