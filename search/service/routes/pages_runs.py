"""The list of runs, as a page and as CSV."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from grouping.files.sheet import escaped
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.queries import summary
from search.service.routes.pages_response import page
from search.service.web.runs_view import PER_PAGE, SORTS, Filters, RunList, run_list
from search.service.web.templating import fragment
from search.service.web.wording import KINDS, STATES
from search.store.records import RunPage

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_CSV_PAGE = 500
_COLUMNS = ("id", "name", "kind", "state", "tasks", "best", "finished", "failed", "planned", "created", "seconds")


@router.get("/runs")
def show_runs(
    request: Request, service: ServiceOf, who: Reader, x_part: Annotated[str, Header(max_length=40)] = ""
) -> Response:
    """The list; only its rows where the page asks for them again."""
    shown = _list(service, who, Filters.of(request.query_params))
    if x_part == "list":
        return HTMLResponse(fragment("rows.html", "rows", shown))
    return page(
        request,
        who,
        "runs.html",
        list=shown,
        states=[(key, label) for key, (label, _) in STATES.items()],
        kinds=[(key, label) for key, (label, _) in KINDS.items()],
        sorts=list(SORTS.items()),
    )


@router.get("/runs.csv")
def all_runs(request: Request, service: ServiceOf, who: Reader) -> Response:
    """Every run that fits the filters, however many there are."""
    filters = Filters.of(request.query_params)
    headers = {"content-disposition": 'attachment; filename="runs.csv"'}
    return StreamingResponse(_csv(service, who, filters), headers=headers, media_type="text/csv; charset=utf-8")


def _page(service: Service, who: Principal, filters: Filters, limit: int, offset: int) -> RunPage:
    return service.store.list_runs(
        state=cast("Any", filters.state or None),
        name=filters.name or None,
        kind=filters.kind or None,
        principal=who.owner,
        sort=filters.sort,
        limit=limit,
        offset=offset,
    )


def _list(service: Service, who: Principal, filters: Filters) -> RunList:
    found = _page(service, who, filters, PER_PAGE, (filters.page - 1) * PER_PAGE)
    remaining = {run.id: summary(run).seconds_left for run in found.runs if run.state == "running"}
    return run_list(found.runs, found.total, filters, time.time(), remaining)


def _csv(service: Service, who: Principal, filters: Filters) -> Iterator[str]:
    offset = 0
    rows: list[tuple[object, ...]] = [_COLUMNS]
    while True:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        yield buffer.getvalue()
        found = _page(service, who, filters, _CSV_PAGE, offset)
        if not found.runs:
            return
        offset += len(found.runs)
        rows = [
            (
                run.id,
                escaped(run.name),
                run.kind,
                run.state,
                escaped(" ".join(run.tasks)),
                "" if run.best is None else repr(run.best),
                run.finished,
                run.failed,
                run.planned,
                f"{run.created:.3f}",
                f"{run.seconds:.1f}",
            )
            for run in found.runs
        ]
