"""Seeing to it that a private Ray ends with this process, however that ends: the near end of ``keeper``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from search.execution import keeper

__all__ = ["Kept", "kept"]

_SCRIPT = Path(keeper.__file__)
_LEAVE_SECONDS = 30.0  # longer than it ever takes


class Kept:
    """A private cluster that is looked after.

    Args:
        process: The keeper.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._others = {process.pid, *_descendants()}

    def started(self) -> None:
        """The cluster has been started: what came out of this process meanwhile belongs to it."""
        self.tell(number for number in _descendants() if number not in self._others)

    def tell(self, processes: Iterable[int]) -> None:
        """These belong to it too."""
        lines = [f"{number} {began}\n" for number in processes if (began := keeper.began_at(number))]
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # somebody ended it; then Ray's processes end when Ray wants them to
            self._process.stdin.write("".join(lines).encode())
            self._process.stdin.flush()


@contextmanager
def kept(folder: Path) -> Iterator[Kept]:
    """Look after the cluster that is about to be started; none of its processes is left in the end.

    A driver that is killed while Ray is still starting has not yet said which processes those are.

    Args:
        folder: Of the cluster's temporary files; removed in the end.
    """
    process = subprocess.Popen(  # noqa: S603  (our own interpreter and script)
        [sys.executable, "-I", "-S", str(_SCRIPT), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the driver
    )
    assert process.stdin is not None
    try:
        yield Kept(process)
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _descendants() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}
