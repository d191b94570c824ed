"""Working on a run in the foreground: as a detached process would, with progress for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from search.cli.console import escape_controls, note

if TYPE_CHECKING:
    from pathlib import Path

    from search.desk import Desk
    from search.store.store import Store

__all__ = ["in_foreground"]

T = TypeVar("T")


def in_foreground(
    store: Store,
    run: str,
    home: Path,
    work: Callable[[Desk], T | None],
    *,
    quiet: bool,
    minutes: float | None = None,
) -> T | None:
    """Bring a run to its end, or leave it resumable.

    Args:
        store: Where the run is.
        run: Its id.
        home: Folder of runs.
        work: What is done; None: what was left for later.
        quiet: Say no more than results, warnings and errors.
        minutes: Of tables only: stop after about so long.

    Raises:
        GroupingError, SystemExit: what ``supervise`` raises.
    """
    from search.cli.progress import progress_for
    from search.desk import Desk
    from search.output.folder import RunFolder
    from search.supervisor import supervise

    def insist(text: str) -> None:
        note(escape_controls(text))

    def say(text: str) -> None:
        note(escape_controls(text), quiet=quiet)

    note(f"run {run}", quiet=quiet)
    folder = RunFolder(home / run)
    desk = Desk(store, store.run(run), folder, progress_for(quiet=quiet), say, insist, minutes)
    return supervise(desk, work)
