"""Connections that ask as fast as they are answered, on raw sockets: a client that takes less time than the server."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Load", "Waits", "ask", "load", "watch"]

Check = Callable[[int, bytes], bool]


@dataclass
class Waits:
    """Seconds that answers took, and how many answers were wrong."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    first_wrong: str = ""

    def take(self, seconds: float, *, right: bool, answer: bytes) -> None:
        """One more answer."""
        self.seconds.append(seconds)
        if not right:
            self.wrong += 1
            self.first_wrong = self.first_wrong or answer[:300].decode(errors="replace")


@dataclass(frozen=True)
class Load:
    """What came of a while under load.

    Args:
        requests: Answers.
        per_second: Of them.
        median, p99, longest: Milliseconds.
        wrong: Answers that were not what they should be.
        first_wrong: The first of them.
    """

    requests: int
    per_second: float
    median: float
    p99: float
    longest: float
    wrong: int
    first_wrong: str


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """One request on an open connection: status and body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = int(head[9:12]), 0
    position = head.lower().find(b"content-length:")
    if position >= 0:
        length = int(head[position + 15 : head.index(b"\r", position)])
    return status, await reader.readexactly(length)


async def load(port: int, requests: Callable[[int], bytes], right: Check, *, connections: int, seconds: float) -> Load:
    """Ask on several connections for a while.

    Args:
        port: Of the service on this machine.
        requests: The request of a number, counted over all connections.
        right: Whether an answer is what it should be.
        connections: Askers; each waits for its answer before it asks again.
        seconds: For how long.
    """
    waits, number = Waits(), 0
    deadline = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < deadline:
            number += 1
            request = requests(number)
            start = time.perf_counter()
            status, body = await ask(reader, writer, request)
            waits.take(time.perf_counter() - start, right=right(status, body), answer=body)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    wall = time.perf_counter() - start
    cuts = statistics.quantiles(waits.seconds, n=100) if len(waits.seconds) > 1 else waits.seconds * 99
    return Load(
        requests=len(waits.seconds),
        per_second=len(waits.seconds) / wall,
        median=1000 * cuts[49],
        p99=1000 * cuts[98],
        longest=1000 * max(waits.seconds),
        wrong=waits.wrong,
        first_wrong=waits.first_wrong,
    )


async def watch(port: int, request: bytes, opened: asyncio.Semaphore) -> bytes:
    """A stream of events from its beginning to its end; releases the semaphore once it has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    writer.write(request)
    received = await reader.readuntil(b"event: progress")
    opened.release()
    while b"event: end" not in received[-400:]:
        chunk = await reader.read(65_536)
        if not chunk:
            break
        received += chunk
    writer.close()
    return received
