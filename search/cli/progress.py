"""Progress of a run on stderr: one live line a phase on a terminal, plain lines when piped, nothing when quiet."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from search.cli.console import is_terminal, note
from search.desk import Unseen
from search.pace import Forecast, about

__all__ = ["LiveProgress", "PlainProgress", "progress_for"]

_EVERY_SECONDS = 15.0


class _Count:
    """How far the phase and the run are, and how much longer the run takes."""

    def __init__(self) -> None:
        self._forecast: Forecast | None = None
        self._foreseen_at = 0.0
        self._run = self._already = 0  # trainings: of the run since the forecast, and of the phase that were known
        self.label, self.total, self.done, self.failed = "", 0, 0, 0
        self.began = time.monotonic()

    def foresee(self, forecast: Forecast) -> None:
        self._forecast, self._foreseen_at, self._run = forecast, time.monotonic(), 0

    def start(self, label: str, total: int, done: int) -> None:
        self.label, self.total, self.done, self.failed = label, total, done, 0
        self.began, self._already = time.monotonic(), done

    def advance(self, failed: bool) -> None:
        self.done += 1
        self._run += 1
        self.failed += failed

    @property
    def left(self) -> str:
        """How much longer the run takes, or the phase where nobody foresaw the run; empty where nothing is known."""
        now, ahead, seen = time.monotonic(), self.total - self.done, self._forecast
        if seen is None:
            fresh = self.done - self._already
            return f"{about(ahead * (now - self.began) / fresh)} left" if fresh else ""
        planned = seen.done + max(seen.trainings, self._run + ahead)
        return f"{about(seen.left(planned, seen.done + self._run, seen.worked + now - self._foreseen_at))} left in all"


class _Left(ProgressColumn):
    """What is left of the run, as it stands when the line is drawn."""

    def __init__(self, count: _Count) -> None:
        super().__init__()
        self._count = count

    def render(self, task: Task) -> Text:
        failed = f"{self._count.failed} failed" if self._count.failed else ""
        left = "" if task.finished else self._count.left
        return Text(", ".join(part for part in (left, failed) if part))


class LiveProgress:
    """A bar a phase: trainings done, time, and what is left of the run."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._count = _Count()

    def foresee(self, forecast: Forecast) -> None:
        self._count.foresee(forecast)

    def start(self, label: str, total: int, done: int) -> None:
        self._count.start(label, total, done)
        self._bar = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Left(self._count),
            console=self._console,
        )
        self._bar.start()
        self._task = self._bar.add_task(label, total=total, completed=done)

    def advance(self, failed: bool) -> None:
        assert self._bar is not None
        self._count.advance(failed)
        self._bar.update(self._task, advance=1)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class PlainProgress:
    """A line when a phase begins, now and then while it lasts, and when it ends."""

    def __init__(self) -> None:
        self._count = _Count()
        self._last = 0.0

    def foresee(self, forecast: Forecast) -> None:
        self._count.foresee(forecast)

    def start(self, label: str, total: int, done: int) -> None:
        self._count.start(label, total, done)
        self._last = self._count.began
        known = f", {done} known already" if done else ""
        note(f"{label}: {total} trainings{known}")

    def advance(self, failed: bool) -> None:
        self._count.advance(failed)
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            note(f"{self._count.label}: {self._count.done}/{self._count.total}, {self._count.left}")

    def finish(self) -> None:
        seconds = time.monotonic() - self._count.began
        failed = f", {self._count.failed} failed" if self._count.failed else ""
        note(f"{self._count.label}: {self._count.done}/{self._count.total} in {seconds:.0f} s{failed}")


def progress_for(*, quiet: bool) -> LiveProgress | PlainProgress | Unseen:
    """What fits the place where stderr goes."""
    if quiet:
        return Unseen()
    return LiveProgress() if is_terminal() else PlainProgress()
