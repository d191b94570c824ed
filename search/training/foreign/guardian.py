"""The process around one training of somebody else's code, run as a script by ``guarded``; needs the standard library.

It starts the training in a session of its own, reads what it prints, and ends it with everything it started: when its
time is over, when it ends by itself and leaves children behind, and when whoever asked for it is gone, even by SIGKILL.

One JSON object comes in on the first line of stdin, which then stays open as long as the asker lives: ``words``,
``folder`` to work in, ``seconds``, ``log`` to write to and its ``limit`` in bytes. Two lines go out on stdout: the
session as a number, and one JSON object: ``status`` (as of ``subprocess``), ``timed_out``, ``seconds``, ``peak_mb`` and
the ``tail`` of what was printed; or ``error`` where nothing could be started.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_CHILD_SUBREAPER = 36  # of linux/prctl.h: whoever loses its parent becomes our child and can be found
_POLL_SECONDS = 0.02
_ROUNDS = 100  # of looking for descendants that start others while they are being ended
_CHUNK = 65_536
_TAIL = 8_192


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    try:
        child = subprocess.Popen(  # noqa: S603  (running what the spec's author wrote is what this is for; no shell)
            asked["words"],
            cwd=asked["folder"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        _say({"error": error.strerror or str(error)})
        return
    print(child.pid, flush=True)  # noqa: T201
    printed = _Printed(Path(asked["log"]), asked["limit"])
    ended = _watch(child, printed, began + asked["seconds"])
    _end_all(child.pid)
    printed.read(child)
    status = child.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    _say(
        {
            "status": status,
            "timed_out": not ended,
            "seconds": time.monotonic() - began,
            "peak_mb": usage.ru_maxrss / 1024,
            "tail": printed.tail.decode(errors="replace"),
        }
    )


class _Printed:
    """What a training prints: the beginning goes into a file, the end is remembered, the rest is dropped."""

    def __init__(self, log: Path, limit: int) -> None:
        self._log = log.open("wb")
        self._room = limit
        self.tail = b""

    def read(self, child: subprocess.Popen[bytes]) -> bool:
        """Take what is there; whether more may come."""
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        while True:
            try:
                chunk = os.read(child.stdout.fileno(), _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            with suppress(OSError):  # a full disk is the training's trouble, not ours
                self._log.write(chunk[: self._room])
                self._log.flush()
            self._room -= min(self._room, len(chunk))
            self.tail = (self.tail + chunk)[-_TAIL:]
            if len(chunk) == _CHUNK:
                return True  # whoever prints without end is not listened to without end


def _watch(child: subprocess.Popen[bytes], printed: _Printed, deadline: float) -> bool:
    """Wait for the training; whether it ended by itself."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ, "printed")
        selector.register(sys.stdin, selectors.EVENT_READ, "asker")
        while child.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(min(left, _POLL_SECONDS)):
                if key.data == "asker":  # it sends nothing more: it is gone
                    _end_all(child.pid)
                    sys.exit(1)
                if not printed.read(child):
                    selector.unregister(child.stdout)
    return True


def _end_all(session: int) -> None:
    """End the session and every descendant that left it."""
    for _ in range(_ROUNDS):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        found = _descendants()
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if not found:
            return
        time.sleep(_POLL_SECONDS)
        with suppress(ChildProcessError):
            while any(_reaped(process, session) for process in found):
                pass


def _reaped(process: int, session: int) -> bool:
    """Take leave of an adopted child; the first one is left to ``subprocess``, which wants to know how it ended."""
    if process == session:
        return False
    with suppress(ChildProcessError):
        return os.waitpid(process, os.WNOHANG)[0] != 0
    return False


def _descendants() -> list[int]:
    """Living processes that came out of this one; none where the system does not tell (it is not Linux)."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
    found, waiting = list[int](), [os.getpid()]
    while waiting:
        above = waiting.pop()
        children = [process for process, parent in parents.items() if parent == above]
        found += children
        waiting += children
    return found


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
