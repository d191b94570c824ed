"""Where one run is worked on: its store, its folder, and how it speaks. Imports neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.output.folder import RunFolder
from search.pace import Forecast
from search.store.records import RunRecord
from search.store.store import Store

if TYPE_CHECKING:
    from search.decision.measurement import Progress  # a process owns its run before it loads what trains

__all__ = ["Desk", "Unseen"]


@dataclass(frozen=True)
class Desk:
    """Where one run is worked on.

    Args:
        store: Where what is done is remembered.
        record: The run as it stood when the work began.
        folder: Where its files go.
        progress: Told how far the run is.
        say: Told what is worth knowing, in a line.
        insist: Told what must not be missed.
        minutes: Of tables only: stop after about so long.
    """

    store: Store
    record: RunRecord
    folder: RunFolder
    progress: Progress
    say: Callable[[str], None]
    insist: Callable[[str], None]
    minutes: float | None = None

    @property
    def run(self) -> str:
        """Id of the run."""
        return self.record.id

    def note(self, text: str) -> None:
        """Something worth knowing, now and in the run's history."""
        self.store.add_event(self.run, "note", {"text": text})
        self.say(text)

    def warn(self, text: str) -> None:
        """A warning, now and in the run's history."""
        self.store.add_event(self.run, "warning", {"text": text})
        self.insist(f"warning: {text}")


class Unseen:
    """Progress that nobody watches: the run's events tell it."""

    def foresee(self, forecast: Forecast) -> None:
        pass

    def start(self, label: str, total: int, done: int) -> None:
        pass

    def advance(self, failed: bool) -> None:
        pass

    def finish(self) -> None:
        pass
