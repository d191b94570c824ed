"""What came of a run: recommendation, losses, affinity, curves, trials, frontier, report, networks; runs compared."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any, Literal

import pandas as pd
from fastapi import APIRouter, Query
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from grouping.errors import InputError
from grouping.files.sheet import escaped
from grouping.report.content import CURVE_COLUMNS, Content
from grouping.tasks import SEPARATOR
from search.networks.sharing import HARD
from search.service import queries
from search.service.answers import Comparison, FileList, TrialList
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.files_of_runs import find_file, list_files
from search.service.responses import PROBLEMS, answer, attachment

__all__ = ["router", "trials_csv"]

router = APIRouter(tags=["results"])

_MOST_COMPARED = 20
_MOST_READINGS = 100_000
_PAGE = 1_000
_ANSWERS = PROBLEMS(401, 404, 409, 422, 429, 503)
_REPORT_POLICY = (
    # The report brings its own policy, by which only its own script runs; this one takes away its origin, too.
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
Limit = Annotated[int, Query(ge=1, le=_PAGE)]
Offset = Annotated[int, Query(ge=0, le=10**9)]


@router.get("/runs/{run}/recommendation", response_model=dict[str, JsonValue], responses=_ANSWERS)
async def recommendation(run: str, service: ServiceOf, who: Reader) -> Response:
    """Groups and routing, cost, certificate, intervals, verdict: `recommendation.json`."""
    return _json(await service.dials.do(who.token, _recommended, service, run, who))


@router.get("/runs/{run}/frontier", response_model=dict[str, JsonValue], responses=_ANSWERS)
async def frontier(run: str, service: ServiceOf, who: Reader) -> Response:
    """The best grouping for each cost, on the losses that the choice was made by."""
    found = await service.dials.do(who.token, _recommended, service, run, who)
    return _json({"unit": found["unit"], "points": found["frontier"]})


@router.get("/runs/{run}/affinity", response_model=dict[str, JsonValue], responses=_ANSWERS)
async def affinity(run: str, service: ServiceOf, who: Reader) -> Response:
    """Effect on each task of training with each partner: relative gain against alone, higher is better."""
    found = await service.dials.do(who.token, _recommended, service, run, who)
    return _json({"measured_at": found["affinity_measured_at"], "entries": found["affinity"]})


@router.get("/runs/{run}/losses", response_model=dict[str, JsonValue], responses=_ANSWERS)
async def losses(run: str, service: ServiceOf, who: Reader, limit: Limit = 200, offset: Offset = 0) -> Response:
    """The table that the choice was made by, one row a (network, task); `files/losses.csv` is all of it."""
    table = (await service.dials.do(who.token, _content, service, run, who)).losses
    return _json(_rows(table, limit, offset))


@router.get("/runs/{run}/curves", response_model=dict[str, JsonValue], responses=_ANSWERS)
async def curves(
    run: str,
    service: ServiceOf,
    who: Reader,
    network: Annotated[str | None, Query(max_length=10_000, description="Only this network's")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_READINGS)] = 10_000,
    offset: Offset = 0,
) -> Response:
    """Validation losses along training, one row a reading; `files/curves.parquet` is all of them.

    While a run is under way they are those of the trainings so far, in the order these were begun.
    """
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    if record.state == "running":
        return _json(await run_in_threadpool(_readings, service, record.id, network, limit, offset))
    table = (await service.dials.do(who.token, _content, service, run, who)).curves
    if network is not None:
        table = table[table["network"] == network]
    return _json(_rows(table, limit, offset))


@router.get(
    "/runs/{run}/trials",
    response_model=TrialList,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **PROBLEMS(401, 404, 422, 429, 503),
    },
)
async def trials(
    run: str,
    service: ServiceOf,
    who: Reader,
    state: Annotated[Literal["finished", "failed"] | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
    form: Annotated[Literal["json", "csv"], Query(alias="format", description="csv: all of them")] = "json",
) -> Response:
    """What was trained, in the order of first attempts, with the reasons of failures."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    if form == "json":
        return answer(
            await run_in_threadpool(queries.trial_list, service.store, record, state=state, limit=limit, offset=offset)
        )
    text = await run_in_threadpool(trials_csv, service, record.id, state)
    return Response(text, media_type="text/csv", headers=attachment(f"{record.id}-trials.csv"))


