"""Functions that executors run in tests: well-behaved ones and every kind of trouble. Workers import this module."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from search.errors import TrialError
from search.execution.executor import GPU_VARIABLE

Shared = dict[str, Any]


def scaled_sum(shared: Shared, factor: float) -> float:
    return float(factor * shared["values"].sum())


class Counted:
    """Counts how often it is sent away."""

    def __init__(self) -> None:
        self.sent = 0

    def __reduce__(self) -> tuple[type[Counted], tuple[()]]:
        self.sent += 1
        return Counted, ()


def received(shared: Counted, job: int) -> tuple[int, int]:
    """The process, and which object it was given."""
    time.sleep(0.05)  # long enough for the other worker to take a job too
    return os.getpid(), id(shared)


def slowly(shared: Shared, seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def environment(shared: Shared, name: str) -> str | None:
    return os.environ.get(name)


def meets(shared: Shared, folder: str) -> None:
    """Ends when another process has come here too: a slow start is not the absence of a worker."""
    Path(folder, str(os.getpid())).touch()
    until = time.monotonic() + 60
    while len(list(Path(folder).iterdir())) < 2:
        assert time.monotonic() < until, "nobody else has come"
        time.sleep(0.02)


def gpu_share(shared: Shared, job: int) -> str | None:
    return os.environ.get(GPU_VARIABLE)


def writes_to_shared(shared: Shared, job: int) -> None:
    shared["values"][0] = job


def trouble(shared: Shared, kind: str) -> object:
    """``kind`` names what goes wrong; ``fine`` goes well."""
    troubles: dict[str, Callable[[], object]] = {
        "fine": lambda: "fine",
        "raises": lambda: _raise(ValueError("first line\nsecond line")),
        "ours": lambda: _raise(TrialError("non-finite loss at step 7")),
        "mute": lambda: _raise(KeyError()),
        "exits": lambda: sys.exit(4),
        "unpicklable": lambda: (number for number in range(3)),
        "dies": lambda: os._exit(3),
        "segfault": lambda: ctypes.string_at(0),
        "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "hangs": lambda: time.sleep(600),
        "halted": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    }
    return troubles[kind]()


def dies_once(shared: Shared, marker: str) -> str:
    """Takes its worker down the first time and succeeds the second."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(1)
    return "second attempt"


def numbers(size: int = 1000) -> Shared:
    return {"values": np.arange(size, dtype=np.float64)}


def _raise(error: Exception) -> object:
    raise error
