"""Watching a run: Server-Sent Events that go on where a watcher left off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from search.service import queries
from search.service.dependencies import Reader, ServiceOf, find_principal
from search.service.events import Frame
from search.service.responses import PROBLEMS

__all__ = ["router"]

router = APIRouter(prefix="/runs", tags=["runs"])

_LARGEST = 2**63 - 1
_BETWEEN_CHECKS = 5.0
"""Seconds that a stream which always has something to tell goes on without asking whether its token is still valid."""

_EVENT = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
"""Of a stream: what an event of the run is told with; only those that are kept have an id."""


@router.get(
    "/{run}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events of the run; `progress` with its counts; `end` when nothing more will happen",
            "content": {"text/event-stream": {"itemSchema": _EVENT}},
        },
        **PROBLEMS(401, 404, 422, 429, 503),
    },
    summary="Watch a run",
)
async def watch(
    run: str,
    request: Request,
    service: ServiceOf,
    who: Reader,
    last_event_id: Annotated[str | None, Header(max_length=20, pattern="^[0-9]{1,19}$")] = None,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="As Last-Event-ID, which goes before it")] = 0,
) -> Response:
    """Every event of the run after the one named, as they happen, in order and none twice."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    first = min(_LARGEST, int(last_event_id)) if last_event_id else after

    async def frames() -> AsyncGenerator[Frame]:
        until = time.monotonic() + _BETWEEN_CHECKS
        async for frame in service.hub.watch(record.id, first, who.token):
            if not frame.event or time.monotonic() > until:
                if await find_principal(request) is None:
                    return  # the token was revoked since
                until = time.monotonic() + _BETWEEN_CHECKS
            yield frame

    source = frames()
    opening = await anext(source)  # errors are told before the stream begins
    return EventStream(opening, source, service.settings.send_seconds)


class EventStream(Response):
    """A stream that ends when its reader leaves, or does not read for too long."""

    media_type = "text/event-stream"

    def __init__(self, opening: Frame, frames: AsyncGenerator[Frame], seconds: float) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"x-accel-buffering": "no"})  # no body yet, and so no length
        self._opening = opening
        self._frames = frames
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the frames end, or the reader does."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        gone = asyncio.create_task(_left(receive))
        sending = asyncio.create_task(self._send(send))
        try:
            await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)
            await self._frames.aclose()

    async def _send(self, send: Send) -> None:
        await self._one(send, b"retry: 2000\n\n" + self._opening.encode())
        async for frame in self._frames:
            await self._one(send, frame.encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _one(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(self._seconds):  # whoever does not read for so long is cut off
            await send({"type": "http.response.body", "body": data, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
