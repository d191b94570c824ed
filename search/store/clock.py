"""The clock that leases run on: no wall clock, since that one jumps; imports no database.

A file's leases run on the host's monotonic clock, which every process of the host reads alike; a server's on its own.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["DATABASE", "Moment", "host_moment"]

DATABASE = "database"
"""Name of the clock of a database server."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Moment:
    """A reading in seconds of the clock with that name; readings of different clocks cannot be compared."""

    clock: str
    seconds: float


def host_moment() -> Moment:
    """Now on this host's monotonic clock; it begins anew with every boot, so its name is the boot's."""
    return Moment(_boot(), time.monotonic())


@cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"host {socket.gethostname()}"
