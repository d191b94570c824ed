"""``taskgroup backup`` and ``taskgroup restore``: the database of runs as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result
from search.cli.token import ConfigOption

__all__ = ["backup", "restore"]


def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes; not there yet.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Copy the database of runs to a file, whole and consistent, also while runs are being worked on."""
    from search.store.copies import backup as copy

    home, url = _place(config)
    runs = copy(home, file, url)
    if as_json:
        emit_json({"file": str(file), "runs": runs, "bytes": file.stat().st_size})
    elif not quiet:
        rest = f"the runs' folders and uploaded tables (datasets) in {home} are not part of it"
        print_result(escape_controls(f"{runs} runs in {file}; {rest}"))


def restore(
    file: Annotated[Path, typer.Argument(help="What 'taskgroup backup' has made.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Put a copy in the place of the database of runs, which is kept beside it under another name."""
    from search.store.copies import restore as put_back

    home, url = _place(config)
    runs, former = put_back(home, file, url)
    if as_json:
        emit_json({"home": str(home), "runs": runs, "former": None if former is None else str(former)})
        return
    if former is not None:
        note(escape_controls(f"the former database is now {former}"), quiet=quiet)
    if not quiet:
        print_result(f"{runs} runs restored")


def _place(config: Path | None) -> tuple[Path, str | None]:
    """The folder of runs, and the database where that is not in it, as ``taskgroup serve`` reads them."""
    from search.service.settings import read_settings

    settings = read_settings(config)
    return settings.home, None if settings.store_url is None else settings.store_url.get_secret_value()
