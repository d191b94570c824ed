"""Running one command so that nothing it does reaches further than its own process: the near end of ``guardian``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.errors import TrialError

__all__ = ["LARGEST_LOG", "Ended", "run_guarded"]

LARGEST_LOG = 10_000_000
"""Bytes of what a training prints that are written down; the rest is read and dropped."""

_GUARDIAN = Path(__file__).with_name("guardian.py")
_OURS = ("RAY_", "TASKGROUP_STORE", "TASKGROUP_SERVICE_", "TASKGROUP_TOKEN")
"""Beginnings of variables with addresses, tokens and passwords that are none of a trainer's business."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        status: Exit status; the signal's number below zero where one ended it.
        timed_out: Whether its time was over first.
        seconds: Wall time.
        peak_mb: Most resident memory of one of its processes, in MiB.
        tail: The end of what it printed, fit to be shown: control characters are escaped.
    """

    status: int
    timed_out: bool
    seconds: float
    peak_mb: float
    tail: str

    @property
    def how(self) -> str:
        """In words, without a subject: ``ended with exit status 3``."""
        if self.status >= 0:
            return f"ended with exit status {self.status}"
        names = {member.value: member.name for member in signal.Signals}
        return f"was ended by {names.get(-self.status, f'signal {-self.status}')}"


def run_guarded(
    words: Sequence[str], folder: Path, log: Path, seconds: float, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run a command to its end, or to the end of its time; none of its processes is left.

    Args:
        words: Program and arguments; no shell sees them.
        folder: Where it works.
        log: A file for what it prints, the first ``LARGEST_LOG`` bytes of it.
        seconds: Its time.
        environment: Variables; default: this process's own, but for Ray's and the store's.

    Raises:
        TrialError: it cannot be started, or its guardian was ended by somebody.
    """
    asked = {"words": list(words), "folder": str(folder), "log": str(log), "limit": LARGEST_LOG, "seconds": seconds}
    guardian = subprocess.Popen(  # noqa: S603  (our own interpreter and script)
        [sys.executable, "-I", "-S", str(_GUARDIAN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment() if environment is None else dict(environment),
    )
    assert guardian.stdin is not None
    assert guardian.stdout is not None
    with guardian:
        with suppress(BrokenPipeError):
            guardian.stdin.write(json.dumps(asked).encode() + b"\n")
            guardian.stdin.flush()
        first, last = guardian.stdout.readline(), guardian.stdout.readline()
    answer = _answer(last) or _answer(first)
    if "error" in answer:
        raise TrialError(f"{words[0]!r} cannot be started in {folder}: {answer['error']}")
    if not answer:
        with suppress(ValueError, ProcessLookupError, PermissionError):
            os.killpg(int(first), signal.SIGKILL)
        raise TrialError("the process that guards a training was ended from outside")
    return Ended(
        int(answer["status"]),
        bool(answer["timed_out"]),
        float(answer["seconds"]),
        float(answer["peak_mb"]),
        _shown(answer["tail"]),
    )


def _answer(line: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(line)
        return found if isinstance(found, dict) else {}
    return {}


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def _shown(text: str) -> str:
    """The text with its lines, and everything else that is not printable escaped."""
    plain = text.replace("\r\n", "\n")
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else repr(c)[1:-1] for c in plain)
