"""Errors as pages where a browser asked for one; programs get the same words as problem details."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ExceptionHandler

from grouping.errors import GroupingError
from search.service.dependencies import find_principal
from search.service.gate import API
from search.service.problems import of_error
from search.service.refusals import UnauthenticatedError
from search.service.routes.pages_response import moved, page

__all__ = ["install_page_problems"]

_TITLES = {
    400: "That cannot be read",
    401: "Please log in",
    403: "You may not do that",
    404: "There is nothing here",
    405: "That is not possible here",
    409: "Not in this state",
    413: "That is too large",
    415: "That kind of file is not read",
    422: "Something is not right yet",
    429: "Too fast, or too much",
    500: "Something broke",
    503: "Busy at the moment",
    507: "No space left",
}


def install_page_problems(app: FastAPI) -> None:
    """Wrap the handlers that are there: they go on to answer programs."""
    for kind in (GroupingError, HTTPException, RequestValidationError):
        plain = app.exception_handlers.get(kind)
        assert plain is not None, "problems of REST are installed first"
        app.add_exception_handler(kind, _for_browsers(plain))


def _for_browsers(plain: ExceptionHandler) -> ExceptionHandler:
    async def handler(request: Request, error: Exception) -> Response:
        if not _is_page(request):
            answer: Response = await plain(request, error)  # type: ignore[arg-type, misc]
            return answer
        if isinstance(error, UnauthenticatedError):
            there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return moved(f"/login?next={quote(there)}" if request.method == "GET" else "/login")
        return await _page(request, error)

    return handler


def _is_page(request: Request) -> bool:
    """Whether a browser wants to show what comes: not a program, nor a script of a page."""
    return not request.url.path.startswith(API) and "text/html" in request.headers.get("accept", "")


async def _page(request: Request, error: Exception) -> Response:
    status, what, where, fix, headers = 500, "", "", "", {}
    if isinstance(error, GroupingError):
        plain = of_error(error)
        status, what, where, fix = plain.status_code, error.what, error.where, error.fix
        headers = {key: value for key, value in plain.headers.items() if key == "retry-after"}
        if where in _INTERNAL:
            where = ""
    elif isinstance(error, HTTPException):
        status = error.status_code
        what = f"There is no page {request.url.path}" if status == 404 else str(error.detail)
    else:
        status, what, fix = 422, "The address holds a value that is none", "Go back and try again"
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    shown = what[:1].upper() + what[1:]
    principal = await find_principal(request)
    response = page(
        request,
        principal,
        "problem.html",
        status=status,
        number=status,
        title=title,
        what=shown,
        where=where,
        fix=_for_eyes(fix),
    )
    response.headers.update(headers)
    return response


_INTERNAL = frozenset({"run", "asset", "Authorization", "X-CSRF-Token"})
"""Places that mean something to programs only."""


def _for_eyes(fix: str) -> str:
    """Ways out are written for programs here and there; a page has its own."""
    return "" if "GET /api" in fix or "openapi.json" in fix or fix.startswith("Send 'Authorization") else fix
