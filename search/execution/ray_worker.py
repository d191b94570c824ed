"""The far end of the executor on Ray: an actor that calls functions, and tells what became of each call."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import ray

from search.execution.executor import Outcome, called, failed, this_worker

__all__ = ["Worker", "heed_children"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")


class Worker:
    """Calls a function and tells its outcome, whatever happens inside."""

    def __init__(self) -> None:
        heed_children()
        self._held: tuple[Any, Any] | None = None  # where the shared value lay, and the value
        self._folder = os.getcwd()  # noqa: PTH109 - as it is, not resolved

    def name(self) -> str:
        return this_worker()

    def call(self, function: Callable[[S, J], R], shared_at: list[Any], index: int, job: J) -> Outcome[R]:
        """Call a function on a job; ``shared_at`` wraps a reference, so that the same value is not opened twice."""
        try:
            if self._held is None or self._held[0] != shared_at[0]:
                self._held = None  # the old value goes before the new one comes
                self._held = (shared_at[0], ray.get(shared_at[0]))
            return Outcome(index, called(function, self._held[1], job), worker=this_worker())
        except BaseException as error:  # noqa: BLE001  (SystemExit too: whatever a job raises is its own outcome)
            return failed(index, error)
        finally:
            os.chdir(self._folder)  # wherever the job went


def heed_children() -> None:
    """Have the system tell again how children ended.

    Ray tells it not to, behind Python's back, so that raylets may end what workers leave behind. Whoever waits for a
    child then hears that it went well, whatever it did.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
