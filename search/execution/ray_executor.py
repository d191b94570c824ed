"""The executor on Ray: long-lived actors with one thread each, on this machine or on an existing cluster.

The only file of this package that imports Ray. Ray starts processes and moves data; which job runs where, retries and
time limits are decided here, one job at a time per worker, so that a death or a delay always has one job to blame.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import ray
from ray import exceptions

from search.errors import ClusterError
from search.execution.cluster_environment import (
    check_address,
    driver_environment,
    environment,
    temporary_folder,
    worker_environment,
)
from search.execution.executor import ATTEMPTS, Outcome, called, failed, in_a_row, one_line, this_worker

__all__ = ["RayExecutor"]

S = TypeVar("S")
J = TypeVar("J")
R = TypeVar("R")

_START_SECONDS = 90.0  # a worker starts in 1 to 4 s; long after that there is no room for it
_START_ATTEMPTS = 2
_POLL_SECONDS = 1.0
_ROOM_SECONDS = 20.0  # how long a full cluster is given to free a core
_HEAD_SECONDS = 30.0  # a head that restarts may be away for a moment; after 60 s without one Ray ends this process
_LEAVE_SECONDS = 5.0
_SMALLEST_STORE = 80_000_000  # bytes; Ray refuses less than about 75 MB
_STARTING = -1

_DEATHS = (exceptions.RayActorError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
_BREAKDOWNS = (exceptions.RaySystemError, exceptions.ObjectStoreFullError, exceptions.OutOfDiskError)


@dataclass(eq=False)
class _Worker:
    """An actor; ``name`` is ``host:pid`` once it has answered."""

    handle: Any
    name: str = ""


@dataclass(frozen=True)
class _Assignment:
    """What a worker is busy with: a job's index, or ``_STARTING``."""

    worker: _Worker
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
    ) -> None:
        self._address = address
        self._asked = workers
        self._workers = workers or _cores()
        self._gpus = gpus_per_worker
        self._store_bytes = max(store_bytes, _SMALLEST_STORE)
        self._state_folder = state_folder
        self._shared: tuple[object, Any] | None = None  # what the workers have already, and where it lies
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Assignment] = {}
        self._failed_starts = 0
        self._actor: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._resources = ExitStack()
        self._head: tuple[str, int] | None = None  # a proxy (``ray://``) says itself when it is gone
        self._head_checked = self._head_seen = 0.0
        self._lost = False

    @property
    def workers(self) -> int:
        return self._workers

    def __enter__(self) -> Self:
        if self._address != "local":
            check_address(self._address)
        if ray.is_initialized():
            raise ClusterError("Ray already runs in this process", fix="Leave the other executor first")
        with ExitStack() as resources:
            if self._address == "local":
                self._start_local(resources)
            else:
                self._join(resources)
            self._check_room()
            self._head = None if self._address.startswith("ray://") else _head()
            self._head_seen = time.monotonic()
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._shared = None
        self._resources.close()

    def release(self) -> None:
        """Let the workers go, so that somebody else can have their cores; they are hired again for the next jobs."""
        self._stop_busy()
        while self._idle:
            self._stop(self._idle.pop())

    def run(
        self, function: Callable[[S, J], R], shared: S, jobs: Sequence[J], *, timeout_seconds: float | None = None
    ) -> Iterator[Outcome[R]]:
        limit = float("inf") if timeout_seconds is None else timeout_seconds
        waiting = deque((index, 1) for index in range(len(jobs)))
        finished: list[Outcome[R]] = []
        self._failed_starts = 0
        try:
            function_at, shared_at = ray.put(function), self._put(shared)
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
                self._check_head()
        except _BREAKDOWNS as error:
            raise ClusterError(
                f"the Ray cluster broke down ({one_line(error)[:300]})",
                where=self._address,
                fix="Start again; what was finished is kept",
            ) from error
        finally:
            self._stop_busy()

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

    def _check_head(self) -> None:
        """Find out that the cluster's head is gone before Ray does, which would end this process then.

        Raises:
            ClusterError: it has not answered for a while.
        """
        now = time.monotonic()
        if self._head is None or now - self._head_checked < _POLL_SECONDS:
            return
        self._head_checked = now
        try:
            socket.create_connection(self._head, timeout=_POLL_SECONDS).close()
        except OSError as error:
            if now - self._head_seen < _HEAD_SECONDS:
                return
            self._lost = True
            raise ClusterError(
                f"the head of the Ray cluster has not answered for {_HEAD_SECONDS:g} s ({one_line(error)})",
                where=self._address,
                fix="Start the cluster again and resume the run; what was finished is kept",
            ) from error
        self._head_seen = now

    def _hire(self, waiting: int) -> None:
        """Start workers until there is one for every job, at most the agreed number."""
        wanted = min(self._workers, waiting + self._jobs_under_way())
        for _ in range(wanted - len(self._idle) - len(self._busy)):
            handle = self._actor.options(num_gpus=self._gpus).remote()
            deadline = time.monotonic() + _START_SECONDS
            self._busy[handle.name.remote()] = _Assignment(_Worker(handle), _STARTING, 1, deadline)

    def _jobs_under_way(self) -> int:
        return sum(assignment.index != _STARTING for assignment in self._busy.values())

    def _start_failed(self, error: BaseException) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _START_ATTEMPTS:
            raise ClusterError(
                f"no worker could be started ({one_line(error)[-300:]})",
                where=self._address,
                fix="Ask for fewer workers; on a cluster, install taskgrouping on every node",
            ) from error

    def _stop_busy(self) -> None:
        for assignment in self._busy.values():
            self._stop(assignment.worker)
        self._busy.clear()

    def _stop(self, worker: _Worker) -> None:
        with suppress(Exception):  # it may be gone already
            if not self._lost:
                ray.kill(worker.handle, no_restart=True)
        if self._address == "local" and worker.name:
            with suppress(ProcessLookupError):  # one that hangs or is halted does not hear Ray
                os.kill(int(worker.name.rpartition(":")[2]), signal.SIGKILL)

    def _start_local(self, resources: ExitStack) -> None:
        folder = resources.enter_context(temporary_folder())
        resources.enter_context(environment(driver_environment(self._state_folder or folder)))
        start = partial(
            ray.init,
            address="local",
            num_cpus=self._workers,
            include_dashboard=False,
            object_store_memory=self._store_bytes,
            _temp_dir=str(folder),
        )
        self._init(resources, start)

    def _join(self, resources: ExitStack) -> None:
        self._init(resources, partial(ray.init, address=self._address))

    def _init(self, resources: ExitStack, start: Callable[..., object]) -> None:
        resources.callback(self._shut_down)
        on_terminate = signal.getsignal(signal.SIGTERM)
        try:
            start(
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": worker_environment(self._gpus)},
            )
        except (Exception, SystemExit) as error:  # a node that takes too long to start is a bare Exception of Ray's
            if isinstance(error, SystemExit) and error.code == signal.SIGTERM and callable(on_terminate):
                on_terminate(signal.SIGTERM, None)  # it came while Ray, which was starting, had taken it over
            raise ClusterError(
                f"Ray cannot be started ({one_line(error)[:300]})",
                where=self._address,
                fix="Look for free memory and for free space under /tmp",
            ) from error
        finally:
            _heed_children()
            # Ray takes SIGTERM over. Its handler ends the program in good order, but not before the program's own.
            if threading.current_thread() is threading.main_thread() and callable(on_terminate):
                signal.signal(signal.SIGTERM, on_terminate)
        # Ray prints a paragraph on stdout for every worker that dies, whatever log_to_driver says; we report it.
        ray._private.worker._worker_logs_enabled = False

    def _shut_down(self) -> None:
        """Leave the cluster; one whose head is gone cannot be told, and Ray would wait for it."""
        if not self._lost:
            ray.shutdown()
            return
        leaving = threading.Thread(target=ray.shutdown, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)

    def _check_room(self) -> None:
        """Compare what is asked for with what the cluster has, before anything waits for it."""
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, gpus = int(total.get("CPU", 0)), total.get("GPU", 0.0)
        if self._gpus and gpus < self._gpus * (self._asked or 1):
            raise ClusterError(
                f"{self._asked or 1} worker(s) with {self._gpus:g} GPU each were asked for, but {self._address} has "
                f"{gpus:g} GPUs",
                where="cluster.gpus_per_worker",
                fix="Set it to 0 to train on CPUs",
            )
        room = min(cpus, int(gpus / self._gpus)) if self._gpus else cpus
        if self._address != "local" and room < (self._asked or 1):
            raise ClusterError(
                f"{self._asked or 1} workers were asked for, but {self._address} has room for {room}",
                where="cluster.workers",
                fix="Ask for fewer workers, or leave cluster.workers out",
            )
        self._workers = self._asked or max(1, room)
        deadline = time.monotonic() + _ROOM_SECONDS
        while self._address != "local" and ray.available_resources().get("CPU", 0.0) < 1:  # type: ignore[no-untyped-call]
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"all {cpus} CPUs of {self._address} are taken",
                    where="cluster.address",
                    fix="Wait until others are done, or add a node",
                )
            time.sleep(_POLL_SECONDS)


