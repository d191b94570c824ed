"""New runs on their way into the store: those that arrive while a commit is under way share the next one.

A commit that survives a power cut takes milliseconds whatever it holds; alone each run would wait for its own.
"""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from search.errors import ConflictError
from search.store.creation import Made, NewRun
from search.store.store import Store

__all__ = ["Arrivals"]

_MOST = 64


class Arrivals:
    """Makes runs, several at once where several are asked for.

    Args:
        store: Where they are made.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[NewRun, asyncio.Future[Made]]] = []
        self._arrived = asyncio.Event()

    async def create(self, new: NewRun) -> Made:
        """The run, once it is sure to be there.

        Raises:
            ConflictError: its key was used for something else.
            StoreError: the store cannot be used.
        """
        future: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._waiting.append((new, future))
        self._arrived.set()
        return await future

    async def work(self) -> None:
        """Make what arrives, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._make(batch)

    async def _make(self, batch: list[tuple[NewRun, asyncio.Future[Made]]]) -> None:
        try:
            made = await run_in_threadpool(self._store.create_runs, [new for new, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits is told, and answers for it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), one in zip(batch, made, strict=True):
            if future.done():  # whoever asked has left; the run is there
                continue
            if isinstance(one, ConflictError):
                future.set_exception(one)
            else:
                future.set_result(one)
