"""The folder of one run, ``results/runs/<id>/``: every file written whole, under its final name or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.errors import DiskError
from search.faults import passing

if TYPE_CHECKING:
    import pandas as pd  # half a second, and a process owns its run before it needs tables

__all__ = ["RunFolder"]

_CHECKPOINTS = "checkpoints"


class RunFolder:
    """Where a run's files are.

    Args:
        path: The folder; made if it is not there.

    Raises:
        DiskError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file whole (UTF-8)."""
        return self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file whole: temporary name, fsync, rename. What a process left that died on its way is removed."""
        target = self.path / name
        with _disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
                left.unlink(missing_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(temporary).chmod(0o644)
                passing("file.rename.before")
                Path(temporary).replace(target)
                passing("file.rename.after")
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        return target

    def write_json(self, name: str, data: Mapping[str, Any]) -> Path:
        """Write a JSON object; not-a-number is refused rather than written."""
        return self.write_text(name, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_table(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table as Parquet; the bytes of broken numbers are regrouped, without which they hardly shrink."""
        from pandas.api.types import is_float_dtype

        broken = [str(column) for column in frame if is_float_dtype(frame[column])]
        others = [str(column) for column in frame if str(column) not in broken]
        data = frame.to_parquet(
            index=False,
            engine="pyarrow",
            compression="zstd",
            use_byte_stream_split=broken,
            use_dictionary=others,
        )
        return self.write_bytes(name, data)

    def write_network(self, name: str, weights: bytes) -> Path:
        """Write a network's weights with their sha256 beside them; weight files carry no checksum of their own."""
        target = self.write_bytes(f"networks/{name}.safetensors", weights)
        self.write_text(f"networks/{name}.sha256", f"{hashlib.sha256(weights).hexdigest()}  {target.name}\n")
        return target

    def open_checkpoints(self) -> Path:
        """A folder for the states of trainings under way, as an absolute path; made if it is not there."""
        folder = (self.path / _CHECKPOINTS).absolute()
        with _disk_errors(folder):
            folder.mkdir(exist_ok=True)
        return folder

    def remove_checkpoints(self) -> None:
        """Remove that folder with everything in it, as nothing of this run will be trained again."""
        shutil.rmtree(self.path / _CHECKPOINTS, ignore_errors=True)

    def append_log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``log.jsonl``."""
        with _disk_errors(self.path / "log.jsonl"), (self.path / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")  # all but ASCII escaped: names cannot change a terminal


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskError(f"no space on {path.parent}", where=str(path), fix="Free some space and resume") from error
        raise DiskError(
            f"cannot be written ({error.strerror})", where=str(path), fix="Choose another folder with TASKGROUP_HOME"
        ) from error
