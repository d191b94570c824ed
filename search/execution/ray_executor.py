"""The executor on Ray: long-lived actors with one thread each, on this machine or on an existing cluster.

Ray starts processes and moves data; which job runs where, retries and time limits are decided here, one job at a time
per worker, so that a death or a delay always has one job to blame. The cluster itself is ``ray_cluster``.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import ray
from ray import exceptions

from search.errors import ClusterError
from search.execution.executor import ATTEMPTS, Outcome, in_a_row, one_line
from search.execution.ray_cluster import RayCluster
from search.execution.ray_worker import Worker

__all__ = ["RayExecutor"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")

_START_SECONDS = 90.0  # a worker starts in 1 to 4 s; long after that there is no room for it
_START_ATTEMPTS = 2
_POLL_SECONDS = 1.0
_STARTING = -1

_DEATHS = (exceptions.RayActorError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
_BREAKDOWNS = (exceptions.RaySystemError, exceptions.ObjectStoreFullError, exceptions.OutOfDiskError)


@dataclass(eq=False)
class _Hired:
    """An actor; ``name`` is ``host:pid`` once it has answered."""

    handle: Any
    name: str = ""

    @property
    def process(self) -> int:
        """Its number on its host."""
        return int(self.name.rpartition(":")[2])


@dataclass(frozen=True)
class _Assignment:
    """What a worker is busy with: a job's index, or ``_STARTING``."""

    worker: _Hired
    index: int
    attempt: int
    deadline: float


