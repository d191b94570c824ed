"""One sentence for what the schema refuses: the field's path, its value, the rule and the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from grouping.tasks import nearest_name
from search.documents.parsing import Document, FieldPath
from search.errors import SpecError

__all__ = ["complaint"]


def complaint(error: ValidationError, document: Document, schema: type[BaseModel]) -> SpecError:
    """The first problem of a failed validation as one message; a misspelt key goes before whatever it caused.

    Args:
        error: What pydantic found.
        document: What was read, for lines and values.
        schema: The model that was validated, for the names of its keys.
    """
    problems = error.errors(include_url=False)
    first = min(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    path = tuple(part for part in first["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    what, fix = _explain(first, path, schema)
    if len(problems) > 1:
        what += f" ({len(problems) - 1} more problem{'s' * (len(problems) > 2)} after this one)"
    return SpecError(what, where=document.where(path), fix=fix)


def _explain(problem: ErrorDetails, path: FieldPath, schema: type[BaseModel]) -> tuple[str, str]:
    kind, value, limits = problem["type"], problem["input"], problem.get("ctx", {})
    shown = _show(value)
    match kind:
        case "extra_forbidden":
            keys = _section(schema, path[:-1]).model_fields
            return f"unknown key '{path[-1]}'", nearest_name(str(path[-1]), keys)
        case "missing" if isinstance(path[-1], int):
            return f"the list has no entry {path[-1] + 1}", "Add it"
        case "missing":
            return f"the key '{path[-1]}' is missing", "Add it"
        case "literal_error":
            expected = str(limits["expected"])
            names = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
            return f"{shown} is not one of {expected}", nearest_name(str(value), names)
        case "string_type":
            quoted = json.dumps(_show(value)) if not isinstance(value, list | dict) else "one text"
            return f"{shown} is {_kind(value)}, a text is needed", f"Put it in quotes: {quoted}"
        case "int_type" | "int_parsing" | "int_from_float" | "float_type" | "float_parsing":
            needed = "whole number" if kind.startswith("int") else "number"
            fix = "Write it without quotes" if _is_number(value) else f"Write a {needed} such as "
            fix += "" if _is_number(value) else ("3" if needed == "whole number" else "0.001")
            return f"{shown} is {_kind(value)}, a {needed} is needed", fix
        case "bool_type" | "bool_parsing":
            return f"{shown} is {_kind(value)}, a truth value is needed", "Write true or false"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            bound = next(iter(limits.values()))
            rule = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}[next(iter(limits))]
            return f"{shown} is out of range", f"Give a number {rule} {bound:g}"
        case "tuple_type" | "list_type":
            return f"{shown} is {_kind(value)}, a list is needed", f"Write [{shown}]"
        case "too_short" | "too_long" | "missing_argument":
            word = "few" if kind == "too_short" else "many"
            bound = limits.get("min_length") if kind == "too_short" else limits.get("max_length")
            rule = "at least" if kind == "too_short" else "at most"
            return f"{shown} has too {word} entries", f"Give {rule} {bound}"
        case "string_too_short" | "string_too_long":
            bound = limits.get("min_length", limits.get("max_length"))
            rule = "at least" if kind == "string_too_short" else "at most"
            return f"{shown} has {len(str(value))} characters", f"Give {rule} {bound}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{shown} is {_kind(value)}, a mapping of keys to values is needed", _keys(schema, path)
        case "value_error":
            return str(limits.get("error", problem["msg"])), _keys(schema, path)
        case _:
            return f"{shown}: {problem['msg'][0].lower()}{problem['msg'][1:]}", "Correct the value"


def _keys(schema: type[BaseModel], path: FieldPath) -> str:
    return f"Its keys are {', '.join(_section(schema, path).model_fields)}"


def _section(schema: type[BaseModel], path: FieldPath) -> type[BaseModel]:
    """The model that a path leads to, as far as the path follows models."""
    for part in path:
        if isinstance(part, str) and part in schema.model_fields:
            inner = next(_models(schema.model_fields[part].annotation), None)
            if inner is None:
                break
            schema = inner
    return schema


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    names = {bool: "a truth value", str: "a text", list: "a list", tuple: "a list", dict: "a mapping"}
    return names.get(type(value), "a number")


def _is_number(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}..."
