"""The option ``--tensorboard`` of several commands: curves of a run for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import escape_controls, note

if TYPE_CHECKING:
    from search.store.store import Store

__all__ = ["TensorboardOption", "check_attended", "write_curves_of"]

TensorboardOption = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Write the curves of all trainings for TensorBoard there."),
]


def check_attended(folder: Path | None, *, detached: bool) -> None:
    """Refuse to promise curves that nobody would write.

    Raises:
        InputError: the run is to go on without this process.
    """
    from grouping.errors import InputError

    if folder is not None and detached:
        fix = f"Later: taskgroup report RUN --tensorboard {folder}, while it runs too"
        raise InputError("curves are written by whoever waits for the run", where="--tensorboard", fix=fix)


def write_curves_of(store: Store, run: str, folder: Path | None, *, quiet: bool) -> int:
    """Write them, where a folder is named, and say how many; how many were left out is always said."""
    if folder is None:
        return 0
    from search.output.tensorboard import write_curves

    written = write_curves(store, run, folder)
    if written.shown < written.total:
        note(f"showing {written.shown:,} of {written.total:,} trainings, which is what TensorBoard can bear")
    note(escape_controls(f"curves of {written.shown:,} trainings: tensorboard --logdir {folder}"), quiet=quiet)
    return written.shown
