"""Trials of runs: every attempt counted, what finished kept bit for bit with its curve, what failed with its reason."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, func, insert, select
from sqlalchemy.orm import Session

from search.errors import StoreError, TrialError
from search.store.blobs import decode_result, encode_result
from search.store.fencing import Fenced
from search.store.models import Attempt, Curve, Run
from search.store.models import Trial as TrialRow
from search.store.records import AttemptRecord, CurveReading, TrialPage, TrialRecord, TrialState
from search.store.rows import number_of, storable, trial_record
from search.trials import Trial, TrialFailure, TrialResult

__all__ = ["Trials"]


class Trials(Fenced):
    """What was trained for a run."""

    def record_result(self, run: str, phase: str, trial: Trial, key: str, result: TrialResult) -> None:
        """Keep a finished trial: its row, its curve and its arrays, together or not at all.

        Args:
            run: Id of a run that this process owns.
            phase: Label of the part of the run it was trained for.
            trial: What was trained.
            key: ``trial.key(context)``.
            result: What came of it.

        Raises:
            TrialError: a loss is not finite.
        """
        self.record_results(run, phase, [(trial, key, result)])

    def record_results(self, run: str, phase: str, results: Sequence[tuple[Trial, str, TrialResult]]) -> None:
        """Keep several finished trials (trial, key, what came of it), all of them or none: as cheap as one.

        Raises:
            TrialError: a loss is not finite.
        """
        blobs = [_encoded(trial, result) for trial, _, result in results]
        if not results:
            return
        with self.sessions.write() as session:
            owned = self._mine(session, run)
            for (trial, key, result), blob in zip(results, blobs, strict=True):
                row = _trial(session, owned, phase, trial, key)
                if row.state == "finished":
                    continue
                row.state, row.result, row.kept = "finished", blob, result.kept
                row.seconds, row.worker = result.seconds, result.worker
                row.reason = row.detail = ""
                _count_attempt(session, owned, row)
                steps, losses = result.steps_S.tolist(), result.curve_TS.tolist()
                readings = [
                    {"trial": row.number, "task": task, "reading": i, "step": step, "loss": loss}
                    for task, curve in zip(trial.tasks, losses, strict=True)
                    for i, (step, loss) in enumerate(zip(steps, curve, strict=True))
                ]
                if readings:
                    session.execute(insert(Curve), readings)

    def record_failure(
        self, run: str, phase: str, trial: Trial, key: str, failure: TrialFailure, *, worker: str = ""
    ) -> None:
        """Keep why a trial gave nothing; a finished one stays finished."""
        with self.sessions.write() as session:
            owned = self._mine(session, run)
            row = _trial(session, owned, phase, trial, key)
            if row.state != "finished":
                row.state, row.worker = "failed", worker
                row.reason, row.detail = storable(failure.reason), storable(failure.detail)
                _count_attempt(session, owned, row)

    def finished_trials(self, run: str) -> dict[str, TrialResult]:
        """Everything that need not be trained again: key to result, bit for bit what was recorded.

        Raises:
            StoreError: a result is damaged.
        """
        with self.sessions.read() as session:
            number = number_of(session, run)
            rows = session.execute(
                select(TrialRow.key, TrialRow.result)
                .where(TrialRow.run == number, TrialRow.state == "finished")
                .order_by(TrialRow.number)
            )
            try:
                return {key: decode_result(blob or b"") for key, blob in rows}
            except ValueError as error:
                fix = "Restore the database from a copy, or start the run afresh"
                raise StoreError(f"a trial of run '{run}' is damaged", where=str(self._path), fix=fix) from error

    def trials(self, run: str) -> list[TrialRecord]:
        """All trials of a run without their arrays, in the order of their first attempt."""
        with self.sessions.read() as session:
            rows = session.execute(_without_arrays(number_of(session, run))).mappings()
            return [trial_record(row) for row in rows]

    def trial_page(self, run: str, *, state: TrialState | None = None, limit: int = 100, offset: int = 0) -> TrialPage:
        """Some of a run's trials without their arrays, in the order of their first attempt.

        Args:
            run: Id of the run.
            state: Only trials in this state.
            limit: At most this many.
            offset: Leave out this many of the first.
        """
        with self.sessions.read() as session:
            number = number_of(session, run)
            wanted = [TrialRow.run == number] if state is None else [TrialRow.run == number, TrialRow.state == state]
            total = session.scalar(select(func.count()).select_from(TrialRow).where(*wanted)) or 0
            page = _without_arrays(number).where(*wanted).limit(limit).offset(offset)
            return TrialPage(tuple(map(trial_record, session.execute(page).mappings())), total)

    def attempts(self, run: str) -> list[AttemptRecord]:
        """Every attempt at a run's trials, in the order they ended."""
        with self.sessions.read() as session:
            columns = (Attempt.attempt, Attempt.epoch, Attempt.state, Attempt.seconds, Attempt.worker, Attempt.reason)
            rows = session.execute(
                select(TrialRow.key, *columns, Attempt.recorded)
                .join(Attempt, Attempt.trial == TrialRow.number)
                .where(TrialRow.run == number_of(session, run))
                .order_by(Attempt.number)
            )
            return list(map(_attempt_record, rows))

    def curves(self, run: str) -> list[CurveReading]:
        """All validation losses of a run's finished trials: by trial, then task, then step."""
        with self.sessions.read() as session:
            number = number_of(session, run)
            rows = session.execute(
                select(TrialRow.key, Curve.task, Curve.step, Curve.loss)
                .join(Curve, Curve.trial == TrialRow.number)
                .where(TrialRow.run == number)
                .order_by(Curve.trial, Curve.task, Curve.reading)
            )
            return [CurveReading(*row) for row in rows]


def _trial(session: Session, run: Run, phase: str, trial: Trial, key: str) -> TrialRow:
    """The trial's row, a new one if there is none."""
    row = session.scalar(select(TrialRow).where(TrialRow.run == run.number, TrialRow.key == key))
    if row is None:
        row = TrialRow(run=run.number, key=key, phase=phase, trial=json.dumps(asdict(trial)), state="failed")
        row.attempts, row.seconds, row.worker, row.kept = 0, 0.0, "", -1
        row.reason, row.detail, row.recorded = "", "", time.time()
        session.add(row)
    return row


def _count_attempt(session: Session, run: Run, row: TrialRow) -> None:
    """Note that one more attempt ended as the row says."""
    row.attempts, row.recorded = row.attempts + 1, time.time()
    session.flush()
    attempt = Attempt(trial=row.number, attempt=row.attempts, epoch=run.epoch, state=row.state, seconds=row.seconds)
    attempt.worker, attempt.reason, attempt.recorded = row.worker, row.reason, row.recorded
    session.add(attempt)


def _attempt_record(row: Row[*tuple[Any, ...]]) -> AttemptRecord:
    return AttemptRecord(*row)


def _without_arrays(run: int) -> Select[*tuple[Any, ...]]:
    columns = [column for column in TrialRow.__table__.columns if column.name != "result"]
    return select(*columns).where(TrialRow.run == run).order_by(TrialRow.number)


def _encoded(trial: Trial, result: TrialResult) -> bytes:
    try:
        return encode_result(result)
    except ValueError as error:
        raise TrialError(str(error), where=trial.network) from error
