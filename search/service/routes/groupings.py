"""Solving a table at once: no run, no training; the JSON of ``taskgroup solve --json``."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from grouping.errors import InputError
from search.documents.parsing import parse_json
from search.service import queries
from search.service.auth import Principal
from search.service.bodies import body_of, documented_body, validated
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.grouping_requests import GroupingOptions, GroupingRequest, rows_as_csv
from search.service.refusals import StateError
from search.service.responses import PROBLEMS
from search.service.uploads import file_suffix, received_text, received_upload

__all__ = ["router", "solve_file", "solve_run"]

router = APIRouter(tags=["groupings"])

_FORM = "multipart/form-data"
_SUFFIXES = (".csv", ".parquet", ".pq")
_MARGIN_SECONDS = 20.0
"""For reading the table and writing the answer, beside solving."""

_EXAMPLE = {
    "table": [
        {"network": "rain", "task": "rain", "loss": 0.5},
        {"network": "temp", "task": "temp", "loss": 0.4},
        {"network": "rain+temp", "task": "rain", "loss": 0.42},
        {"network": "rain+temp", "task": "temp", "loss": 0.45},
    ],
    "budget": 1,
}
_BODY = documented_body(GroupingRequest.model_json_schema(), _EXAMPLE)
_BODY["requestBody"]["content"][_FORM] = {
    "schema": {
        "type": "object",
        "required": ["table"],
        "properties": {
            "table": {"type": "string", "format": "binary", "description": "CSV or Parquet"},
            "options": {"type": "string", "description": "The other fields, as JSON"},
        },
    }
}
_OPTIONS = documented_body(GroupingOptions.model_json_schema(), {"budget": 2})


@router.post(
    "/groupings",
    response_model=dict[str, JsonValue],
    responses=PROBLEMS(401, 403, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra=_BODY,
    summary="Solve a table",
)
async def solve(request: Request, service: ServiceOf, who: Reader) -> Response:
    """The exact best grouping of a posted table under a budget, or the whole frontier, with its proof.

    Send JSON with the rows, or a form with the file `table` and the other fields as JSON in `options`.
    """
    folder = service.settings.uploads
    if request.headers.get("content-type", "").startswith(_FORM):
        async with request.form(max_files=1, max_fields=20) as form:
            text = form.get("options") or "{}"
            if not isinstance(text, str):
                raise InputError("the options are a file", where="options", fix="Send them as a field with JSON")
            options = validated(parse_json(text, ""), GroupingOptions)
            async with received_upload(form, "table", folder) as received:
                file_suffix(received.name, _SUFFIXES)
                found = await solve_file(service, str(received.path.absolute()), options, who)
    else:
        asked = await body_of(request, GroupingRequest)
        async with received_text(rows_as_csv(asked.table), folder, "table.csv") as received:
            found = await solve_file(service, str(received.path.absolute()), asked, who)
    return _json(found)


@router.post(
    "/runs/{run}/groupings",
    response_model=dict[str, JsonValue],
    responses=PROBLEMS(401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_OPTIONS,
    summary="Solve a run's table again",
)
async def solve_of_run(run: str, request: Request, service: ServiceOf, who: Reader) -> Response:
    """The best grouping under another budget, from the losses that a run measured; nothing is trained.

    It is the answer of ``taskgroup solve losses.csv``: losses as they are, every network of the file. The run's own
    question, as on its page, takes ``relative``, its tasks' ``weights`` and its ``auxiliary`` tasks.
    """
    options = await body_of(request, GroupingOptions)
    return _json(await solve_run(service, run, who, options))


async def solve_file(service: Service, file: str, options: GroupingOptions, who: Principal) -> dict[str, Any]:
    """The answer of ``taskgroup solve --json`` for a table on this machine; messages do not tell where it is."""
    arguments = {"file": file, "columns": options.columns(), "options": options.options(service.settings)}
    seconds = service.settings.solve_seconds + _MARGIN_SECONDS
    return await service.errands.run("solve", arguments, seconds, who.token, {file: "table"})


async def solve_run(service: Service, run: str, who: Principal, options: GroupingOptions) -> dict[str, Any]:
    """The same for the losses of a run.

    Raises:
        NotFoundError: no such run.
        StateError: it has no losses yet.
    """
    record = await run_in_threadpool(queries.find_record, service.store, run, who.owner)
    file = service.settings.home / record.id / "losses.csv"
    if not file.is_file():
        fix = "Wait for its end"
        raise StateError(f"run '{record.id}' is {record.state} and has no losses yet", where="run", fix=fix)
    return await solve_file(service, str(file.absolute()), options, who)


def _json(found: dict[str, Any]) -> Response:
    return Response(json.dumps(found, ensure_ascii=True), media_type="application/json")
