"""Running one function on many jobs: the contract, and the executor that does it in this very process.

Nothing here knows what is being run. Workers on other processes are ``search.execution.ray_executor``.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from grouping.errors import GroupingError
from search.faults import passing

__all__ = [
    "ATTEMPTS",
    "GPU_VARIABLE",
    "Executor",
    "InlineExecutor",
    "Outcome",
    "called",
    "failed",
    "in_a_row",
    "one_line",
    "this_worker",
    "workers_text",
]

GPU_VARIABLE = "TASKGROUPING_GPUS"
"""Environment variable, above 0 in workers that were given (a share of) a GPU; functions may look at it."""

ATTEMPTS = 2
"""How often a job is begun whose worker dies: the cause may have been the machine."""

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of one job.

    Args:
        index: Position of the job in the sequence that was given.
        result: What the function returned; None if it failed.
        failure: Why it failed, one line for people; empty if it did not.
        detail: More about the failure (a traceback), or empty.
        worker: Who ran it, ``host:pid``; empty if no worker answered.
        more: Another outcome is known already and follows at once. Whoever records outcomes may wait for the last of
            such a row and record them together; nothing is then unrecorded for longer.
    """

    index: int
    result: R | None
    failure: str = ""
    detail: str = ""
    worker: str = ""
    more: bool = False


class Executor(Protocol):
    """Runs jobs on workers.

    **Every job has exactly one outcome**, given out as soon as it is known, in any order. A failing job never stops
    the others: an exception (``SystemExit`` included), a result that cannot be carried home, a worker that dies or
    takes too long become ``Outcome.failure``.

    **Retries.** A job whose worker died is run once more on a fresh worker, since the cause may have been the machine;
    after the second death it fails as ``worker died``. A job that raised or ran too long is not repeated.

    **Balance.** A worker gets its next job when it is done with the last; a worker runs one job at a time.

    **Sharing.** ``shared`` is handed to every call, brought to each machine once; functions must not change it.

    **Purity.** A function's result may depend on ``shared`` and the job alone. Then outcomes do not depend on which
    executor runs it, on how many workers, nor in what order.

    **Ending.** Executors are context managers; leaving stops the workers. Closing the iterator early (an exception in
    the loop around it, ``KeyboardInterrupt``) stops the jobs under way; the executor can be used again.

    Raises:
        ClusterError: workers cannot be had. Nothing else: what jobs raise stays in their outcomes.
    """

    @property
    def workers(self) -> int:
        """How many jobs run at the same time."""

    def run(
        self, function: Callable[[S, J], R], shared: S, jobs: Sequence[J], *, timeout_seconds: float | None = None
    ) -> Iterator[Outcome[R]]:
        """Call ``function(shared, job)`` for every job.

        Args:
            function: Importable or picklable.
            shared: The same for all jobs; large arrays belong here.
            jobs: Small picklable values.
            timeout_seconds: For one job; it is stopped soon after, and fails as ``timed out after N s``.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class InlineExecutor:
    """One job after the other in this process: for tests, debuggers and small things.

    A job cannot be stopped from outside here, so ``timeout_seconds`` has no effect, and a job that ends the process
    ends everything.
    """

    workers = 1

    def run(
        self, function: Callable[[S, J], R], shared: S, jobs: Sequence[J], *, timeout_seconds: float | None = None
    ) -> Iterator[Outcome[R]]:
        for index, job in enumerate(jobs):
            try:
                result = called(function, shared, job)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a job raises is its own outcome)
                yield failed(index, error)
            else:
                yield Outcome(index, result, worker=this_worker())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def failed(index: int, error: BaseException) -> Outcome[R]:
    """The outcome of a job that raised, told by the process it ran in."""
    return Outcome(index, None, one_line(error), "".join(traceback.format_exception(error)), this_worker())


def called(function: Callable[[S, J], R], shared: S, job: J) -> R:
    """Call a function on a job where it is worked on."""
    passing("job.begin")
    result = function(shared, job)
    passing("job.end")
    return result


def in_a_row(outcomes: Sequence[Outcome[R]]) -> list[Outcome[R]]:
    """Outcomes that are known together, each but the last saying that more follow."""
    return [*(replace(outcome, more=True) for outcome in outcomes[:-1]), *outcomes[-1:]]


def one_line(error: BaseException) -> str:
    """An exception as one line: our own errors in their words, others with the name of their type."""
    text = " ".join(str(error).split())
    if isinstance(error, GroupingError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def this_worker() -> str:
    """``host:pid`` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def workers_text(count: int) -> str:
    """ "1 worker", "2 workers"."""
    return f"{count} worker{'s' * (count != 1)}"
