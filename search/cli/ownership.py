"""Owning a run while a command works on it in the foreground: its state and log tell how the work ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from search.cli.console import note

if TYPE_CHECKING:
    from search.store.records import RunState
    from search.store.store import Store

__all__ = ["owned"]


@contextmanager
def owned(store: Store, run: str, log: Callable[[dict[str, Any]], None]) -> Iterator[Callable[[RunState], None]]:
    """Own the run while working on it; whatever ends the work leaves a state that says so and can be resumed.

    Yields what is called with the state to leave, where that is not ``finished``.
    """
    from grouping.errors import GroupingError

    final: list[RunState] = ["finished"]

    def terminate(_signal: int, _frame: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    store.set_state(run, "running")
    log({"at": time.time(), "event": "running"})
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield final.append
    except GroupingError as error:
        store.set_state(run, "failed")
        log({"at": time.time(), "event": "failed", **error.as_json()})
        raise
    except (KeyboardInterrupt, SystemExit):
        store.set_state(run, "interrupted")
        log({"at": time.time(), "event": "interrupted"})
        note(f"interrupted; go on with: taskgroup resume {run}")
        raise
    except BaseException as error:
        store.set_state(run, "failed")
        log({"at": time.time(), "event": "failed", "what": repr(error)})
        raise
    else:
        store.set_state(run, final[-1])
        log({"at": time.time(), "event": final[-1]})
    finally:
        signal.signal(signal.SIGTERM, before)
