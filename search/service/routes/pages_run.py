"""One run: what came out of it, another budget, its trainings and files, and the buttons that steer it.

What its page asks for again while the run is under way is ``pages_live``.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response

from grouping.errors import InputError
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.files_of_runs import find_file, list_files
from search.service.queries import find_record
from search.service.refusals import NotFoundError
from search.service.responses import attachment
from search.service.routes.pages_live import courses_of, progress
from search.service.routes.pages_response import island, moved, page
from search.service.routes.runs import delete, steer
from search.service.web.choice_view import Choices, read_choices
from search.service.web.run_view import Result, asked, downloads, result, run_head, spec_of
from search.service.web.templating import fragment
from search.service.web.trials_view import TRIALS_PER_PAGE, trials_page
from search.store.records import RunRecord

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_STEPS = 200
_SAID = {
    "submitted": "Submitted. It starts as soon as it is its turn; you may close this page.",
    "cancelled": "The run was asked to stop. What it has trained is kept.",
    "resumed": "The run waits for its turn again. Nothing that finished is trained again.",
}
_UNITS = {"snt": "SNT", "flops": "FLOPs", "parameters": "parameters", "latency_ms": "ms"}


@router.get("/runs/{run}")
async def show_run(
    request: Request,
    run: str,
    service: ServiceOf,
    who: Reader,
    said: str = "",
    budget: str = "",
    max_networks: str = "",
) -> Response:
    """The page of a run; ``budget`` and ``max_networks`` are for browsers without scripts."""
    return await service.dials.do(who.token, _run_page, request, run, service, who, said, budget, max_networks)


def _run_page(
    request: Request, run: str, service: Service, who: Principal, said: str, budget: str, max_networks: str
) -> Response:
    record = find_record(service.store, run, who.owner)
    folder = service.settings.home / record.id
    found = result(folder) if record.state == "finished" else None
    under_way = progress(service, record)
    courses = None if found or not record.tasks else courses_of(service, record, record.tasks[0])
    figures = found.figures if found else {"courses": courses.figure} if courses and courses.figure else {}
    choices = _choices(service, record, found)
    at, most = _asked_for(choices, budget, max_networks) if choices else (0.0, None)
    return page(
        request,
        who,
        "run.html",
        charts=True,
        head=run_head(record, time.time(), steer=who.scope != "read"),
        result=found,
        sections=found.sections if found else (),
        live=under_way.live,
        courses=courses,
        tasks=record.tasks,
        asked=asked(record),
        files=downloads({file.name: file.bytes for file in list_files(folder).files}),
        trials=under_way.trials,
        message="" if said == "submitted" and record.state != "queued" else _SAID.get(said, ""),
        choices=choices,
        choice=choices.at(at, most) if choices else None,
        dial=_dial(choices, most) if choices else None,
        island=island(figures),
    )


@router.get("/runs/{run}/choice")
async def show_choice(
    run: str,
    service: ServiceOf,
    who: Reader,
    budget: Annotated[str, Query(max_length=40)] = "",
    max_networks: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """The best grouping within another budget: what the slider asks for; solved turn by turn with others' sliders."""
    return await service.dials.do(who.token, _choice, run, service, who, budget, max_networks)


def _choice(run: str, service: Service, who: Principal, budget: str, max_networks: str) -> HTMLResponse:
    record = find_record(service.store, run, who.owner)
    choices = _choices(service, record, result(service.settings.home / record.id))
    if choices is None:
        raise NotFoundError("this run has no losses to choose from", where="run")
    return HTMLResponse(fragment("choice.html", "answer", choices.at(*_asked_for(choices, budget, max_networks))))


@router.get("/runs/{run}/trials")
def show_trials(
    request: Request,
    run: str,
    service: ServiceOf,
    who: Reader,
    page_: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1,
    state: str = "",
) -> Response:
    """The trainings of a run, page by page, newest first."""
    record = find_record(service.store, run, who.owner)
    wanted: Any = state if state in ("finished", "failed") else None
    found = service.store.trial_page(
        record.id, state=wanted, newest_first=True, limit=TRIALS_PER_PAGE, offset=(page_ - 1) * TRIALS_PER_PAGE
    )
    shown = trials_page(found.trials, found.total, page_, wanted or "", f"/runs/{record.id}/trials")
    head = run_head(record, time.time(), steer=False)
    has_table = (service.settings.home / record.id / "trials.parquet").is_file()
    return page(request, who, "trials.html", head=head, trials=shown, has_table=has_table)


@router.get("/runs/{run}/files/{name:path}")
def get_file(run: str, name: str, service: ServiceOf, who: Reader) -> FileResponse:
    """One of the files that the page offers, and no other."""
    record = find_record(service.store, run, who.owner)
    found = find_file(service.settings.home / record.id, name)
    title = f"{record.name}-{name.rpartition('/')[2]}"
    return FileResponse(found.path, headers=attachment(title), media_type=found.media_type)


@router.post("/runs/{run}/cancel")
def cancel(run: str, service: ServiceOf, who: Submitter) -> Response:
    """End a run for good."""
    return moved(f"/runs/{steer(service, run, who.owner, 'cancel').id}?said=cancelled")


@router.post("/runs/{run}/resume")
def resume(run: str, service: ServiceOf, who: Submitter) -> Response:
    """Queue a run again that was interrupted or failed."""
    return moved(f"/runs/{steer(service, run, who.owner, 'resume').id}?said=resumed")


@router.post("/runs/{run}/delete")
def forget(run: str, service: ServiceOf, who: Submitter) -> Response:
    """Forget a run that nobody works on, with all its files."""
    delete(service, run, who.owner)
    return moved("/runs")


def _choices(service: Service, record: RunRecord, found: Result | None) -> Choices | None:
    if found is None:
        return None
    spec = spec_of(record)
    return read_choices(service.settings.home / record.id, found.recommendation, spec)


def _asked_for(choices: Choices, budget: str, max_networks: str) -> tuple[float, int | None]:
    """What a slider or an address asks for; the run's own budget where that is nothing."""
    try:
        limit = float(budget) if budget else choices.limit
        most = int(max_networks) if max_networks else (None if budget else choices.max_networks)
    except ValueError:
        raise InputError("that is no number", where="budget", fix="Write a number such as 2.5") from None
    if not 0 <= limit < 1e18 or (most is not None and not 1 <= most <= 10_000):
        raise InputError(
            "that is out of range", where="budget", fix="Give a budget of 0 or more, and 1 network or more"
        )
    return limit, most


def _dial(choices: Choices, most: int | None) -> dict[str, Any]:
    span = choices.most - choices.least
    step = 0.25 if choices.unit == "snt" and span <= _STEPS / 4 else (span or 1.0) / _STEPS
    return {
        "least": choices.least,
        "most": choices.most,
        "step": step,
        "unit": _UNITS[choices.unit],
        "tasks": len(choices.table.tasks),
        "max_networks": most,
    }
