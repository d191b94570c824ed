"""What goes on beside the work on a run: its lease is renewed, its log written, and whatever must stop it does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Literal, Self

from grouping.errors import GroupingError
from search.desk import Desk
from search.errors import DiskError, LeaseLostError, StoreError
from search.output.folder import RunFolder
from search.pace import Forecast
from search.store.fencing import LEASE_SECONDS
from search.store.leases import Lease
from search.store.store import Store

if TYPE_CHECKING:
    from search.decision.measurement import Progress

__all__ = ["LOG_FILE", "Stopped", "Watch"]

LOG_FILE = "log.jsonl"
"""The run's events as JSON lines, in its folder."""

Reason = Literal["cancel", "interrupt", "lost"]

_EVERY_SECONDS = 1.0
_RENEWALS = 4  # within the time of a lease
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WAKE = signal.SIGUSR1  # what the watching thread sends to the main one


class Stopped(KeyboardInterrupt):
    """The work has to stop. Ray knows what to do about this kind only, and hands a bare one on.

    Args:
        reason: Who wants that.
        number: The signal that said so, or 0.
    """

    def __init__(self, reason: Reason, number: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.number = reason, number


class Watch:
    """Looks after one run while the main thread works on it.

    Args:
        desk: Where it is worked on.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = replace(desk, progress=_Told(self, desk.progress))
        self.lease: Lease | None = None
        self._log: _Log | None = None
        self.stop: Stopped | None = None
        self._ignoring = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._before: dict[int, object] = {}

    def take(self) -> Lease:
        """Own the run from now on."""
        self.lease = self.desk.store.take(self.desk.run)
        self._log = _Log(self.desk.store, self.desk.run, self.desk.folder)
        with contextlib.suppress(StoreError):
            self._log.catch_up()  # at once: a run that is over, or dead, within moments has a log too
        self._thread.start()
        return self.lease

    def done(self) -> None:
        """The work is done: what would stop it from now on comes too late."""
        self.check()
        self._ignoring = True

    def check(self) -> None:
        """Stop here if the work was to stop and went on all the same, as a solver does with what it has found."""
        if self.stop is not None:
            raise self.stop

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # Whoever started this process in the background may have told it to ignore some.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._signalled)
        self._before[_WAKE] = signal.signal(_WAKE, lambda *_: self._raise())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self.stop is not None or self._ignoring:
            # Asked again: at once. Workers notice that their driver is gone, and readers that nobody is at work.
            os.write(2, f"left at once; go on with: taskgroup resume {self.desk.run}\n".encode())
            os._exit(128 + number)
        self.stop = Stopped("interrupt", number)
        raise self.stop

    def _raise(self) -> None:
        if self.stop is not None and not self._ignoring:
            raise self.stop

    def _stop_work(self, reason: Reason) -> None:
        """Called beside the work: stop it wherever it is."""
        if self.stop is None:
            self.stop = Stopped(reason)
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, _WAKE)

    def _watch(self) -> None:
        assert self.lease is not None
        assert self._log is not None
        store, run, log = self.desk.store, self.desk.run, self._log
        renewed = time.monotonic()
        while not self._end.wait(_EVERY_SECONDS):
            try:
                if time.monotonic() - renewed > LEASE_SECONDS / _RENEWALS:
                    self.lease.renew()
                    renewed = time.monotonic()
                demand = store.asked(run)
                if demand is not None:
                    self._stop_work(demand)
                log.catch_up()
            except LeaseLostError:
                self._stop_work("lost")
                return
            except GroupingError:
                continue  # a store that is locked or away for a moment, say; the work itself says so if it lasts
        with contextlib.suppress(GroupingError):
            log.catch_up()


class _Told:
    """Progress that the run's history hears of too."""

    def __init__(self, watch: Watch, progress: Progress) -> None:
        self._watch, self._progress = watch, progress

    def foresee(self, forecast: Forecast) -> None:
        self._watch.check()
        self._progress.foresee(forecast)

    def start(self, label: str, total: int, done: int) -> None:
        self._watch.check()
        desk = self._watch.desk
        desk.store.add_event(desk.run, "phase", {"label": label, "total": total, "done": done})
        self._progress.start(label, total, done)

    def advance(self, failed: bool) -> None:
        self._watch.check()
        self._progress.advance(failed)

    def finish(self) -> None:
        self._progress.finish()


class _Log:
    """``log.jsonl``: the run's events, each once, however often the run was stopped and resumed."""

    def __init__(self, store: Store, run: str, folder: RunFolder) -> None:
        self._store, self._run, self._folder = store, run, folder
        self._last = max(_numbers(folder.path / LOG_FILE), default=0)

    def catch_up(self) -> None:
        """Append what has happened since the last time; a full disk is for the work to find."""
        for event in self._store.events(self._run, after=self._last):
            line = {**event.payload, "number": event.number, "at": event.at, "run": self._run, "event": event.kind}
            try:
                self._folder.append_log(line)
            except DiskError:
                return
            self._last = event.number


def _numbers(path: Path) -> Iterator[int]:
    """Numbers of the events in a log; a last line that a crash cut off is ended, so that the next one stands alone."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with contextlib.suppress(OSError), path.open("ab") as stream:
            stream.write(b"\n")
    for line in data.splitlines():
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            yield int(json.loads(line).get("number", 0))
