"""Which process works on a run, and whether it still lives: no run stays "running" after a kill."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["STALE_SECONDS", "Owner", "this_process"]

STALE_SECONDS = 120.0
"""A heartbeat older than this means death where the process itself cannot be seen (another host)."""


@dataclass(frozen=True)
class Owner:
    """A process by host, id and birth; the birth tells it from a later process that was given the same id."""

    host: str
    pid: int
    birth: str

    @cached_property
    def token(self) -> str:
        """One string for one process: ``host:pid:birth``."""
        return f"{self.host}:{self.pid}:{self.birth}"

    @classmethod
    def parse(cls, token: str) -> Owner:
        """The inverse of ``token``."""
        host, pid, birth = token.rsplit(":", 2)
        return cls(host, int(pid), birth)

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host, so that its death can be seen."""
        return self.host == socket.gethostname()

    def alive(self, heartbeat: float) -> bool:
        """Whether the process lives, as far as can be told from here.

        Args:
            heartbeat: When it was last heard of, in seconds since the epoch.
        """
        if not self.is_here:
            return time.time() - heartbeat < STALE_SECONDS
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it lives and is somebody else's
            pass
        return _birth(self.pid) == self.birth


def this_process() -> Owner:
    """The calling process as an owner."""
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, _birth(pid))


def _birth(pid: int) -> str:
    """Start of a process in clock ticks since boot where /proc tells it, else empty: the id alone must do then.

    A zombie has ended its work, so it has no birth either.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "dead" if fields[0] in {"Z", "X"} else fields[19]
