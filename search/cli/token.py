"""``taskgroup token``: who may use the service of this home."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, note, print_result

if TYPE_CHECKING:
    from search.store.store import Store
    from search.store.tokens import TokenRecord

__all__ = ["token"]

token = typer.Typer(name="token", help="Make, list and revoke tokens of the service.", no_args_is_help=True)

_DAY = 86_400.0

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings that the service is served with: its home and store."),
]


class ScopeName(StrEnum):
    """What a token is good for; each scope includes those before it."""

    read = "read"
    submit = "submit"
    admin = "admin"


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: runs belong to names.", show_default=False)],
    scope: Annotated[
        ScopeName, typer.Option(help="read: look at one's runs; submit: start and end them; admin: everybody's.")
    ] = ScopeName.submit,
    days: Annotated[float | None, typer.Option(min=0.0, help="Valid that long; for ever by default.")] = None,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a token and show it, this once: only a digest of it is kept."""
    from search.store.tokens import Tokens

    with _store(config) as store:
        record, text = Tokens(store.sessions).create(name, scope.value, None if days is None else days * _DAY)
    if as_json:
        emit_json({**_as_json(record), "token": text})
        return
    print_result(text)
    note(f"Keep it: it is not shown again. Whoever has it may {_MAY[record.scope]}.", quiet=quiet)


@token.command("list")
def list_tokens(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """List the tokens, oldest first, without their secrets."""
    from search.store.tokens import Tokens

    with _store(config) as store:
        records = Tokens(store.sessions).list()
    if as_json:
        emit_json({"tokens": [_as_json(record) for record in records]})
        return
    if not records:
        print_result("No tokens yet. Make one: taskgroup token create NAME")
        return
    rows = [("id", "name", "scope", "state", "created", "expires"), *(_cells(record) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    print_result("\n".join(lines))


@token.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="From: taskgroup token list", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """End a token: within seconds nobody can use it; runs that were started with it go on."""
    from search.store.tokens import Tokens

    with _store(config) as store:
        record = Tokens(store.sessions).revoke(identity)
    if as_json:
        emit_json(_as_json(record))
    elif not quiet:
        print_result(f"revoked {record.id} of {record.name}")


_MAY = {
    "read": "look at this name's runs",
    "submit": "look at this name's runs, start and end them",
    "admin": "look at everybody's runs and end them",
}


def _store(config: Path | None) -> Store:
    """The store of the service: where its settings and the environment say, as ``taskgroup serve`` reads them."""
    from search.service.settings import read_settings
    from search.store.store import Store

    settings = read_settings(config)
    url = settings.store_url
    return Store.open(settings.home, url=None if url is None else url.get_secret_value())


def _state(record: TokenRecord) -> str:
    return "valid" if record.valid() else "revoked" if record.revoked is not None else "expired"


def _moment(at: float | None) -> str | None:
    from datetime import UTC, datetime

    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _as_json(record: TokenRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "scope": record.scope,
        "state": _state(record),
        "created": _moment(record.created),
        "expires": _moment(record.expires),
        "revoked": _moment(record.revoked),
    }


def _cells(record: TokenRecord) -> tuple[str, ...]:
    created, expires = _moment(record.created) or "", _moment(record.expires) or "never"
    return (record.id, record.name, record.scope, _state(record), created[:10], expires[:10])
