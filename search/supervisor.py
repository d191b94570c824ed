"""Working on a run from taking it to giving it back, in a state that says how the work ended.

``python -m search.supervisor RUN`` does it detached, the command line in the foreground.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Final, TypeVar

from grouping.errors import GroupingError, InputError, NoResultError
from search.desk import Desk, Unseen
from search.errors import ClusterError, DiskError, LeaseLostError, StoreError
from search.leaving import leave
from search.output.folder import RunFolder
from search.store.home import runs_home
from search.store.records import RunState
from search.store.store import Store
from search.watch import Stopped, Watch

__all__ = ["WORK", "main", "supervise"]

T = TypeVar("T")


def _recommend(desk: Desk) -> object:
    from search.work import recommend  # seconds of loading, when the run is already owned and can be cancelled

    return recommend(desk)


def _measure(desk: Desk) -> object:
    from search.work import measure

    return measure(desk)


def _search(desk: Desk) -> object:
    from search.work import search

    return search(desk)


WORK: Final[dict[str, Callable[[Desk], object]]] = {"recommend": _recommend, "search": _search, "measure": _measure}
"""What is done for a run of each kind; None comes back where the work was left for later."""

_PATIENCE_SECONDS = 120.0
"""How long the work waits for a database that is locked or restarts."""

_ENVIRONMENTAL = (ClusterError, StoreError, DiskError)
"""Errors that are the machine's and not the question's: the run can go on when that is mended."""


def supervise(desk: Desk, work: Callable[[Desk], T | None]) -> T | None:
    """Work on a run from taking it to giving it back; call it from the main thread.

    SIGINT, SIGTERM and SIGHUP stop the work and leave an interrupted run, whose workers have ended; a second one
    leaves at once. What is asked of the owner is obeyed within seconds.

    Args:
        desk: The run, and where it is worked on.
        work: What is done; None: what was left for later.

    Raises:
        GroupingError: what went wrong; the run's state and its last event ``error`` say so too.
        NoResultError: it was cancelled or interrupted by somebody else.
        LeaseLostError: another process took the run; nothing more was written.
        SystemExit: a signal stopped it, with its exit code.
    """
    desk.store.sessions.patience_seconds = _PATIENCE_SECONDS
    with Watch(desk) as watch:
        try:
            lease = watch.take()
            found = work(watch.desk)
            watch.done()
        except LeaseLostError:
            raise
        except BaseException as error:
            # A solver that is stopped before it has found anything says so with an error of its own.
            if watch.stop is not None or isinstance(error, KeyboardInterrupt):
                stop = watch.stop or Stopped("interrupt", signal.SIGINT)
                _left(watch, "cancelled" if stop.reason == "cancel" else "interrupted")
                raise _ending(desk, stop) from None
            if isinstance(error, GroupingError):
                _failed(watch, error.as_json(), "interrupted" if isinstance(error, _ENVIRONMENTAL) else "failed")
            else:
                _failed(watch, {"code": "unexpected", "what": repr(error), "where": "", "fix": ""}, "failed")
            raise
        if found is not None:
            desk.folder.remove_checkpoints()
        lease.release("interrupted" if found is None else "finished")
        return found


def _left(watch: Watch, state: RunState) -> None:
    """Give the run back, as far as it is still ours."""
    if watch.lease is None:
        return
    if state != "interrupted":
        watch.desk.folder.remove_checkpoints()
    try:
        watch.lease.release(state)
    except StoreError as error:
        # Nobody is at work when this process has ended, which is what every reader will find out by itself.
        watch.desk.insist(f"warning: {error}")


def _failed(watch: Watch, error: dict[str, object], state: RunState) -> None:
    if watch.lease is not None:
        try:
            watch.desk.store.add_event(watch.desk.run, "error", error)
        except GroupingError as another:
            watch.desk.insist(f"warning: {another}")
        _left(watch, state)


def _ending(desk: Desk, stop: Stopped) -> BaseException:
    """What a caller is told of a stop."""
    resume = f"taskgroup resume {desk.run}"
    if stop.number:
        desk.insist(f"interrupted; go on with: {resume}")
        return SystemExit(128 + stop.number)
    if stop.reason == "lost":
        return LeaseLostError(f"run '{desk.run}' was taken by another process", where="RUN", fix="See: taskgroup runs")
    if stop.reason == "cancel":
        return NoResultError(f"run '{desk.run}' was cancelled", where="RUN", fix="See: taskgroup runs")
    return NoResultError(f"run '{desk.run}' was interrupted", where="RUN", fix=f"Go on with: {resume}")


def main(arguments: list[str] | None = None) -> int:
    """Work on the run that is named, detached from whoever started this process; returns the exit code."""
    (run,) = sys.argv[1:] if arguments is None else arguments
    home = runs_home()

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    try:
        with Store.open(home, create=False) as store:
            record = store.run(run)
            desk = Desk(store, record, RunFolder(home / record.id), Unseen(), say, say)
            if record.kind not in WORK:
                raise InputError(f"nothing can be done for a run of kind '{record.kind}'", where="RUN")
            supervise(desk, WORK[record.kind])
    except GroupingError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    leave(main())
