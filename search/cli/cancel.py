"""``taskgroup cancel``: end a run for good, wherever it is worked on."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, note, print_result
from search.cli.elsewhere import cancel_there
from search.cli.submit import ServerOption

__all__ = ["cancel"]

_PATIENCE_SECONDS = 20.0
_EVERY_SECONDS = 0.1


def cancel(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    server: ServerOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Cancel a run: what it has trained stays in the store, but it cannot be resumed."""
    if server:
        cancel_there(server, run, _PATIENCE_SECONDS, as_json=as_json, quiet=quiet)
        return 0
    from search.store.home import runs_home
    from search.store.store import Store

    with Store.open(runs_home(), create=False) as store:
        record = store.run(run)
        store.ask(record.id, "cancel")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (record := store.run(record.id)).state == "running" and time.monotonic() < deadline:
            time.sleep(_EVERY_SECONDS)
    if as_json:
        emit_json({"run": record.id, "state": record.state, "asked": record.asked})
    elif record.state == "running":
        note(f"run {record.id} has been asked to stop and has not answered for {_PATIENCE_SECONDS:g} s; it will")
    elif not quiet:
        print_result(f"run {record.id} is {record.state}")
    return 0
