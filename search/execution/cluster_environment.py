"""What must stand around a Ray cluster before it is started or joined: private files, quiet settings, a live address.

Imports no Ray.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from search.errors import ClusterError
from search.execution.executor import GPU_VARIABLE, one_line

__all__ = ["check_address", "driver_environment", "environment", "temporary_folder", "worker_environment"]

_CONNECT_SECONDS = 3.0
_PROBE_SECONDS = 27.0  # Ray takes 20 to tell a wrong token; with the connection it is 30
_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR'); ray.shutdown()"
_TOKEN = secrets.token_hex(32)  # one for all clusters this process starts: Ray reads a token once per process
_TEMPORARY = "/tmp"  # noqa: S108 - short: socket paths end at 107 bytes
_PREFIX = "tg-"
_LOCK = "lock"
_UNKNOWN_TOKEN = ("InvalidAuthToken", "AuthenticationError", "Unauthenticated")
_MISMATCH = "Version mismatch"
_LARGEST_LOG = 10_000_000  # bytes; a worker that prints without end must not fill the disk


def driver_environment(folder: Path) -> dict[str, str]:
    """Variables of the process that starts a local cluster.

    A token keeps other users of the machine off the cluster's open ports. It is ours, in ``folder`` with mode 0600,
    unless the user's environment names one; left to itself, Ray would write one that everybody can read. Out of memory
    retries are switched off, since a trial that is too large would be repeated for ever. Ray hides no GPU from workers
    that asked for none (its coming default, announced by a warning otherwise); ``GPU_VARIABLE`` is what counts.
    """
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_task_oom_retries": "0",
        "RAY_worker_niceness": "0",  # Ray's default of 15 makes a run several times slower beside any other work
        "RAY_ROTATION_MAX_BYTES": str(_LARGEST_LOG),
        "RAY_ROTATION_BACKUP_COUNT": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # What a job started and left behind ends with its worker.
        "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "1",
    }
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        variables["RAY_AUTH_TOKEN_PATH"] = str(_private_file(folder / "ray_token", _TOKEN))
    return variables


def worker_environment(gpus: float) -> dict[str, str]:
    """Variables of every worker, there before it imports anything: one thread each, and whether it has a GPU."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {**dict.fromkeys(threads, "1"), GPU_VARIABLE: f"{gpus:g}"}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, and put back what was there before."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for a local cluster's sockets and logs, removed in the end; folders of dead processes go first.

    A process that is killed cannot remove its own, and they hold tens of megabytes each. Whoever lives holds a lock.
    """
    for left in Path(_TEMPORARY).glob(f"{_PREFIX}*"):
        with suppress(OSError), (left / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_TEMPORARY))
    try:
        with (folder / _LOCK).open("x") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _private_file(path: Path, text: str) -> Path:
    """Write a file that nobody but its owner could read at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def check_address(address: str) -> None:
    """Make sure that a Ray cluster of our version answers, within seconds.

    Ray itself would wait minutes for a dead address and end this process then, so the first attempt is made by a
    process that may be lost.

    Raises:
        ClusterError: nobody listens there, or it is not a cluster we can join.
    """
    fix = "Start the cluster, correct cluster.address, or use 'local'"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit() and host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            raise ClusterError(
                f"nobody answers at {address} ({one_line(error)})", where="cluster.address", fix=fix
            ) from error
    elif address != "auto":
        raise ClusterError(f"'{address}' is not an address", where="cluster.address", fix="Give host:port, or 'local'")
    try:
        subprocess.run(  # noqa: S603  (our own interpreter and script; the address is an argument, not code)
            [sys.executable, "-c", _PROBE, address], check=True, capture_output=True, timeout=_PROBE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"{address} did not answer as a Ray cluster within {_PROBE_SECONDS:g} s", where="cluster.address", fix=fix
        ) from error
    except subprocess.CalledProcessError as error:
        what, fix = _refusal(error.stderr.decode(errors="replace"), error.returncode)
        raise ClusterError(
            f"cannot join the cluster at {address} ({what})", where="cluster.address", fix=fix
        ) from error


def _refusal(said: str, status: int) -> tuple[str, str]:
    """What Ray's last words mean, and what to do about it."""
    if any(word in said for word in _UNKNOWN_TOKEN):
        return "it asks for a token, or for another one", "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to the cluster's"
    if _MISMATCH in said:
        versions = " ".join(said[said.rindex(_MISMATCH) :].split())
        return versions[:300], "Use the cluster's versions of Ray and Python here, or 'local'"
    lines = said.strip().splitlines()
    fix = "Use the cluster's Ray and Python versions, and set RAY_AUTH_TOKEN if it asks for a token"
    return (lines[-1][:300] if lines else f"exit status {status}"), fix