class RayExecutor:
    """Workers as Ray actors; ``Executor`` says what may be relied on.

    Args:
        address: ``local`` starts a private cluster on this machine, with as many workers as asked for even beyond its
            cores; ``host:port``, ``ray://host:port`` or ``auto`` joins a running one.
        workers: How many; default: one per core this process may use, or all that the cluster has room for.
        gpus_per_worker: Share of a GPU each worker gets; 0.5 puts two workers on one.
        store_bytes: Size of the local object store, about twice the shared data; what does not fit spills to disk.
        state_folder: Where the local cluster's token is kept (mode 0600); default: with its temporary files.
        most_workers: How many there are at most, whatever the cluster has room for.

    Raises:
        ClusterError: on entering, if Ray cannot be started or reached, or cannot have such workers.
    """

    def __init__(
        self,
        address: str = "local",
        workers: int | None = None,
        gpus_per_worker: float = 0.0,
        *,
        store_bytes: int = 200_000_000,
        state_folder: Path | None = None,
        most_workers: int | None = None,
    ) -> None:
        self._cluster = RayCluster(
            address, workers, gpus_per_worker, store_bytes=store_bytes, state_folder=state_folder, most=most_workers
        )
        self._gpus = gpus_per_worker
        self._shared: tuple[object, Any] | None = None  # what the workers have already, and where it lies
        self._idle: list[_Hired] = []
        self._busy: dict[Any, _Assignment] = {}
        self._failed_starts = 0
        self._actor: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)

    @property
    def workers(self) -> int:
        return self._cluster.workers

    def __enter__(self) -> Self:
        self._cluster.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
            self._shared = None
        finally:
            self._cluster.__exit__(kind, error, trace)

    def release(self) -> None:
        """Let the workers go, so that somebody else can have their cores; they are hired again for the next jobs."""
        self._stop_busy()
        while self._idle:
            self._stop(self._idle.pop())

    def check_cluster(self) -> None:
        """Find out whether the cluster is gone; for whoever has its cores meanwhile, as ``run`` does so itself.

        Raises:
            ClusterError: it is.
        """
        self._cluster.check_cluster()

    def share_gpus(self, share: float, workers: int | None) -> int:
        """So many workers with such a share each from the next job on, or as many as there is room for; how many."""
        self.release()
        self._gpus = share
        return self._cluster.resize(share, workers)

    def run(
        self, function: Callable[[S, J], R], shared: S, jobs: Sequence[J], *, timeout_seconds: float | None = None
    ) -> Iterator[Outcome[R]]:
        limit = float("inf") if timeout_seconds is None else timeout_seconds
        waiting = deque((index, 1) for index in range(len(jobs)))
        finished: list[Outcome[R]] = []
        self._failed_starts = 0
        self._cluster.check_cluster(now=True)  # what comes next would end the process if the cluster is gone
        try:
            function_at, shared_at = ray.put(function), self._put(shared)
            self._let_go_of_the_dead()
            while True:
                self._hire(len(waiting))
                while waiting and self._idle:
                    index, attempt = waiting.popleft()
                    worker = self._idle.pop()
                    answer = worker.handle.call.remote(function_at, [shared_at], index, jobs[index])
                    self._busy[answer] = _Assignment(worker, index, attempt, time.monotonic() + limit)
                yield from finished  # only now: the workers are busy while the caller looks at these
                if not waiting and not self._jobs_under_way():
                    return
                finished = in_a_row([*self._answers(waiting), *self._overdue(limit)])
                self.check_cluster()
        except _BREAKDOWNS as error:
            raise ClusterError(
                f"the Ray cluster broke down ({one_line(error)[:300]})",
                where=self._cluster.address,
                fix="Start again; what was finished is kept",
            ) from error
        finally:
            self._stop_busy()

    def _let_go_of_the_dead(self) -> None:
        """Part with workers that have died since the last jobs: that must not cost one of these an attempt."""
        calls = {worker.handle.name.remote(): worker for worker in self._idle}
        if not calls:
            return
        answered, _ = ray.wait(list(calls), num_returns=len(calls), timeout=_POLL_SECONDS)
        for call in answered:
            try:
                ray.get(call)
            except _DEATHS:
                self._idle.remove(calls[call])
                self._stop(calls[call])

    def _put(self, shared: object) -> Any:  # noqa: ANN401 - a reference of Ray's
        """Bring the shared data to the workers once, however many calls need them."""
        if self._shared is None or self._shared[0] is not shared:
            self._shared = (shared, ray.put(shared))
        return self._shared[1]

    def _answers(self, waiting: deque[tuple[int, int]]) -> Iterator[Outcome[Any]]:
        """Wait a moment; outcomes of the workers that answered. A job whose worker died goes back to ``waiting``."""
        patience = min(assignment.deadline for assignment in self._busy.values()) - time.monotonic()
        under_way = list(self._busy)
        done, others = ray.wait(under_way, timeout=min(max(patience, 0.0), _POLL_SECONDS))
        if done and others:  # who answered in the same moment
            done, _ = ray.wait(under_way, num_returns=len(under_way), timeout=0)
        for answer in done:
            assignment = self._busy.pop(answer)
            worker, index = assignment.worker, assignment.index
            try:
                value = ray.get(answer)
            except _DEATHS as death:
                self._stop(worker)
                if index == _STARTING:
                    self._start_failed(death)
                elif assignment.attempt < ATTEMPTS:
                    waiting.appendleft((index, assignment.attempt + 1))
                else:
                    reason = "out of memory" if isinstance(death, exceptions.OutOfMemoryError) else "worker died"
                    yield Outcome(index, None, reason, str(death), worker.name)
            except _BREAKDOWNS:
                raise
            except Exception as error:  # noqa: BLE001  (the result did not survive the way home)
                self._idle.append(worker)
                cause = error.cause if isinstance(error, exceptions.RayTaskError) else error
                yield Outcome(
                    index, None, f"the result cannot be sent back: {one_line(cause)}", str(error), worker.name
                )
            else:
                self._idle.append(worker)
                if index == _STARTING:
                    worker.name, self._failed_starts = value, 0
                    self._cluster.joined(worker.process)
                else:
                    yield value

    def _overdue(self, limit: float) -> Iterator[Outcome[Any]]:
        """Stop the workers whose time is over and did not answer at the last moment."""
        now = time.monotonic()
        for answer, assignment in list(self._busy.items()):
            if assignment.deadline > now or ray.wait([answer], timeout=0)[0]:
                continue
            if assignment.index == _STARTING and (self._idle or self._jobs_under_way()):
                # A node was lost, and with it the room: the others go on, and a node that joins will be used.
                self._busy[answer] = replace(assignment, deadline=now + _START_SECONDS)
                continue
            del self._busy[answer]
            self._stop(assignment.worker)
            if assignment.index == _STARTING:
                self._start_failed(TimeoutError(f"nothing for {_START_SECONDS:g} s: the cluster has no room for it"))
            else:
                yield Outcome(assignment.index, None, f"timed out after {limit:g} s", "", assignment.worker.name)

    def _hire(self, waiting: int) -> None:
        """Start workers until there is one for every job, at most the agreed number."""
        wanted = min(self.workers, waiting + self._jobs_under_way())
        for _ in range(wanted - len(self._idle) - len(self._busy)):
            handle = self._actor.options(num_gpus=self._gpus).remote()
            deadline = time.monotonic() + _START_SECONDS
            self._busy[handle.name.remote()] = _Assignment(_Hired(handle), _STARTING, 1, deadline)

    def _jobs_under_way(self) -> int:
        return sum(assignment.index != _STARTING for assignment in self._busy.values())

    def _start_failed(self, error: BaseException) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _START_ATTEMPTS:
            raise ClusterError(
                f"no worker could be started ({one_line(error)[-300:]})",
                where=self._cluster.address,
                fix="Ask for fewer workers; on a cluster, install taskgrouping on every node",
            ) from error

    def _stop_busy(self) -> None:
        for assignment in self._busy.values():
            self._stop(assignment.worker)
        self._busy.clear()

    def _stop(self, worker: _Hired) -> None:
        with suppress(Exception):  # it may be gone already
            if not self._cluster.lost:
                ray.kill(worker.handle, no_restart=True)
        if self._cluster.private and worker.name:
            with suppress(ProcessLookupError):  # one that hangs or is halted does not hear Ray
                os.kill(worker.process, signal.SIGKILL)
