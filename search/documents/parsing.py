"""YAML or JSON text as plain values with their line numbers; schema and meaning come later, in ``reading``.

YAML is read by the rules of YAML 1.2: ``no`` and ``1:30`` are texts, ``1e-3`` is a number. Left out on purpose, since a
spec never needs them and they are how documents bite: anchors and aliases, tags, several documents in one file.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from search.errors import SpecError

__all__ = ["Document", "FieldPath", "field_path", "parse_json", "parse_yaml", "plain_scalar"]

FieldPath = tuple[str | int, ...]

_DEEPEST = 32
_LONGEST_TEXT = 10_000
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")), math.inf),
}


@dataclass(frozen=True)
class Document:
    """Plain values and the line each of them starts at (none for JSON)."""

    data: Any
    file: str
    lines: dict[FieldPath, int] = field(default_factory=dict)

    def where(self, path: FieldPath) -> str:
        """``spec.yaml:12, tasks[2].type``; the line is the nearest enclosing one known."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        place = self.file if line is None or not self.file else f"{self.file}:{line}"
        return ", ".join(part for part in (place, field_path(path)) if part)

    def where_of(self, name: str) -> str:
        """The same for a path already written out as ``tasks[2].type``."""
        path = next((path for path in self.lines if field_path(path) == name), None)
        return self.where(path) if path is not None else ", ".join(part for part in (self.file, name) if part)


def field_path(path: FieldPath) -> str:
    """``("tasks", 2, "type")`` as ``tasks[2].type``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def plain_scalar(text: str) -> object:
    """What an unquoted YAML scalar means: null, a truth value, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        # A number too long for Python's own limit is read as a float: infinite, and refused as such.
        return int(text) if len(text) <= 40 else float(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def parse_yaml(text: str, file: str = "") -> Document:
    """Plain values of a YAML text.

    Raises:
        SpecError: not YAML; anchors, aliases, tags, several documents, duplicate or non-text keys, values too deep, too
            long, not finite, or with control characters.
    """
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(f"is not YAML: {problem}", where=f"{file}:{line}", fix=_syntax_fix(problem)) from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"is not YAML: {reason}", where=file, fix="Use printable characters only") from None
    return _checked(Document(builder.result, file, builder.lines))


def parse_json(text: str, file: str = "") -> Document:
    """Plain values of a JSON text.

    Raises:
        SpecError: not JSON; duplicate keys, NaN or Infinity, values too deep or too long.
    """

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        seen: dict[str, object] = {}
        for key, value in items:
            if key in seen:
                raise SpecError(f"the key {key!r} appears twice in one object", where=file, fix="Keep one of them")
            seen[key] = value
        return seen

    def integer(digits: str) -> int | float:
        return int(digits) if len(digits) <= 40 else float(digits)

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_int=integer)
    except json.JSONDecodeError as error:
        raise SpecError(f"is not JSON: {error.msg}", where=f"{file}:{error.lineno}", fix="Correct that line") from None
    except RecursionError:
        raise _too_deep(file) from None
    return _checked(Document(data, file))


@dataclass
class _Frame:
    container: dict[str, object] | list[object]
    path: FieldPath
    key: str | None = None


class _Builder:
    """Puts plain values together from parser events, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.result: object = None
        self.lines: dict[FieldPath, int] = {}
        self._stack: list[_Frame] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        assert event.start_mark is not None
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse("holds more than one document ('---')", line, "Keep one")
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse(f"the alias '*{event.anchor}' is not allowed", line, "Write the value out")
        elif isinstance(event, yaml.NodeEvent):
            if event.anchor is not None:
                raise self._refuse(f"the anchor '&{event.anchor}' is not allowed", line, "Leave it out")
            tag = getattr(event, "tag", None)
            if tag is not None and tag != "!":
                raise self._refuse(f"the tag '{tag}' is not allowed", line, "Leave it out")
            if isinstance(event, yaml.ScalarEvent):
                value = plain_scalar(event.value) if event.implicit[0] and not event.style else event.value
                self._scalar(value, line)
            else:
                self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()

    def _scalar(self, value: object, line: int) -> None:
        top = self._stack[-1] if self._stack else None
        if top is None or isinstance(top.container, list) or top.key is not None:
            self._place(value, line)
            return
        where = self._where(top.path, line)
        if not isinstance(value, str):
            shown = "null" if value is None else str(value).lower()[:40]
            raise SpecError(f"the key {shown} is not a text", where=where, fix=f'Put it in quotes: "{shown}"')
        if value in top.container:
            first = self.lines[(*top.path, value)]
            raise SpecError(f"the key {value!r} appears twice (first in line {first})", where=where, fix="Keep one")
        top.key = value

    def _open(self, container: dict[str, object] | list[object], line: int) -> None:
        if len(self._stack) >= _DEEPEST:
            raise _too_deep(f"{self.file}:{line}")
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            raise self._refuse("a key is itself a list or mapping", line, "Use texts as keys")
        self._stack.append(_Frame(container, self._place(container, line)))

    def _place(self, value: object, line: int) -> FieldPath:
        path: FieldPath = ()
        if not self._stack:
            self.result = value
        else:
            top = self._stack[-1]
            if isinstance(top.container, list):
                path = (*top.path, len(top.container))
                top.container.append(value)
            else:
                assert top.key is not None
                path = (*top.path, top.key)
                top.container[top.key] = value
                top.key = None
        self.lines[path] = line
        return path

    def _where(self, path: FieldPath, line: int) -> str:
        return ", ".join(part for part in (f"{self.file}:{line}", field_path(path)) if part)

    def _refuse(self, what: str, line: int, fix: str) -> SpecError:
        return SpecError(what, where=f"{self.file}:{line}", fix=fix)


def _checked(document: Document) -> Document:
    """The document, if every value in it is one a spec may hold."""
    for path, value in _walk(document):
        if isinstance(value, float) and not math.isfinite(value):
            what = "is not a finite number" if math.isnan(value) else "is infinite, or a number too large to hold"
            raise SpecError(what, where=document.where(path), fix="Give a finite number")
        if isinstance(value, str):
            if len(value) > _LONGEST_TEXT:
                what = f"is a text of {len(value):,} characters, at most {_LONGEST_TEXT:,} are allowed"
                raise SpecError(what, where=document.where(path), fix="Shorten it")
            bad = next((c for c in value if unicodedata.category(c) in {"Cc", "Cs"}), None)
            if bad is not None:
                what = f"contains the control character {bad!a}"
                raise SpecError(what, where=document.where(path), fix="Use printable characters on one line")
    return document


def _walk(document: Document) -> Iterator[tuple[FieldPath, object]]:
    """Every key and leaf with its path, without recursion."""
    waiting: list[tuple[FieldPath, object]] = [((), document.data)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > _DEEPEST:
            raise _too_deep(document.where(path[:3]))
        if isinstance(value, dict):
            yield from ((path, key) for key in value)
            waiting.extend(((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(value))
        else:
            yield path, value


def _too_deep(where: str) -> SpecError:
    return SpecError(f"is nested more than {_DEEPEST} levels deep", where=where, fix="A spec needs four levels")


def _syntax_fix(problem: str) -> str:
    if "cannot start any token" in problem:
        return "Indent with blanks, not tabs, and put texts that start with @, % or a backquote in quotes"
    if "mapping values are not allowed" in problem:
        return "Put texts that contain ': ' in quotes and check the indentation"
    return "Check indentation, brackets and quotes in that line"
