"""The process that ends what is left of a private Ray, run as a script by ``kept``; needs the standard library only.

Ray ends with its driver, but parts of it notice late: its agents give a dead head up after a minute. The argument is
the folder of the cluster's temporary files. On stdin come processes of the cluster as lines ``number began``, in any
pieces; it stays open as long as the driver wants its cluster. When it is closed, or the driver has died, the processes
get a moment to end by themselves; then those that are left are ended, and no other, the folder is removed, and so is
this process. Where the system does not say when a process began (it is not Linux) they end when Ray wants them to.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PATIENCE_SECONDS = 2.0  # a worker that is at work hears within this that its cluster is gone
_LIMIT_SECONDS = 20.0  # a process that the kernel does not let go is not waited for without end
_POLL_SECONDS = 0.1
_CHUNK = 65_536


def main() -> None:
    told = _told(os.getppid())
    began = time.monotonic()
    while (left := _living(told)) and time.monotonic() - began < _LIMIT_SECONDS:
        if time.monotonic() - began > _PATIENCE_SECONDS:
            for number in left:
                _end(number, told[number])
        time.sleep(_POLL_SECONDS)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def began_at(number: int) -> str:
    """When a living process began, in the system's own words; empty if it has ended, or the system does not say."""
    with suppress(OSError, IndexError):
        words = Path("/proc", str(number), "stat").read_text(errors="replace").rpartition(")")[2].split()
        if words[0] not in {"Z", "X"}:
            return words[19]
    return ""


def _told(driver: int) -> dict[int, str]:
    """All that is said until the driver is gone; a copy of it that was forked may hold its end of stdin for longer."""
    said = b""
    while os.getppid() == driver:
        if select.select([0], [], [], 1.0)[0]:
            chunk = os.read(0, _CHUNK)
            if not chunk:
                break
            said += chunk
    lines = [line.split() for line in said.decode().splitlines()]
    return {int(line[0]): line[1] for line in lines if len(line) == 2}


def _living(told: dict[int, str]) -> list[int]:
    return [number for number, began in told.items() if began_at(number) == began]


def _end(number: int, began: str) -> None:
    """End a process, and not another one that was given its number since."""
    with suppress(OSError):
        held = os.pidfd_open(number)
        try:
            if began_at(number) == began:
                signal.pidfd_send_signal(held, signal.SIGKILL)
        finally:
            os.close(held)


if __name__ == "__main__":
    main()
