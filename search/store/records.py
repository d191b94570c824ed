"""What the store hands out: runs, trials, readings and events as plain values, detached from the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from search.pace import Forecast
from search.trials import Trial

__all__ = [
    "NEXT_STATES",
    "AttemptRecord",
    "CurveReading",
    "EventRecord",
    "RunPage",
    "RunRecord",
    "RunState",
    "TrialPage",
    "TrialRecord",
    "TrialState",
]

RunState = Literal["queued", "running", "interrupted", "failed", "finished", "cancelled"]
TrialState = Literal["finished", "failed"]

NEXT_STATES: Final[Mapping[RunState, frozenset[RunState]]] = {
    "queued": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"interrupted", "failed", "finished", "cancelled"}),
    "interrupted": frozenset({"running", "queued", "cancelled"}),
    "failed": frozenset({"running", "queued"}),
    "finished": frozenset(),
    "cancelled": frozenset(),
}
"""Where a run may go from each state. Staying where it is is always allowed and changes nothing."""


@dataclass(frozen=True)
class RunRecord:
    """One run as it stood when it was read.

    Args:
        id: Ours, opaque, safe as a folder name.
        name: The user's; any text.
        kind: ``recommend``, ``measure`` or ``search``.
        state: Recorded state; ``interrupted`` where it says running and the process is gone.
        spec: The resolved spec as YAML.
        plan: What ``create_run`` was given, and ``forecast`` once there is one.
        tasks: Names of the tasks.
        planned: Trainings of the whole run, as far as they can be foreseen.
        finished, failed: Trials that ended, by how.
        best: Best objective so far, where the run recorded one.
        created, started, ended: Seconds since the epoch; None where it has not happened.
        seconds: Time spent working, pauses left out.
        owner: ``host:pid:birth`` of the process at work, else empty.
        principal: Who submitted it; empty for somebody at this machine.
        epoch: How often a process took it.
        asked: What is asked of the process at work: ``cancel``, ``interrupt`` or nothing.
        starts: How often a dispatcher reserved it to start a process.
        heartbeat: When the process at work was last heard of, in seconds since the epoch.
    """

    id: str
    name: str
    kind: str
    state: RunState
    spec: str
    plan: Mapping[str, Any]
    tasks: tuple[str, ...]
    planned: int
    finished: int
    failed: int
    best: float | None
    created: float
    started: float | None
    ended: float | None
    seconds: float
    owner: str
    principal: str
    epoch: int
    asked: str | None
    starts: int
    heartbeat: float | None

    @property
    def seconds_left(self) -> float | None:
        """Estimate for what is planned, as forecast and at the pace since; None if nobody is at work or it has none."""
        done, forecast = self.finished + self.failed, self.plan.get("forecast")
        if self.state != "running" or not self.seconds:
            return None
        if forecast is not None:
            return Forecast(**forecast).left(self.planned, done, self.seconds)
        if not done:
            return None
        return max(0, self.planned - done) * self.seconds / done


class RunPage(NamedTuple):
    """Some of the runs that were asked for, in the order asked for, and how many there are in all."""

    runs: tuple[RunRecord, ...]
    total: int


@dataclass(frozen=True)
class TrialRecord:
    """One trial without its arrays; ``reason`` and ``detail`` are empty unless it failed."""

    key: str
    phase: str
    trial: Trial
    state: TrialState
    attempts: int
    seconds: float
    worker: str
    kept: int
    reason: str
    detail: str
    recorded: float


class TrialPage(NamedTuple):
    """Some of a run's trials, in the order of their first attempt, and how many there are in all."""

    trials: tuple[TrialRecord, ...]
    total: int


class AttemptRecord(NamedTuple):
    """One attempt at the trial with that key: how it ended, and under the run's which owner (``epoch``)."""

    key: str
    attempt: int
    epoch: int
    state: TrialState
    seconds: float
    worker: str
    reason: str
    recorded: float


class CurveReading(NamedTuple):
    """One validation loss of one task of one trial after ``step`` optimiser steps."""

    key: str
    task: str
    step: int
    loss: float


@dataclass(frozen=True)
class EventRecord:
    """Something that happened to a run; ``number`` grows, and ``events(run, after=number)`` goes on from it."""

    number: int
    kind: str
    payload: Mapping[str, Any]
    at: float
