"""Bodies of requests as documents: JSON or YAML by content type, read by the parser that reads spec files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from search.documents.complaints import complaint
from search.documents.files import decode_utf8
from search.documents.parsing import Document, parse_json, parse_yaml
from search.errors import SpecError
from search.service.refusals import UnsupportedError

__all__ = ["YAML_TYPES", "body_of", "document_in", "documented_body", "validated"]

YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})

Model = TypeVar("Model", bound=BaseModel)


async def document_in(request: Request) -> Document:
    """The body as plain values; duplicate keys, aliases, tags, depth, not-a-number are refused as in a spec file.

    Raises:
        SpecError: not such a document.
        UnsupportedError: neither JSON nor YAML.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind not in YAML_TYPES and kind != "application/json":
        fix = "Send application/json or application/yaml"
        raise UnsupportedError(f"a body of type {kind[:80]!r} is not read here", where="Content-Type", fix=fix)
    text = decode_utf8(await request.body(), "body", SpecError)
    return parse_json(text, "") if kind == "application/json" else parse_yaml(text, "body")


async def body_of(request: Request, schema: type[Model]) -> Model:
    """The body as a model.

    Raises:
        SpecError: it does not fit the schema.
    """
    return validated(await document_in(request), schema)


def validated(document: Document, schema: type[Model]) -> Model:
    """A document as a model.

    Raises:
        SpecError: it does not fit the schema; ``where`` is the field's path.
    """
    if not isinstance(document.data, dict):
        fix = f"Its keys are {', '.join(schema.model_fields)}"
        raise SpecError("the body is no mapping of keys to values", where=document.file, fix=fix)
    try:
        return schema.model_validate(document.data)
    except ValidationError as error:
        raise complaint(error, document, schema) from None


def documented_body(
    schema: Mapping[str, Any], example: object, *, yaml: str | None = None, required: bool = True
) -> dict[str, Any]:
    """What OpenAPI says of a body that a route reads itself.

    Args:
        schema: JSON schema.
        example: One that works.
        yaml: The same as YAML, where that is read too.
        required: Whether there must be one.
    """
    content: dict[str, Any] = {"application/json": {"schema": dict(schema), "example": example}}
    if yaml is not None:
        content["application/yaml"] = {"schema": dict(schema), "example": yaml}
    json.dumps(example)  # an example that is no JSON would break the whole document
    return {"requestBody": {"required": required, "content": content}}
