"""Starts queued runs when there is a place for them; any number of servers may do so on one store."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from grouping.errors import GroupingError
from search.errors import ConflictError
from search.launcher import Launcher
from search.service.metrics import Metrics
from search.service.settings import Settings
from search.store.slots import Slots
from search.store.store import Store

__all__ = ["Dispatcher"]

_log = logging.getLogger("taskgroup.dispatcher")

_IDLE_SECONDS = 1.0
_AFTER_ERROR_SECONDS = 5.0
_BETWEEN_CHECKS = 30.0
_MOST_STARTS = 3
"""Processes that may be started for a run without one of them taking it, before it is called failed."""

_MOST_CHECKED = 500


class Dispatcher:
    """Claims queued runs, oldest first, and has processes started for them.

    Args:
        settings: How many at once, in all and for each principal, and for how long.
        store: Where runs are.
        launcher: Starts the processes.
        metrics: Where starts are counted.
    """

    def __init__(self, settings: Settings, store: Store, launcher: Launcher, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._slots = Slots(store.sessions)
        self._launcher = launcher
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._nudged = asyncio.Event()
        self._checked = 0.0

    def nudge(self) -> None:
        """There may be something to start; any thread may say so."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._nudged.set)

    async def work(self) -> None:
        """Start what may be started, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            pause = _IDLE_SECONDS
            try:
                while await run_in_threadpool(self.start_one):
                    pass
                await run_in_threadpool(self.check)
            except GroupingError as error:  # the database is away: runs wait
                _log.warning("runs cannot be started: %s", error)
                pause = _AFTER_ERROR_SECONDS
            except Exception:  # noqa: BLE001 - whatever it was, the next run may start all the same
                _log.exception("runs cannot be started")
                pause = _AFTER_ERROR_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), pause)
            self._nudged.clear()

    def start_one(self) -> bool:
        """Start the next run that may start; returns whether there was one.

        Raises:
            StoreError: the store cannot be used.
        """
        if not self._store.queued(1):
            return False
        run = self._slots.claim(self._settings.max_concurrent_runs, self._settings.running_per_token)
        if run is None:
            return False
        try:
            self._launcher.start(run)
        except GroupingError as error:  # not the run's fault: when its reservation ends it is tried again
            self._slots.not_started(run)
            _log.warning("run %s cannot be started: %s", run, error)
            self._store.add_event(run, "warning", {"text": f"no process could be started: {error}"})
        else:
            self._metrics.started.inc()
            _log.info("run %s: a process was started", run)
        return True

    def check(self) -> None:
        """End runs that work for too long, and fail those whose processes never take them.

        Raises:
            StoreError: the store cannot be used.
        """
        if time.monotonic() - self._checked < _BETWEEN_CHECKS:
            return
        self._checked = time.monotonic()
        text = f"{_MOST_STARTS} processes were started and none took the run; see supervisor.log in its folder"
        error = {"code": "start", "what": text, "where": "", "fix": "Resume it"}
        for run in self._slots.fail_lost(_MOST_STARTS, error):
            _log.error("run %s: %s", run, text)
        limit = 3600 * self._settings.hours_per_run
        for record in self._store.list_runs(state="running", limit=_MOST_CHECKED).runs:
            if record.principal and record.seconds > limit and record.asked is None:
                text = f"interrupted after {self._settings.hours_per_run:g} hours, the longest that the operator allows"
                self._store.add_event(record.id, "warning", {"text": text})
                with suppress(ConflictError):  # it has ended meanwhile, and the others are looked at all the same
                    self._store.ask(record.id, "interrupt")
