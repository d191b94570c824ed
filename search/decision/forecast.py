"""How many trainings a run is expected to take and how long, once workers and engine are known."""

from __future__ import annotations

from search.decision.phases import phases_of
from search.decision.plan import Plan
from search.decision.probe import Speed
from search.execution.executor import workers_text
from search.pace import Forecast, about

__all__ = ["forecast", "trainings_text"]


def forecast(plan: Plan, speed: Speed, *, done: int = 0, worked: float = 0.0, searched: bool = False) -> Forecast:
    """What is left of a run.

    Args:
        plan: As it was before anything was searched.
        speed: How fast the workers are.
        done: Trainings that the store holds already.
        worked: Seconds that the run has worked so far.
        searched: Whether a search over settings is behind it. Its configurations take time, and are no trainings.
    """
    phases = phases_of(plan)
    expected = sum(phase.expected for phase in phases if phase.phase != "settings")
    ahead = [phase for phase in phases if not (searched and phase.phase == "settings")]
    seconds = sum(phase.part * speed.wall(phase.trials) for phase in ahead)
    left = max(0, expected - done)
    return Forecast(left, seconds * left / max(1, expected), done, worked)


def trainings_text(plan: Plan, speed: Speed) -> str:
    """How many trainings, and how long they take."""
    phases = phases_of(plan)
    expected, most = sum(p.expected for p in phases), sum(p.trainings for p in phases)
    limit = f", at most {most:,}" if most > expected else ""
    seconds = sum(phase.part * speed.wall(phase.trials) for phase in phases)
    return f"{expected:,} trainings expected{limit}: {about(seconds)} on {workers_text(speed.workers)}"
