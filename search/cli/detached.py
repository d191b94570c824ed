"""Having a run worked on in the background, by a process that survives this one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from search.cli.console import emit_json, note, print_result

if TYPE_CHECKING:
    from pathlib import Path

    from search.spec import ClusterSpec
    from search.store.records import RunRecord
    from search.store.store import Store

__all__ = ["RESERVED_SECONDS", "detach"]

RESERVED_SECONDS = 60.0
"""How long no dispatcher touches a run that a command has just made: it is about to be worked on."""

_PATIENCE_SECONDS = 30.0  # a process takes its run within a second or two; a busy machine is slower
_EVERY_SECONDS = 0.1


def detach(store: Store, run: str, home: Path, cluster: ClusterSpec, *, as_json: bool, quiet: bool) -> None:
    """Start a process for a queued run, wait until it has taken the run, and say how to watch it.

    Raises:
        ClusterError, DiskError: no process could be started; a new run has failed then, and can be resumed.
    """
    from grouping.errors import GroupingError
    from search.launcher import OUTPUT_FILE, launcher_for
    from search.store.home import store_url

    try:
        launcher_for(cluster, home, store_url()).start(run)
    except GroupingError as error:
        store.add_event(run, "error", error.as_json())
        if store.run(run).state == "queued":
            store.set_state(run, "failed")  # nobody is on the way; left as it was, it would wait for ever
        raise
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (record := store.run(run)).state == "queued" and time.monotonic() < deadline:
        time.sleep(_EVERY_SECONDS)
    if as_json:
        emit_json({"run": run, "state": record.state, "folder": str(home / run)})
        return
    if record.state == "queued":
        note(f"not yet begun after {_PATIENCE_SECONDS:g} s; what its process says: {home / run / OUTPUT_FILE}")
    print_result(run if quiet else _told(record))


def _told(record: RunRecord) -> str:
    run = record.id
    return f"run {run} is {record.state}\nfollow it: taskgroup logs {run} --follow\nstop it: taskgroup cancel {run}"
