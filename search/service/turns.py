"""Work that takes a while, turn by turn: whoever asks for much waits for themselves, not others for them."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from search.service.refusals import BusyError, TooManyError

__all__ = ["Turns"]

P = ParamSpec("P")
T = TypeVar("T")

_AGAIN_SECONDS = 5.0


class Turns:
    """Places for work; askers who wait get them in turn, however much each of them asks for.

    Where there are several places, nobody has all of them: somebody else's turn then comes at once.

    Args:
        places: Pieces of work at a time.
        most_each: Pieces that one asker may have, at work and waiting; one more is refused.
        patience: Seconds that a piece waits for its turn.
    """

    def __init__(self, places: int, most_each: int, patience: float) -> None:
        self._free = places
        self._at_once_each = max(1, places - 1)
        self._most_each = most_each
        self._patience = patience
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._working: Counter[str] = Counter()
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, asker: str) -> AsyncIterator[None]:
        """A place, once it is the asker's turn, for as long as the block lasts.

        Raises:
            TooManyError: the asker has as much going as is allowed.
            BusyError: its turn did not come.
        """
        if self._present[asker] >= self._most_each:
            what = f"{self._present[asker]} questions of yours are being worked on or wait already"
            raise TooManyError(what, fix="Wait for their answers", retry_after=_AGAIN_SECONDS)
        self._present[asker] += 1
        try:
            await self._admitted(asker)
            try:
                yield
            finally:
                self._leave(asker)
        finally:
            _less(self._present, asker)

    async def do(self, asker: str, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What the work returns, done in a thread once it is the asker's turn.

        Raises:
            TooManyError, BusyError: as ``of``.
        """
        async with self.of(asker):
            return await run_in_threadpool(work, *args, **options)

    async def _admitted(self, asker: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, deque()).append(turn)
        self._go_on()
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience)
        except TimeoutError:
            if not turn.done():
                self._give_up(asker, turn)
                fix = "Try again"
                raise BusyError("others are being served already", fix=fix, retry_after=_AGAIN_SECONDS) from None
        except BaseException:
            if turn.done():
                self._leave(asker)
            else:
                self._give_up(asker, turn)
            raise

    def _give_up(self, asker: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting[asker]
        waiting.remove(turn)
        if not waiting:
            del self._waiting[asker]

    def _leave(self, asker: str) -> None:
        self._free += 1
        _less(self._working, asker)
        self._go_on()

    def _go_on(self) -> None:
        """Give free places to whoever's turn it is."""
        while self._free:
            asker = next((one for one in self._waiting if self._working[one] < self._at_once_each), None)
            if asker is None:
                return
            waiting = self._waiting.pop(asker)
            waiting.popleft().set_result(None)
            if waiting:
                self._waiting[asker] = waiting  # at the end: the others come first
            self._free -= 1
            self._working[asker] += 1


def _less(counts: Counter[str], asker: str) -> None:
    counts[asker] -= 1
    if not counts[asker]:
        del counts[asker]
