"""How a process ends: in good order, except where a library would crash it then."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["leave", "leave_at_once"]

_at_once = False


def leave_at_once() -> None:
    """From now on this process is to end without any tidying of libraries, as it would not survive that."""
    global _at_once
    _at_once = True


def leave(code: int) -> NoReturn:
    """End with this exit code."""
    if _at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
