"""When a search ends early: time limit, callback or Ctrl-C. The only place of the solver that looks at a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from grouping.errors import InputError
from grouping.solver.solution import Progress, Stopped

__all__ = ["Callback", "Clock"]

Callback = Callable[[Progress], bool | None]
"""Told the progress before every node but the first; returning True ends the search."""


@dataclass
class Clock:
    """The clock of one call, shared by all searches it makes.

    Args:
        time_limit: Seconds from now on; None for no limit.
        callback: See ``Callback``.
    """

    time_limit: float | None = None
    callback: Callback | None = None
    stopped: Stopped = field(default="", init=False)

    def __post_init__(self) -> None:
        if self.time_limit is not None and not self.time_limit >= 0:
            raise InputError(f"the time limit is {self.time_limit}", where="time_limit", fix="Give seconds, 0 or more")
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self._started

    def expired(self) -> bool:
        """Whether the search has to end; asked often."""
        if self.time_limit is not None and not self.stopped and self.seconds > self.time_limit:
            self.stopped = "time limit"
        return bool(self.stopped)

    def report(self, objective: float | None, bound: float, nodes: int) -> bool:
        """Tell the callback; returns whether the search has to end."""
        if self.callback is not None and self.callback(Progress(objective, bound, nodes, self.seconds)):
            self.stopped = "callback"
        return self.expired()

    def interrupt(self) -> None:
        """The user pressed Ctrl-C: end, and return the best found so far."""
        self.stopped = "interrupted"
