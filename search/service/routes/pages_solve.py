"""Solve a table: paste or upload losses, get the best grouping for every budget. Nothing is kept."""

from __future__ import annotations

import math
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from grouping.errors import GroupingError, InputError, NoResultError
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf
from search.service.grouping_requests import GroupingOptions
from search.service.routes.groupings import solve_file
from search.service.routes.pages_response import island, page
from search.service.uploads import file_suffix, received_text, received_upload
from search.service.web.table_view import Solved, solved

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_EMPTY = {"text": "", "budget": "", "max_networks": "", "relative": False, "higher": False}
_SHOWN_AGAIN = 200_000


@router.get("/solve")
def show_solve(request: Request, who: Reader) -> Response:
    """The empty page."""
    return page(request, who, "solve.html", charts=True, solved=None, problem="", form=_EMPTY, island=island({}))


@router.post("/solve")
async def solve_table(request: Request, service: ServiceOf, who: Reader) -> Response:
    """The best groupings of a table, or what is wrong with it."""
    async with request.form(max_files=1, max_fields=20) as sent:
        form = _texts(sent)
        try:
            found, problem = await _solved(service, sent, form, who), ""
        except (InputError, NoResultError) as error:
            found, problem = None, _words(error)
    figures = {"frontier": found.figure} if found else {}
    return page(
        request,
        who,
        "solve.html",
        status=422 if problem else 200,
        charts=True,
        solved=found,
        problem=problem,
        form=form | {"text": form["text"] if len(form["text"]) <= _SHOWN_AGAIN else ""},
        island=island(figures),
    )


def _texts(sent: FormData) -> dict[str, Any]:
    def text(key: str) -> str:
        value = sent.get(key)
        return value if isinstance(value, str) else ""

    return {
        "text": text("text").replace("\r\n", "\n"),
        "budget": text("budget").strip()[:40],
        "max_networks": text("max_networks").strip()[:20],
        "relative": text("relative") == "yes",
        "higher": text("higher") == "yes",
    }


async def _solved(service: Service, sent: FormData, form: dict[str, Any], who: Principal) -> Solved:
    budget = _number(form["budget"], "the budget")
    most = _number(form["max_networks"], "the number of networks")
    options = GroupingOptions(
        frontier=True,
        max_networks=None if most is None else int(most),
        relative=form["relative"],
        higher_is_better=form["higher"],
    )
    upload = sent.get("file")
    folder = service.settings.uploads
    if isinstance(upload, UploadFile) and upload.filename:
        file_suffix(upload.filename, (".csv", ".parquet"))
        async with received_upload(sent, "file", folder) as received:
            answer = await solve_file(service, str(received.path.absolute()), options, who)
    elif form["text"].strip():
        async with received_text(form["text"], folder, "table.csv") as received:
            answer = await solve_file(service, str(received.path.absolute()), options, who)
    else:
        raise InputError("there is no table", fix="Paste it below, or choose a file")
    return solved(answer["solutions"], relative=form["relative"], higher_is_better=form["higher"], budget=budget)


def _number(text: str, what: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e18:
        raise InputError(f"{what} is '{text}', not a number above 0", fix="Write it like 2.5, or leave it empty")
    return value


def _words(error: GroupingError) -> str:
    """The complaint as a sentence; an option of the command line is no place on this page."""
    where = error.where.removeprefix("table, ")
    head = f"{where}: {error.what}" if where and not where.startswith(("-", "table")) else error.what
    head = f"{head}. {error.fix}" if error.fix else head
    return head[:1].upper() + head[1:]
