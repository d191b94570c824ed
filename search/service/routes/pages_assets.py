"""Style sheet and scripts of the pages: the same for everybody, so nobody needs to log in for them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from search.service.refusals import NotFoundError
from search.service.web.templating import ASSETS, asset

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_YEAR = 31_536_000


@router.get("/assets/{name}")
def get_asset(name: str) -> Response:
    """One of the files that pages ask for; its address changes with its content, so browsers may keep it."""
    if name not in ASSETS:
        raise NotFoundError("there is no such file", where="asset")
    found = asset(name)
    headers = {"cache-control": f"public, max-age={_YEAR}, immutable"}
    return Response(found.body, headers=headers, media_type=f"{found.media_type}; charset=utf-8")