@router.get(
    "/runs/{run}/report",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/html": {"schema": {"type": "string"}},
                "text/markdown": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
                "application/xml": {"schema": {"type": "string"}},
            }
        },
        **_ANSWERS,
    },
)
async def report(
    run: str,
    service: ServiceOf,
    who: Reader,
    form: Annotated[
        Literal["html", "md", "json", "csv", "graphml"],
        Query(alias="format", description="csv: the affinity table; graphml: the task graph"),
    ] = "html",
    download: Annotated[bool, Query(description="As a file, not to be looked at")] = False,
) -> Response:
    """The report, as `taskgroup report` writes it."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    content = await service.dials.do(who.token, queries.content_of, service.settings.home, record)
    headers = attachment(f"{record.name}-report.{form}", inline=form == "html" and not download)
    if form == "html":
        file = await run_in_threadpool(find_file, service.settings.home / record.id, "report.html")
        headers["content-security-policy"] = _REPORT_POLICY
        headers["x-frame-options"] = "SAMEORIGIN"
        return FileResponse(file.path, media_type="text/html", headers=headers)
    text, kind = await run_in_threadpool(_rendered, content, form)
    return Response(text, media_type=kind, headers=headers)


@router.get("/runs/{run}/log", response_model=dict[str, JsonValue], responses=PROBLEMS(401, 404, 422, 429, 503))
async def log(
    run: str, service: ServiceOf, who: Reader, lines: Annotated[int, Query(ge=1, le=10_000)] = 200
) -> Response:
    """The last lines of the run's log."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    return _json({"lines": await run_in_threadpool(queries.tail_of_log, service.settings.home, record, lines)})


@router.get("/runs/{run}/files", response_model=FileList, responses=PROBLEMS(401, 404, 422, 429, 503))
async def files(run: str, service: ServiceOf, who: Reader) -> Response:
    """What can be fetched: tables, report, and the networks with their sha256."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    return answer(await run_in_threadpool(list_files, service.settings.home / record.id))


@router.get(
    "/runs/{run}/files/{file:path}",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **PROBLEMS(401, 404, 422, 429, 503),
    },
)
async def fetch(run: str, file: str, service: ServiceOf, who: Reader) -> Response:
    """One of these files; networks carry their sha256 as ETag."""
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    found = await run_in_threadpool(find_file, service.settings.home / record.id, file)
    headers = attachment(f"{record.id}-{found.path.name}")
    digest = await run_in_threadpool(found.sha256)
    if digest is not None:
        headers["etag"] = f'"{digest}"'
    return FileResponse(found.path, media_type="application/octet-stream", headers=headers)


@router.get("/comparisons", response_model=Comparison, responses=PROBLEMS(401, 404, 422, 429, 503))
async def compare(
    service: ServiceOf,
    who: Reader,
    run: Annotated[list[str], Query(min_length=1, max_length=_MOST_COMPARED, description="Repeat it for each run")],
) -> Response:
    """Runs side by side: verdicts, costs, objectives, and each task's metrics on fresh seeds."""
    if len(set(run)) < len(run):
        raise InputError("a run appears twice", where="run", fix="Name each run once")
    return answer(
        await service.dials.do(who.token, queries.comparison, service.store, service.settings.home, run, who.owner)
    )


def trials_csv(service: Service, run: str, state: str | None = None) -> str:
    """All trials of a run as CSV; no cell is run by a spreadsheet."""
    record = service.store.run(run)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("network", "capacity", "sharing", "seed", "phase", "state", "attempts", "seconds", "worker", "reason")
    writer.writerow(columns)
    offset = 0
    while True:
        page = queries.trial_list(service.store, record, state=state, limit=_PAGE, offset=offset)
        for trial in page.trials:
            cells = [getattr(trial, column) for column in columns]
            writer.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in cells])
        offset += _PAGE
        if offset >= page.total:
            return text.getvalue()


def _content(service: Service, run: str, who: Principal) -> Content:
    return queries.content_of(service.settings.home, queries.find_record(service.store, run, who.owner))


def _recommended(service: Service, run: str, who: Principal) -> dict[str, Any]:
    return _content(service, run, who).recommendation.to_json()


def _rendered(content: Content, form: str) -> tuple[str, str]:
    if form == "md":
        from grouping.report.markdown import markdown

        return markdown(content), "text/markdown"
    if form == "json":
        data = content.recommendation.to_json()
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n", "application/json"
    from grouping.report.affinity_view import affinity_csv, graphml

    if form == "csv":
        return affinity_csv(content.recommendation), "text/csv"
    return graphml(content.recommendation), "application/xml"


def _rows(table: pd.DataFrame, limit: int, offset: int) -> dict[str, Any]:
    """A page of a table as columns and rows, and how many rows there are in all."""
    page = table.iloc[offset : offset + limit]
    data = json.loads(page.to_json(orient="split", double_precision=15, index=False))
    return {"columns": data["columns"], "rows": data["data"], "shown": len(page), "offset": offset, "total": len(table)}


def _readings(service: Service, run: str, network: str | None, limit: int, offset: int) -> dict[str, Any]:
    """A page of the curves of a run under way, in the columns of the table that they will be."""
    readings, total = service.recent.readings(run, network, limit, offset)
    rows = [
        [
            SEPARATOR.join(trial.tasks),
            "" if trial.sharing == HARD else trial.sharing,
            trial.capacity,
            trial.seed,
            reading.task,
            reading.step,
            reading.loss,
        ]
        for reading in readings
        for trial in (reading.trial.trial,)
    ]
    return {"columns": list(CURVE_COLUMNS), "rows": rows, "shown": len(rows), "offset": offset, "total": total}


def _json(data: dict[str, Any]) -> Response:
    return Response(json.dumps(data, allow_nan=False), media_type="application/json")
