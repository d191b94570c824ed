"""Query parameters that an operation does not have are refused: ignored, a misspelt filter would list everything."""

from __future__ import annotations

from fastapi import FastAPI, Request

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.service.dependencies import find_reader

__all__ = ["KnownParameters"]

_LONGEST = 80


class KnownParameters:
    """What every operation depends on; which parameters each of them has is read off the document, once for an app."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] | None = None

    async def __call__(self, request: Request) -> None:
        """Pass requests whose parameters are all known.

        Raises:
            InputError: one is not; strangers are told what they are told about any request.
        """
        if not request.scope["query_string"]:
            return
        if self._known is None:
            self._known = _parameters(request.app)
        known = self._known[request.scope["route"].name]
        unknown = next((name for name in request.query_params if name not in known), None)
        if unknown is not None:
            await find_reader(request)  # this goes before the route's own look at the token
            what = f"{unknown[:_LONGEST]!r} is no parameter of this"
            raise InputError(what, where="query", fix=nearest_name(unknown[:_LONGEST], known))


def _parameters(app: FastAPI) -> dict[str, tuple[str, ...]]:
    """The names of the query parameters of each operation, by its id."""
    return {
        operation["operationId"]: tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
    }
