"""Finding out that a cluster is gone before Ray does, which ends the process then: nobody would be told why."""

from __future__ import annotations

import socket
import time
from typing import NoReturn

from search.errors import ClusterError
from search.execution.executor import one_line

__all__ = ["Contact"]

Address = tuple[str, int]

_EVERY_SECONDS = 0.25
_ANSWER_SECONDS = 1.0
_HEAD_SECONDS = 30.0  # a head that restarts may be away for a moment; after 60 s without one Ray ends this process


class Contact:
    """Asks a cluster's head, and the node that this process belongs to, whether they are there.

    Args:
        address: The cluster's, for messages.
        head: Where its head answers; None where a proxy (``ray://``) stands between and says itself when it is gone.
        node: Where the node answers; None likewise.
    """

    def __init__(self, address: str, head: Address | None, node: Address | None) -> None:
        self._error: ClusterError | None = None
        self._address, self._head, self._node = address, head, node
        self._head_seen = time.monotonic()
        self._asked = 0.0

    @property
    def lost(self) -> bool:
        """Whether they are known to be gone."""
        return self._error is not None

    def check(self, *, now: bool = False) -> None:
        """Ask them, if it is time to.

        Args:
            now: Even if it is not.

        Raises:
            ClusterError: the node has ended, or the head has not answered for a while.
        """
        if self._error is not None:
            raise self._error
        moment = time.monotonic()
        if not (now or moment - self._asked >= _EVERY_SECONDS):
            return
        self._asked = moment
        gone = self._node and _refusal(self._node)
        if isinstance(gone, ConnectionRefusedError):
            assert self._node is not None
            self._lose(
                f"the Ray cluster's node at {self._node[0]}:{self._node[1]}, through which this run uses it, is gone"
            )
        away = self._head and _refusal(self._head)
        if not away:
            self._head_seen = moment
        elif moment - self._head_seen >= _HEAD_SECONDS:
            text = f"the head of the Ray cluster has not answered for {_HEAD_SECONDS:g} s ({one_line(away)})"
            self._lose(text)

    def _lose(self, text: str) -> NoReturn:
        again = "Resume the run" if self._address == "local" else "Start the cluster again and resume the run"
        fix = f"{again}; what was finished is kept"
        self._error = ClusterError(text, where=self._address, fix=fix)
        raise self._error


def _refusal(address: Address) -> OSError | None:
    try:
        socket.create_connection(address, timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        return error
    return None
