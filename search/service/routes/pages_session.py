"""Logging in and out: a token is exchanged for a cookie, and kept nowhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.responses import Response

from search.service.dependencies import Reader, ServiceOf, find_principal
from search.service.refusals import ForbiddenError, TooManyError
from search.service.routes.pages_response import local_path, moved, page

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_ELSEWHERE = frozenset({"cross-site", "same-site"})


@router.get("/")
def home() -> RedirectResponse:
    """The list of runs is where everybody starts."""
    return RedirectResponse("/runs", 307)


@router.get("/login")
async def show_login(request: Request, next: str = "/runs") -> Response:  # noqa: A002 - the query's own word
    """The form; whoever is logged in goes on at once."""
    there = local_path(next)
    if await find_principal(request) is not None:
        return moved(there)
    return page(request, None, "login.html", problem="", next=there)


@router.get("/login/known")
async def known(request: Request) -> JSONResponse:
    """Whether the browser that asks is logged in."""
    return JSONResponse(await find_principal(request) is not None)


@router.post("/login")
async def login(
    request: Request,
    service: ServiceOf,
    token: Annotated[str, Form(max_length=1_000)] = "",
    next: Annotated[str, Form(max_length=2_000)] = "/runs",  # noqa: A002 - the form's own word
) -> Response:
    """Exchange a token for a cookie."""
    if request.headers.get("sec-fetch-site") in _ELSEWHERE:  # nobody is logged in as somebody else by another page
        raise ForbiddenError(
            "the form did not come from this service", fix="Open the page of this service and log in there"
        )
    wait = service.strangers.take(request.client.host if request.client else "")
    if wait:
        raise TooManyError("too many attempts to log in", fix="Try again later", retry_after=wait)
    principal = await service.authenticator.by_token(token.strip())
    there = local_path(next)
    if principal is None:
        problem = "This is not a valid token. It may have ended, or a letter is missing."
        return page(request, None, "login.html", status=403, problem=problem, next=there)
    response = moved(there)
    service.authenticator.sign_in(principal, response, secure=request.url.scheme == "https")
    return response


@router.post("/logout")
def logout(service: ServiceOf, _who: Reader) -> Response:
    """Take the cookie back."""
    response = moved("/login")
    service.authenticator.sign_out(response)
    return response
