"""Runs: list, show, steer, delete. Creating them is ``submissions``, what came of them ``results``."""

from __future__ import annotations

import shutil
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from search.errors import ConflictError
from search.service import queries
from search.service.answers import Kind, RunAnswer, RunDetail, RunList, State
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.responses import PROBLEMS, answer
from search.store.records import RunRecord

__all__ = ["delete", "router", "steer"]

router = APIRouter(prefix="/runs", tags=["runs"])

Sort = Literal["created", "-created", "name", "-name", "state", "-state", "best", "-best"]


@router.get("", response_model=RunList, responses=PROBLEMS(401, 422, 429, 503), summary="List runs")
async def list_runs(
    service: ServiceOf,
    who: Reader,
    state: Annotated[State | None, Query(description="Only runs in this state")] = None,
    name: Annotated[str | None, Query(max_length=100, description="Only runs whose name contains this")] = None,
    kind: Annotated[Kind | None, Query(description="Only runs of this kind")] = None,
    sort: Annotated[Sort, Query(description="'-' before it: greatest first")] = "-created",
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """One's own runs, newest first; with a token of scope admin everybody's."""
    listed = await run_in_threadpool(
        lambda: queries.list_runs(
            service.store, who.owner, state=state, name=name, kind=kind, sort=sort, limit=limit, offset=offset
        ).model_dump_json()
    )
    return Response(listed, media_type="application/json")


@router.get("/{run}", response_model=RunDetail, responses=PROBLEMS(401, 404, 422, 429, 503), summary="Show a run")
async def show_run(run: str, service: ServiceOf, who: Reader) -> Response:
    """A run with its spec, how far it came, and when it will be done."""
    found = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    return answer(queries.detail(found))


@router.post(
    "/{run}/cancel", status_code=202, response_model=RunAnswer, responses=PROBLEMS(401, 403, 404, 409, 422, 429, 503)
)
async def cancel_run(run: str, service: ServiceOf, who: Submitter) -> Response:
    """End a run: at once if it waits, within seconds if it is being worked on."""
    return answer(queries.summary(await run_in_threadpool(steer, service, run, who.owner, "cancel")), 202)


@router.post(
    "/{run}/resume", status_code=202, response_model=RunAnswer, responses=PROBLEMS(401, 403, 404, 409, 422, 429, 503)
)
async def resume_run(run: str, service: ServiceOf, who: Submitter) -> Response:
    """Queue a run again that was interrupted or failed; nothing that finished is trained again."""
    return answer(queries.summary(await run_in_threadpool(steer, service, run, who.owner, "resume")), 202)


@router.delete("/{run}", status_code=204, responses=PROBLEMS(401, 403, 404, 409, 422, 429, 503))
async def delete_run(run: str, service: ServiceOf, who: Submitter) -> Response:
    """Forget a run that nobody works on, with all its files."""
    await run_in_threadpool(delete, service, run, who.owner)
    return Response(status_code=204)


def steer(service: Service, run: str, owner: str | None, what: Literal["cancel", "resume"]) -> RunRecord:
    """Ask a run's process to end it, or queue the run again; the run as it is then."""
    record = queries.find_record(service.store, run, owner)
    if what == "cancel":
        service.store.ask(record.id, "cancel")
    elif not record.principal:  # the dispatcher starts only what was submitted
        fix = f"Resume it there: taskgroup resume {record.id}"
        raise ConflictError(f"run '{record.id}' was started at the server's machine", where="run", fix=fix)
    else:
        service.store.requeue(record.id)
    return queries.find_record(service.store, run, owner)


def delete(service: Service, run: str, owner: str | None) -> None:
    """Forget a run that nobody works on, with all its files."""
    record = queries.find_record(service.store, run, owner)
    service.store.delete_run(record.id)
    folder = service.settings.home / record.id
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
