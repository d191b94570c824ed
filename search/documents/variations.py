"""One spec in several variations: the same question at other sizes, lengths and splits, in every combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from grouping.errors import InputError
from search.documents.parsing import parse_yaml
from search.documents.reading import on_one_line, spec_from
from search.errors import SpecError
from search.spec import Spec

__all__ = ["Variation", "variations"]

_SECTIONS = ("data", "network", "training")
_NOT_VARIED = {
    "training.seeds",
    "training.seed",
    "training.engine",
    "training.timeout_seconds",
    "training.checkpoint_minutes",
}


@dataclass(frozen=True)
class Variation:
    """A spec and what tells it from the others.

    Args:
        spec: The spec with the factors' values filled in.
        factors: Value of each varied field by its path: a number, or a text (the widths 64, 64 are ``64-64``).
    """

    spec: Spec
    factors: Mapping[str, float | str] = field(default_factory=dict)


def variations(spec: Spec, varied: Sequence[str] = ()) -> tuple[Variation, ...]:
    """Every combination of the values of some fields.

    Args:
        spec: What stays the same.
        varied: ``PATH=VALUE,VALUE,...``, as in ``data.rows=2000,8000`` or ``network.widths=[32, 32],[64, 64]``.

    Raises:
        SpecError: a field that cannot be varied, values that are none, or a value that the spec refuses.
    """
    fields = [_parsed(text) for text in varied]
    paths = [path for path, _ in fields]
    for path in paths:
        if paths.count(path) > 1:
            raise SpecError(f"'{path}' is varied twice", where="--vary", fix="Give all its values at once")
    found = []
    for values in product(*(values for _, values in fields)):
        document = spec.model_dump(mode="json", exclude_none=True)
        if not spec.tasks:
            del document["tasks"]
        for path, value in zip(paths, values, strict=True):
            _set(document, path, value)
        try:
            varied_spec = spec_from(document)
        except InputError as error:
            where = next((f"--vary {path}" for path in paths if error.where.startswith(path)), error.where)
            raise SpecError(error.what, where=where, fix=error.fix) from None
        found.append(Variation(varied_spec, dict(zip(paths, map(_label, values), strict=True))))
    return tuple(found)


def _parsed(text: str) -> tuple[str, list[Any]]:
    path, equals, values = text.partition("=")
    path = path.strip()
    if not equals or not values.strip():
        raise SpecError(
            f"'{text}' names no values", where="--vary", fix="Write PATH=VALUE,VALUE, as in data.rows=2000,8000"
        )
    if path.split(".")[0] not in _SECTIONS or "." not in path or path in _NOT_VARIED:
        raise SpecError(
            f"'{path}' is not varied",
            where="--vary",
            fix=f"Vary a field of {', '.join(_SECTIONS)}; seeds are replicates, and their number is training.seeds",
        )
    read = parse_yaml(f"[{values}]", f"--vary {path}").data
    labels = [_label(value) for value in read]
    for label in labels:
        if labels.count(label) > 1:
            raise SpecError(f"the value {label} appears twice", where=f"--vary {path}", fix="Name it once")
    return path, read


def _set(document: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for name in parents:
        inner = document.setdefault(name, {})
        if not isinstance(inner, dict):
            raise SpecError(f"'{name}' holds no fields", where=f"--vary {path}", fix="Name a field that is there")
        document = inner
    document[last] = value


def _label(value: object) -> float | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return "-".join(map(str, value))
    return value if isinstance(value, str) else on_one_line(value)
