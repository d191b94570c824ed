"""Trunks that other installed packages offer by entry point, by name. The built-in ones are ``trunks``."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from grouping.errors import GroupingError, InputError

__all__ = ["ENTRY_POINTS", "foreign_failure", "load_foreign", "trunk_names", "version"]

ENTRY_POINTS = "taskgrouping.trunks"
"""Group of entry points under which other packages offer trunks; built-in names cannot be taken.

Each names a function ``(n_inputs, widths, generator) -> torch.nn.Module`` from rows [N, n_inputs] to features
[N, widths[-1]]. It takes its initial values from ``generator`` alone; a row's features depend on that row alone in
evaluation. For random masks in training there is ``search.networks.dropout.Dropout``, seeded from ``generator``.
"""

_ASK = f"Ask its author; docs: entry points '{ENTRY_POINTS}'"
_LONGEST_REASON = 200


def trunk_names() -> list[str]:
    """Names of the trunks that other packages offer."""
    return list(dict.fromkeys(point.name for point in entry_points(group=ENTRY_POINTS)))


def load_foreign(name: str) -> Callable[..., Any]:
    """The function behind a name.

    Raises:
        InputError: it cannot be loaded, with the reason.
    """
    point = next(iter(entry_points(group=ENTRY_POINTS, name=name)))
    try:
        function: Callable[..., Any] = point.load()
    except GroupingError:
        raise
    except Exception as error:  # other people's code: anything may come out of it
        raise foreign_failure(name, f"failed: {type(error).__name__}: {error}") from error
    return function


def version(name: str) -> str:
    """Which code a name stands for: entry point, package and version."""
    point = next(iter(entry_points(group=ENTRY_POINTS, name=name)))
    return point.value if point.dist is None else f"{point.value} of {point.dist.name} {point.dist.version}"


def foreign_failure(name: str, what: str) -> InputError:
    """The error for a foreign trunk that does not keep its word, in one line."""
    point = next(iter(entry_points(group=ENTRY_POINTS, name=name)))
    reason = " ".join(what.split())[:_LONGEST_REASON]
    return InputError(f"the trunk '{name}' of {point.value} {reason}", where="network.trunk", fix=_ASK)
