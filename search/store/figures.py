"""Numbers about the runs of a store for Prometheus, in its text format; needs no client library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select

from search.store.models import Run
from search.store.models import Trial as TrialRow
from search.store.records import NEXT_STATES
from search.store.store import Store

__all__ = ["Figure", "exposition", "figures_of_runs", "figures_of_store"]

_MOST_RUNS = 1_000


@dataclass(frozen=True)
class Figure:
    """One metric.

    Args:
        name: As Prometheus wants it.
        about: One line of help.
        kind: Whether it only ever grows.
        samples: Values by their labels.
    """

    name: str
    about: str
    kind: Literal["gauge", "counter"]
    samples: Sequence[tuple[Mapping[str, str], float]]


def figures_of_store(store: Store) -> tuple[Figure, ...]:
    """Trainings, what they took, and how many runs wait; no name of a run or of a person."""
    with store.sessions.read() as session:
        rows = session.execute(
            select(TrialRow.state, func.count(), func.sum(TrialRow.seconds)).group_by(TrialRow.state)
        ).all()
        queued = session.scalar(select(func.count()).select_from(Run).where(Run.state == "queued")) or 0
    count = {state: number for state, number, _ in rows}
    seconds = sum(float(found or 0.0) for _, _, found in rows)
    ended = [({"state": state}, float(count.get(state, 0))) for state in ("finished", "failed")]
    return (
        Figure("taskgroup_trainings", "Trainings that ended, by how.", "gauge", ended),
        Figure("taskgroup_training_seconds", "Worker seconds of these trainings.", "gauge", [({}, seconds)]),
        Figure("taskgroup_queue_length", "Runs that wait to be started.", "gauge", [({}, float(queued))]),
    )


def figures_of_runs(store: Store) -> tuple[Figure, ...]:
    """Runs by state, and how far each of those is that are queued, running or interrupted."""
    states = [({"state": state}, float(store.list_runs(state=state, limit=1).total)) for state in NEXT_STATES]
    under_way = [
        run
        for state in ("running", "queued", "interrupted")
        for run in store.list_runs(state=state, limit=_MOST_RUNS).runs
    ]
    ended = [
        ({"run": run.id, "state": state}, float(getattr(run, state)))
        for run in under_way
        for state in ("finished", "failed")
    ]
    labelled = [({"run": run.id}, run) for run in under_way]
    return (
        Figure("taskgroup_runs", "Runs by state.", "gauge", states),
        Figure("taskgroup_run_trainings", "Trainings of a run that ended, by how.", "gauge", ended),
        Figure(
            "taskgroup_run_planned",
            "Trainings that a run has planned so far.",
            "gauge",
            [(labels, float(run.planned)) for labels, run in labelled],
        ),
        Figure(
            "taskgroup_run_seconds",
            "Seconds that were worked on a run.",
            "gauge",
            [(labels, run.seconds) for labels, run in labelled],
        ),
        Figure(
            "taskgroup_run_best",
            "Best objective of a run so far; lower is better.",
            "gauge",
            [(labels, run.best) for labels, run in labelled if run.best is not None],
        ),
    )


def exposition(figures: Sequence[Figure]) -> str:
    """The figures in Prometheus' text format, version 0.0.4."""
    lines = []
    for figure in figures:
        if not figure.samples:
            continue
        lines += [f"# HELP {figure.name} {figure.about}", f"# TYPE {figure.name} {figure.kind}"]
        for labels, value in figure.samples:
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{figure.name}{{{shown}}} {value!r}" if shown else f"{figure.name} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
