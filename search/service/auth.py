"""Who asks: a bearer token, or the cookie that a browser got for one. Says who, not whether they may."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from search.errors import DiskError
from search.store.tokens import Scope, TokenRecord, Tokens, token_id

__all__ = ["COOKIE", "Authenticator", "BrowserSession", "Principal", "read_secret"]

COOKIE: Final = "taskgroup_session"

_SECRET_FILE = "service.secret"  # noqa: S105 - a file's name
_MOST_CACHED = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Principal:
    """Whoever asks.

    Args:
        name: Whose the token is; runs and data sets belong to names.
        scope: What may be done.
        token: Id of the token.
        csrf: What unsafe requests of a browser must repeat; empty for a bearer token, which no browser sends by itself.
    """

    name: str
    scope: Scope
    token: str
    csrf: str = ""

    @property
    def owner(self) -> str | None:
        """Whose runs there are for them: their own, or everybody's (None)."""
        return None if self.scope == "admin" else self.name


@dataclass(frozen=True)
class BrowserSession:
    """What the cookie holds, signed: which token was shown, the CSRF token, and when it ends (seconds since epoch)."""

    token: str
    csrf: str
    until: float


class Authenticator:
    """Checks tokens and cookies; what the database said is believed for a few seconds.

    Args:
        tokens: The tokens in the store.
        secret: Signs cookies.
        session_seconds: How long a cookie lasts.
        secure: Whether browsers send cookies over https only, whatever they came by.
        believed: Seconds; a revoked token works that much longer at most.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        tokens: Tokens,
        secret: bytes,
        *,
        session_seconds: float = 12 * 3600.0,
        secure: bool = False,
        believed: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._secret = secret
        self._session_seconds = session_seconds
        self._secure = secure
        self._believed = believed
        self._clock = clock
        self._checked: dict[bytes, tuple[TokenRecord, float]] = {}
        self._found: dict[str, tuple[TokenRecord, float]] = {}

    async def by_token(self, text: str) -> Principal | None:
        """Whose token this is; None if it is none, or not valid any more."""
        if token_id(text) is None:
            return None
        digest = hashlib.sha256(text.encode()).digest()
        known = self._checked.get(digest)
        if known is not None and known[1] > self._clock():
            record = known[0]
            return Principal(record.name, record.scope, record.id) if record.valid() else None
        checked = await run_in_threadpool(self._tokens.check, text)
        if checked is None:
            self._checked.pop(digest, None)
            return None
        _keep(self._checked, digest, (checked, self._clock() + self._believed))
        return Principal(checked.name, checked.scope, checked.id)

    async def by_cookie(self, cookie: str) -> Principal | None:
        """Whose browser this is; None if the cookie is not ours, or over, or its token is not valid any more."""
        session = self._read(cookie)
        if session is None or session.until <= time.time():
            return None
        known = self._found.get(session.token)
        record: TokenRecord | None
        if known is not None and known[1] > self._clock():
            record = known[0]
        else:
            record = await run_in_threadpool(self._tokens.find, session.token)
            if record is not None:
                _keep(self._found, session.token, (record, self._clock() + self._believed))
        if record is None or not record.valid():
            return None
        return Principal(record.name, record.scope, record.id, session.csrf)

    def sign_in(self, principal: Principal, response: Response, *, secure: bool) -> BrowserSession:
        """Give a browser its cookie.

        Args:
            principal: Who showed a token.
            response: Gets the cookie.
            secure: Whether the browser came by https.
        """
        session = BrowserSession(principal.token, secrets.token_urlsafe(24), time.time() + self._session_seconds)
        response.set_cookie(
            COOKIE,
            self._sign(session),
            max_age=int(self._session_seconds),
            path="/",
            secure=secure or self._secure,
            httponly=True,
            samesite="strict",
        )
        return session

    def sign_out(self, response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    def forget(self) -> None:
        """Ask the database again from now on."""
        self._checked.clear()
        self._found.clear()

    def _sign(self, session: BrowserSession) -> str:
        # Without padding: a cookie with '=' in it would have to be quoted.
        body = base64.urlsafe_b64encode(json.dumps([session.token, session.csrf, session.until]).encode()).rstrip(b"=")
        return f"{body.decode()}.{self._mac(body)}"

    def _read(self, cookie: str) -> BrowserSession | None:
        body, _, mac = cookie.rpartition(".")
        if len(cookie) > 1_000 or not hmac.compare_digest(self._mac(body.encode()).encode(), mac.encode()):
            return None
        token, csrf, until = json.loads(base64.urlsafe_b64decode(body + "=="))  # ours: the signature said so
        return BrowserSession(token, csrf, until)

    def _mac(self, body: bytes) -> str:
        return hmac.new(self._secret, body, hashlib.sha256).hexdigest()


def read_secret(home: Path) -> bytes:
    """The secret that signs cookies, made at the first start; several servers of one home share it.

    Raises:
        DiskError: it cannot be read or written.
    """
    path = home / _SECRET_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = home / f".{_SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                path.hardlink_to(part)  # whoever is first wins, whole
            except FileExistsError:
                pass
            finally:
                part.unlink()
        secret = path.read_bytes()
    except OSError as error:
        fix = "Make the folder writable for the service, and for nobody else"
        raise DiskError(f"the service's secret cannot be kept ({error.strerror})", where=str(path), fix=fix) from error
    if len(secret) < 32:
        raise DiskError(
            "the service's secret is cut off", where=str(path), fix="Delete the file; everybody logs in anew"
        )
    return secret


def _keep(cache: dict[Key, Value], key: Key, value: Value) -> None:
    if len(cache) >= _MOST_CACHED:
        cache.pop(next(iter(cache)))
    cache.pop(key, None)
    cache[key] = value
