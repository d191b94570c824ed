"""States of trainings under way as files: written whole or not at all, checked when read, and gone when not needed.

A file is safetensors with a JSON header, never a pickle, and its name says whose it is, how far that training is, and
the SHA-256 of its bytes: one rename makes all of it true at once. The newest two of a training are kept, so that there
is another one when the newest turns out to be damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from search.faults import passing

__all__ = ["StateFiles", "Stored"]

_METADATA = "taskgrouping"  # one key only: safetensors does not keep the order of several
_FORMAT = 1
_KEPT = 2
_NAME = re.compile(r"(?P<key>[0-9a-f]{32})-(?P<step>\d{12})-(?P<sha256>[0-9a-f]{64})\.safetensors")
_DAMAGED = ".damaged"


@dataclass(frozen=True, eq=False)
class Stored:
    """A state as a file has it.

    Args:
        header: What JSON can say of it.
        arrays: The rest, by name, in the order in which they were given.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class StateFiles:
    """A folder for the states of one run's trainings.

    Whoever works on the run makes it. A worker that does not see it, on another machine with a disk of its own, writes
    nothing there: what nobody would find or remove is no help.

    Args:
        folder: Where it is, as an absolute path.
        minutes: A training writes its state down this often.
        part: A folder inside it, for what is forgotten together.
    """

    folder: Path
    minutes: float
    part: str = ""

    @property
    def place(self) -> Path:
        """The folder of this part."""
        return self.folder / self.part

    @property
    def visible(self) -> bool:
        """Whether this machine sees the folder."""
        return self.folder.is_dir()

    @property
    def any(self) -> bool:
        """Whether there are files."""
        return next(self.place.iterdir(), None) is not None if self.place.is_dir() else False

    def within(self, part: str) -> StateFiles:
        """A part of the folder that can be forgotten by itself; a single name."""
        return replace(self, part=part)

    def write(self, key: str, step: int, stored: Stored) -> None:
        """Make a state the newest of its training.

        Args:
            key: Of the training, 32 hexadecimal digits.
            step: How far it is.
            stored: The state.

        Raises:
            OSError: no space, no right, no folder; what was there before stays.
        """
        about = {
            "format": _FORMAT,
            "versions": _versions(),
            "key": key,
            "step": step,
            "order": list(stored.arrays),
            "header": dict(stored.header),
        }
        arrays = {name: np.asarray(array, order="C") for name, array in stored.arrays.items()}
        data = save(arrays, metadata={_METADATA: json.dumps(about, sort_keys=True)})
        target = self.place / f"{key}-{step:012}-{hashlib.sha256(data).hexdigest()}.safetensors"
        if self.part:
            self.place.mkdir(exist_ok=True)
        for left in self.place.glob(f".{key}-*"):  # of a process that died on its way
            left.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.place, prefix=f".{key}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            passing("checkpoint.before")
            Path(temporary).replace(target)
            passing("checkpoint.after")
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        for old in self._of(key)[_KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self, key: str) -> tuple[Stored | None, tuple[str, ...]]:
        """The newest whole state of a training, and what is wrong with files that should have been newer.

        A damaged file is put aside under another name, and told of until its training is forgotten.
        """
        found, wrong = None, [f"{path} was damaged" for path in sorted(self.place.glob(f"{key}-*{_DAMAGED}"))]
        for path in self._of(key):
            try:
                found = _read(path, key)
                break
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                wrong.append(
                    f"{path} {error if isinstance(error, ValueError) else f'cannot be read ({error.strerror})'}"
                )
                with suppress(OSError):
                    path.rename(path.with_name(path.name + _DAMAGED))
        return found, tuple(wrong)

    def forget(self, keys: Collection[str]) -> None:
        """Remove every file of these trainings; whatever cannot be removed stays."""
        with suppress(OSError):
            for entry in list(os.scandir(self.place)):
                if entry.name.lstrip(".").partition("-")[0] in keys:
                    Path(entry.path).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove everything, the folder too."""
        shutil.rmtree(self.place, ignore_errors=True)

    def _of(self, key: str) -> list[Path]:
        """Files of a training, the one that is furthest first; of equals the one that was written last."""
        return sorted(self._named(key), key=lambda path: (path.name.split("-")[1], _written(path)), reverse=True)

    def _named(self, key: str) -> Iterator[Path]:
        return (path for path in self.place.glob(f"{key}-*") if _NAME.fullmatch(path.name))


def _read(path: Path, key: str) -> Stored:
    """What a file holds.

    Raises:
        ValueError: what is wrong with it, as the end of a sentence that its name begins.
    """
    data = path.read_bytes()
    match = _NAME.fullmatch(path.name)
    assert match is not None
    found = hashlib.sha256(data).hexdigest()
    if found != match["sha256"]:
        raise ValueError(
            f"is damaged: its {len(data):,} bytes have another SHA-256 ({found[:12]}...) than its name says"
        )
    try:
        arrays = load(data)
        about = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][_METADATA])
        mine = (about["format"], about["versions"], about["key"], about["step"])
        stored = Stored(about["header"], {name: arrays[name] for name in about["order"]})
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"holds no state of a training ({type(error).__name__}: {error})") from error
    if mine != (_FORMAT, _versions(), key, int(match["step"])):
        raise ValueError("was written for another training, or by another version")
    return stored


@cache
def _versions() -> list[str]:
    """Of what decides the names and the bits of a state."""
    found = []
    for package in ("taskgrouping", "torch"):
        try:
            found.append(version(package))
        except PackageNotFoundError:  # a checkout that is not installed
            found.append("")
    return found


def _written(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
