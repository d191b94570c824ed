"""The leaves of the error tree that belong to the machinery; the root and its rules are in ``grouping.errors``.

::

    GroupingError
    ├── InputError
    │   ├── SpecError       exit 2   the YAML document; ``where`` is the field's path
    │   ├── DataError       exit 2   the data set; ``where`` is file, column, row
    │   └── ConflictError   exit 2   a run is not in a state for that, or a request's key was used for another
    ├── StoreError          exit 4   the database of runs
    │   ├── LeaseLostError          a run is no longer this process's to write on
    │   └── StoreUnavailableError   the database is locked or away: trying again may help
    ├── DiskError           exit 5   no space, no permission
    ├── ClusterError        exit 6   Ray cannot be started or reached
    │   └── ServiceError    exit 6   the service cannot be reached, or does not let one in
    └── TrialError          exit 1   one training failed; it never wins and never ends a run by itself
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from grouping.errors import GroupingError, InfeasibleError, InputError, NoResultError, TableError

__all__ = [
    "ClusterError",
    "ConflictError",
    "DataError",
    "DiskError",
    "LeaseLostError",
    "ServiceError",
    "SpecError",
    "StoreError",
    "StoreUnavailableError",
    "TrialError",
    "told_error",
]


class SpecError(InputError):
    """The spec is wrong; ``where`` is the path of the field, ``tasks[2].type`` for example."""

    code = "spec"


class DataError(InputError):
    """The data set is wrong; ``where`` names file and column."""

    code = "data"


class ConflictError(InputError):
    """What is asked for does not go with what is there already."""

    code = "conflict"


class StoreError(GroupingError):
    """The database of runs cannot be used."""

    code = "store"
    exit_code = 4


class LeaseLostError(StoreError):
    """A run is another process's, or nobody's: what this one wanted to write on it was refused."""

    code = "lease"


class StoreUnavailableError(StoreError):
    """The database does not answer now: locked, restarting, out of connections."""


class DiskError(GroupingError):
    """A file cannot be written."""

    code = "disk"
    exit_code = 5


class ClusterError(GroupingError):
    """Ray cannot be started or reached."""

    code = "cluster"
    exit_code = 6


class ServiceError(ClusterError):
    """The service cannot be reached, or does not let one in."""

    code = "service"


class TrialError(GroupingError):
    """One training failed, with its reason."""

    code = "trial"


_TOLD: Final[dict[str, type[GroupingError]]] = {
    kind.code: kind
    for kind in (
        InputError,
        TableError,
        NoResultError,
        InfeasibleError,
        SpecError,
        DataError,
        ConflictError,
        StoreError,
        DiskError,
    )
}


def told_error(error: Mapping[str, Any]) -> GroupingError | None:
    """The inverse of ``as_json``, for what another process tells; None for a code that others do not tell.

    Raises:
        KeyError: it lacks ``code``, ``what``, ``where`` or ``fix``.
    """
    kind = _TOLD.get(str(error["code"]))
    what, where, fix = (str(error[name]) for name in ("what", "where", "fix"))
    if kind is InfeasibleError:
        return InfeasibleError(what, where=where, fix=fix, minimum_budget=error.get("minimum_budget"))
    return None if kind is None else kind(what, where=where, fix=fix)
