"""What to say when a file is not there: the nearest name in its folder."""

from __future__ import annotations

from pathlib import Path

from grouping.tasks import nearest_name

__all__ = ["nearest_file"]

_MOST_FILES = 1000


def nearest_file(path: Path) -> str:
    """The way out after a path that leads nowhere: a file beside it with the same suffix, or what else to check."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix == path.suffix)
    except OSError:
        return f"There is no folder {path.parent} either"
    return nearest_name(path.name, names) if 0 < len(names) <= _MOST_FILES else "Check the path"
