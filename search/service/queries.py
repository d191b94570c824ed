"""What API and pages both show of runs: read from the store and the run folder, for whoever may see it.

Everything here is synchronous and may wait for the database; routes call it in a thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grouping.errors import GroupingError
from grouping.recommendation import Recommendation
from grouping.report.content import Content, read_content
from search.service.answers import (
    ComparedRun,
    ComparedTask,
    Comparison,
    RunAnswer,
    RunDetail,
    RunList,
    TrialAnswer,
    TrialCounts,
    TrialList,
)
from search.service.budgets import budget_of
from search.service.refusals import NotFoundError, StateError
from search.store.creation import Made, NewRun
from search.store.records import RunRecord, RunState, TrialRecord
from search.store.run_ids import shown_id
from search.store.store import Store

__all__ = [
    "comparison",
    "content_of",
    "detail",
    "find_record",
    "fresh",
    "list_runs",
    "recommendation_of",
    "summary",
    "tail_of_log",
    "trial_answer",
    "trial_list",
]

_LONGEST_LOG = 1_000_000


def find_record(store: Store, run: str, owner: str | None) -> RunRecord:
    """The run with exactly this id.

    Args:
        store: Where runs are.
        run: The id.
        owner: Whose runs there are; None: everybody's.

    Raises:
        NotFoundError: none, or somebody else's.
    """
    record = store.find(run, principal=owner)
    if record is None:
        fix = "List your runs: GET /api/v1/runs"
        raise NotFoundError(f"there is no run {shown_id(run)!r}", where="run", fix=fix)
    return record


def summary(record: RunRecord) -> RunAnswer:
    """A run in short."""
    return RunAnswer(**_fields(record))


def detail(record: RunRecord) -> RunDetail:
    """A run with its spec."""
    more = {"spec": record.spec, "epoch": record.epoch, "starts": record.starts, "heartbeat": record.heartbeat}
    return RunDetail(**_fields(record), **more)


def fresh(new: NewRun, made: Made) -> RunDetail:
    """A run that was made this moment: nothing has happened to it that would have to be read."""
    return RunDetail(
        id=made.id,
        name=new.name,
        kind=new.kind,
        state="queued",
        tasks=tuple(new.tasks),
        budget=budget_of(new.spec),
        best=None,
        trials=TrialCounts(finished=0, failed=0, planned=new.planned),
        created=made.created,
        started=None,
        ended=None,
        seconds=0.0,
        seconds_left=None,
        principal=new.principal,
        asked=None,
        spec=new.spec,
        epoch=0,
        starts=0,
        heartbeat=None,
    )


def list_runs(
    store: Store,
    owner: str | None,
    *,
    state: RunState | None = None,
    name: str | None = None,
    kind: str | None = None,
    sort: str = "-created",
    limit: int = 20,
    offset: int = 0,
) -> RunList:
    """A page of runs.

    Raises:
        InputError: there is no such order.
    """
    page = store.list_runs(state=state, name=name, kind=kind, principal=owner, sort=sort, limit=limit, offset=offset)
    runs = tuple(summary(record) for record in page.runs)
    return RunList(runs=runs, shown=len(runs), offset=offset, total=page.total)


def trial_list(
    store: Store, record: RunRecord, *, state: str | None = None, limit: int = 100, offset: int = 0
) -> TrialList:
    """A page of a run's trials."""
    page = store.trial_page(record.id, state=state, limit=limit, offset=offset)  # type: ignore[arg-type]
    trials = tuple(trial_answer(trial) for trial in page.trials)
    return TrialList(trials=trials, shown=len(trials), offset=offset, total=page.total)


def trial_answer(record: TrialRecord) -> TrialAnswer:
    """One trial."""
    trial = record.trial
    return TrialAnswer(
        network=trial.network,
        tasks=trial.tasks,
        capacity=trial.capacity,
        sharing=trial.sharing,
        seed=trial.seed,
        phase=record.phase,
        state=record.state,
        attempts=record.attempts,
        seconds=record.seconds,
        worker=record.worker,
        reason=record.reason,
        detail=record.detail,
        recorded=record.recorded,
    )


