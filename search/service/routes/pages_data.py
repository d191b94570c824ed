"""Data sets: the list, one of them, uploading and deleting."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from grouping.errors import InputError
from search.errors import DataError
from search.service.answers import DatasetAnswer
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.routes.datasets import dataset_answer, delete, find, keep, list_all
from search.service.routes.pages_response import moved, page
from search.service.uploads import received_upload
from search.service.web.datasets_view import columns_table, data_card, data_page
from search.service.web.runs_view import Pager

__all__ = ["described", "draft_of", "plain_values", "router"]

router = APIRouter(include_in_schema=False)

_PER_PAGE = 24
_SECONDS = 60.0


@router.get("/datasets")
async def show_datasets(
    request: Request, service: ServiceOf, who: Reader, number: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1
) -> Response:
    """The data sets of the installation, and one's own uploads."""
    return await _list(request, service, who, number, "")


@router.get("/datasets/{dataset}")
async def show_dataset(request: Request, dataset: str, service: ServiceOf, who: Reader) -> Response:
    """What a table holds."""
    found = await described(service, who, dataset)
    about = plain_values(found)
    may_delete = found.uploaded and who.scope != "read"
    return page(
        request,
        who,
        "dataset.html",
        data=data_page(about, time.time()),
        columns=columns_table(about),
        may_delete=may_delete,
    )


@router.post("/datasets")
async def upload(request: Request, service: ServiceOf, who: Submitter) -> Response:
    """Keep a table; then look at it, or go on to a run with it."""
    try:
        async with (
            request.form(max_files=1, max_fields=20) as form,
            received_upload(form, "file", service.settings.datasets) as received,
        ):
            then = form.get("then")
            kept = await keep(service, received, received.name, who)
    except InputError as error:
        where = "" if error.where in {"file", "name", "body"} else f"{error.where}: "
        return await _list(request, service, who, 1, f"{where}{error.what}. {error.fix}", status=422)
    return moved(f"/runs/new?data={quote(kept.id)}" if then == "run" else f"/datasets/{quote(kept.id)}")


@router.post("/datasets/{dataset}/delete")
async def forget(dataset: str, service: ServiceOf, who: Submitter) -> Response:
    """Delete an upload that no run is waiting for."""
    await run_in_threadpool(delete, service, dataset, who)
    return moved("/datasets")


async def described(service: Service, who: Principal, dataset: str) -> DatasetAnswer:
    """A data set with what it holds.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    if dataset in service.common():
        return DatasetAnswer(id=dataset, name=dataset, uploaded=False, **await service.described(dataset, who.token))
    return dataset_answer(await run_in_threadpool(find, service, dataset, who))


def plain_values(found: DatasetAnswer) -> dict[str, Any]:
    """A data set as the views take it: moments are numbers there, and texts only in JSON."""
    return {**found.model_dump(), "created": found.created}


async def draft_of(
    service: Service, who: Principal, about: DatasetAnswer, targets: Sequence[str]
) -> tuple[str | None, tuple[str, ...]]:
    """A spec for a data set that runs as it stands, and what was guessed for it; None where no tasks can be told.

    Args:
        service: Who reads tables.
        who: Who asks.
        about: The data set.
        targets: Columns that are tasks; empty: those that look like some.

    Raises:
        DataError: no such columns, or nothing is left to predict from.
    """
    if not targets:
        return about.draft, about.notes
    file, name = about.id, about.id
    if about.uploaded:
        record = await run_in_threadpool(find, service, about.id, who)
        file, name = str((service.settings.datasets / record.file).absolute()), Path(about.name).stem
    elif about.id in service.offered.names:
        file = str(service.offered.file(about.id))
    arguments = {"file": file, "source": about.id, "name": name, "targets": list(targets)}
    found = await service.errands.run("describe", arguments, _SECONDS, who.token, {file: name})
    if found["draft"] is None:
        raise DataError(" ".join(found["notes"]), where="tasks")
    return found["draft"], tuple(found["notes"])


async def _list(
    request: Request, service: Service, who: Principal, number: int, problem: str, status: int = 200
) -> Response:
    found = await run_in_threadpool(list_all, service, who, _PER_PAGE, (number - 1) * _PER_PAGE)
    now = time.time()
    links = {n: f"/datasets?page={n}" for n in (number - 1, number + 1)}
    return page(
        request,
        who,
        "datasets.html",
        status=status,
        sets=[data_card(plain_values(one), now) for one in found.datasets],
        pager=Pager.of("data set", number, _PER_PAGE, found.shown, found.total, links),
        problem=problem,
    )
