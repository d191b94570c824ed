"""The processes that run errands: a few, started once, killed and replaced when one takes too long or dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from grouping.errors import GroupingError, InputError, NoResultError
from search.errors import told_error
from search.service.turns import Turns

__all__ = ["ErrandRunners"]

_LONGEST_ANSWER = 256 * 1024**2


class ErrandRunners:
    """A pool of processes.

    Args:
        count: How many.
        memory: Bytes that each may use.
        each: Errands that one asker may have, running and waiting.
        environment: Variables for the processes, beside ours.
        patience: Seconds that an errand waits for its turn.
    """

    def __init__(
        self,
        count: int,
        memory: int,
        *,
        each: int = 16,
        environment: Mapping[str, str] = MappingProxyType({}),
        patience: float = 30.0,
    ) -> None:
        self._count = count
        self._memory = memory
        self._environment = environment
        self._turns = Turns(count, each, patience)
        self._idle: asyncio.Queue[Process | None] = asyncio.Queue()
        self._all: set[Process] = set()
        self._closed = False

    async def open(self) -> None:
        """Start the processes, so that the first errand need not wait for one."""
        for _ in range(self._count):
            self._idle.put_nowait(await self._start())

    async def close(self) -> None:
        """End them."""
        self._closed = True
        for process in list(self._all):
            await self._end(process)

    async def run(
        self,
        errand: str,
        arguments: Mapping[str, Any],
        seconds: float,
        asker: str,
        told: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Have an errand run, when it is the asker's turn.

        Args:
            errand: One of ``search.service.errands.ERRANDS``.
            arguments: Its arguments, JSON.
            seconds: How long it may take.
            asker: For whom: the token's id.
            told: What stands for our paths in messages: where files are is nobody's business.

        Raises:
            GroupingError: what it raised.
            NoResultError: it took too long.
            TooManyError: the asker has as many going as is allowed.
            BusyError: its turn did not come.
        """
        async with self._turns.of(asker):
            answer = await self._answered(errand, arguments, seconds)
        if "error" in answer:
            raise _rebuilt(_retold(answer["error"], told or {}))
        if "defect" in answer:
            raise RuntimeError(f"errand {errand}: {answer['defect']}")
        found: dict[str, Any] = answer["found"]
        return found

    async def _answered(self, errand: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        process = self._idle.get_nowait()  # there is one for every turn
        try:
            if process is None or process.returncode is not None:
                process = await self._start()
            answer = await self._ask(process, {"errand": errand, "arguments": arguments}, seconds)
        except BaseException:
            if process is not None:
                await asyncio.shield(self._end(process))
            self._idle.put_nowait(None)
            raise
        self._idle.put_nowait(process)
        return answer

    async def _ask(self, process: Process, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            what = f"it was not done within {seconds:g} seconds"
            raise NoResultError(what, fix="Ask for less, or ask the operator for more time") from None
        except OSError:
            line = b""
        if not line:
            what = "it cannot be worked on: it is damaged, or needs more memory than the operator allows"
            raise InputError(what, fix="Give fewer rows or columns, or write the file again")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _start(self) -> Process:
        environment = {
            **os.environ,
            **self._environment,
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }
        command = [sys.executable, "-P", "-m", "search.service.errands", str(self._memory)]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, limit=_LONGEST_ANSWER, env=environment
        )
        self._all.add(process)
        return process

    async def _end(self, process: Process) -> None:
        self._all.discard(process)
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                return
        await process.wait()


def _retold(error: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Any]:
    found = dict(error)
    for name in ("what", "where", "fix"):
        for path, text in told.items():
            found[name] = str(found[name]).replace(path, text)
    return found


def _rebuilt(error: Mapping[str, Any]) -> GroupingError:
    return told_error(error) or InputError(str(error["what"]), where=str(error["where"]), fix=str(error["fix"]))
