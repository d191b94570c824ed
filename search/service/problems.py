"""Errors as problem details (RFC 9457): the words of the command line's ``--json``, and the HTTP status for them."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from grouping.errors import GroupingError, InfeasibleError, InputError, NoResultError
from search.errors import ClusterError, ConflictError, DiskError, StoreError
from search.service.refusals import Refusal

__all__ = ["MEDIA_TYPE", "Problem", "install_problems", "of_error", "problem_response", "unexpected"]

MEDIA_TYPE = "application/problem+json"
_LONGEST = 1_000
_RETRY_SECONDS = 2
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_log = logging.getLogger("taskgroup.service")

_STATUS: tuple[tuple[type[GroupingError], int], ...] = (
    (ConflictError, 409),
    (InputError, 422),
    (NoResultError, 422),
    (StoreError, 503),
    (DiskError, 507),
    (ClusterError, 502),
)


class Problem(BaseModel):
    """What went wrong, where, and the way out."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["budget.inference: -1 is out of range. Give a number above 0"])
    code: str = Field(examples=["spec"])
    what: str = Field(examples=["-1 is out of range"])
    where: str = Field(examples=["budget.inference"])
    fix: str = Field(examples=["Give a number above 0"])
    minimum_budget: float | None = Field(default=None, description="The smallest feasible budget, where that is why")


def problem_response(
    status: int,
    code: str,
    what: str,
    *,
    where: str = "",
    fix: str = "",
    headers: dict[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - further members of the object
) -> Response:
    """One problem as a response; texts are cut to a length that nobody minds to read."""
    what, where, fix = (text[:_LONGEST] for text in (what, where, fix))
    head = f"{where}: {what}" if where else what
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": f"{head}. {fix}" if fix else head,
        "code": code,
        "what": what,
        "where": where,
        "fix": fix,
        **more,
    }
    # Escaped throughout: a text may hold halves of surrogate pairs, which no encoding has.
    return Response(json.dumps(body, allow_nan=False).encode(), status, headers, media_type=MEDIA_TYPE)


def of_error(error: GroupingError) -> Response:
    """The response that an error of ours becomes."""
    headers: dict[str, str] = {}
    if isinstance(error, Refusal):
        status = error.status
        if error.retry_after is not None:
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        if status == 401:
            headers["www-authenticate"] = 'Bearer realm="taskgroup"'
    else:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if status == 503:
            headers["retry-after"] = str(_RETRY_SECONDS)
    more = {"minimum_budget": error.minimum_budget} if isinstance(error, InfeasibleError) else {}
    return problem_response(
        status, error.code, error.what, where=error.where, fix=error.fix, headers=headers, **_finite(more)
    )


def unexpected(error: BaseException) -> Response:
    """The response to a defect of ours: logged in full, told in one sentence that gives nothing away."""
    _log.error("unexpected %s", type(error).__name__, exc_info=error)
    fix = "This is a defect of taskgroup: the server's log has the traceback"
    return problem_response(500, "unexpected", "the service failed unexpectedly", fix=fix)


def install_problems(app: FastAPI) -> None:
    """Answer every error with a problem; FastAPI's own handlers fail on values that JSON does not have."""
    app.add_exception_handler(GroupingError, _grouping_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _grouping_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GroupingError)
    return of_error(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    place, *path = (str(part) for part in first["loc"])
    message = str(first["msg"])
    shown = repr(first.get("input"))[:80]
    where = {"query": "", "path": "", "header": "header "}.get(place, f"{place} ") + ".".join(path)
    what = f"{shown}: {message[:1].lower()}{message[1:]}" if path else message
    return problem_response(422, "input", what, where=where, fix="Correct the value")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 404:
        fix = "See /api/v1/openapi.json for what there is"
        return problem_response(404, "not-found", f"there is no {request.url.path}", fix=fix, headers=headers)
    if error.status_code == 405:
        what = f"{request.method} is not allowed on {request.url.path}"
        allowed = ", ".join(_allowed(request))
        return problem_response(405, "method", what, fix=f"Allowed: {allowed}", headers={"allow": allowed})
    if error.status_code == 400:  # a form that is none: as any other body that cannot be read
        what = str(error.detail).rstrip(".")
        return problem_response(422, "input", what[:1].lower() + what[1:], where="body", fix="Send the form again")
    return problem_response(error.status_code, "refused", str(error.detail), headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of every route with this path: the framework names those of the first only."""
    routes = request.app.router.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if not isinstance(value, float) or math.isfinite(value) else None for name, value in values.items()
    }
