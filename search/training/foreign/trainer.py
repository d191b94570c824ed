"""A foreign trainer that is ready to be asked: its words, what it is told, a fingerprint of what losses depend on."""

from __future__ import annotations

import hashlib
import json
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from grouping.tasks import nearest_name
from search.errors import SpecError
from search.spec import TrainerSpec
from search.spec.trainer import ENTRY_POINTS

__all__ = ["Trainer", "resolve_trainer"]

_PYTHON = frozenset({"python", "python3"})
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Trainer:
    """Somebody's own trainer.

    Args:
        words: Words of its command with placeholders; empty for an entry point.
        entry_point: Name of its entry point; empty for a command.
        hears: What it is told of a training.
        base: Folder that it works in; empty: one of each training's own.
        confirm_on: The part that its networks are judged on in the end.
        name: What it is, for people.
        fingerprint: SHA-256 of what its losses depend on beside what it is told, as far as we can know.
    """

    words: tuple[str, ...]
    entry_point: str
    hears: frozenset[str]
    base: str
    confirm_on: Literal["test", "validation"]
    name: str
    fingerprint: str

    def command(self, told: Mapping[str, object], out: Path, arguments: Path) -> list[str]:
        """The words of one training.

        Args:
            told: By the names of ``search.spec.trainer.Told``.
            out: Where it is to write losses.
            arguments: A file for what a function is told.
        """
        if self.entry_point:
            heard = {name: value for name, value in told.items() if name in self.hears}
            arguments.write_text(json.dumps(heard), encoding="utf-8")
            call = ["-P", "-m", "search.training.foreign.call"]  # -P: what lies in the spec's folder is not ours
            return [sys.executable, *call, self.entry_point, str(arguments), str(out)]
        filled = {name: _as_word(value) for name, value in told.items()} | {"out": str(out)}
        words = [_filled(word, filled) for word in self.words]
        return [sys.executable if words[0] in _PYTHON else words[0], *words[1:]]


def resolve_trainer(spec: TrainerSpec) -> Trainer:
    """The trainer that a resolved spec names.

    Args:
        spec: Its section; ``cwd`` is where trainings work, and where relative files are looked for.

    Raises:
        SpecError: no such entry point, or a file that cannot be read.
    """
    base = Path(spec.cwd or "")
    if not base.is_dir():
        raise SpecError(f"there is no folder {base}", where="trainer.cwd", fix="Create it, or name another")
    files = {name: _file_digest(base / name, f"trainer.files[{i}]") for i, name in enumerate(spec.files)}
    words: tuple[str, ...] = ()
    if spec.command is None:
        assert spec.entry_point is not None
        code, name = _installed(spec.entry_point), f"the installed trainer {spec.entry_point}"
    else:
        words = tuple(shlex.split(spec.command))
        code, name = spec.command, f"the command {spec.command}"
        named = [word for word in words[1:] if _is_file(base / word)]
        named += [word for word in words[:1] if not Path(word).is_absolute() and _is_file(base / word)]
        files |= {word: _file_digest(base / word, "trainer.command") for word in named}
    what = {"code": code, "files": files, "version": spec.version, "told": sorted(spec.hears)}
    fingerprint = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    return Trainer(words, spec.entry_point or "", spec.hears, spec.cwd or "", spec.confirm_on, name, fingerprint)


def _installed(name: str) -> str:
    """Which code an entry point stands for."""
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        fix = nearest_name(name, known) if known else f"Install a package with the entry point '{ENTRY_POINTS}'"
        raise SpecError(f"no installed trainer is called '{name}'", where="trainer.entry_point", fix=fix)
    point = known[name]
    return point.value if point.dist is None else f"{point.value} of {point.dist.name} {point.dist.version}"


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _file_digest(path: Path, where: str) -> str:
    if not _is_file(path):
        raise SpecError(f"there is no file {path}", where=where, fix="Paths start from trainer.cwd, the spec's folder")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror})", where=where, fix="Look at its rights") from error
    return digest.hexdigest()


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        if f"{{{name}}}" in word:
            before, _, after = word.partition(f"{{{name}}}")
            return _filled(before, values) + value + _filled(after, values)  # values are not looked into
    return word


def _as_word(value: object) -> str:
    """A value as it stands in a command: names joined by commas, whole numbers without a point."""
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
