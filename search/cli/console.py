"""What every command says and where: results on stdout, everything else on stderr; options all commands share."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

__all__ = ["DetachFlag", "JsonFlag", "QuietFlag", "emit_json", "escape_controls", "note", "print_result", "warn"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr.")]
DetachFlag = Annotated[bool, typer.Option("--detach", "-d", help="Work in the background; the run outlives this.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]


def emit_json(data: Mapping[str, Any]) -> None:
    """One JSON object on stdout; floats keep all their digits, not-a-number becomes null."""
    text = json.dumps(_finite(data), ensure_ascii=False, indent=2) + "\n"
    # An argument that was no text holds lone surrogates, which no encoding has; escaped they are valid JSON.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    sys.stdout.flush()


def print_result(text: str) -> None:
    """A result for people, on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def note(text: str, *, quiet: bool = False) -> None:
    """Something worth knowing, on stderr."""
    if not quiet:
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """A warning, on stderr, also when quiet."""
    note(f"warning: {escape_controls(text)}")


def escape_controls(text: str) -> str:
    """The text with control characters spelled out, so that no name can move the cursor or forge a line."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def is_terminal() -> bool:
    """Whether a person watches stderr: a terminal, and colours are not turned off."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(inner) for inner in value]
    return value