def _head() -> tuple[str, int]:
    """Where the head of the cluster answers."""
    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    return host.strip("[]"), int(port)


def _cores() -> int:
    """Cores this process may use, which containers and batch systems often limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _heed_children() -> None:
    """Have the system tell again how children ended.

    Ray tells it not to, behind Python's back, so that raylets may end what workers leave behind. Whoever waits for a
    child then hears that it went well, whatever it did.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Actor:
    """The far end: calls a function and tells its outcome, whatever happens inside."""

    def __init__(self) -> None:
        _heed_children()
        self._held: tuple[Any, Any] | None = None  # where the shared value lay, and the value
        self._folder = os.getcwd()  # noqa: PTH109 - as it is, not resolved

    def name(self) -> str:
        return this_worker()

    def call(self, function: Callable[[S, J], R], shared_at: list[Any], index: int, job: J) -> Outcome[R]:
        """Call a function on a job; ``shared_at`` wraps a reference, so that the same value is not opened twice."""
        try:
            if self._held is None or self._held[0] != shared_at[0]:
                self._held = None  # the old value goes before the new one comes
                self._held = (shared_at[0], ray.get(shared_at[0]))
            return Outcome(index, called(function, self._held[1], job), worker=this_worker())
        except BaseException as error:  # noqa: BLE001  (SystemExit too: whatever a job raises is its own outcome)
            return failed(index, error)
        finally:
            os.chdir(self._folder)  # wherever the job went
