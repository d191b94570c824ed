"""Progress of a run on stderr: one live line a phase on a terminal, plain lines when piped, nothing when quiet."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from search.cli.console import is_terminal, note
from search.desk import Unseen

__all__ = ["LiveProgress", "PlainProgress", "progress_for"]

_EVERY_SECONDS = 15.0


class LiveProgress:
    """A bar a phase, with done/total, rate and time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._failed = 0
        self._label = ""

    def start(self, label: str, total: int, done: int) -> None:
        self._label, self._failed = label, 0
        self._bar = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar.start()
        self._began, self._already, self._done = time.monotonic(), done, done
        self._task = self._bar.add_task(label, total=total, completed=done, rate="")

    def advance(self, failed: bool) -> None:
        assert self._bar is not None
        self._failed += failed
        self._done += 1
        rate = (self._done - self._already) / max(time.monotonic() - self._began, 1e-9)
        text = f"{rate:.1f}/s" + (f", {self._failed} failed" if self._failed else "")
        self._bar.update(self._task, advance=1, rate=text)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class PlainProgress:
    """A line when a phase begins, now and then while it lasts, and when it ends."""

    def start(self, label: str, total: int, done: int) -> None:
        self._label, self._total, self._done, self._already, self._failed = label, total, done, done, 0
        self._began = self._last = time.monotonic()
        known = f", {done} known already" if done else ""
        note(f"{label}: {total} trainings{known}")

    def advance(self, failed: bool) -> None:
        self._done += 1
        self._failed += failed
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            rate = (self._done - self._already) / (now - self._began)
            left = (self._total - self._done) / rate
            note(f"{self._label}: {self._done}/{self._total}, {rate:.1f}/s, about {left:.0f} s left")

    def finish(self) -> None:
        seconds = time.monotonic() - self._began
        failed = f", {self._failed} failed" if self._failed else ""
        note(f"{self._label}: {self._done}/{self._total} in {seconds:.0f} s{failed}")


def progress_for(*, quiet: bool) -> LiveProgress | PlainProgress | Unseen:
    """What fits the place where stderr goes."""
    if quiet:
        return Unseen()
    return LiveProgress() if is_terminal() else PlainProgress()
