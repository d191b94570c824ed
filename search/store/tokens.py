"""Who may use the service: tokens by name and scope. The store keeps digests; a token itself is seen only once."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import func, select

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.store.models import Token
from search.store.sessions import Sessions

__all__ = ["SCOPES", "Scope", "TokenRecord", "Tokens", "allows", "token_id"]

Scope = Literal["read", "submit", "admin"]

SCOPES: Final[tuple[Scope, ...]] = ("read", "submit", "admin")
"""Each may do what those before it may: look at one's own runs; start and end them; see and end everybody's."""

_TOKEN = re.compile(r"tg_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class TokenRecord:
    """A token without its secret.

    Args:
        id: Ours; the token's first part.
        name: Whose it is: runs belong to names, so a new token of the same name sees the runs of the old one.
        scope: What may be done with it.
        created, expires, revoked: Seconds since the epoch; None where it does not happen, or has not happened.
    """

    id: str
    name: str
    scope: Scope
    created: float
    expires: float | None
    revoked: float | None

    def valid(self, now: float | None = None) -> bool:
        """Whether it opens anything at that moment."""
        moment = time.time() if now is None else now
        return self.revoked is None and (self.expires is None or moment < self.expires)


class Tokens:
    """The tokens in a store."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def create(self, name: str, scope: Scope = "submit", seconds: float | None = None) -> tuple[TokenRecord, str]:
        """A new token and its text, which is kept nowhere.

        Args:
            name: Whose it is; letters, digits and ``. _ @ -``.
            scope: What may be done with it.
            seconds: How long it is valid; None for ever.

        Raises:
            InputError: a name or a time that is none.
        """
        if not _NAME.fullmatch(name):
            fix = "Use up to 64 letters, digits and . _ @ -, beginning with a letter or digit"
            raise InputError(f"{name[:80]!r} is no name of a token", where="NAME", fix=fix)
        if scope not in SCOPES:
            raise InputError(f"there is no scope '{scope}'", where="--scope", fix=nearest_name(scope, SCOPES))
        if seconds is not None and not 0 < seconds < 10**10:
            raise InputError("a token cannot be valid for so long", where="--days", fix="Give a number of days above 0")
        now = time.time()
        identity = secrets.token_hex(6)
        text = f"tg_{identity}_{secrets.token_urlsafe(32)}"
        expires = None if seconds is None else now + seconds
        with self._sessions.write(durable=True) as session:
            session.add(Token(id=identity, name=name, digest=_digest(text), scope=scope, created=now, expires=expires))
        return TokenRecord(identity, name, scope, now, expires, None), text

    def list(self) -> list[TokenRecord]:
        """All tokens, oldest first."""
        with self._sessions.read() as session:
            return [_record(row) for row in session.scalars(select(Token).order_by(Token.number))]

    def any_valid(self) -> bool:
        """Whether anybody could use the service."""
        now = time.time()
        alive = select(func.count()).where(Token.revoked.is_(None), (Token.expires.is_(None)) | (Token.expires > now))
        with self._sessions.read() as session:
            return bool(session.scalar(alive))

    def revoke(self, identity: str) -> TokenRecord:
        """End a token; what it started stays.

        Raises:
            InputError: no such token.
        """
        with self._sessions.write(durable=True) as session:
            row = session.scalar(select(Token).where(Token.id == identity[:80]))
            if row is None:
                known = list(session.scalars(select(Token.id)))
                what = f"there is no token {identity[:80]!r}"
                raise InputError(what, where="ID", fix=nearest_name(identity[:80], known))
            row.revoked = row.revoked or time.time()
            return _record(row)

    def find(self, identity: str) -> TokenRecord | None:
        """The token with this id, whatever its state."""
        with self._sessions.read() as session:
            row = session.scalar(select(Token).where(Token.id == identity))
            return None if row is None else _record(row)

    def check(self, text: str) -> TokenRecord | None:
        """The token that this text is, if it is one and valid; compared in constant time."""
        identity = token_id(text)
        if identity is None:
            return None
        digest = _digest(text)
        with self._sessions.read() as session:
            row = session.scalar(select(Token).where(Token.id == identity))
            if not hmac.compare_digest(digest, row.digest if row is not None else "0" * 64) or row is None:
                return None
            record = _record(row)
        return record if record.valid() else None


def token_id(text: str) -> str | None:
    """The public part of a token's text; None where it cannot be a token."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else found[1]


def allows(scope: Scope, needed: Scope) -> bool:
    """Whether a scope includes another."""
    return SCOPES.index(scope) >= SCOPES.index(needed)


def _digest(text: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(text.encode()).hexdigest()


def _record(row: Token) -> TokenRecord:
    return TokenRecord(row.id, row.name, row.scope, row.created, row.expires, row.revoked)  # type: ignore[arg-type]
