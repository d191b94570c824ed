"""Bodies that are files: streamed to disk under a temporary name while they are counted and digested, not in memory."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from grouping.errors import InputError
from search.errors import DiskError

__all__ = ["Received", "file_suffix", "received_body", "received_text", "received_upload", "sweep"]

_CHUNK = 1024**2
_PART = ".part-"
_ABANDONED_SECONDS = 3_600.0
"""No body takes so long: what was not written to since belongs to a server that died."""


@dataclass(frozen=True)
class Received:
    """A body on disk.

    Args:
        path: Where; gone when it is not needed any more, unless it was moved.
        name: What the sender calls it, a bare file name.
        bytes: How many.
        sha256: Of them.
    """

    path: Path
    name: str
    bytes: int
    sha256: str


@asynccontextmanager
async def received_body(request: Request, folder: Path, name: str) -> AsyncIterator[Received]:
    """The raw body as a file."""

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk

    async with _received(chunks(), folder, name) as received:
        yield received


@asynccontextmanager
async def received_text(text: str, folder: Path, name: str) -> AsyncIterator[Received]:
    """A text of ours as a file."""

    async def chunks() -> AsyncIterator[bytes]:
        yield text.encode(errors="replace")

    async with _received(chunks(), folder, name) as received:
        yield received


@asynccontextmanager
async def received_upload(form: FormData, field: str, folder: Path) -> AsyncIterator[Received]:
    """The file in a form field as a file of our own.

    Raises:
        InputError: there is none.
    """
    upload = form.get(field)
    if not isinstance(upload, UploadFile):
        raise InputError("there is no file", where=field, fix=f"Send it as the form's field '{field}'")

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await upload.read(_CHUNK):
            yield chunk

    async with _received(chunks(), folder, upload.filename or "") as received:
        yield received


def file_suffix(name: str, known: tuple[str, ...]) -> str:
    """The ending of a file's name, which tells its format.

    Raises:
        InputError: none that is known.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in known:
        what = f"the name {name[:80]!r} ends in none of {', '.join(known)}"
        raise InputError(what, where="name", fix="The ending says what the file is: plants.csv, for example")
    return suffix


def sweep(folder: Path, now: float | None = None) -> None:
    """Delete what broken uploads left in a folder; another server of the same home may be receiving others."""
    oldest = (time.time() if now is None else now) - _ABANDONED_SECONDS
    for path in folder.glob(f"{_PART}*"):
        with suppress(OSError):
            if path.lstat().st_mtime < oldest:
                path.unlink()


@asynccontextmanager
async def _received(chunks: AsyncIterator[bytes], folder: Path, name: str) -> AsyncIterator[Received]:
    bare = PurePosixPath(name.replace("\\", "/")).name[:200]
    path = folder / f"{_PART}{secrets.token_hex(8)}{PurePosixPath(bare).suffix.lower()[:10]}"
    digest, size = hashlib.sha256(), 0
    try:
        try:
            await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                async for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    await run_in_threadpool(file.write, chunk)
                await run_in_threadpool(_sync, file.fileno(), file.flush)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            fix = "Free some space on the server"
            raise DiskError(f"the upload cannot be kept ({reason})", where="server", fix=fix) from error
        if not size:
            raise InputError("the file is empty", where="body", fix="Send a table with a header and rows")
        yield Received(path, bare, size, digest.hexdigest())
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _sync(handle: int, flush: object) -> None:
    assert callable(flush)
    flush()
    os.fsync(handle)
