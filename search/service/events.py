"""What happens to runs, told to whoever watches: one bounded poller for all watchers, no queue a slow one could fill.

A watcher holds nothing but the number of the last event it was told. Whoever is behind what the poller keeps reads from
the store, page by page; so no event is lost, and a slow reader costs a socket and no memory.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from grouping.errors import GroupingError, InputError
from search.service import queries
from search.service.answers import RunAnswer
from search.service.refusals import BusyError, NotFoundError, TooManyError
from search.store.records import EventRecord
from search.store.store import Store

__all__ = ["ENDED", "Frame", "Hub"]

ENDED: Final = frozenset({"finished", "failed", "cancelled"})
"""States in which nothing more happens to a run, unless somebody resumes it."""

_log = logging.getLogger("taskgroup.events")

_KEPT = 1_000
_PAGE = 500
_QUIET_SECONDS = 15.0


@dataclass(frozen=True)
class Frame:
    """One message of a stream.

    Args:
        event: Its kind: that of the store's event, or ``progress``, ``end``, or nothing for a sign of life.
        data: JSON.
        number: Of the store's event; what ``Last-Event-ID`` names.
    """

    event: str
    data: str = ""
    number: int | None = None

    def encode(self) -> bytes:
        """As Server-Sent Events are written; JSON has no line breaks, so nothing can forge a message."""
        if not self.event:
            return b": \n\n"
        head = f"id: {self.number}\n" if self.number is not None else ""
        return f"{head}event: {self.event}\ndata: {self.data}\n\n".encode()


@dataclass(eq=False)
class _Channel:
    """A run that somebody watches; ``events`` are all that have a number above ``base``, up to ``last``."""

    run: str
    base: int
    last: int
    events: deque[EventRecord] = field(default_factory=deque)
    summary: RunAnswer | None = None
    gone: bool = False
    version: int = 0
    watchers: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Polls the store for the runs that are watched, and for no others.

    Args:
        store: Where events are.
        seconds: Between two looks.
        most: Watchers at once; nobody has more than three quarters of these places.
    """

    def __init__(self, store: Store, seconds: float, most: int) -> None:
        self._store = store
        self._seconds = seconds
        self._most = most
        self._channels: dict[str, _Channel] = {}
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self.watchers = 0
        self._of: Counter[str] = Counter()

    def stop(self) -> None:
        """End all streams: whoever watches comes back when there is a server again."""
        self._stopping.set()
        for channel in self._channels.values():
            channel.changed.set()

    async def poll(self) -> None:
        """Look until cancelled; a database that is away is asked again."""
        while True:
            await self._wanted.wait()
            channels = list(self._channels.values())
            await run_in_threadpool(self._look_at, channels)
            for channel in channels:
                if channel.version:
                    changed, channel.changed = channel.changed, asyncio.Event()
                    channel.version = 0
                    changed.set()
            await asyncio.sleep(self._seconds)

    def _look_at(self, channels: list[_Channel]) -> None:
        for channel in channels:
            try:
                self._look(channel)
            except GroupingError:  # the database is away
                return
            except Exception:  # noqa: BLE001 - a defect that one run shows must not silence the others
                _log.exception("run %s cannot be watched", channel.run)

    def _look(self, channel: _Channel) -> None:
        try:
            found = self._store.events(channel.run, after=channel.last, limit=_PAGE)
        except InputError:  # deleted
            found = []
        for event in found:
            if len(channel.events) == _KEPT:
                channel.base = channel.events[0].number  # first, so that whoever misses the event sees why
                channel.events.popleft()
            channel.events.append(event)
            channel.last = event.number
        summary = None
        try:
            summary = queries.summary(self._store.run(channel.run))
        except InputError:
            channel.gone = True
        # Seconds that pass are no news.
        if found or channel.gone or _told(summary) != _told(channel.summary):
            channel.summary = summary
            channel.version += 1

    async def watch(self, run: str, after: int, asker: str) -> AsyncIterator[Frame]:
        """The events of a run after a number, as they happen, then ``end``; a ``progress`` whenever counts change.

        Args:
            run: Id of a run that the watcher may see.
            after: Number of the last event that was told already; 0 for all.
            asker: Who watches.

        Raises:
            BusyError: too many watchers.
            TooManyError: too many of them are the asker's.
        """
        if self.watchers >= self._most:
            raise BusyError(f"{self.watchers} people are watching already", fix="Try again later", retry_after=10)
        if self._of[asker] >= max(1, self._most * 3 // 4):
            what = f"{self._of[asker]} streams of events are yours already"
            raise TooManyError(what, fix="Close some of them", retry_after=10)
        channel = self._channels.get(run)
        if channel is None:
            newest = await run_in_threadpool(self._newest, run)
            channel = self._channels.setdefault(run, _Channel(run, newest, newest))
        channel.watchers += 1
        self.watchers += 1
        self._of[asker] += 1
        self._wanted.set()
        try:
            async for frame in self._follow(channel, min(after, channel.last)):
                yield frame
        finally:
            channel.watchers -= 1
            self.watchers -= 1
            self._of -= Counter([asker])
            if not channel.watchers and self._channels.get(run) is channel:
                del self._channels[run]
            if not self._channels:
                self._wanted.clear()

    async def _follow(self, channel: _Channel, last: int) -> AsyncIterator[Frame]:
        told: object = None
        while not self._stopping.is_set():
            changed = channel.changed
            kept = list(channel.events)  # before looking at the base: the poller may drop some at any moment
            # The store is the truth of what was missed; what the poller keeps is only quicker.
            while last < channel.base:
                missed = await run_in_threadpool(self._events, channel.run, last)
                for event in missed:
                    yield _frame(event)
                if not missed:
                    break
                last = missed[-1].number
                kept = list(channel.events)
            for event in kept:
                if event.number > last:
                    yield _frame(event)
                    last = event.number
            summary = await self._summary(channel)
            if summary is None:
                yield Frame("end", json.dumps({"state": "deleted"}))
                return
            if _told(summary) != told:
                told = _told(summary)
                yield Frame("progress", summary.model_dump_json())
            if summary.state in ENDED:
                while missed := await run_in_threadpool(self._events, channel.run, last):
                    for event in missed:
                        yield _frame(event)
                    last = missed[-1].number
                yield Frame("end", json.dumps({"state": summary.state}))
                return
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield Frame("")

    def _events(self, run: str, last: int) -> list[EventRecord]:
        try:
            return self._store.events(run, last, limit=_PAGE)
        except InputError:  # deleted
            return []

    def _newest(self, run: str) -> int:
        return self._store.newest_event(run)

    async def _summary(self, channel: _Channel) -> RunAnswer | None:
        """The run as it was last seen; None when it is gone."""
        if channel.gone:
            return None
        if channel.summary is not None:
            return channel.summary
        try:
            record = await run_in_threadpool(queries.find_record, self._store, channel.run, None)
        except NotFoundError:
            return None
        return queries.summary(record)


def _told(summary: RunAnswer | None) -> Any:  # noqa: ANN401 - compared only
    if summary is None:
        return None
    return summary.state, summary.best, summary.trials, summary.asked, summary.started


def _frame(event: EventRecord) -> Frame:
    data = {"number": event.number, "kind": event.kind, "at": event.at, "payload": event.payload}
    name = event.kind if event.kind.isidentifier() and event.kind not in {"progress", "end"} else "event"
    return Frame(name, json.dumps(data), event.number)
