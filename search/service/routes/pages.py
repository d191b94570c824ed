"""The pages: every route that answers a browser with HTML. The REST routes stand beside it, under ``/api/v1``."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from search.service.routes import (
    pages_assets,
    pages_compare,
    pages_data,
    pages_live,
    pages_new,
    pages_run,
    pages_runs,
    pages_session,
    pages_solve,
)
from search.service.routes.pages_problems import install_page_problems

__all__ = ["install_pages", "router"]

router = APIRouter(include_in_schema=False)
for part in (
    pages_assets,
    pages_session,
    pages_runs,
    pages_new,
    pages_live,
    pages_run,
    pages_compare,
    pages_data,
    pages_solve,
):
    router.include_router(part.router)


def install_pages(app: FastAPI) -> None:
    """Add the pages, and answer errors with a page where a browser asked for one; after the problems of REST."""
    app.include_router(router)
    install_page_problems(app)
