"""Data sets: those of the installation, and tables that people upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from search.errors import ConflictError
from search.service.answers import DatasetAnswer, DatasetList
from search.service.auth import Principal
from search.service.context import Service
from search.service.dependencies import Reader, ServiceOf, Submitter
from search.service.gate import API
from search.service.refusals import NotFoundError, TooManyError, UnsupportedError
from search.service.responses import PROBLEMS, answer, links
from search.service.uploads import Received, file_suffix, received_body, received_upload
from search.store.datasets import DatasetRecord, new_dataset_id

__all__ = ["dataset_answer", "delete", "find", "keep", "list_all", "router"]

router = APIRouter(prefix="/datasets", tags=["data sets"])

_SUFFIXES = (".csv", ".parquet", ".npz")
_TYPES = ("text/csv", "application/vnd.apache.parquet", "application/octet-stream", "application/x-npz")
_FORM = "multipart/form-data"
_SECONDS = 180.0

_FILE = {"type": "string", "format": "binary"}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{kind: {"schema": _FILE} for kind in _TYPES},
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _FILE, "name": {"type": "string"}},
                }
            },
        },
    }
}
_UPLOAD["requestBody"]["content"]["text/csv"]["example"] = "x_1,x_2,y_a,y_b\n0.1,2,1.5,0\n0.4,1,0.5,1\n"


@router.post(
    "",
    status_code=201,
    response_model=DatasetAnswer,
    responses={
        201: links("dataset", "show_dataset", "delete_dataset"),
        **PROBLEMS(401, 403, 408, 413, 415, 422, 429, 503, 507),
    },
    openapi_extra=_UPLOAD,
    summary="Upload a table",
)
async def upload(
    request: Request,
    service: ServiceOf,
    who: Submitter,
    name: Annotated[str, Query(max_length=200, description="Its file name; the ending tells the format")] = "",
) -> Response:
    """Keep a CSV, Parquet or npz file, and say what its columns seem to be for; its id goes into a spec's data.source.

    Send the bytes as the body, with the file's name in the query, or a form with the field `file`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    folder = service.settings.datasets
    if kind == _FORM:
        async with request.form(max_files=1, max_fields=20) as form, received_upload(form, "file", folder) as received:
            called = form.get("name")
            called = name or (called if isinstance(called, str) else "") or received.name
            kept = await keep(service, received, called, who)
    elif kind in _TYPES:
        async with received_body(request, folder, name) as received:
            kept = await keep(service, received, name, who)
    else:
        fix = f"Send one of {', '.join(_TYPES)}, or a form"
        raise UnsupportedError(f"a body of type {kind[:80]!r} is not read here", where="Content-Type", fix=fix)
    return answer(kept, 201, {"location": f"{API}/datasets/{kept.id}"})


@router.get("", response_model=DatasetList, responses=PROBLEMS(401, 422, 429, 503), summary="List data sets")
async def list_datasets(
    service: ServiceOf,
    who: Reader,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Response:
    """One's own uploads, newest first, after the data sets of the installation."""
    return answer(await run_in_threadpool(list_all, service, who, limit, offset))


@router.get("/{dataset}", response_model=DatasetAnswer, responses=PROBLEMS(401, 404, 422, 429, 503))
async def show_dataset(dataset: str, service: ServiceOf, who: Reader) -> Response:
    """Rows, inputs, tasks, types, missing labels; and a draft of a spec that runs as it stands."""
    if dataset in service.common():
        about = await service.described(dataset, who.token)
        return answer(DatasetAnswer(id=dataset, name=dataset, uploaded=False, **about))
    return answer(dataset_answer(await run_in_threadpool(find, service, dataset, who)))


@router.delete("/{dataset}", status_code=204, responses=PROBLEMS(401, 403, 404, 409, 422, 429, 503))
async def delete_dataset(dataset: str, service: ServiceOf, who: Submitter) -> Response:
    """Forget an upload that no run is waiting for."""
    await run_in_threadpool(delete, service, dataset, who)
    return Response(status_code=204)


async def keep(service: Service, received: Received, name: str, who: Principal) -> DatasetAnswer:
    """Look at an uploaded file, move it to its place and note it.

    Raises:
        DataError: it is no table that can be read.
        TooManyError: the token has as many data sets as it may.
    """
    suffix = file_suffix(name, _SUFFIXES)
    most = service.settings.datasets_per_token
    mine = await run_in_threadpool(service.datasets.list, who.name, limit=1)
    if mine.total >= most:  # before the work; what counts is looked at again when it is done
        raise _too_many(most)
    identity = new_dataset_id(Path(name).stem)
    source = received.path.with_suffix(suffix) if received.path.suffix != suffix else received.path
    if source != received.path:
        received.path.rename(source)
    try:
        file = str(source.absolute())
        arguments = {"file": file, "source": identity, "name": Path(name).stem or "table"}
        about = await service.errands.run("describe", arguments, _SECONDS, who.token, {file: name})
        record = await run_in_threadpool(_place, service, source, identity, suffix, name, received, about, who)
    finally:
        source.unlink(missing_ok=True)
    return dataset_answer(record)


def list_all(service: Service, who: Principal, limit: int = 20, offset: int = 0) -> DatasetList:
    """A page of data sets: first those of the installation and the operator, then the uploads, newest first."""
    names = service.common()
    builtin = [DatasetAnswer(id=name, name=name, uploaded=False) for name in names[offset : offset + limit]]
    page = service.datasets.list(who.owner, limit=limit - len(builtin), offset=max(0, offset - len(names)))
    found = (*builtin, *(dataset_answer(record) for record in page.datasets))
    return DatasetList(datasets=found, shown=len(found), offset=offset, total=len(names) + page.total)


def dataset_answer(record: DatasetRecord) -> DatasetAnswer:
    """An upload, with what it holds."""
    return DatasetAnswer(
        id=record.id,
        name=record.name,
        uploaded=True,
        principal=record.principal,
        bytes=record.bytes,
        sha256=record.sha256,
        created=record.created,
        **record.about,
    )


def _place(
    service: Service,
    source: Path,
    identity: str,
    suffix: str,
    name: str,
    received: Received,
    about: dict[str, Any],
    who: Principal,
) -> DatasetRecord:
    file = f"{identity}{suffix}"
    kept, most = service.settings.datasets / file, service.settings.datasets_per_token
    source.rename(kept)
    record = None
    try:
        record = service.datasets.add(identity, name, who.name, file, received.sha256, received.bytes, about, most)
    finally:
        if record is None:
            kept.unlink(missing_ok=True)
    if record is None:  # others of theirs came in meanwhile
        raise _too_many(most)
    return record


def _too_many(most: int) -> TooManyError:
    return TooManyError(f"there are {most} data sets of yours already", fix="Delete some first")


def find(service: Service, dataset: str, who: Principal) -> DatasetRecord:
    """An upload.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    found = service.datasets.find(dataset, who.owner)
    if found is None:
        fix = f"List them: GET {API}/datasets"
        raise NotFoundError(f"there is no data set {dataset[:80]!r}", where="dataset", fix=fix)
    return found


def delete(service: Service, dataset: str, who: Principal) -> None:
    """Forget an upload and its file.

    Raises:
        ConflictError: a run needs it.
    """
    record = find(service, dataset, who)
    if not service.datasets.remove(record.id, record.file):
        fix = "Cancel or delete that run, or wait for its end"
        raise ConflictError(f"a run is made from the data set '{record.id}'", where="dataset", fix=fix)
    (service.settings.datasets / record.file).unlink(missing_ok=True)
