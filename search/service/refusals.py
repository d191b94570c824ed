"""Why the service refuses a request before any work is done, as errors that carry their HTTP status.

::

    Refusal
    ├── UnauthenticatedError   401   no token, or one that is not valid
    ├── ForbiddenError         403   the token's scope, or a form without its CSRF token
    ├── NotFoundError          404   no such thing, or somebody else's
    ├── StateError             409   not in this state
    ├── TooLargeError          413   more bytes than the operator allows
    ├── UnsupportedError       415   a kind of body that is not read
    ├── TooManyError           429   more requests, or work, than the operator allows
    └── BusyError              503   try again later
"""

from __future__ import annotations

from typing import ClassVar

from grouping.errors import GroupingError

__all__ = [
    "BusyError",
    "ForbiddenError",
    "NotFoundError",
    "Refusal",
    "StateError",
    "TooLargeError",
    "TooManyError",
    "UnauthenticatedError",
    "UnsupportedError",
]


class Refusal(GroupingError):  # noqa: N818 - the root of a tree, as GroupingError is
    """A request that is not served; ``retry_after`` seconds later it may be."""

    status: ClassVar[int] = 400
    code = "refused"
    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after = retry_after


class UnauthenticatedError(Refusal):
    """Nobody knows who asks."""

    status, code = 401, "unauthenticated"


class ForbiddenError(Refusal):
    """Whoever asks may not."""

    status, code = 403, "forbidden"


class NotFoundError(Refusal):
    """There is no such thing, or it is somebody else's: the two look alike on purpose."""

    status, code = 404, "not-found"


class StateError(Refusal):
    """It is not in a state in which that can be done."""

    status, code = 409, "conflict"


class TooLargeError(Refusal):
    """More bytes than are read."""

    status, code = 413, "too-large"


class UnsupportedError(Refusal):
    """A body of a kind that is not read here."""

    status, code = 415, "unsupported"


class TooManyError(Refusal):
    """More than the operator allows."""

    status, code = 429, "too-many"


class BusyError(Refusal):
    """Not now."""

    status, code = 503, "busy"
