"""The database of runs: the truth while a run is under way, and what ``runs`` and ``resume`` stand on.

``Store`` speaks of runs (``runs``, ``leases``), trials and events. The database under it is ``sqlite`` or ``postgres``,
its schema ``schema``, its tables ``models``. Configurations of architecture searches, tokens and data sets have classes
of their own on ``Store.sessions``.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from search.store.events import Events
from search.store.home import STORE_FILE, store_url
from search.store.leases import Leases
from search.store.runs import Runs
from search.store.sessions import Sessions
from search.store.sqlite import open_file
from search.store.trials import Trials

__all__ = ["Store"]


class Store(Runs, Leases, Trials, Events):
    """Runs, their trials, curves and events.

    **Atomicity.** Every method that writes is one transaction: after a crash at any moment it has happened or it has
    not. States of runs also survive a power cut; trials and events may lose their last moments to one.

    **Who may write.** Any process may create a run, add events to it and ask things of its owner. ``take`` makes the
    calling process the owner for as long as its lease is renewed; every write of the owner renews it. Another process
    can take the run when the lease is over, or at once when the owner is known to be dead. Trials, progress and states
    are accepted from the present owner only: a process that was taken for dead and replaced is refused, whatever it
    believes. Leases run on a clock that nobody sets (``clock``).

    **Identity.** A trial is known by its key within its run. What finished stays as it is: recording the same key
    again changes nothing, so a retry that comes late does no harm. A failure is replaced by the next attempt.

    **Threads.** One ``Store`` serves all threads of a process; its writers take turns. Readers never wait for writers
    and see one consistent moment.

    **Errors.** Every method may raise StoreError (damaged, read-only; StoreUnavailableError: locked or away for now)
    and DiskError (no space); a run that is not there is an InputError.
    """

    @classmethod
    def open(cls, home: Path, *, create: bool = True, url: str | None = None) -> Self:
        """The store of a folder of runs, brought to the present schema.

        Args:
            home: Folder of runs; ``search.store.home.runs_home()`` says which.
            create: Make folder and file where they are missing; else that is an error.
            url: A PostgreSQL database in place of the file in the folder; default: what ``TASKGROUP_STORE`` says.

        Raises:
            StoreError: missing, read-only, locked, damaged, refused, or written by a newer version.
            StoreUnavailableError: a server that does not answer.
            DiskError: no space left.
        """
        address = url or store_url()
        if address is None:
            return cls(Sessions(open_file(home / STORE_FILE, create=create)))
        from search.store.postgres import open_server  # not needed by most

        return cls(Sessions(open_server(address)))

    def close(self) -> None:
        """Give the database back."""
        self.sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
