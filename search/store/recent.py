"""The newest of a run under way, for whoever watches it: as quick with ten thousand trainings as with ten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from search.store.models import Configuration, Curve, Event
from search.store.models import Trial as TrialRow
from search.store.records import EventRecord, TrialRecord
from search.store.rows import number_of, trial_record
from search.store.sessions import Sessions

__all__ = ["Course", "Courses", "Recent", "StoredReading"]

_PHASE = "phase"


@dataclass(frozen=True)
class Course:
    """One task along one training.

    Args:
        number: Grows with every training of the store.
        trial: Which.
        steps: Optimiser steps at each reading of the validation loss, ascending.
        losses: What was read.
    """

    number: int
    trial: TrialRecord
    steps: tuple[int, ...]
    losses: tuple[float, ...]


class Courses(NamedTuple):
    """Some trainings that hold a task, newest first, and how many there are in all."""

    courses: tuple[Course, ...]
    total: int


class StoredReading(NamedTuple):
    """One validation loss, with the training it belongs to."""

    trial: TrialRecord
    task: str
    step: int
    loss: float


class Recent:
    """Looks at the end of what is known of a run; every answer is bounded.

    Args:
        sessions: Of the store.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def events(self, run: str, limit: int) -> tuple[list[EventRecord], int]:
        """The last events of a run in order, with the last beginning of a part of it, and how many there are in all."""
        with self._sessions.read() as session:
            mine = Event.run == number_of(session, run)
            total = session.scalar(select(func.count()).select_from(Event).where(mine)) or 0
            newest = list(session.scalars(select(Event).where(mine).order_by(Event.number.desc()).limit(limit)))
            if all(row.kind != _PHASE for row in newest):
                phase = select(Event).where(mine, Event.kind == _PHASE).order_by(Event.number.desc()).limit(1)
                newest += session.scalars(phase)
            found = [EventRecord(row.number, row.kind, json.loads(row.payload), row.at) for row in reversed(newest)]
            return found, total

    def courses(self, run: str, task: str, limit: int) -> Courses:
        """The newest finished trainings that hold a task, and those of the task alone at the standard size."""
        with self._sessions.read() as session:
            holding = [*_finished(number_of(session, run)), _holds(task)]
            total = session.scalar(select(func.count()).select_from(TrialRow).where(*holding)) or 0
            # How a trial is written begins with its tasks and its capacity: nobody else's reads so.
            alone = TrialRow.trial.startswith(json.dumps({"tasks": [task], "capacity": 1.0})[:-1], autoescape=True)
            newest = session.execute(_trials(*holding).order_by(TrialRow.number.desc()).limit(limit)).mappings()
            found = {row["number"]: trial_record(row) for row in newest}
            single = session.execute(_trials(*holding, alone).order_by(TrialRow.number).limit(limit)).mappings()
            found |= {row["number"]: trial_record(row) for row in single}
            return Courses(tuple(_read(session, found, task)), total)

    def readings(self, run: str, network: str | None, limit: int, offset: int) -> tuple[list[StoredReading], int]:
        """Validation losses of a run's finished search trainings, in the order these were begun, and how many in all.

        Args:
            run: Id of the run.
            network: Only those of the network with these tasks, joined by ``+``.
            limit: At most this many.
            offset: Leave out this many of the first.
        """
        with self._sessions.read() as session:
            wanted = [*_finished(number_of(session, run)), TrialRow.trial.contains('"phase": "search"')]
            if network is not None:
                written = json.dumps({"tasks": network.split("+")})[:-1] + ","
                wanted.append(TrialRow.trial.startswith(written, autoescape=True))
            joined = select(func.count()).select_from(Curve).join(TrialRow, Curve.trial == TrialRow.number)
            total = session.scalar(joined.where(*wanted)) or 0
            page = (
                select(Curve.trial, Curve.task, Curve.step, Curve.loss)
                .join(TrialRow, Curve.trial == TrialRow.number)
                .where(*wanted)
                .order_by(Curve.trial, Curve.task, Curve.reading)
                .limit(limit)
                .offset(offset)
            )
            rows = session.execute(page).all()
            numbers = list(dict.fromkeys(row.trial for row in rows))
            trials = _by_number(session, numbers)
            return [StoredReading(trials[row.trial], row.task, row.step, row.loss) for row in rows], total

    def configurations(self, run: str) -> tuple[int, int, float | None]:
        """Configurations of a search that ended, failed ones among them, and the lowest loss of a finished one."""
        with self._sessions.read() as session:
            mine = Configuration.run == number_of(session, run)
            counted = select(Configuration.state, func.count(), func.min(Configuration.loss)).where(mine)
            rows = {state: (n, low) for state, n, low in session.execute(counted.group_by(Configuration.state))}
            ended = sum(n for state, (n, _) in rows.items() if state in {"finished", "stopped", "failed"})
            return ended, rows.get("failed", (0, None))[0], rows.get("finished", (0, None))[1]


def _finished(run: int) -> list[ColumnElement[bool]]:
    return [TrialRow.run == run, TrialRow.state == "finished"]


def _holds(task: str) -> ColumnElement[bool]:
    return exists().where(Curve.trial == TrialRow.number, Curve.task == task)


def _trials(*wanted: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(*(column for column in TrialRow.__table__.columns if column.name != "result")).where(*wanted)


def _by_number(session: Session, numbers: Sequence[int]) -> dict[int, TrialRecord]:
    found: dict[int, TrialRecord] = {}
    for start in range(0, len(numbers), 500):
        rows = session.execute(_trials(TrialRow.number.in_(numbers[start : start + 500]))).mappings()
        found |= {row["number"]: trial_record(row) for row in rows}
    return found


def _read(session: Session, trials: dict[int, TrialRecord], task: str) -> list[Course]:
    wanted = select(Curve.trial, Curve.step, Curve.loss).where(Curve.trial.in_(list(trials)), Curve.task == task)
    found = {number: Course(number, trial, (), ()) for number, trial in trials.items()}
    steps: dict[int, list[int]] = {}
    losses: dict[int, list[float]] = {}
    for trial, step, loss in session.execute(wanted.order_by(Curve.trial, Curve.reading)):
        steps.setdefault(trial, []).append(step)
        losses.setdefault(trial, []).append(loss)
    return [
        replace(one, steps=tuple(steps[number]), losses=tuple(losses[number]))
        for number, one in sorted(found.items(), reverse=True)
        if number in steps
    ]
