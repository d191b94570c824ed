"""Calls an installed trainer function in a process of its own and writes down what it returns; ``trainer`` runs it.

``python -m search.training.foreign.call NAME ARGUMENTS OUT``: the entry point's name, a JSON file of keyword arguments,
and the file for the losses. Imports nothing of ours, so that a training begins at once.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

__all__ = ["ENTRY_POINTS", "OWN_ERROR", "main"]

ENTRY_POINTS = "taskgrouping.trainers"
"""As in ``search.spec.trainer``, which takes a second to import."""

OWN_ERROR = "error"
"""Key under which is said what went wrong, in place of losses."""


def main(name: str, arguments: str, out: str) -> int:
    """Call it; the exit status says whether something was written that may be losses."""
    told = json.loads(Path(arguments).read_text(encoding="utf-8"))
    try:
        function = next(iter(entry_points(group=ENTRY_POINTS, name=name))).load()
        answer, status = json.dumps(_plain(function(**told))), 0
    except StopIteration:
        answer, status = json.dumps({OWN_ERROR: f"no trainer '{name}' is installed on this machine"}), 1
    except Exception as error:  # noqa: BLE001  (other people's code: anything may come out of it)
        traceback.print_exc()
        answer, status = json.dumps({OWN_ERROR: _one_line(error)}), 1
    Path(out).write_text(answer, encoding="utf-8")
    return status


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value
    """The value as JSON knows it: mappings, lists and numbers, NumPy's and pandas' among them.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for method in ("to_dict", "tolist"):
        if hasattr(value, method):
            return _plain(getattr(value, method)())
    raise TypeError(f"it returned a {type(value).__name__}, not losses by task")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
