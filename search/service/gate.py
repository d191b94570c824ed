"""What every request passes before any route: host, size, time and number limits; and the headers of every response.

Pure ASGI, because it stands on the way of every byte, and the outermost layer, so that errors carry the headers too.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grouping.errors import GroupingError
from search.service.metrics import Metrics
from search.service.problems import of_error, unexpected
from search.service.refusals import BusyError, Refusal, TooLargeError, TooManyError
from search.service.settings import Settings

__all__ = ["API", "Gate"]

API: Final = "/api/v1"

_log = logging.getLogger("taskgroup.service")

_LARGE = {f"{API}/groupings": "table_bytes", f"{API}/datasets": "dataset_bytes", "/datasets": "dataset_bytes"}
_LARGE_PAGES = {"/solve": "table_bytes"}
_LOGIN = "/login"
_LOGIN_BYTES = 16_000
"""The one form that strangers may send."""

_SLOWEST = 4_096
"""Bytes a second below which a body is not waited for, once the patience with it is over."""


class SlowBodyError(Refusal):
    """A body that does not arrive."""

    status, code = 408, "timeout"


class HostError(Refusal):
    """A name that is not ours."""

    status, code = 400, "host"


class UnreadError(Exception):
    """An answer that its reader does not read; nobody is there to be told."""


class Gate:
    """The outermost layer.

    Args:
        app: What it guards.
        settings: The limits.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self._hosts = settings.hosts
        self._active = 0
        self._most_each = max(1, settings.concurrent_requests * 3 // 4)
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        started, status, responded = time.perf_counter(), 500, False
        patient, holder = self._patient(send), ""

        async def answer(message: Message) -> None:
            nonlocal status, responded
            if message["type"] == "http.response.start":
                status, responded = message["status"], True
                message["headers"] = _with_security(message.get("headers", ()), nonce, scope["path"])
            await (send if watching else patient)(message)

        def hold(token: str) -> None:
            nonlocal holder
            if counted and not holder:
                self._take(token)
                holder = token

        scope.setdefault("state", {}).update(csp_nonce=nonce, hold=hold)
        watching = scope["path"].endswith("/events")
        # Strangers must not take the places of others by sending the one form of theirs slowly; it is small.
        counted = not watching and scope["path"] != _LOGIN
        try:
            self._admit(scope, watching=watching)
        except Refusal as refusal:
            await of_error(refusal)(scope, receive, answer)
            self._count(scope, status, started)
            return
        self._active += counted
        try:
            await self.app(scope, self._limited(scope, receive), answer)
        except asyncio.CancelledError:
            raise
        except UnreadError:
            _log.info("an answer was not read, and its connection is closed")
        except Exception as error:  # noqa: BLE001 - whatever it was, it is answered and the server lives on
            if not responded:
                response = of_error(error) if isinstance(error, GroupingError) else unexpected(error)
                await response(scope, receive, answer)
            else:
                unexpected(error)
        finally:
            self._active -= counted
            self._held -= Counter([holder])
            self._count(scope, status, started)

    def _take(self, token: str) -> None:
        """A place is that token's; nobody has all of them.

        Raises:
            TooManyError: it has as many as it may have.
        """
        if self._held[token] >= self._most_each:
            what = f"{self._held[token]} requests of yours are being served already"
            raise TooManyError(what, fix="Wait for their answers", retry_after=1)
        self._held[token] += 1

    def _count(self, scope: Scope, status: int, started: float) -> None:
        prefix = API if scope["path"].startswith(f"{API}/") else ""
        self.metrics.count(scope, status, time.perf_counter() - started, prefix)

    def _admit(self, scope: Scope, *, watching: bool) -> None:
        if _host(scope) not in self._hosts:
            raise HostError(
                "the service is not known by this name",
                where="Host",
                fix="Ask for it by the name it listens on, or let the operator add yours to allowed_hosts",
            )
        if not watching and self._active >= self.settings.concurrent_requests:
            raise BusyError(f"{self._active} requests are being served already", fix="Try again", retry_after=1)
        length = _content_length(scope)
        if length is not None and length > self._largest(scope):
            raise _too_large(self._largest(scope))

    def _largest(self, scope: Scope) -> int:
        if scope["path"] == _LOGIN:
            return min(_LOGIN_BYTES, self.settings.document_bytes)
        name = _LARGE.get(scope["path"]) or _LARGE_PAGES.get(scope["path"])
        return int(getattr(self.settings, name)) if name and scope["method"] == "POST" else self.settings.document_bytes

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` that counts bytes, also of chunked bodies, and gives up on senders that do not send."""
        left, more = self._largest(scope), True
        seconds = self.settings.body_seconds
        until = time.monotonic() + seconds  # every byte prolongs it a little, so drops of a body do not hold a place

        async def limited() -> Message:
            nonlocal left, more, until
            if not more:  # only waiting for the client to leave, which may take as long as it takes
                return await receive()
            try:
                async with asyncio.timeout(min(seconds, until - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise SlowBodyError("the body comes too slowly", fix="Send it again over a faster connection") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                left, until = left - size, until + size / _SLOWEST
                more = message.get("more_body", False)
                if left < 0:
                    raise _too_large(self._largest(scope))
            return message

        return limited

    def _patient(self, send: Send) -> Send:
        """``send`` that gives up on readers that do not read: an answer holds a place until it is sent."""
        seconds = self.settings.send_seconds

        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await send(message)
            except TimeoutError:
                raise UnreadError from None

        return patient


def _host(scope: Scope) -> str:
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return ""
    text = str(found[0].decode("latin-1").lower())
    return text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]


def _content_length(scope: Scope) -> int | None:
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(value) if value.isdigit() and len(value) < 19 else None


def _too_large(largest: int) -> TooLargeError:
    return TooLargeError(f"the body has more than {largest:,} bytes", fix="Send less, or ask the operator for more")


_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def _with_security(headers: list[tuple[bytes, bytes]] | tuple[()], nonce: str, path: str) -> list[tuple[bytes, bytes]]:
    """The headers and those of safety; a route that set one of them knew why."""
    there = {name.lower() for name, _ in headers}
    added = [(name, value) for name, value in _ALWAYS if name not in there]
    if b"content-security-policy" not in there:
        policy = _API_POLICY if path.startswith(API) else _page_policy(nonce)
        added.append((b"content-security-policy", policy))
    if b"cache-control" not in there:
        added.append((b"cache-control", b"no-store"))
    return [*headers, *added]


def _page_policy(nonce: str) -> bytes:
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'self'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ).encode()