def content_of(home: Path, record: RunRecord) -> Content:
    """What the report of a run shows.

    Raises:
        StateError: the run has no recommendation yet, or makes none.
    """
    folder = home / record.id
    if not (folder / "recommendation.json").is_file():
        wait = record.state in {"queued", "running"}
        fix = "Wait for its end" if wait else "Resume it, or look at its log"
        raise StateError(f"run '{record.id}' is {record.state} and has no recommendation", where="run", fix=fix)
    return read_content(folder)


def recommendation_of(home: Path, record: RunRecord) -> Recommendation:
    """What a run recommends.

    Raises:
        StateError: nothing yet.
    """
    return content_of(home, record).recommendation


def tail_of_log(home: Path, record: RunRecord, lines: int = 200) -> list[str]:
    """The last lines of a run's log, JSON objects; none before there is one."""
    path = home / record.id / "log.jsonl"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LONGEST_LOG))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    found = text.splitlines()
    return found[1 if size > _LONGEST_LOG else 0 :][-lines:]


def comparison(store: Store, home: Path, runs: list[str], owner: str | None) -> Comparison:
    """Several runs side by side, task by task on fresh seeds.

    Raises:
        NotFoundError: one of them is not there.
    """
    records = [find_record(store, run, owner) for run in runs]
    found: list[Recommendation | None] = []
    for record in records:
        try:
            found.append(recommendation_of(home, record))
        except GroupingError:
            found.append(None)
    compared = [_compared(record, one) for record, one in zip(records, found, strict=True)]
    return Comparison(runs=tuple(compared), tasks=_compared_tasks(found))


def _compared(record: RunRecord, found: Recommendation | None) -> ComparedRun:
    if found is None:
        return ComparedRun(run=summary(record))
    return ComparedRun(
        run=summary(record),
        verdict=found.verdict,
        verdict_text=found.verdict_text,
        cost=found.solution.cost,
        objective=found.solution.objective,
        gap=found.solution.gap,
        networks=tuple(
            f"{network.network}@{network.cost:g}" + (f" [{network.candidate}]" if network.candidate else "")
            for network in found.solution.networks
        ),
        trainings=sum(phase.trainings for phase in found.training_cost),
        wall_seconds=found.wall_seconds,
    )


def _compared_tasks(found: list[Recommendation | None]) -> tuple[ComparedTask, ...]:
    cells: dict[tuple[str, str, str, bool], dict[int, tuple[float, float | None, float | None]]] = {}
    for index, recommendation in enumerate(found):
        for one in recommendation.confirmed if recommendation is not None else ():
            if one.grouping == "chosen":
                row = cells.setdefault((one.task, one.metric, one.unit, one.higher_is_better), {})
                row[index] = (one.mean, one.low, one.high)
    nothing = (None, None, None)
    rows = []
    for (task, metric, unit, higher), row in cells.items():
        columns = [row.get(index, nothing) for index in range(len(found))]
        mean, low, high = (tuple(column[k] for column in columns) for k in range(3))
        rows.append(
            ComparedTask(task=task, metric=metric, unit=unit, higher_is_better=higher, mean=mean, low=low, high=high)
        )
    return tuple(rows)


def _fields(record: RunRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "kind": record.kind,
        "state": record.state,
        "tasks": record.tasks,
        "budget": budget_of(record.spec),
        "best": record.best,
        "trials": TrialCounts(finished=record.finished, failed=record.failed, planned=record.planned),
        "created": record.created,
        "started": record.started,
        "ended": record.ended,
        "seconds": record.seconds,
        "seconds_left": record.seconds_left,
        "principal": record.principal,
        "asked": record.asked,
    }
