"""A spec file as a ``Spec``, and a ``Spec`` as the text of a file; ``read_spec(dump_spec(spec)) == spec``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from grouping.errors import InputError
from search.documents.complaints import complaint
from search.documents.files import check_regular_file, decode_utf8
from search.documents.parsing import Document, parse_json, parse_yaml, plain_scalar
from search.errors import SpecError
from search.spec import Spec

__all__ = ["dump_spec", "on_one_line", "parse_spec", "read_spec", "spec_from"]

_LARGEST = 1_000_000
_FIRST_KEYS = "name, data and budget"


def read_spec(path: Path) -> Spec:
    """Read a spec from a YAML file, or a JSON file if its name ends in ``.json``.

    Raises:
        SpecError: the file cannot be read or does not hold a spec; ``where`` is file, line and field.
    """
    check_regular_file(path, largest=_LARGEST, kind=SpecError)
    text = decode_utf8(path.read_bytes(), str(path), SpecError)
    document = parse_json(text, str(path)) if path.suffix.lower() == ".json" else parse_yaml(text, str(path))
    return _validated(document)


def parse_spec(text: str, where: str = "") -> Spec:
    """A spec from YAML text, as ``dump_spec`` writes it.

    Raises:
        SpecError: the text does not hold a spec; ``where`` names its origin, line and field.
    """
    return _validated(parse_yaml(text, where))


def spec_from(data: object) -> Spec:
    """A spec from plain values, as they come out of a request body.

    Raises:
        SpecError: they do not hold a spec; ``where`` is the field's path.
    """
    return _validated(Document(data, ""))


def dump_spec(spec: Spec) -> str:
    """The spec as YAML, defaults written out, so that later defaults cannot change what it means."""
    data = spec.model_dump(mode="json", exclude_none=True)
    if not spec.tasks:  # an empty list would be refused: the key is left out to take what the data names
        del data["tasks"]
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def on_one_line(value: object) -> str:
    """A value as it is written inside a spec, quoted where an unquoted reading would take it for something else."""
    text = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=10**6, default_flow_style=True, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _validated(document: Document) -> Spec:
    data = document.data
    where = document.file
    if data is None:
        raise SpecError("is empty", where=where, fix=f"A spec has the keys {_FIRST_KEYS}; 'taskgroup init' writes one")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise SpecError(f"holds {kind}, a mapping is needed", where=where, fix=f"Start with the keys {_FIRST_KEYS}")
    if data.get("tasks") == []:
        fix = "Name one at least, or leave the key out to take the targets the data names (y_* columns)"
        raise SpecError("the list of tasks is empty", where=document.where(("tasks",)), fix=fix)
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        raise complaint(error, document, Spec) from None
    except InputError as error:  # what the schema's own checks of names and references found
        raise SpecError(error.what, where=document.where_of(error.where), fix=error.fix) from None


class _Dumper(yaml.SafeDumper):
    """Quotes every text that an unquoted reading would take for something else, ``1e-3`` for example."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - as in the base class
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if plain_scalar(text) is text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
