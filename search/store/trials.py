"""Trials of runs: every attempt counted, what finished kept bit for bit with its curve, what failed with its reason."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select
from sqlalchemy.orm import Session

from search.errors import StoreError, TrialError
from search.store.blobs import decode_result, encode_result
from search.store.fencing import Fenced
from search.store.models import Attempt, Base, Curve, Run
from search.store.models import Trial as TrialRow
from search.store.records import AttemptRecord, CurveReading, TrialPage, TrialRecord, TrialState
from search.store.rows import add_event, number_of, storable, trial_record
from search.store.sessions import again
from search.trials import Trial, TrialFailure, TrialResult

__all__ = ["Trials"]


_INSERT_CURVES = insert(Base.metadata.tables[Curve.__tablename__])
"""Fifty rows a trial: the table itself takes them in a third of the time that the class does."""


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

    @again
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
            mine = TrialRow.run == owned.number, TrialRow.key.in_([key for _, key, _ in results])
            known = {row.key: row for row in session.scalars(select(TrialRow).where(*mine))}
            ended: list[tuple[TrialRow, Trial, TrialResult]] = []
            for (trial, key, result), blob in zip(results, blobs, strict=True):
                row = known.setdefault(key, _unknown(owned, phase, trial, key))
                if row.state == "finished":
                    continue
                row.state, row.result, row.kept = "finished", blob, result.kept
                row.seconds, row.worker = result.seconds, result.worker
                row.reason = row.detail = ""
                ended.append((row, trial, result))
            session.add_all(row for row, _, _ in ended)
            _count_attempts(session, owned, [row for row, _, _ in ended])
            if readings := [reading for one in ended for reading in _readings(*one)]:
                session.connection().execute(_INSERT_CURVES, readings)

    @again
    def record_failure(
        self, run: str, phase: str, trial: Trial, key: str, failure: TrialFailure, *, worker: str = ""
    ) -> None:
        """Keep why a trial gave nothing, and tell it in the run's history; a finished one stays finished."""
        with self.sessions.write() as session:
            owned = self._mine(session, run)
            row = session.scalar(select(TrialRow).where(TrialRow.run == owned.number, TrialRow.key == key))
            row = row or _unknown(owned, phase, trial, key)
            if row.state != "finished":
                row.state, row.worker = "failed", worker
                row.reason, row.detail = storable(failure.reason), storable(failure.detail)
                session.add(row)
                _count_attempts(session, owned, [row])
                told = {"key": key, "network": trial.network, "seed": trial.seed, "phase": phase}
                add_event(session, owned, "trial_failed", {**told, "reason": row.reason})

    @again
    def finished_trials(self, run: str) -> dict[str, TrialResult]:
        """What finished: key to result, bit for bit what was recorded.

        Raises:
            StoreError: a result is damaged.
        """
        with self.sessions.read() as session:
            rows = session.execute(_blobs(number_of(session, run)))
            return {key: self._decoded(run, blob) for key, blob in rows}

    @again
    def take_stock(self, run: str) -> tuple[dict[str, TrialResult], tuple[str, ...]]:
        """What need not be trained again, for the run's owner: key to result, weights left out.

        A result that is damaged counts as failed from now on, which an event tells, so that it is trained again.

        Returns:
            The sound results, and the keys of the damaged ones.
        """
        with self.sessions.read() as session:
            sound: dict[str, TrialResult] = {}
            damaged: list[str] = []
            for key, blob in session.execute(_blobs(number_of(session, run))):
                try:
                    sound[key] = decode_result(blob or b"", weights=False)
                except ValueError:
                    damaged.append(key)
        if damaged:
            with self.sessions.write(durable=True) as session:
                owned = self._mine(session, run)
                rows = session.scalars(select(TrialRow).where(TrialRow.run == owned.number, TrialRow.key.in_(damaged)))
                for row in rows:
                    row.state, row.result, row.reason = "failed", None, "the stored result was damaged"
                    session.execute(delete(Curve).where(Curve.trial == row.number))
                text = f"{len(damaged)} stored results were damaged, their networks are trained again"
                add_event(session, owned, "warning", {"text": text, "keys": damaged})
        return sound, tuple(damaged)

    def result(self, run: str, key: str) -> TrialResult:
        """What one finished trial gave, bit for bit.

        Raises:
            StoreError: the result is not there, or it is damaged.
        """
        with self.sessions.read() as session:
            blob = session.scalar(
                select(TrialRow.result).where(TrialRow.run == number_of(session, run), TrialRow.key == key)
            )
            return self._decoded(run, blob)

    def weights(self, run: str, key: str) -> bytes:
        """The kept state of one finished trial, in safetensors format; empty if none was kept.

        Raises:
            StoreError: the result is not there, or it is damaged.
        """
        return self.result(run, key).weights

    def _decoded(self, run: str, blob: bytes | None) -> TrialResult:
        try:
            return decode_result(blob or b"")
        except ValueError as error:
            fix = f"Train it again: taskgroup resume {run}, or restore the database from a copy"
            raise StoreError(f"a trial of run '{run}' is damaged", where=self._place, fix=fix) from error

    @again
    def trials(self, run: str) -> list[TrialRecord]:
        """All trials of a run without their arrays, in the order of their first attempt."""
        with self.sessions.read() as session:
            mine = select(*_PLAIN_COLUMNS).where(TrialRow.run == number_of(session, run)).order_by(TrialRow.number)
            rows = session.execute(mine).mappings()
            return [trial_record(row) for row in rows]

    def trial_page(
        self,
        run: str,
        *,
        state: TrialState | None = None,
        newest_first: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> TrialPage:
        """Some of a run's trials without their arrays, in the order of their first attempt.

        Args:
            run: Id of the run.
            state: Only trials in this state.
            newest_first: The other way round.
            limit: At most this many.
            offset: Leave out this many of the first.
        """
        with self.sessions.read() as session:
            number = number_of(session, run)
            wanted = [TrialRow.run == number] if state is None else [TrialRow.run == number, TrialRow.state == state]
            total = session.scalar(select(func.count()).select_from(TrialRow).where(*wanted)) or 0
            chosen = select(*_PLAIN_COLUMNS).where(*wanted)
            order = TrialRow.number.desc() if newest_first else TrialRow.number.asc()
            page = chosen.order_by(order).limit(limit).offset(offset)
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

    @again
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


def _unknown(run: Run, phase: str, trial: Trial, key: str) -> TrialRow:
    """A row for a trial that was never attempted."""
    row = TrialRow(run=run.number, key=key, phase=phase, trial=json.dumps(vars(trial)), state="failed")
    row.attempts, row.seconds, row.worker, row.kept = 0, 0.0, "", -1
    row.reason, row.detail, row.recorded = "", "", time.time()
    return row


def _count_attempts(session: Session, run: Run, rows: Sequence[TrialRow]) -> None:
    """Note that one more attempt at each ended as its row says."""
    for row in rows:
        row.attempts, row.recorded = row.attempts + 1, time.time()
    session.flush()
    copied = ("seconds", "worker", "reason", "state", "recorded")
    attempts = [
        {
            "trial": row.number,
            "attempt": row.attempts,
            "epoch": run.epoch,
            **{name: getattr(row, name) for name in copied},
        }
        for row in rows
    ]
    if attempts:
        session.execute(insert(Attempt), attempts)


def _readings(row: TrialRow, trial: Trial, result: TrialResult) -> Iterator[dict[str, object]]:
    steps, losses = result.steps_S.tolist(), result.curve_TS.tolist()
    for task, curve in zip(trial.tasks, losses, strict=True):
        for i, (step, loss) in enumerate(zip(steps, curve, strict=True)):
            yield {"trial": row.number, "task": task, "reading": i, "step": step, "loss": loss}


def _blobs(run: int) -> Select[*tuple[Any, ...]]:
    """Keys and results of what finished, a hundred rows at a time: together they may be larger than the memory."""
    chosen = select(TrialRow.key, TrialRow.result).where(TrialRow.run == run, TrialRow.state == "finished")
    return chosen.order_by(TrialRow.number).execution_options(yield_per=100)


def _attempt_record(row: Row[*tuple[Any, ...]]) -> AttemptRecord:
    return AttemptRecord(*row)


_PLAIN_COLUMNS = [column for column in TrialRow.__table__.columns if column.name != "result"]


def _encoded(trial: Trial, result: TrialResult) -> bytes:
    try:
        return encode_result(result)
    except ValueError as error:
        raise TrialError(str(error), where=trial.network) from error
