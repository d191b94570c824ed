"""Several runs side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.queries import find_record
from search.service.routes.pages_response import page
from search.service.web.compare_view import MOST_COMPARED, compare
from search.service.web.run_view import result

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/compare")
async def show_comparison(
    request: Request,
    service: ServiceOf,
    who: Reader,
    run: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
) -> Response:
    """Two to six runs; with fewer the page says how to choose some."""
    wanted = list(dict.fromkeys(run))
    if not 2 <= len(wanted) <= MOST_COMPARED:
        problem = f"{len(wanted)} runs are too many for one page" if len(wanted) > MOST_COMPARED else ""
        return page(request, who, "compare_none.html", problem=problem)
    return await service.dials.do(who.token, _comparison, request, service, who, wanted)


def _comparison(request: Request, service: Service, who: Principal, wanted: list[str]) -> Response:
    records = [find_record(service.store, one, who.owner) for one in wanted]
    found = [result(service.settings.home / record.id) for record in records]
    pairs = [(record, one.recommendation if one else None) for record, one in zip(records, found, strict=True)]
    return page(request, who, "compare.html", comparison=compare(pairs))
