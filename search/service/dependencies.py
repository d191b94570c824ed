"""What routes ask for by type: the parts of the service, and who asks, with the scope that the route needs."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from search.service.auth import COOKIE, Principal
from search.service.context import Service
from search.service.refusals import ForbiddenError, TooManyError, UnauthenticatedError
from search.store.tokens import Scope, allows

__all__ = [
    "Reader",
    "ServiceOf",
    "Submitter",
    "find_principal",
    "find_reader",
    "get_service",
]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_FIELDS = 10_000
"""Of a form: a new run has seven for each task, and its bytes are limited anyway."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def get_service(request: Request) -> Service:
    """The service that a request came to."""
    return cast("Service", request.app.state.service)


async def find_principal(request: Request) -> Principal | None:
    """Who asks; None if nobody knows. A bearer token goes before a cookie."""
    service = get_service(request)
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        return await service.authenticator.by_token(text.strip()) if kind.lower() == "bearer" else None
    cookie = request.cookies.get(COOKIE)
    return await service.authenticator.by_cookie(cookie) if cookie else None


def _needs(scope: Scope) -> Callable[[Request], Awaitable[Principal]]:
    async def principal(request: Request) -> Principal:
        service = get_service(request)
        found = await find_principal(request)
        if found is None:
            wait = service.strangers.take(request.client.host if request.client else "")
            if wait:
                raise TooManyError("too many requests without a valid token", fix="Try again later", retry_after=wait)
            raise UnauthenticatedError(
                "a valid token is needed",
                where="Authorization",
                fix="Send 'Authorization: Bearer TOKEN'; the operator makes one with: taskgroup token create NAME",
            )
        wait = service.rates.take(found.token)
        if wait:
            rate = service.settings.requests_per_second
            raise TooManyError(f"more than {rate:g} requests a second", fix="Ask less often", retry_after=wait)
        request.state.hold(found.token)
        if not allows(found.scope, scope):
            raise ForbiddenError(
                f"a token of scope '{found.scope}' may not do that",
                where="Authorization",
                fix=f"Use a token of scope '{scope}'",
            )
        if found.csrf and request.method not in _SAFE:
            await _check_csrf(request, found.csrf)
        return found

    return principal


async def _check_csrf(request: Request, expected: str) -> None:
    """A browser sends its cookie along whoever made it ask: only our own pages know this other value."""
    given = request.headers.get("x-csrf-token")
    if given is None and request.headers.get("content-type", "").startswith(_FORMS):
        field = (await request.form(max_files=1, max_fields=_MOST_FIELDS)).get("csrf")
        given = field if isinstance(field, str) else None
    origin = request.headers.get("origin")
    # "null": pages are served under no-referrer, and browsers then hide the origin of forms even from ourselves.
    hidden = origin is None or origin == "null"
    foreign = not hidden and urlsplit(origin or "").netloc.lower() != request.headers.get("host", "").lower()
    if foreign or not hmac.compare_digest((given or "").encode(), expected.encode()):
        await request.close()  # a file that came along is forgotten
        raise ForbiddenError(
            "the request did not come from a page of this service",
            where="X-CSRF-Token",
            fix="Reload the page and try again",
        )


async def _service(request: Request) -> Service:
    # FastAPI calls functions that are not coroutines in a thread, which takes longer than this one does.
    return get_service(request)


find_reader = _needs("read")
"""Who asks, with a token that may look."""

ServiceOf = Annotated[Service, Depends(_service)]
Reader = Annotated[Principal, Depends(find_reader)]
Submitter = Annotated[Principal, Depends(_needs("submit"))]
