"""Responses: schemas as JSON, files under safe names, and which problems a route may answer with."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from starlette.responses import Response

from search.service.problems import MEDIA_TYPE, Problem

__all__ = ["PROBLEMS", "answer", "attachment", "links"]

_MEANINGS = {
    400: "The request is not well-formed HTTP, or names another host",
    401: "No valid token",
    403: "The token's scope, or a form without its CSRF token",
    404: "No such thing, or somebody else's",
    408: "The body did not arrive in time",
    409: "Not in this state, or a key used for something else",
    413: "More bytes than are read",
    415: "A kind of body that is not read",
    422: "A value is wrong: what, where and the way out",
    429: "More requests or work than allowed; Retry-After says when",
    503: "Busy, or the database is locked or away; Retry-After says when",
    507: "No space left on the server",
}


def answer(body: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A schema as JSON; not-a-number becomes null."""
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def PROBLEMS(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route documents beside its success."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    retry = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return {
        status: {
            "description": _MEANINGS[status],
            "content": content,
            **({"headers": retry} if status in {429, 503} else {}),
        }
        for status in statuses
    }


def attachment(name: str, *, inline: bool = False) -> dict[str, str]:
    """``Content-Disposition`` for a file of that name, whatever it contains (RFC 6266)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._+-") else "_" for c in name)[:150] or "file"
    kind = "inline" if inline else "attachment"
    return {"content-disposition": f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}


def links(parameter: str, *operations: str) -> dict[str, Any]:
    """What can be asked about something that was just created, for ``responses``: its id is their parameter."""
    named = {parameter: "$response.body#/id"}
    return {"links": {operation: {"operationId": operation, "parameters": named} for operation in operations}}
