"""Creating runs, and saying beforehand what one would cost."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from search.service import queries
from search.service.answers import Cost, RunDetail
from search.service.auth import Principal
from search.service.bodies import document_in, documented_body
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.gate import API
from search.service.responses import PROBLEMS, answer, links
from search.service.submissions import Prepared, SubmittedKind
from search.store.creation import NewRun

__all__ = ["create", "router"]

router = APIRouter(tags=["runs"])

_EXAMPLE: dict[str, Any] = {
    "name": "nyc-weather",
    "data": {"source": "nyc-weather"},
    "budget": {"inference": 3, "max_networks": 3},
}
_EXAMPLE_YAML = "name: nyc-weather\ndata: {source: nyc-weather}\nbudget: {inference: 3, max_networks: 3}\n"

Kind = Annotated[SubmittedKind, Query(description="search: an architecture search, by the spec's section 'search'")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key again gives the run that is there, so that a lost answer can be asked for again",
    ),
]


@router.post(
    "/runs",
    status_code=201,
    response_model=RunDetail,
    responses={
        201: links("run", "show_run", "trials", "files", "log", "report", "cancel_run", "resume_run", "delete_run"),
        **PROBLEMS(401, 403, 408, 409, 413, 415, 422, 429, 503, 507),
    },
    openapi_extra=documented_body({"$ref": "#/components/schemas/Spec"}, _EXAMPLE, yaml=_EXAMPLE_YAML),
    summary="Create a run",
)
async def create_run(
    request: Request, service: ServiceOf, who: Submitter, kind: Kind = "recommend", key: Key = None
) -> Response:
    """Check the spec, complete it by its data, and queue it; the dispatcher starts it when its turn comes.

    Whatever is wrong with the spec is said now, in the words of `taskgroup plan`.
    """
    prepared = await service.submissions.prepare(await document_in(request), kind, who)
    body = await create(service, prepared, kind, who, key)
    return Response(body.model_dump_json(), 201, {"location": f"{API}/runs/{body.id}"}, media_type="application/json")


async def create(
    service: Service, prepared: Prepared, kind: SubmittedKind, who: Principal, key: str | None = None
) -> RunDetail:
    """Queue a run; the same key again gives the run that is there."""
    new = NewRun(
        prepared.name,
        kind,
        prepared.spec,
        {
            "base": str(service.settings.datasets.absolute()),
            "most_trainings": service.settings.trials_per_run,
            "most_workers": service.settings.workers_per_run,
        },
        prepared.tasks,
        prepared.trainings,
        who.name,
        key,
    )
    made = await service.arrivals.create(new)
    service.dispatcher.nudge()
    if made.fresh:
        return queries.fresh(new, made)
    return queries.detail(await run_in_threadpool(queries.find_record, service.store, made.id, who.name))


@router.post(
    "/plans",
    response_model=Cost,
    responses=PROBLEMS(401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=documented_body({"$ref": "#/components/schemas/Spec"}, _EXAMPLE, yaml=_EXAMPLE_YAML),
    summary="What would a run cost?",
)
async def plan(request: Request, service: ServiceOf, who: Reader, kind: Kind = "recommend") -> Response:
    """Everything that creating a run checks, and what it would train; nothing is queued."""
    prepared = await service.submissions.prepare(await document_in(request), kind, who)
    return answer(Cost.model_validate({**prepared.cost, "spec": prepared.spec}))
