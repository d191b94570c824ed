"""A browser's session: a token exchanged for a cookie, and back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from search.service.answers import SessionAnswer
from search.service.dependencies import Reader, ServiceOf
from search.service.responses import PROBLEMS, answer

__all__ = ["router"]

router = APIRouter(prefix="/session", tags=["session"])


@router.post("", status_code=201, response_model=SessionAnswer, responses=PROBLEMS(401, 403, 422, 429, 503))
async def sign_in(request: Request, service: ServiceOf, who: Reader) -> Response:
    """Exchange a token for a cookie (HttpOnly, SameSite=Strict) and the CSRF token that goes with it."""
    response = Response(media_type="application/json", status_code=201)
    session = service.authenticator.sign_in(who, response, secure=request.url.scheme == "https")
    body = SessionAnswer(name=who.name, scope=who.scope, csrf=session.csrf)
    signed = answer(body, 201)
    signed.headers["set-cookie"] = response.headers["set-cookie"]
    return signed


@router.get("", response_model=SessionAnswer, responses=PROBLEMS(401, 422, 429, 503))
async def whoami(who: Reader) -> Response:
    """Who asks, and what they may."""
    return answer(SessionAnswer(name=who.name, scope=who.scope, csrf=who.csrf))


@router.delete("", status_code=204, responses=PROBLEMS(401, 403, 422, 429, 503))
async def sign_out(service: ServiceOf, _who: Reader) -> Response:
    """End the browser's session."""
    response = Response(status_code=204)
    service.authenticator.sign_out(response)
    return response
