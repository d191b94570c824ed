"""The database of runs: the truth while a run is under way, and what ``runs`` and ``resume`` stand on.

``Store`` speaks of runs and trials; files, locks and schema are ``database``, the tables ``models``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, case, func, insert, select
from sqlalchemy.orm import Session

from search.errors import StoreError, TrialError
from search.store.blobs import decode_result, encode_result
from search.store.database import open_database
from search.store.home import STORE_FILE
from search.store.models import Curve, Event, Run
from search.store.models import Trial as TrialRow
from search.store.owner import this_process
from search.store.records import NEXT_STATES, CurveReading, EventRecord, RunPage, RunRecord, RunState, TrialRecord
from search.store.rows import (
    add_event,
    exactly,
    find_run,
    orphans,
    present_state,
    readable_owner,
    run_records,
    storable,
    stretch,
    trial_record,
)
from search.store.run_ids import new_run_id
from search.store.sessions import Sessions
from search.trials import Trial, TrialFailure, TrialResult

__all__ = ["Store"]


class Store:
    """Runs, their trials, curves and events.

    **Atomicity.** Every method that writes is one transaction: after a crash at any moment it has happened or it has
    not. States of runs also survive a power cut; trials and events may lose their last moments to one.

    **Who may write.** Any process may create a run and change its state by a legal transition. ``set_state(run,
    "running")`` makes the calling process the run's owner; while that process lives no other can take the run.
    Trials, progress and heartbeats are accepted from the owner only, and only while the run is running: a process that
    was taken for dead and replaced is refused.

    **Identity.** A trial is known by its key within its run. What finished stays as it is: recording the same key
    again changes nothing, so a retry that comes late does no harm. A failure is replaced by the next attempt.

    **Threads.** One ``Store`` serves all threads of a process; its writers take turns. Readers never wait for writers
    and see one consistent moment.

    **Errors.** Every method may raise StoreError (locked, damaged, read-only) and DiskError (no space); a run that is
    not there is an InputError.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._path = sessions.path

    @classmethod
    def open(cls, home: Path, *, create: bool = True) -> Self:
        """The store in a folder, brought to the present schema.

        Args:
            home: Folder of runs; ``search.store.home.runs_home()`` says which.
            create: Make folder and database where they are missing; else that is an error.

        Raises:
            StoreError: missing, read-only, locked, damaged, or written by a newer version.
            DiskError: no space left.
        """
        path = home / STORE_FILE
        return cls(Sessions(open_database(path, create=create), path))

    def close(self) -> None:
        """Give the file back."""
        self.sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- runs ---------------------------------------------------------------------------------------------------

    def create_run(
        self, name: str, kind: str, spec: str, plan: Mapping[str, Any], *, tasks: Sequence[str] = (), planned: int = 0
    ) -> str:
        """A new run, queued; returns its id.

        Args:
            name: The user's name for it; any text.
            kind: ``recommend``, ``measure`` or ``search``.
            spec: The resolved spec as YAML.
            plan: What will be done, as JSON data.
            tasks: Names of the tasks.
            planned: Trials planned, where known already.
        """
        name = storable(name)
        texts = {"spec": storable(spec), "plan": json.dumps(plan), "tasks": json.dumps(list(tasks))}
        with self.sessions.write(durable=True) as session:
            run_id = new_run_id(name)
            while session.scalar(select(Run.number).where(Run.id == run_id)) is not None:
                run_id = new_run_id(name)
            row = Run(id=run_id, name=name, kind=kind, state="queued", planned=planned, **texts)
            row.created, row.seconds = time.time(), 0.0
            session.add(row)
            session.flush()
            add_event(session, row, "state", {"to": "queued"})
        return run_id

    def set_state(self, run: str, state: RunState) -> None:
        """Move a run on; ``running`` makes this process its owner.

        Raises:
            StoreError: the transition is not in ``NEXT_STATES``, or a living process works on the run.
        """
        me = this_process().token
        with self.sessions.write(durable=True) as session:
            row = exactly(session, run)
            before = present_state(row)
            if state == before and (state != "running" or row.owner == me):
                return
            if state == before:
                raise StoreError(
                    f"run '{run}' is being worked on by process {readable_owner(row.owner)}",
                    where=str(self._path),
                    fix="Wait for it or end that process, then try again",
                )
            if state not in NEXT_STATES[before]:
                allowed = ", ".join(sorted(NEXT_STATES[before])) or "nothing: that is its end"
                fix = f"From there it can become {allowed}"
                raise StoreError(f"run '{run}' is {before} and cannot become {state}", where=str(self._path), fix=fix)
            now = time.time()
            if row.state == "running":
                # A run whose process died worked until that process was last heard of.
                row.seconds += stretch(row.since, row.heartbeat if before == "interrupted" else now)
            if state == "running":
                row.started = row.started or now
                row.owner, row.since, row.heartbeat, row.ended = me, now, now, None
            else:
                row.owner, row.since, row.heartbeat, row.ended = None, None, None, now
            row.state = state
            add_event(session, row, "state", {"from": before, "to": state})

    def set_spec(self, run: str, spec: str) -> None:
        """Put a spec in place of the present one, once what was left open in it has been decided."""
        with self.sessions.write(durable=True) as session:
            self._mine(session, run).spec = storable(spec)

    def heartbeat(self, run: str) -> None:
        """Say that the owner lives; every few seconds is enough."""
        with self.sessions.write() as session:
            self._mine(session, run)

    def set_progress(self, run: str, *, planned: int | None = None, best: float | None = None) -> None:
        """Record how many trials are planned by now, and the best objective so far; None leaves a value as it is."""
        with self.sessions.write() as session:
            row = self._mine(session, run)
            row.planned = row.planned if planned is None else planned
            row.best = row.best if best is None else best

    def run(self, text: str) -> RunRecord:
        """The run with this id, the only one whose id begins with it, or the newest one for ``latest``.

        Raises:
            InputError: none, or several.
        """
        with self.sessions.read() as session:
            return run_records(session, [find_run(session, text, self._path.parent)])[0]

    def list_runs(
        self, *, state: RunState | None = None, name: str | None = None, limit: int = 20, offset: int = 0
    ) -> RunPage:
        """A page of runs, newest first.

        Args:
            state: Only runs in this state.
            name: Only runs whose name contains this, whatever the case.
            limit: At most this many.
            offset: Leave out this many of the newest.
        """
        with self.sessions.read() as session:
            wanted: list[ColumnElement[bool]] = []
            if state is not None:
                present = case((Run.number.in_(orphans(session)), "interrupted"), else_=Run.state)
                wanted.append(present == state)
            if name is not None:
                wanted.append(Run.name.icontains(name, autoescape=True))
            total = session.scalar(select(func.count()).select_from(Run).where(*wanted)) or 0
            page = select(Run).where(*wanted).order_by(Run.number.desc()).limit(limit).offset(offset)
            return RunPage(tuple(run_records(session, session.scalars(page).all())), total)

    # --- trials -------------------------------------------------------------------------------------------------

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
        with self.sessions.write() as session:
            for (trial, key, result), blob in zip(results, blobs, strict=True):
                row = self._attempt(session, run, phase, trial, key)
                if row.state == "finished":
                    continue
                row.state, row.result, row.kept = "finished", blob, result.kept
                row.seconds, row.worker = result.seconds, result.worker
                row.reason = row.detail = ""
                session.flush()
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
            row = self._attempt(session, run, phase, trial, key)
            if row.state != "finished":
                row.state, row.worker = "failed", worker
                row.reason, row.detail = storable(failure.reason), storable(failure.detail)

    def finished_trials(self, run: str) -> dict[str, TrialResult]:
        """Everything that need not be trained again: key to result, bit for bit what was recorded.

        Raises:
            StoreError: a result is damaged.
        """
        with self.sessions.read() as session:
            number = exactly(session, run).number
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
            number = exactly(session, run).number
            columns = [column for column in TrialRow.__table__.columns if column.name != "result"]
            rows = session.execute(select(*columns).where(TrialRow.run == number).order_by(TrialRow.number)).mappings()
            return [trial_record(row) for row in rows]

    def curves(self, run: str) -> list[CurveReading]:
        """All validation losses of a run's finished trials: by trial, then task, then step."""
        with self.sessions.read() as session:
            number = exactly(session, run).number
            rows = session.execute(
                select(TrialRow.key, Curve.task, Curve.step, Curve.loss)
                .join(Curve, Curve.trial == TrialRow.number)
                .where(TrialRow.run == number)
                .order_by(Curve.trial, Curve.task, Curve.reading)
            )
            return [CurveReading(*row) for row in rows]

    # --- events -------------------------------------------------------------------------------------------------

    def add_event(self, run: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Note that something happened; any process may."""
        with self.sessions.write() as session:
            add_event(session, exactly(session, run), kind, payload)

    def events(self, run: str, after: int = 0) -> list[EventRecord]:
        """What happened to a run after the event of that number, in order."""
        with self.sessions.read() as session:
            number = exactly(session, run).number
            rows = session.scalars(
                select(Event).where(Event.run == number, Event.number > after).order_by(Event.number)
            )
            return [EventRecord(row.number, row.kind, json.loads(row.payload), row.at) for row in rows]

    # --- inside -------------------------------------------------------------------------------------------------

    def _mine(self, session: Session, run: str) -> Run:
        row = exactly(session, run)
        if row.state != "running" or row.owner != this_process().token:
            holder = f"being worked on by process {readable_owner(row.owner)}" if row.owner else row.state
            fix = "Only the process that set it running may write; see: taskgroup runs"
            raise StoreError(f"run '{run}' is {holder}, nothing was written", where=str(self._path), fix=fix)
        row.heartbeat = time.time()
        return row

    def _attempt(self, session: Session, run: str, phase: str, trial: Trial, key: str) -> TrialRow:
        """The trial's row with one more attempt counted; a finished one comes back untouched."""
        number, now = self._mine(session, run).number, time.time()
        row = session.scalar(select(TrialRow).where(TrialRow.run == number, TrialRow.key == key))
        if row is None:
            row = TrialRow(run=number, key=key, phase=phase, trial=json.dumps(asdict(trial)), state="failed")
            row.attempts, row.seconds, row.worker, row.kept = 0, 0.0, "", -1
            row.reason, row.detail, row.recorded = "", "", now
            session.add(row)
        if row.state != "finished":
            row.attempts += 1
            row.recorded = now
        return row


def _encoded(trial: Trial, result: TrialResult) -> bytes:
    try:
        return encode_result(result)
    except ValueError as error:
        raise TrialError(str(error), where=trial.network) from error
