"""Whether the process lives (open), whether it can do its work, and its numbers for Prometheus (with a token)."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from search.service.answers import Health, Readiness
from search.service.dependencies import Reader, ServiceOf
from search.service.refusals import BusyError
from search.service.responses import PROBLEMS, answer
from search.store.figures import exposition, figures_of_store
from search.store.models import SCHEMA_VERSION

__all__ = ["router"]

router = APIRouter(tags=["health"])

_ALIVE = b'{"status":"ok"}'


@router.get("/healthz", response_model=Health, summary="Does the process live?")
async def healthz() -> Response:
    """Open to everybody; says nothing else."""
    return Response(_ALIVE, media_type="application/json")


@router.get("/readyz", response_model=Readiness, responses=PROBLEMS(401, 429, 503), summary="Can it do its work?")
async def readyz(service: ServiceOf, _who: Reader) -> Response:
    """Ready once the database answers and the dispatcher works."""
    counts = await run_in_threadpool(service.counts)
    if not service.ready:
        raise BusyError("the service is starting or stopping", fix="Try again", retry_after=1)
    return answer(
        Readiness(
            version=version("taskgrouping"),
            schema_version=SCHEMA_VERSION,
            queued=counts.get("queued", 0),
            running=counts.get("running", 0),
        )
    )


@router.get(
    "/metrics",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **PROBLEMS(401, 429, 503)},
    response_class=Response,
    summary="Numbers for Prometheus",
)
async def metrics(service: ServiceOf, _who: Reader) -> Response:
    """Requests by route and status, seconds, watchers, runs by state, trainings; no names of runs or people."""
    text = service.metrics.text(await run_in_threadpool(service.counts))
    text += exposition(await run_in_threadpool(figures_of_store, service.store)).encode()
    return Response(text, media_type="text/plain; version=0.0.4")
