"""Starting the process that works on a run, somewhere that outlives whoever asks for it.

Imports neither torch nor Ray: a service holds a launcher for as long as it lives.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from search.errors import ClusterError, DiskError
from search.spec import ClusterSpec
from search.store.home import HOME_VARIABLE, URL_VARIABLE

__all__ = ["OUTPUT_FILE", "Launcher", "LocalLauncher", "RayJobLauncher", "launcher_for"]

OUTPUT_FILE = "supervisor.log"
"""What a detached process prints, in the run's folder."""


_ANSWER_SECONDS = 20.0
_MODULE = "search.supervisor"


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
        environment: Further variables of these processes.
    """

    def __init__(
        self, home: Path, store_url: str | None = None, *, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._home, self._url = home.absolute(), store_url
        self._environment = environment
        self._children: list[int] = []

    def start(self, run: str) -> None:
        self._reap()
        folder = self._home / run
        environment = {**os.environ, **self._environment, HOME_VARIABLE: str(self._home)}
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
            command = [sys.executable, "-P", "-m", _MODULE, run]
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


class RayJobLauncher:
    """Supervisors as jobs on an existing Ray cluster, through its job server's HTTP interface.

    The run's folder and, unless it is a server's, the database must be reachable there under the same path. Whoever may
    look at the cluster's jobs sees their environment, the address of the database with it.

    Args:
        address: The job server, ``http://head:8265``.
        home: Folder of runs, as the cluster's machines see it.
        store_url: The database, where it is not in the home.
        environment: Further variables of the supervisors.
        python: The cluster's interpreter that has this package.
        token: What the cluster asks for; default: ``RAY_AUTH_TOKEN``, or the file that ``RAY_AUTH_TOKEN_PATH`` names.
    """

    def __init__(
        self,
        address: str,
        home: Path,
        store_url: str | None = None,
        *,
        environment: Mapping[str, str] = MappingProxyType({}),
        python: str = "python",
        token: str | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._environment = {**environment, HOME_VARIABLE: str(home.absolute())}
        if store_url is not None:
            self._environment[URL_VARIABLE] = store_url
        self._python = python
        self._token = _token() if token is None else token

    def start(self, run: str) -> None:
        job = {
            "entrypoint": shlex.join([self._python, "-P", "-m", _MODULE, run]),
            "submission_id": f"{run}-{secrets.token_hex(2)}",  # a run may be started again; an id may not
            "runtime_env": {"env_vars": self._environment},
            "metadata": {"run": run},
        }
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = Request(f"{self._address}/api/jobs/", json.dumps(job).encode(), headers, method="POST")  # noqa: S310
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - http or https, says the spec
                json.load(answer)["submission_id"]
        except HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(500).decode(errors="replace")) from None
        except (OSError, ValueError, KeyError, TypeError, HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split())
            raise ClusterError(
                f"no job server answers at {self._address} ({reason[:200]})",
                where="cluster.jobs",
                fix="Correct the address; a cluster has one if ray[default] is installed and its dashboard runs",
            ) from error

    def _refused(self, status: int, said: str) -> ClusterError:
        if status in {401, 403}:
            what = f"the cluster at {self._address} " + ("asks for a token" if status == 401 else "refuses this token")
            return ClusterError(what, where="cluster.jobs", fix="Set RAY_AUTH_TOKEN to the cluster's token")
        what = f"the job server at {self._address} refused the job (HTTP {status}: {' '.join(said.split())[:200]})"
        fix = "Look at the cluster's dashboard; versions of Ray before 2.10 are not supported"
        return ClusterError(what, where="cluster.jobs", fix=fix)


def launcher_for(cluster: ClusterSpec, home: Path, store_url: str | None) -> Launcher:
    """What a spec's section ``cluster`` asks for."""
    if cluster.launcher == "ray-job":
        return RayJobLauncher(cluster.jobs, home, store_url, python=cluster.python)
    return LocalLauncher(home, store_url)


def _token() -> str:
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    try:
        return Path(path).read_text().strip() if path else ""
    except OSError as error:
        raise ClusterError(
            f"the cluster's token cannot be read ({error.strerror})", where=str(path), fix="Correct RAY_AUTH_TOKEN_PATH"
        ) from error
