"""A Ray cluster as this process uses it: started privately or joined, with room for the workers, its head alive, left.

What runs on it is ``ray_executor``.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import ray

from search.errors import ClusterError
from search.execution.cluster_environment import (
    check_address,
    driver_environment,
    environment,
    temporary_folder,
    worker_environment,
)
from search.execution.contact import Contact
from search.execution.executor import one_line
from search.execution.kept import Kept, kept
from search.execution.ray_worker import heed_children
from search.leaving import leave_at_once

__all__ = ["RayCluster"]

_POLL_SECONDS = 1.0
_ROOM_SECONDS = 20.0  # how long a full cluster is given to free a core
_SMALLEST_STORE = 80_000_000  # bytes; Ray refuses less than about 75 MB


class RayCluster:
    """A cluster that is started or joined on entering, and left.

    Args:
        address: ``local`` starts a private one on this machine; ``host:port``, ``ray://host:port`` or ``auto`` joins a
            running one.
        asked: Workers that were asked for; None: what there is room for.
        gpus: Share of a GPU each worker gets.
        store_bytes: Size of a private cluster's object store.
        state_folder: Where a private cluster's token is kept (mode 0600); default: with its temporary files.
        most: Workers that there are at most, whatever there is room for.

    Raises:
        ClusterError: on entering, if it cannot be started or reached, or has no room for the workers.
    """

    def __init__(
        self,
        address: str,
        asked: int | None,
        gpus: float,
        *,
        store_bytes: int,
        state_folder: Path | None,
        most: int | None = None,
    ) -> None:
        self.address = address
        self._most = most or sys.maxsize
        self.workers = min(asked or _cores(), self._most)
        self._asked, self._gpus = asked, gpus
        self._store_bytes = max(store_bytes, _SMALLEST_STORE)
        self._state_folder = state_folder
        self._kept: Kept | None = None
        self._contact: Contact | None = None
        self._resources = ExitStack()

    @property
    def private(self) -> bool:
        return self.address == "local"

    @property
    def lost(self) -> bool:
        """Whether the cluster is gone."""
        return self._contact is not None and self._contact.lost

    def __enter__(self) -> Self:
        if not self.private:
            check_address(self.address)
        if ray.is_initialized():
            raise ClusterError("Ray already runs in this process", fix="Leave the other executor first")
        with ExitStack() as resources:
            if self.private:
                self._start(resources)
            else:
                self._init(resources, partial(ray.init, address=self.address))
            self._check_room()
            self._contact = _contact(self.address)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def joined(self, process: int) -> None:
        """A worker of a private cluster; it will not outlive this process, even if it is halted."""
        if self._kept is not None:
            self._kept.tell([process])

    def resize(self, gpus: float, asked: int | None) -> int:
        """So many workers with such a share of a GPU, as far as there is room for them; how many that is."""
        cpus, gpus_there = _there()
        room = int(gpus_there / gpus + 1e-9) if gpus else cpus
        self.workers = max(1, min(asked or (_cores() if self.private else cpus), room, self._most))
        return self.workers

    def check_cluster(self, *, now: bool = False) -> None:
        """Find out whether the cluster is gone, if it is time to look or ``now``.

        Raises:
            ClusterError: it is.
        """
        if self._contact is not None:
            self._contact.check(now=now)

    def _start(self, resources: ExitStack) -> None:
        folder = resources.enter_context(temporary_folder())
        resources.enter_context(environment(driver_environment(self._state_folder or folder)))
        private = resources.enter_context(kept(folder))
        start = partial(
            ray.init,
            address="local",
            num_cpus=self.workers,
            include_dashboard=False,
            object_store_memory=self._store_bytes,
            _temp_dir=str(folder),
        )
        try:
            self._init(resources, start)
        finally:
            private.started()  # what there is of it, if it could not be started
        self._kept = private

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
                where=self.address,
                fix="Start again when the machine is less busy; look for free memory and for free space under /tmp",
            ) from error
        finally:
            heed_children()
            # Ray takes SIGTERM over. Its handler ends the program in good order, but not before the program's own.
            if threading.current_thread() is threading.main_thread() and callable(on_terminate):
                signal.signal(signal.SIGTERM, on_terminate)
        # Ray prints a paragraph on stdout for every worker that dies, whatever log_to_driver says; we report it.
        ray._private.worker._worker_logs_enabled = False

    def _shut_down(self) -> None:
        """Leave the cluster; one that is lost is left as it is.

        The head takes its node along, and Ray ends a process at once that takes leave of a node that is gone: the error
        could be told to nobody any more.
        """
        if self.lost:
            atexit.unregister(ray.shutdown)
            leave_at_once()
        else:
            ray.shutdown()

    def _check_room(self) -> None:
        """Compare what is asked for with what the cluster has, before anything waits for it."""
        cpus, gpus = _there()
        if self._gpus and gpus < self._gpus * (self._asked or 1):
            raise ClusterError(
                f"{self._asked or 1} worker(s) with {self._gpus:g} GPU each were asked for, but {self.address} has "
                f"{gpus:g} GPUs",
                where="cluster.gpus_per_worker",
                fix="Set it to 0 to train on CPUs",
            )
        room = min(cpus, int(gpus / self._gpus)) if self._gpus else cpus
        if not self.private and room < (self._asked or 1):
            raise ClusterError(
                f"{self._asked or 1} workers were asked for, but {self.address} has room for {room}",
                where="cluster.workers",
                fix="Ask for fewer workers, or leave cluster.workers out",
            )
        self.workers = min(self._asked or max(1, room), self._most)
        deadline = time.monotonic() + _ROOM_SECONDS
        while not self.private and ray.available_resources().get("CPU", 0.0) < 1:  # type: ignore[no-untyped-call]
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"all {cpus} CPUs of {self.address} are taken",
                    where="cluster.address",
                    fix="Wait until others are done, or add a node",
                )
            time.sleep(_POLL_SECONDS)


def _there() -> tuple[int, float]:
    """CPUs and GPUs of the cluster, taken or not."""
    total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(total.get("CPU", 0)), total.get("GPU", 0.0)


def _contact(address: str) -> Contact:
    """With the cluster that this process belongs to."""
    if address.startswith("ray://"):
        return Contact(address, None, None)
    context = ray.get_runtime_context()
    host, _, port = str(context.gcs_address).rpartition(":")
    nodes: dict[str, tuple[str, int]] = {
        node["NodeID"]: (node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in ray.nodes()  # type: ignore[no-untyped-call]
    }
    return Contact(address, (host.strip("[]"), int(port)), nodes.get(context.get_node_id()))


def _cores() -> int:
    """Cores this process may use, which containers and batch systems often limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
