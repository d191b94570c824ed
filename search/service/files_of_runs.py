"""The files of a run folder that may be fetched: names are compared with what is there, never made into paths."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from search.service.answers import FileAnswer, FileList
from search.service.refusals import NotFoundError

__all__ = ["MEDIA_TYPES", "RunFile", "find_file", "list_files"]

MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".safetensors": "application/octet-stream",
}

_NAMES = (
    "recommendation.json",
    "report.html",
    "report.md",
    "losses.csv",
    "affinity.csv",
    "curves.parquet",
    "trials.parquet",
    "environment.json",
    "spec.yaml",
    "log.jsonl",
)
_NETWORKS = "networks"
_NETWORK_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class RunFile:
    """A file that may be fetched."""

    name: str
    path: Path

    @property
    def media_type(self) -> str:
        """Told by its ending; never guessed from its content."""
        return MEDIA_TYPES[self.path.suffix]

    def sha256(self) -> str | None:
        """Of a network, as it was written beside it; of others none was."""
        beside = self.path.with_suffix(".sha256")
        if self.path.suffix != _NETWORK_SUFFIX or not _ordinary(beside):
            return None
        digest = beside.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
        return digest if len(digest) == 2 * hashlib.sha256().digest_size else None


def list_files(folder: Path) -> FileList:
    """Everything that may be fetched."""
    return FileList(
        files=tuple(
            FileAnswer(
                name=file.name,
                bytes=file.path.stat().st_size,
                sha256=file.sha256(),
                media_type=file.media_type,
            )
            for file in _files(folder)
        )
    )


def find_file(folder: Path, name: str) -> RunFile:
    """The file of that name.

    Raises:
        NotFoundError: there is none, or not yet.
    """
    for file in _files(folder):
        if file.name == name:
            return file
    raise NotFoundError(f"the run has no file {name[:80]!r}", where="file", fix="List them: GET .../files")


def _files(folder: Path) -> list[RunFile]:
    found = [RunFile(name, folder / name) for name in _NAMES if _ordinary(folder / name)]
    networks = folder / _NETWORKS
    if networks.is_dir() and not networks.is_symlink():
        paths = sorted(path for path in networks.iterdir() if path.suffix == _NETWORK_SUFFIX and _ordinary(path))
        found += [RunFile(f"{_NETWORKS}/{path.name}", path) for path in paths]
    return found


def _ordinary(path: Path) -> bool:
    """A link may lead out of the folder: it is not followed."""
    return path.is_file() and not path.is_symlink()
