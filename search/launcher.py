"""Starting the process that works on a run, somewhere that outlives whoever asks for it.

Imports neither torch nor Ray: a service holds a launcher for as long as it lives.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from search.errors import DiskError
from search.store.home import HOME_VARIABLE, URL_VARIABLE

__all__ = ["OUTPUT_FILE", "Launcher", "LocalLauncher"]

OUTPUT_FILE = "supervisor.log"
"""What a detached process prints, in the run's folder."""


class Launcher(Protocol):
    """Starts supervisors."""

    def start(self, run: str) -> None:
        """Start a process that will take the run; it may not have done so when this returns.

        Raises:
            ClusterError, DiskError: no process was started.
        """


class LocalLauncher:
    """Supervisors as processes of this machine, in sessions of their own: they survive the terminal and this process.

    Args:
        home: Folder of runs.
        store_url: The database, where it is not in the home.
    """

    def __init__(self, home: Path, store_url: str | None = None) -> None:
        self._home, self._url = home.absolute(), store_url
        self._children: list[int] = []

    def start(self, run: str) -> None:
        self._reap()
        folder = self._home / run
        environment = {**os.environ, HOME_VARIABLE: str(self._home)}
        if self._url is not None:
            environment[URL_VARIABLE] = self._url
        output = folder / OUTPUT_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            redirected = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ]
            # -P: a folder called "search" where the user stands is not ours.
            command = [sys.executable, "-P", "-m", "search.supervisor", run]
            pid = os.posix_spawn(sys.executable, command, environment, file_actions=redirected, setsid=True)
        except OSError as error:
            fix = "Choose another folder with TASKGROUP_HOME, or free some space"
            raise DiskError(f"no process could be started ({error.strerror})", where=str(folder), fix=fix) from error
        self._children.append(pid)

    def _reap(self) -> None:
        """Let go of children that have ended, which would stay in the table of processes otherwise."""
        for pid in list(self._children):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            self._children.remove(pid)
