"""Places where a process can be told to kill itself, so that tests meet every moment at which a crash could come.

``TASKGROUP_FAULT=store.commit.before:3`` ends the process with SIGKILL when it is about to commit for the third time.
Workers inherit the variable and count for themselves. Without it a passage is one comparison.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final, Literal, get_args

from grouping.errors import InputError
from grouping.tasks import nearest_name

__all__ = ["FAULT_VARIABLE", "POINTS", "Point", "passing"]

FAULT_VARIABLE = "TASKGROUP_FAULT"
"""Environment variable, ``POINT:N``: die at the N-th passage of a point."""

Point = Literal[
    "store.commit.before",
    "store.commit.after",
    "file.rename.before",
    "file.rename.after",
    "phase.begin",
    "phase.end",
    "job.begin",
    "job.end",
    "checkpoint.before",
    "checkpoint.after",
    "run.decided",
    "run.written",
]

POINTS: Final[dict[Point, str]] = {
    "store.commit.before": "a transaction is complete and not yet committed: nothing of it may remain",
    "store.commit.after": "a transaction has just been committed: all of it must remain",
    "file.rename.before": "a file is whole under its temporary name: its final name is free, or the former file's",
    "file.rename.after": "a file has just got its final name",
    "phase.begin": "the trainings of a phase are planned, none has been sent to a worker",
    "phase.end": "the last training of a phase has been recorded",
    "job.begin": "a worker is about to call what it was given (the driver, where there are no workers)",
    "job.end": "a worker has its result and has not yet sent it",
    "checkpoint.before": "the state of a training is whole under a temporary name: the one before it is the newest",
    "checkpoint.after": "the state of a training has just got its final name: it is the newest",
    "run.decided": "everything has been decided and no file has been written",
    "run.written": "all files have been written and the run is not yet marked as finished",
}
"""Every point, and what is true there."""

_fault = os.environ.get(FAULT_VARIABLE)
_turn = threading.Lock()
_passages = 0


def passing(point: Point) -> None:
    """Say that a point is passed; the last thing this process does, if it was told so.

    Raises:
        InputError: the variable is set, and names no point or no number.
    """
    if _fault is not None:
        _count(point, _fault)


def _count(point: Point, fault: str) -> None:
    global _passages
    name, _, number = fault.partition(":")
    if name not in POINTS:
        raise InputError(f"there is no point {name!r}", where=FAULT_VARIABLE, fix=nearest_name(name, get_args(Point)))
    if not number.isdecimal() or int(number) < 1:
        raise InputError(f"{number!r} is no number of a passage", where=FAULT_VARIABLE, fix="Give POINT:N, N from 1")
    if name == point:
        with _turn:
            _passages += 1
            if _passages == int(number):
                os.kill(os.getpid(), signal.SIGKILL)
